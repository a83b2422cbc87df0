"""The applicability record: every verdict with its reasons, as plain data that a project keeps and others read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_factory.governance.applicability import Applicability, Duty, Judgement, Verdict
from ai_factory.governance.conditions import Facts, Leaf, shown
from ai_factory.governance.schedules import Applied, Clock, Kept, Retention
from ai_factory.governance.tiers import Tiering

SCHEMA = "applicability/1"


def record(found: Applicability, tiering: Tiering, map_as_of: str, facts: Facts) -> dict[str, Any]:
    """What applies, what does not, and why, of these facts, as the map of that day has it."""
    return {
        "schema": SCHEMA,
        "map": map_as_of,
        "as_of": found.as_of,
        "facts": {name: sorted(value) if isinstance(value, frozenset) else value for name, value in facts.items()},
        "tier": {
            "inherent": found.tier,
            "points": dict(tiering.points),
            "floors": [
                {"tier": one.floor.tier, "reason": one.floor.reason, "because": reasons(one.because)}
                for one in tiering.floors
            ],
        },
        "requirements": {name: _duty(duty) for name, duty in found.duties.items()},
        "controls": {name: _control(judged) for name, judged in found.controls.items()},
        "retention": [_kept(one) for one in found.retention],
        "clocks": [_clock(one) for one in found.clocks],
    }


def _duty(duty: Duty) -> dict[str, Any]:
    row = duty.requirement
    return {
        "applies": duty.applies,
        "cite": row.cite,
        "binding": row.instrument.binding,
        "applies_from": row.applies_from or None,
        "verified": row.verified,
        "because": reasons(duty.because),
    }


def _control(judged: Judgement) -> dict[str, Any]:
    said = {"verdict": judged.verdict.value, "since" if judged.verdict is Verdict.REQUIRED else "by": judged.date}
    return {
        **{name: value for name, value in said.items() if value},
        "tier": judged.by_tier,
        "duties": [duty.requirement.id for duty in judged.duties if duty.applies],
        "because": reasons(judged.because),
    }


def _kept(one: Kept) -> dict[str, Any]:
    """A class of records: what to plan for (the longest row of all), and what law in force asks on the day."""
    rows = one.least or one.most
    return {
        "record": one.record.name,
        "minimum_days": one.minimum,
        "because": [due.row.id for due in one.least],
        "cites": [_cite(due) for due in one.least],
        "verified": rows[0].row.verified,
        "required_days": one.required_days,
        "maximum_days": one.maximum or None,
        "ends": [_cite(due) for due in one.most],
    }


def _cite(due: Applied[Retention]) -> str:
    """The time, where it is from, and what it is worth: law or not, from which day."""
    row, time = due.row, due.row.least or due.row.most
    told = f"{time} from {row.counted_from}" if time else "no longer than its purpose needs"
    day = f", from {due.applies_from}" if not due.started else ""
    return f"{told}: {f'{due.instrument} {row.cite}'.lstrip()} ({'law' if due.binds else 'not law'}{day})"


def _clock(due: Applied[Clock]) -> dict[str, Any]:
    row = due.row
    return {
        "id": row.id,
        "regime": row.regime,
        "from": row.starts,
        "deadlines": [
            {"what": one.what, "within": one.limit, "from": one.counted_from or row.starts} for one in row.deadlines
        ],
        "recipient": row.recipient or f"ask {row.ask}",
        "cite": row.cite,
        "verified": row.verified,
        "applies_from": due.applies_from or None,
        "because": reasons(due.because),
    }


def reasons(leaves: Sequence[Leaf]) -> list[str]:
    """Each test once, with what the fact is."""
    return list(dict.fromkeys(f"{leaf} ({leaf.fact}: {shown(leaf.actual) or 'none'})" for leaf in leaves))
