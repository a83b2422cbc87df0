"""What each row of a table says of where it comes from, and a framework's ids beside our controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ai_factory.governance.applicability import Verdict
from ai_factory.governance.checking import Result
from ai_factory.governance.frameworks import VERIFIED
from ai_factory.governance.regulation import Control
from ai_factory.project.export import State

UNCOVERED = "not covered by this catalogue"


class Line(NamedTuple):
    """One id of a framework, what it is about in our words, and the results of the controls that speak to it."""

    id: str
    about: str
    results: tuple[Result, ...]

    @property
    def applying(self) -> tuple[Result, ...]:
        return tuple(one for one in self.results if one.judgement.verdict is not Verdict.NONE)

    def notes(self, found: State) -> list[str]:
        """What the gate tells of these controls that stands in no way yet."""
        told = [note for one in self.applying for note in found.notes(one.judgement.control.id)]
        return list(dict.fromkeys(told))

    def controls(self) -> list[str]:
        """Each control with what it is to the system and how it stands."""
        return [_standing(one) for one in self.results]


def lines(found: State, framework: Mapping[str, str], ids: Callable[[Control], Sequence[str]]) -> list[Line]:
    """Every id of a framework, in its order; `ids` are those that a control speaks to."""
    return [
        Line(name, about, tuple(one for one in found.gated.results if name in ids(one.judgement.control)))
        for name, about in framework.items()
    ]


def said_of(found: State) -> Mapping[str, str]:
    """The system, the day, and by which map it was judged."""
    told = f"{found.gated.subject.known.regulation.as_of}: in our own words, unreviewed by counsel, no legal advice"
    return {"system": found.name, "as_of": found.gated.applies.as_of, "map": told}


def checked() -> str:
    """How far the ids of frameworks and what they are about were checked."""
    return f"{VERIFIED}: our own words, checked against no text"


def _standing(one: Result) -> str:
    judged = one.judgement
    if judged.verdict is Verdict.NONE:
        return f"{judged.control.id} {judged.verdict.value}"
    return f"{judged.control.id} {judged.verdict.value}: {one.status.value}"
