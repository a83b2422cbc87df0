"""Differences of maps, what they do to projects, and what a map does not keep, as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.governance.changes import Change, Effect
from ai_factory.project.maps import Flaw, Impact
from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.plain import count, plain


def diff_text(changes: Sequence[Change]) -> str:
    """A line a row, under it each field before and after."""
    lines: list[str] = []
    for one in changes:
        lines.append(f"{one.what} {one.kind} {plain(one.name)}")
        for name, (before, after) in one.fields.items():
            lines.append(f"  {f'{name}: ' if name else ''}{plain(before)} → {plain(after)}")
    return "\n".join(
        [*lines, f"{count(len(changes), 'row')} differ" if changes else "the maps say the same", UNREVIEWED]
    )


def diff_data(changes: Sequence[Change]) -> dict[str, Any]:
    """The same for machines."""
    rows = [
        {
            "kind": one.kind,
            "name": one.name,
            "what": one.what,
            "fields": {name: {"before": before, "after": after} for name, (before, after) in one.fields.items()},
        }
        for one in changes
    ]
    return {"schema": "ai-factory/map-diff/1", "changes": rows}


def impact_text(found: Sequence[Impact]) -> str:
    """Each project with the controls and duties that stand otherwise, then the numbers."""
    lines = [line for one in found for line in _impact(one)]
    return "\n".join([*lines, *_totals(found), UNREVIEWED])


def _impact(one: Impact) -> Iterator[str]:
    yield f"{plain(one.path)}: {f'not known: {plain(one.unknown)}' if one.unknown else _head(one)}"
    for row in (*one.controls, *one.duties):
        yield f"  {row.name}: {plain(row.before)} → {plain(row.after)} ({plain(row.title)})"
    for kind, rows in (("clock", one.clocks), ("retention", one.retention), ("role", one.roles)):
        yield from (f"  {kind} {plain(row.name)}: {plain(row.before)} → {plain(row.after)}" for row in rows)
    yield from (f"  not answered yet: {plain(question)}" for question in one.unanswered)
    yield from (f"  its answers contradict each other: {plain(says)}" for says in one.contradictions)


def _head(one: Impact) -> str:
    """The tier, and how many of each kind stand otherwise; of what is seldom touched only where it is."""
    tier = one.tier if one.tier == one.new_tier else f"{one.tier} → {one.new_tier}"
    parts = [f"tier {tier}", f"controls: {_count(one.controls)}"]
    parts.append(f"{count(len(one.duties), 'duty', 'duties')} otherwise")
    others = {"clock": one.clocks, "retention row": one.retention, "role": one.roles}
    parts += [f"{count(len(rows), noun)} otherwise" for noun, rows in others.items() if rows]
    parts += [f"{count(len(one.unanswered), 'question')} not answered yet"] if one.unanswered else []
    parts += [count(len(one.contradictions), "contradiction")] if one.contradictions else []
    return "; ".join(parts)


def impact_data(found: Sequence[Impact]) -> dict[str, Any]:
    """The same for machines."""
    rows = [
        {
            "path": one.path,
            "unknown": one.unknown,
            "tier": {"before": one.tier, "after": one.new_tier},
            "controls": [{**row._asdict(), "gained": row.gained, "lost": row.lost} for row in one.controls],
            "duties": [row._asdict() for row in one.duties],
            **{name: [_standing(row) for row in getattr(one, name)] for name in ("clocks", "retention", "roles")},
            "unanswered": list(one.unanswered),
            "contradictions": list(one.contradictions),
        }
        for one in found
    ]
    return {"schema": "ai-factory/map-impact/1", "projects": rows}


def _standing(row: Effect) -> dict[str, str]:
    return {"name": row.name, "before": row.before, "after": row.after}


def lint_text(found: Sequence[Flaw]) -> str:
    """A line a finding, with file and line, then their number."""
    lines = [f"{plain(one.file)}:{one.line}: {plain(one.message)}" for one in found]
    told = count(len(found), "finding") if found else "nothing in the map is astray, unused or claimed without ground"
    return "\n".join([*lines, told, UNREVIEWED])


def lint_data(found: Sequence[Flaw]) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": "ai-factory/map-lint/1", "findings": [one._asdict() for one in found]}


def _count(effects: Sequence[Effect]) -> str:
    if not effects:
        return "nothing changes"
    gained, lost = sum(one.gained for one in effects), sum(one.lost for one in effects)
    other = len(effects) - gained - lost
    return f"{gained} gained, {lost} lost, {other} otherwise"


def _totals(found: Sequence[Impact]) -> list[str]:
    """How many projects gain or lose each control; nothing for one project."""
    if len(found) < 2:
        return []
    gained = Counter(effect.name for one in found for effect in one.controls if effect.gained)
    lost = Counter(effect.name for one in found for effect in one.controls if effect.lost)
    names = sorted({*gained, *lost})
    return [
        f"{name}: gained by {gained[name]}, lost by {lost[name]} of {count(len(found), 'project')}" for name in names
    ]
