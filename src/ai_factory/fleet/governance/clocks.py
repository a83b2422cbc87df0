"""When the time that law gives for each notice ends, from the moments that are known."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from ai_factory.governance.schedules import Period, period

SOON = dt.timedelta(hours=24)
KNOWN_WHEN_FOUND = ("awareness", "discovery")  # moments at which a clock starts that are those of finding it

Moments = Mapping[str, dt.datetime]


class State(StrEnum):
    """How a deadline stands; nothing of it says that a duty is met."""

    WAITING = "waits"  # for a moment that nobody has recorded
    AT_ONCE = "without delay"
    RUNNING = "runs"
    SOON = "ends soon"
    PAST = "has run out"
    TOLD = "told, a person says"
    ASIDE = "set aside by a person"

    @property
    def presses(self) -> bool:
        """Whether somebody has to act now."""
        return self in (State.AT_ONCE, State.SOON, State.PAST)


class Deadline(NamedTuple):
    """One notice of a clock: what, within which time (`72 hours`, `without delay`), counted from which moment."""

    what: str
    within: str
    counted_from: str


class Clock(NamedTuple):
    """A row of the map that tells whom to inform of an incident, as it was when the incident was opened."""

    id: str
    regime: str
    recipient: str
    cite: str
    verified: str
    ask: str
    note: str
    deadlines: tuple[Deadline, ...]


class Due(NamedTuple):
    """How a deadline stands: `ends` is the earliest reading of its end, None where that cannot be computed."""

    deadline: Deadline
    state: State
    ends: dt.datetime | None = None


class Answered(NamedTuple):
    """What people recorded of a clock: notices that they sent, and whether they say that it does not run."""

    told: frozenset[str] = frozenset()
    aside: bool = False


def dues(clock: Clock, moments: Moments, answered: Answered, now: dt.datetime) -> list[Due]:
    """Each deadline of a clock, as it stands now."""
    return [_due(one, moments, answered, now) for one in clock.deadlines]


def _due(one: Deadline, moments: Moments, answered: Answered, now: dt.datetime) -> Due:
    start, time = moment(one.counted_from, moments), period(one.within)
    ends = _within_reach(start, time) if start and time else None
    if answered.aside or one.what in answered.told:
        return Due(one, State.ASIDE if answered.aside else State.TOLD, ends)
    if start is None:
        return Due(one, State.WAITING)
    if ends is None:
        return Due(one, State.AT_ONCE)
    return Due(one, State.PAST if ends <= now else State.SOON if ends - now <= SOON else State.RUNNING, ends)


def _within_reach(start: dt.datetime, time: Period) -> dt.datetime | None:
    try:
        return end(start, time)
    except (ValueError, OverflowError):  # beyond the last year that there is
        return None


def moment(words: str, moments: Moments) -> dt.datetime | None:
    """When a moment was, by the words of the map: `awareness of …` is awareness, `the first notice` a notice."""
    name = re.sub(r"^the ", "", words.strip())
    if name in moments:
        return moments[name]
    first = re.split(r"\W", name, maxsplit=1)[0]
    return moments.get(first) if first in KNOWN_WHEN_FOUND else None


def end(start: dt.datetime, time: Period) -> dt.datetime:
    """The moment at which a time ends that began then: the earliest reading, without regard to holidays.

    Hours are counted as they pass. Days, months and years are those of the calendar where it was found, to the same
    time of day; where a month has no such day, to its last one.
    """
    if time.unit == "hour":
        return (start.astimezone(dt.UTC) + dt.timedelta(hours=time.number)).astimezone(start.tzinfo)
    if time.unit == "day":
        return start + dt.timedelta(days=time.number)
    months = start.month - 1 + time.number * (12 if time.unit == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))
