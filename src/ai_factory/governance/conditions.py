"""Named tests over facts: all, any, not, a fact, or another condition; whoever asks is told which facts decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Value = str | bool | int | frozenset[str]
Facts = Mapping[str, Value]
OPERATORS = ("in", "has", "gte")
SIGNS = {"is": ("=", "≠"), "in": ("=", "∉"), "has": ("∋", "∌"), "gte": ("≥", "<")}


class Leaf(NamedTuple):
    """A test of one fact, what the fact was, and whether it passed."""

    fact: str
    operator: str  # "is", or one of OPERATORS
    wanted: Any
    actual: Value
    holds: bool = True

    def __str__(self) -> str:
        """What is true of the fact, be it that the test failed."""
        found = self.actual if self.holds and self.operator == "in" else self.wanted
        return f"{self.fact} {SIGNS[self.operator][not self.holds]} {shown(found)}"


class Found(NamedTuple):
    """Whether a condition holds, and the tests that decided it: all that held, or the first that did not."""

    holds: bool
    because: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions by name, and for facts of ordered values their order, from least to most."""

    named: Mapping[str, Any]
    orders: Mapping[str, tuple[str, ...]]

    def find(self, condition: Any, facts: Facts) -> Found:
        """Whether the condition holds for the facts; `condition` is a name, or a tree as the map writes it."""
        if isinstance(condition, str):
            return self.find(self.named[condition], facts)
        ((key, inner),) = condition.items()
        if key == "ref":
            return self.find(inner, facts)
        if key == "not":
            found = self.find(inner, facts)
            return Found(not found.holds, found.because)
        if key in ("all", "any"):
            return self._joined(key == "all", inner, facts)
        return self._tested(key, inner, facts)

    def _joined(self, every: bool, parts: list[Any], facts: Facts) -> Found:
        """Of `all`, the first part that fails decides; of `any`, the first that holds; else all of them do."""
        found = [self.find(part, facts) for part in parts]
        decisive = next((one for one in found if one.holds is not every), None)
        return decisive or Found(every, tuple(leaf for one in found for leaf in one.because))

    def _tested(self, fact: str, wanted: Any, facts: Facts) -> Found:
        operator, value = next(iter(wanted.items())) if isinstance(wanted, dict) else ("is", wanted)
        leaf = Leaf(fact, operator, value, facts[fact])
        holds = self._holds(leaf)
        return Found(holds, (leaf._replace(holds=holds),))

    def _holds(self, leaf: Leaf) -> bool:
        match leaf.operator:
            case "in":
                return leaf.actual in leaf.wanted
            case "has":
                return isinstance(leaf.actual, frozenset) and leaf.wanted in leaf.actual
            case "gte":
                return self._rank(leaf.fact, leaf.actual) >= self._rank(leaf.fact, leaf.wanted)
            case _:
                return bool(leaf.actual == leaf.wanted)

    def _rank(self, fact: str, value: Any) -> int:
        return int(value) if fact not in self.orders else self.orders[fact].index(value)


def shown(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)
