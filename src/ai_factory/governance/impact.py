"""What updates of components mean for an approval: nothing, a light confirmation, or an approval anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory import versions
from ai_factory.catalog import Change
from ai_factory.formats import IMPACTS

NONE, REVIEW, REAPPROVE = IMPACTS  # from the lightest to the heaviest
Versions = Mapping[str, str]  # component to version, as in a lock


class Effect(NamedTuple):
    """What became of one component, what that asks for, and both in words."""

    component: str
    impact: str
    words: str


def effects(before: Versions, now: Versions, changes: Mapping[str, Sequence[Change]]) -> list[Effect]:
    """The updates that ask for something, by component; `changes` are those that the components declare by now.

    Of several changes the heaviest decides. A release that declares none asks for nothing, nor does a component that
    is gone.
    """
    found = [_effect(name, before.get(name), version, changes.get(name, ())) for name, version in sorted(now.items())]
    return [one for one in found if one.impact != NONE]


def _effect(name: str, before: str | None, now: str, declared: Sequence[Change]) -> Effect:
    if before is None:
        return Effect(name, REVIEW, f"`{name}` {now} came in")
    if before == now or versions.are_equal(before, now):
        return Effect(name, NONE, "")
    if versions.is_older(now, before):  # what that undoes is declared by a release that is not here
        return Effect(name, REAPPROVE, f"`{name}` went back from {before} to {now}, which asks for a new approval")
    passed = [change for change in declared if versions.is_between(before, change.since, now)]
    impact = max((change.impact for change in passed), key=IMPACTS.index, default=NONE)
    asks = ", whose release asks for a new approval" if impact == REAPPROVE else ""
    steps = "; ".join(_steps(passed, impact))
    return Effect(name, impact, f"`{name}` went from {before} to {now}{asks}" + (f": {steps}" if steps else ""))


def _steps(changes: Sequence[Change], impact: str) -> Iterator[str]:
    """What the changes that decided ask a person to do."""
    return (change.manual for change in changes if change.impact == impact and change.manual)
