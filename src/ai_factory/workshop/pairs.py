"""Few rows of choices in which every two that can be made together meet: pure, and the same on every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

Item = tuple[int, int]  # the number of a factor, and that of its value
Pair = tuple[Item, Item]  # in the order of the factors
Row = Mapping[int, int]
Gain = Callable[[Row, Item], tuple[int, int]]


class Factor(NamedTuple):
    """Something that varies. Its first value is the usual one.

    It counts only where each of `needs` has its second value: those are factors that stand before it.
    """

    name: str
    values: Sequence[Any]
    needs: tuple[str, ...] = ()


def rows(factors: Sequence[Factor]) -> list[dict[str, Any]]:
    """The rows, that of the usual values first; a factor that does not count in a row is not in it."""
    needs = _needs(factors)
    left = dict.fromkeys(_pairs(factors, needs))
    weight = Counter(item for pair in left for item in pair)
    found = [_completed({}, factors, needs, partial(_gain, {}, Counter()))]
    _strike(found[0], left, weight)
    while left:
        one, other = next(iter(left))
        seed = {number: 1 for item, _ in (one, other) for number in needs[item]} | dict([one, other])
        found.append(_completed(seed, factors, needs, partial(_gain, left, weight)))
        _strike(found[-1], left, weight)
    return [{factors[number].name: factors[number].values[value] for number, value in row.items()} for row in found]


def pairs_in(factors: Sequence[Factor]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every two values that can meet, each with what it needs."""
    needs = _needs(factors)

    def told(item: Item) -> dict[str, Any]:
        wanted = dict.fromkeys(needs[item[0]], 1) | dict([item])
        return {factors[number].name: factors[number].values[value] for number, value in sorted(wanted.items())}

    return [(told(one), told(other)) for one, other in _pairs(factors, needs)]


def _needs(factors: Sequence[Factor]) -> list[frozenset[int]]:
    """For each factor the numbers of all that it needs, of what those need too."""
    place = {one.name: number for number, one in enumerate(factors)}
    found: list[frozenset[int]] = []
    for one in factors:
        direct = [place[name] for name in one.needs]
        found.append(frozenset(direct).union(*(found[number] for number in direct)))
    return found


def _pairs(factors: Sequence[Factor], needs: Sequence[frozenset[int]]) -> Iterator[Pair]:
    for one, other in combinations(range(len(factors)), 2):
        for first in range(len(factors[one].values)):
            if first == 1 or one not in needs[other]:
                yield from (((one, first), (other, second)) for second in range(len(factors[other].values)))


def _completed(seed: Row, factors: Sequence[Factor], needs: Sequence[frozenset[int]], gain: Gain) -> Row:
    """The row that has what the seed says and, factor by factor, the value that gains most."""
    row = dict(seed)
    for number, one in enumerate(factors):
        if number not in row and all(row.get(other) == 1 for other in needs[number]):
            row[number] = max(range(len(one.values)), key=lambda value: (gain(row, (number, value)), -value))
    return dict(sorted(row.items()))


def _gain(left: Mapping[Pair, None], weight: Mapping[Item, int], row: Row, item: Item) -> tuple[int, int]:
    """How many pairs the value would bring that are missing; where it is all the same, of how many it is a part."""
    return sum(_pair(item, other) in left for other in row.items()), weight[item]


def _pair(one: Item, other: Item) -> Pair:
    return (one, other) if one < other else (other, one)


def _strike(row: Row, left: dict[Pair, None], weight: Counter[Item]) -> None:
    """Take out the pairs that the row has."""
    for pair in combinations(row.items(), 2):
        if pair in left:
            del left[pair]
            weight.subtract(pair)
