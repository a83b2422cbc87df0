"""What a new map does to a fleet, as text and JSON: by owner, each system with what it gains, loses and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ai_factory.fleet.governance.impact import OnSystem
from ai_factory.fleet.survey import Answer
from ai_factory.governance.changes import Effect, Ground
from ai_factory.project.maps import Impact
from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.fleets.answers import unread_data, unread_text
from ai_factory.report.maps import impact_data
from ai_factory.report.plain import count, plain

Answers = Sequence[Answer[OnSystem]]


def text(answers: Answers) -> str:
    """Each owner's systems, then how many gain or lose each control."""
    lines: list[str] = []
    for owner, told in groupby(_told(answers), key=lambda one: one.owner):
        lines.append(plain(owner) or "no owner is named")
        lines += [line for one in told for line in _system(one.impact)]
    return "\n".join([*lines, *_totals(answers), *unread_text(answers), UNREVIEWED])


def _told(answers: Answers) -> list[OnSystem]:
    found = [one.said for one in answers if one.said]
    return sorted(found, key=lambda one: (not one.owner, one.owner, one.impact.path))


def _system(one: Impact) -> Iterator[str]:
    if one.unknown:
        yield f"  {plain(one.path)}: not determined: {plain(one.unknown)}"
        return
    tier = one.tier if one.tier == one.new_tier else f"{one.tier} → {one.new_tier}"
    quiet = not any((one.controls, one.duties, one.clocks, one.retention, one.roles, one.unanswered))
    yield f"  {plain(one.path)}: tier {tier}{'; nothing changes' if quiet else ''}"
    for row in one.controls:
        yield f"    {_word(row)} {row.name}: {plain(row.before)} → {plain(row.after)} ({plain(row.title)})"
        yield from (f"      {line}" for line in _grounds(row, one.grounds.get(row.name, ())))
    for row in one.duties:
        yield f"    duty {row.name}: {plain(row.before)} → {plain(row.after)} ({plain(row.title)})"
    for kind, rows in (("clock", one.clocks), ("retention", one.retention), ("role", one.roles)):
        yield from (f"    {kind} {plain(row.name)}: {plain(row.before)} → {plain(row.after)}" for row in rows)
    yield from (f"    not answered yet: {plain(question)}" for question in one.unanswered)


def _word(row: Effect) -> str:
    return "gains" if row.gained else "loses" if row.lost else "changes"


def _grounds(row: Effect, found: Sequence[Ground]) -> Iterator[str]:
    yield from map(_ground, found)
    if row.gained and not found:
        yield "by no duty: its inherent tier asks for it"


def _ground(one: Ground) -> str:
    force = "law" if one.binds else "no law"
    return f"by {plain(one.requirement)}, {plain(one.cite)}, from {one.date or 'no day of its own'} ({force})"


def _totals(answers: Answers) -> Iterator[str]:
    found = [one.impact for one in _told(answers)]
    unknown = sum(1 for one in found if one.unknown)
    yield f"{count(len(answers), 'system')}: {unknown} not determined, {len(answers) - len(found)} not read"
    gained = Counter(row.name for one in found for row in one.controls if row.gained)
    lost = Counter(row.name for one in found for row in one.controls if row.lost)
    for name in sorted({*gained, *lost}):
        yield f"{name}: gained by {gained[name]}, lost by {lost[name]}"


def data(answers: Answers) -> dict[str, Any]:
    """The same for machines: a project as `map impact` has it, with owner and the duties behind each control."""
    told = _told(answers)
    rows = impact_data([one.impact for one in told])["projects"]
    made = [{"system": row.pop("path"), "owner": one.owner, **row} for one, row in zip(told, rows, strict=True)]
    for one, row in zip(told, made, strict=True):
        for control in row["controls"]:
            control["grounds"] = [ground._asdict() for ground in one.impact.grounds.get(control["name"], ())]
    return {"schema": "ai-factory/fleet-impact/1", "systems": made, "unread": unread_data(answers)}
