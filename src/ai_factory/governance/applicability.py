"""Which duties and controls apply to a system on a day, and why: verdicts with their reason chains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ai_factory.governance.conditions import Facts, Found, Leaf
from ai_factory.governance.regulation import TIERS, Control, Regulation, Requirement
from ai_factory.governance.schedules import Applied, Clock, Kept, Row, kept


class Verdict(StrEnum):
    """What a control is to a system; the first that holds, in this order."""

    REQUIRED = "required now"
    LATER = "required by"
    RECOMMENDED = "recommended"
    NONE = "does not apply"


class Duty(NamedTuple):
    """A requirement and whether it applies, with the facts that decided; `started` on the day asked about."""

    requirement: Requirement
    applies: bool
    started: bool
    because: tuple[Leaf, ...]

    @property
    def binds(self) -> bool:
        """It applies, and it is law."""
        return self.applies and self.requirement.instrument.binding


class Judgement(NamedTuple):
    """A control's verdict: since when or by when, the duties behind it, and what narrowed it or the tier that asks."""

    control: Control
    verdict: Verdict
    date: str
    duties: tuple[Duty, ...]
    because: tuple[Leaf, ...]
    by_tier: bool


def law_asks(judged: Judgement) -> bool:
    """Whether law that is in force asks for a control."""
    return any(duty.binds and duty.started for duty in judged.duties)


@dataclass(frozen=True, slots=True)
class Applicability:
    """All verdicts for one system, on one day, by one map."""

    as_of: str
    tier: str
    duties: Mapping[str, Duty]
    controls: Mapping[str, Judgement]
    retention: tuple[Kept, ...] = ()
    clocks: tuple[Applied[Clock], ...] = ()


def applicability(regulation: Regulation, facts: Facts, tier: str, as_of: str) -> Applicability:
    """What applies to a system of these facts and this inherent tier; `as_of` is an ISO date."""
    duties = {name: _duty(regulation, row, facts, as_of) for name, row in regulation.requirements.items()}
    controls = {name: _judged(regulation, row, facts, tier, duties) for name, row in regulation.controls.items()}
    known = regulation.schedules
    keeping = [one for row in known.retention.values() for one in _applied(regulation, row, facts, duties)]
    telling = tuple(one for row in known.clocks.values() for one in _applied(regulation, row, facts, duties))
    return Applicability(as_of, tier, duties, controls, tuple(kept(known.records.values(), keeping)), telling)


def _duty(regulation: Regulation, row: Requirement, facts: Facts, as_of: str) -> Duty:
    found = regulation.conditions.find(row.when, facts)
    return Duty(row, found.holds, row.applies_from <= as_of, found.because)


def _applied(regulation: Regulation, row: Row, facts: Facts, duties: Mapping[str, Duty]) -> Iterator[Applied[Row]]:
    """The row of a schedule, where its duty applies and what narrows it holds; one without a duty binds nobody."""
    narrowed = regulation.conditions.find(row.when, facts) if row.when else Found(True, ())
    duty = duties.get(row.requirement)
    if not narrowed.holds or not (duty is None or duty.applies):
        return
    if duty is None:
        yield Applied(row, "", False, "", True, narrowed.because)
    else:
        law, because = duty.requirement, (*duty.because, *narrowed.because)
        yield Applied(row, law.instrument.id, duty.binds, law.applies_from, duty.started, because)


def _judged(regulation: Regulation, row: Control, facts: Facts, tier: str, duties: Mapping[str, Duty]) -> Judgement:
    behind = tuple(duties[name] for name in row.refs)
    narrowed = regulation.conditions.find(row.only_if, facts) if row.only_if else Found(True, ())
    if not narrowed.holds:
        return Judgement(row, Verdict.NONE, "", (), narrowed.because, by_tier=False)
    by_tier = TIERS.index(tier) >= TIERS.index(row.tier_floor)
    verdict, date = _verdict(behind, by_tier)
    return Judgement(row, verdict, date, behind, narrowed.because, by_tier)


def _verdict(behind: Iterable[Duty], by_tier: bool) -> tuple[Verdict, str]:
    """Law that has started, or the tier, requires now; law to come requires by its day; the rest recommends."""
    law = [duty for duty in behind if duty.binds]
    if by_tier or any(duty.started for duty in law):
        return Verdict.REQUIRED, min((duty.requirement.applies_from for duty in law if duty.started), default="")
    if law:
        return Verdict.LATER, min(duty.requirement.applies_from for duty in law)
    if any(duty.applies for duty in behind):
        return Verdict.RECOMMENDED, ""
    return Verdict.NONE, ""
