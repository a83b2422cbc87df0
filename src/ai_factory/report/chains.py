"""Reason chains: why a control is required, recommended, or none of a project's, from the facts on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.governance.applicability import Duty, Judgement, Verdict
from ai_factory.governance.conditions import Leaf, shown
from ai_factory.project.facts import FACTS, Standing
from ai_factory.report.plain import plain

NOT_ASSESSED = "  whether it applies is not known here: `ai-factory assess` asks for what is not answered"


def text(stands: Standing | None) -> str:
    """The chain, one step a line: verdict, facts, duties that apply, duties that do not."""
    if stands is None:
        return NOT_ASSESSED
    judged = stands.judgement
    lines = [
        f"  on {stands.as_of}: {_verdict(judged)}; tier {stands.tier}, required from tier {judged.control.tier_floor}"
    ]
    lines += (
        [f"  policies of the firm: {', '.join(map(plain, judged.control.policies))}"] if judged.control.policies else []
    )
    lines += [f"    because {_because(judged.because, stands)}"] if judged.because else []
    for duty in judged.duties:
        lines += _applying(duty, stands) if duty.applies else []
    lines += [
        f"  not {duty.requirement.id}: {_because(duty.because, stands)}" for duty in judged.duties if not duty.applies
    ]
    return "\n".join(lines)


def data(stands: Standing | None) -> dict[str, Any] | None:
    """The same for machines."""
    if stands is None:
        return None
    judged = stands.judgement
    return {
        "as_of": stands.as_of,
        "verdict": judged.verdict.value,
        "date": judged.date,
        "tier": stands.tier,
        "tier_floor": judged.control.tier_floor,
        "policies": list(judged.control.policies),
        "because": [_leaf(leaf, stands) for leaf in judged.because],
        "duties": [_duty(duty, stands) for duty in judged.duties],
    }


def _verdict(judged: Judgement) -> str:
    return f"{judged.verdict.value} {judged.date}" if judged.verdict is Verdict.LATER else judged.verdict.value


def _applying(duty: Duty, stands: Standing) -> Iterator[str]:
    row = duty.requirement
    start = f"{'since' if duty.started else 'from'} {row.applies_from}" if row.applies_from else "no date of its own"
    kind = "law" if row.instrument.binding else "guidance"
    yield f"  {row.id}: {plain(row.cite)}, {plain(row.topic)} ({kind}, {start}; checked: {row.verified})"
    named = f"condition {row.when}: " if isinstance(row.when, str) else ""
    yield f"    because {named}{_because(duty.because, stands)}"


def _because(leaves: Sequence[Leaf], stands: Standing) -> str:
    """Each test that decided, once, with what the fact is and where it is written."""
    return "; ".join(dict.fromkeys(_test(leaf, stands) for leaf in leaves))


def _test(leaf: Leaf, stands: Standing) -> str:
    place = f"{FACTS}:{stands.lines[leaf.fact]}" if leaf.fact in stands.lines else ""
    actual = plain(shown(leaf.actual) or "none")
    told = [part for part in (place, "" if str(leaf).endswith(f"= {actual}") else f"it is {actual}") if part]
    return f"{plain(str(leaf))} ({', '.join(told)})" if told else plain(str(leaf))


def _leaf(leaf: Leaf, stands: Standing) -> dict[str, Any]:
    return {"test": str(leaf), "fact": leaf.fact, "is": shown(leaf.actual), "line": stands.lines.get(leaf.fact)}


def _duty(duty: Duty, stands: Standing) -> dict[str, Any]:
    row = duty.requirement
    return {
        "id": row.id,
        "applies": duty.applies,
        "cite": row.cite,
        "topic": row.topic,
        "binding": row.instrument.binding,
        "applies_from": row.applies_from or None,
        "verified": row.verified,
        "condition": row.when,
        "because": [_leaf(leaf, stands) for leaf in duty.because],
    }
