"""Differences of maps, what they do to projects, and what a map does not keep, as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    lines: list[str] = []
    for one in found:
        tier = one.tier if one.tier == one.new_tier else f"{one.tier} → {one.new_tier}"
        known = f"tier {tier}; controls: {_count(one.controls)}; {count(len(one.duties), 'duty', 'duties')} otherwise"
        lines.append(f"{plain(one.path)}: {f'not known: {plain(one.unknown)}' if one.unknown else known}")
        lines += [
            f"  {row.name}: {row.before} → {row.after} ({plain(row.title)})" for row in (*one.controls, *one.duties)
        ]
    return "\n".join([*lines, *_totals(found), UNREVIEWED])


def impact_data(found: Sequence[Impact]) -> dict[str, Any]:
    """The same for machines."""
    rows = [
        {
            "path": one.path,
            "unknown": one.unknown,
            "tier": {"before": one.tier, "after": one.new_tier},
            "controls": [{**row._asdict(), "gained": row.gained, "lost": row.lost} for row in one.controls],
            "duties": [row._asdict() for row in one.duties],
        }
        for one in found
    ]
    return {"schema": "ai-factory/map-impact/1", "projects": rows}


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
