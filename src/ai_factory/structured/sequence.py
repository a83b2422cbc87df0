"""Lists in which only the sequence tells what is what: the items of three versions, aligned like lines."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

STEP_LIMIT = 1_000_000  # comparisons for one list

Keys = tuple[Hashable, ...]
Values = Sequence[Hashable]
Meet = Callable[[Values, Values], bool]  # whether what both sides put at one place may stand there together


class Apart(Exception):  # noqa: N818 - a finding, not an error
    """The two sides changed the same part of a list, or it is too long to tell."""


class Hunk(NamedTuple):
    """A stretch that is not alike in all three versions, as a slice of each."""

    base: slice
    ours: slice
    theirs: slice


def aligned(base: Values, ours: Values, theirs: Values, meet: Meet) -> tuple[Keys, Keys, Keys]:
    """A key for each item of each version: items that are one and the same have one key.

    Raises Apart where both sides changed one stretch, each in its own way, or where equal items leave open which of
    them was meant: then it matters from which end one begins to align.
    """
    if _joined(base, ours, theirs, meet) != _joined(base[::-1], ours[::-1], theirs[::-1], meet)[::-1]:
        raise Apart
    mine, new = dict(_matched(base, ours)), dict(_matched(base, theirs))
    old_keys: Keys = tuple(("base", place) for place in range(len(base)))
    our_keys: dict[int, Hashable] = {place: ("base", number) for number, place in mine.items()}
    their_keys: dict[int, Hashable] = {place: ("base", number) for number, place in new.items()}
    for number, hunk in enumerate(_hunks(mine, new, (len(base), len(ours), len(theirs)))):
        _check(base[hunk.base], ours[hunk.ours], theirs[hunk.theirs], meet)
        added: dict[Hashable, Hashable] = {}
        for place in range(hunk.ours.start, hunk.ours.stop):
            key = our_keys.setdefault(place, ("new", number, place, "ours"))
            added[ours[place]] = key
        for place in range(hunk.theirs.start, hunk.theirs.stop):
            key = added.pop(theirs[place], ("new", number, place, "theirs"))
            their_keys.setdefault(place, key)
    return old_keys, _in_order(our_keys), _in_order(their_keys)


def _joined(base: Values, ours: Values, theirs: Values, meet: Meet) -> list[Hashable]:
    """The merged values; what both sides put at one place counts as one."""
    mine, new = dict(_matched(base, ours)), dict(_matched(base, theirs))
    joined: list[Hashable] = []
    end = 0
    for hunk in _hunks(mine, new, (len(base), len(ours), len(theirs))):
        stretch = base[hunk.base], ours[hunk.ours], theirs[hunk.theirs]
        joined += [*base[end : hunk.base.start], *_chosen(*stretch, meet)]
        end = hunk.base.stop
    return [*joined, *base[end:]]


def _chosen(base: Values, ours: Values, theirs: Values, meet: Meet) -> Values:
    """What becomes of one stretch."""
    _check(base, ours, theirs, meet)
    if base in (ours, theirs) or ours == theirs:
        return theirs if base == ours else ours
    return [frozenset((*ours, *theirs))]


def _in_order(keys: dict[int, Hashable]) -> Keys:
    return tuple(keys[place] for place in sorted(keys))


def _check(base: Values, ours: Values, theirs: Values, meet: Meet) -> None:
    if base in (ours, theirs) or ours == theirs:
        return
    if base or not meet(ours, theirs):
        raise Apart


def _hunks(mine: dict[int, int], new: dict[int, int], ends: tuple[int, int, int]) -> Iterator[Hunk]:
    """The stretches between the items that all three versions have."""
    before = (0, 0, 0)
    stable = [(place, mine[place], new[place]) for place in sorted(mine.keys() & new.keys())]
    for place in [*stable, ends]:
        if place != before:
            yield Hunk(*(slice(start, stop) for start, stop in zip(before, place, strict=True)))
        before = (place[0] + 1, place[1] + 1, place[2] + 1)


def _matched(one: Values, two: Values) -> Iterator[tuple[int, int]]:
    """The places of a longest common subsequence.

    Each item is matched as early as can be, so that two sides that did the same are aligned the same.
    """
    start, shorter = 0, min(len(one), len(two))
    while start < shorter and one[start] == two[start]:
        yield start, start
        start += 1
    for left, right in _longest(one[start:], two[start:]):
        yield start + left, start + right


def _longest(one: Values, two: Values) -> Iterator[tuple[int, int]]:
    if len(one) * len(two) > STEP_LIMIT:
        raise Apart
    lengths = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    for left in range(len(one) - 1, -1, -1):
        for right in range(len(two) - 1, -1, -1):
            alike = one[left] == two[right]
            row = lengths[left + 1]
            lengths[left][right] = row[right + 1] + 1 if alike else max(row[right], lengths[left][right + 1])
    left = right = 0
    while left < len(one) and right < len(two):
        if one[left] == two[right]:
            yield left, right
            left, right = left + 1, right + 1
        elif lengths[left][right + 1] >= lengths[left + 1][right]:
            right += 1
        else:
            left += 1
