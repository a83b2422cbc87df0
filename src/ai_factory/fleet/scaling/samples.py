"""Numbers from many projects: their median and 90th percentile, and from how many they come.

Rules of this module: a percentile is the nearest rank, so each is a number that some project has; a number that could
not be had is no zero, but counted with its reason.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

DAY = 24 * 60 * 60  # seconds


class Value(NamedTuple):
    """What one project gives: a number, or why there is none."""

    number: float | None = None
    why: str = ""


class Sample(NamedTuple):
    """The numbers of several projects: from how many, their median and 90th percentile, and why others give none."""

    projects: int
    median: float | None
    p90: float | None
    missing: Mapping[str, int]


def percentile(numbers: Sequence[float], share: float) -> float | None:
    """The nearest rank: the smallest number that at least that share of them does not exceed; None of none.

    For n numbers in order it is the one at place ceil(share · n), counted from one. The median is that of 0.5.
    """
    if not numbers:
        return None
    place = max(1, math.ceil(round(share * len(numbers), 9)))
    return sorted(numbers)[place - 1]


def sample(values: Iterable[Value]) -> Sample:
    """The numbers of those that have one."""
    found = list(values)
    numbers = [one.number for one in found if one.number is not None]
    missing = Counter(one.why for one in found if one.number is None)
    return Sample(len(numbers), percentile(numbers, 0.5), percentile(numbers, 0.9), dict(sorted(missing.items())))


def days(begin: int, end: int) -> float:
    """The days from one moment to another (Unix time), to a tenth."""
    return round((end - begin) / DAY, 1)


def quarter(moment: int) -> str:
    """The quarter of a moment in UTC, as `2026-Q1`."""
    when = dt.datetime.fromtimestamp(moment, dt.UTC)
    return f"{when.year:04}-Q{(when.month + 2) // 3}"


def day(moment: int) -> str:
    """The ISO date of a moment in UTC."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).date().isoformat()
