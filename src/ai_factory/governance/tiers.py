"""The inherent tier of a system: published points for its facts, and floors that no points can undercut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ai_factory.governance.conditions import Conditions, Facts, Leaf, Value


class Floor(NamedTuple):
    """The least tier where a condition holds, and the reason in words."""

    tier: str
    when: Any
    reason: str


class Reached(NamedTuple):
    """A floor that holds for a system, and the facts that decided it."""

    floor: Floor
    because: tuple[Leaf, ...]


class Step(NamedTuple):
    """One other answer that would raise the tier."""

    fact: str
    value: Value
    tier: str


@dataclass(frozen=True, slots=True)
class Tiering:
    """A tier, with the points of each fact that has any and the floors that hold."""

    tier: str
    points: Mapping[str, int]
    floors: tuple[Reached, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """How tiers are computed: the least points of each, the points of each fact, the floors; who approves in each."""

    least: Mapping[str, int]
    points: Mapping[str, Any]
    floors: tuple[Floor, ...]
    roles: Mapping[str, tuple[str, ...]]

    def of(self, conditions: Conditions, facts: Facts) -> Tiering:
        """The tier of a system with these facts."""
        points = {fact: count for fact in self.points if (count := self._points(fact, facts[fact]))}
        floors = tuple(
            Reached(floor, found.because)
            for floor in self.floors
            if (found := conditions.find(floor.when, facts)).holds
        )
        total = sum(points.values())
        by_points = [tier for tier, least in self.least.items() if total >= least][-1]
        return Tiering(max([by_points, *(one.floor.tier for one in floors)], key=self._rank), points, floors)

    def next_steps(
        self, conditions: Conditions, facts: Facts, choices: Mapping[str, tuple[Value, ...]]
    ) -> Iterator[Step]:
        """Each single answer among `choices` with which the tier would be higher than it is."""
        now = self._rank(self.of(conditions, facts).tier)
        for fact, values in choices.items():
            for value in values:
                tier = self.of(conditions, {**facts, fact: value}).tier
                if self._rank(tier) > now:
                    yield Step(fact, value, tier)

    def _rank(self, tier: str) -> int:
        return list(self.least).index(tier)

    def _points(self, fact: str, value: Value) -> int:
        table = self.points[fact]
        if isinstance(value, bool):
            return table if value else 0
        if isinstance(value, int):
            return max((points for least, points in table.items() if value >= int(least)), default=0)
        if isinstance(value, frozenset):
            return sum(table.get(member, 0) for member in value)
        return int(table.get(value, 0))


def scale(document: Mapping[str, Any]) -> Scale:
    """The scale that `controls/tiers.yaml` states."""
    least = {tier: row["from"] for tier, row in document["tiers"].items()}
    roles = {tier: tuple(row["roles"]) for tier, row in document["tiers"].items()}
    return Scale(least, document["points"], tuple(Floor(**row) for row in document["floors"]), roles)
