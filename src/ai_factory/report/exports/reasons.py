"""Why a control applies or does not, in one line: tier, duties, and the facts that decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_factory.governance.applicability import Duty, Judgement, Verdict
from ai_factory.governance.conditions import Leaf, shown


def why(judged: Judgement, tier: str) -> str:
    """The reason chain without the lines of the facts."""
    return f"{_verdict(judged)}: {'; '.join(_reasons(judged, tier))}"


def _verdict(judged: Judgement) -> str:
    return f"{judged.verdict.value} {judged.date}" if judged.verdict is Verdict.LATER else judged.verdict.value


def _reasons(judged: Judgement, tier: str) -> Iterator[str]:
    if judged.because and judged.verdict is Verdict.NONE:
        yield _because(judged.because)
        return
    floor = judged.control.tier_floor
    yield f"tier {tier} {'reaches' if judged.by_tier else 'is below'} the floor {floor}"
    yield from (_applying(duty) for duty in judged.duties if duty.applies)
    if judged.verdict is Verdict.NONE:
        yield from (f"not {duty.requirement.id} ({_because(duty.because)})" for duty in judged.duties)


def _applying(duty: Duty) -> str:
    row = duty.requirement
    start = f"{'since' if duty.started else 'from'} {row.applies_from}" if row.applies_from else "no date of its own"
    kind = "law" if row.instrument.binding else "guidance"
    return f"{row.id} {row.cite} ({kind}, {start}; checked: {row.verified}; {_because(duty.because)})"


def _because(leaves: Sequence[Leaf]) -> str:
    """Each test that decided, once; where it failed, with what the fact is."""
    told = (str(leaf) if leaf.holds else f"{leaf}: it is {shown(leaf.actual) or 'none'}" for leaf in leaves)
    return ", ".join(dict.fromkeys(told))
