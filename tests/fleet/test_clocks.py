"""When the time for a notice ends: over changes of the clock, ends of months, and moments that nobody has recorded."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest

from ai_factory.errors import UsageError
from ai_factory.fleet.governance.clocks import Answered, Clock, Deadline, State, dues, end
from ai_factory.fleet.governance.incidents import moment_of, written
from ai_factory.governance.schedules import period
from tests.kit import refusal

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("found", "within", "ends"),
    [
        ("2026-03-27T10:00", "72 hours", "2026-03-30T11:00:00+02:00"),  # the clock went forward: hours that passed
        ("2026-03-27T10:00", "3 days", "2026-03-30T10:00:00+02:00"),  # days of the calendar
        ("2026-10-24T10:00", "24 hours", "2026-10-25T09:00:00+01:00"),
        ("2026-01-31T10:00", "1 month", "2026-02-28T10:00:00+01:00"),
        ("2024-01-31T10:00", "1 month", "2024-02-29T10:00:00+01:00"),
        ("2026-11-30T23:30", "3 months", "2027-02-28T23:30:00+01:00"),
        ("2024-02-29T08:00", "1 year", "2025-02-28T08:00:00+01:00"),
        ("2026-12-31T23:59", "15 days", "2027-01-15T23:59:00+01:00"),
    ],
)
def test_when_a_time_ends(found: str, within: str, ends: str) -> None:
    """Hours as they pass, days, months and years by the calendar of the place; a month that is too short ends."""
    time = period(within)
    assert time
    assert written(end(moment_of(found, BERLIN), time)) == ends


def test_the_same_moment_in_two_places_ends_at_once() -> None:
    """Hours do not depend on where it was found."""
    one, two = moment_of("2026-11-26T01:30+01:00"), moment_of("2026-11-26T06:00+05:30")
    time = period("72 hours")
    assert time
    assert end(one, time) == end(two, time)


@pytest.mark.parametrize("text", ["2026-11-26T10:00", "yesterday", "2026-11-26", "2026-13-01T10:00Z", ""])
def test_a_moment_without_a_place_is_refused(text: str) -> None:
    """It may be hours off."""
    assert isinstance(refusal(lambda: moment_of(text)), UsageError)


def test_a_zone_that_is_none() -> None:
    assert isinstance(refusal(lambda: moment_of("2026-11-26T10:00", "Europe/Nowhere")), UsageError)
    assert isinstance(refusal(lambda: moment_of("2026-11-26T10:00", "../../etc/passwd")), UsageError)


CLOCK = Clock(
    "X",
    "regime",
    "who",
    "cite",
    "recall",
    "",
    "",
    (
        Deadline("early warning", "24 hours", "awareness"),
        Deadline("notice", "72 hours", "awareness of the incident and of the system's part in it"),
        Deadline("report", "1 month", "the notice"),
        Deadline("letter", "without delay", "discovery"),
        Deadline("decision", "4 hours", "classification as major"),
        Deadline("for ever", "9999 years", "awareness"),
    ),
)
FOUND = dt.datetime(2026, 11, 26, 10, tzinfo=zoneinfo.ZoneInfo(BERLIN))
MOMENTS = {"awareness": FOUND, "discovery": FOUND}


def states(moments: dict[str, dt.datetime], answered: Answered, hours: float) -> list[State]:
    now = (FOUND + dt.timedelta(hours=hours)).astimezone(dt.UTC)
    return [due.state for due in dues(CLOCK, moments, answered, now)]


def test_a_deadline_runs_ends_soon_and_has_run_out() -> None:
    """What counts from a moment that nobody has recorded waits; without a time, somebody has to act at once."""
    waits, at_once = State.WAITING, State.AT_ONCE
    rest = [waits, at_once, waits, at_once]
    assert states(MOMENTS, Answered(), 0) == [State.SOON, State.RUNNING, *rest]
    assert states(MOMENTS, Answered(), 24) == [State.PAST, State.RUNNING, *rest]
    assert states(MOMENTS, Answered(), 48) == [State.PAST, State.SOON, *rest]


def test_a_notice_starts_what_counts_from_it() -> None:
    """`the notice` is the notice of that name."""
    told = {**MOMENTS, "notice": FOUND}
    found = dues(CLOCK, told, Answered(frozenset({"notice"})), FOUND.astimezone(dt.UTC))
    assert (found[1].state, found[2].state) == (State.TOLD, State.RUNNING)
    assert found[2].ends == FOUND.replace(month=12)


def test_a_person_sets_a_clock_aside() -> None:
    """Then nothing of it presses; that is a person's word, and called so."""
    found = states(MOMENTS, Answered(aside=True), 1_000)
    assert set(found) == {State.ASIDE}
    assert not any(one.presses for one in found)
    assert State.ASIDE.value == "set aside by a person"
