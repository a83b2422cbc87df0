"""What an assessment found, as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ai_factory.governance.applicability import Applicability, Judgement, Verdict
from ai_factory.governance.assessment import Practice
from ai_factory.governance.conditions import shown
from ai_factory.project.assess import RECORD, Assessed
from ai_factory.report.plain import count, plain

UNREVIEWED = "the map is in our own words and unreviewed by counsel: this is no legal advice"


def assessed_text(item: Assessed, written: Sequence[str]) -> str:
    """Tier, verdicts, what one other answer would change, and what to do next."""
    lines = [f"tier: {item.found.tier}, {_points(item)}"]
    lines += [f"  at least {one.floor.tier}: {plain(one.floor.reason)}" for one in item.tiering.floors]
    lines += [f"  one answer away from {step.tier}: {step.fact} {shown(step.value)}" for step in item.steps[:5]]
    if (more := len(item.steps) - 5) > 0:
        lines.append(f"  {count(more, 'more answer')} would raise it alone: `ai-factory assess --json` lists them")
    lines.append(f"controls on {item.found.as_of}: {_numbers(item.found)}")
    lines += [f"  {_changed(one)}" for one in item.changed()]
    lines += [_clocks(item.found), _retention(item.found)]
    lines.append(f"wrote {', '.join(map(plain, written))}" if written else "nothing was written")
    lines += ["next: `make documents` writes what follows, then commit"] if written and item.documented else []
    lines.append(UNREVIEWED)
    return "\n".join(lines)


def assessed_data(item: Assessed, written: Sequence[str]) -> dict[str, Any]:
    """The same for machines: the record as it was written, and what is not in it."""
    return {
        "schema": "ai-factory/assess/1",
        "record": json.loads(item.files[RECORD]),
        "one_answer_away": [{"fact": step.fact, "value": shown(step.value), "tier": step.tier} for step in item.steps],
        "changed": [{"control": one.control.id, "verdict": one.verdict.value} for one in item.changed()],
        "written": list(written),
        "prohibited": prohibited_data(item.prohibited)["prohibited"],
    }


def prohibited_text(found: Sequence[Practice]) -> str:
    """The practices that stop a system; or that none was found."""
    if not found:
        return f"no practice of the screen was answered with yes\n{UNREVIEWED}"
    lines = ["this use may be prohibited: stop, and ask legal"]
    lines += [f"  it {plain(one.use)} ({plain(one.cite)} EU AI Act, from {one.since}; {one.verified})" for one in found]
    return "\n".join(lines)


def prohibited_data(found: Sequence[Practice]) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": "ai-factory/screen/1", "prohibited": [one._asdict() for one in found]}


def _points(item: Assessed) -> str:
    points = sorted(item.tiering.points.items(), key=lambda entry: (-entry[1], entry[0]))
    told = ", ".join(f"{fact} {number}" for fact, number in points)
    return f"{count(sum(item.tiering.points.values()), 'point')}" + (f" ({told})" if told else "")


def _numbers(found: Applicability) -> str:
    verdicts = [one.verdict for one in found.controls.values()]
    words = {Verdict.LATER: "required by a date to come", Verdict.NONE: "that do not apply"}
    return ", ".join(f"{verdicts.count(one)} {words.get(one, one.value)}" for one in Verdict)


def _clocks(found: Applicability) -> str:
    """How many report clocks an incident starts, by name, and those that do so from a day to come."""
    running = [f"{one.row.id}: ask {one.row.ask}" if one.row.ask else one.row.id for one in found.clocks if one.started]
    later = [f"{one.row.id} from {one.applies_from}" for one in found.clocks if not one.started]
    told = f"{count(len(running), 'clock')} for incidents" + (f" ({', '.join(running)})" if running else "")
    return f"{told}; later: {', '.join(later)}" if later else told


def _retention(found: Applicability) -> str:
    """How many rows say how long records are kept, and the least that law in force asks of each class."""
    rows = {due.row.id for one in found.retention for due in (*one.least, *one.most)}
    least = [f"{one.record.name} {one.required_days} days" for one in found.retention if one.required_days]
    told = f"{count(len(rows), 'row')} on how long records are kept; law in force asks for "
    return told + (", ".join(map(plain, least)) if least else "no least time")


def _changed(one: Judgement) -> str:
    return f"{one.control.id} is now: {one.verdict.value} {one.date}".rstrip() + f" ({plain(one.control.title)})"
