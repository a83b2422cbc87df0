"""The applicability record: every verdict with its reasons, as plain data that a project keeps and others read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_factory.governance.applicability import Applicability, Duty, Judgement, Verdict
from ai_factory.governance.conditions import Facts, Leaf, shown
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
                {"tier": one.floor.tier, "reason": one.floor.reason, "because": _reasons(one.because)}
                for one in tiering.floors
            ],
        },
        "requirements": {name: _duty(duty) for name, duty in found.duties.items()},
        "controls": {name: _control(judged) for name, judged in found.controls.items()},
    }


def _duty(duty: Duty) -> dict[str, Any]:
    row = duty.requirement
    return {
        "applies": duty.applies,
        "cite": row.cite,
        "binding": row.instrument.binding,
        "applies_from": row.applies_from or None,
        "verified": row.verified,
        "because": _reasons(duty.because),
    }


def _control(judged: Judgement) -> dict[str, Any]:
    said = {"verdict": judged.verdict.value, "since" if judged.verdict is Verdict.REQUIRED else "by": judged.date}
    return {
        **{name: value for name, value in said.items() if value},
        "tier": judged.by_tier,
        "duties": [duty.requirement.id for duty in judged.duties if duty.applies],
        "because": _reasons(judged.because),
    }


def _reasons(leaves: Sequence[Leaf]) -> list[str]:
    """Each test once, with what the fact is."""
    return list(dict.fromkeys(f"{leaf} ({leaf.fact}: {shown(leaf.actual) or 'none'})" for leaf in leaves))
