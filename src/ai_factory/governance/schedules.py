"""Schedules: for how long records are kept, and who has to be told of an incident by when, as rows of the map say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ai_factory.governance.conditions import Leaf

PURPOSE = "purpose"  # of a row that wants an end, and names no day
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FOUR_YEARS = (31, 29, *MONTHS[2:], *MONTHS * 3)  # from a leap year on: every span of months has its longest here


class Period(NamedTuple):
    """A time as law states it: a number of hours, days, months or years."""

    number: int
    unit: str

    def __str__(self) -> str:
        """As people write it: `1 month`, `72 hours`."""
        return f"{self.number} {self.unit}{'' if self.number == 1 else 's'}"

    @property
    def days(self) -> int:
        """The days after which it is over, whenever it begins: 25 months are 762 at most."""
        if self.unit in ("hour", "day"):
            return math.ceil(self.number / 24) if self.unit == "hour" else self.number
        months = self.number * 12 if self.unit == "year" else self.number
        cycles, rest = divmod(months, len(FOUR_YEARS))
        twice = FOUR_YEARS * 2
        return cycles * sum(FOUR_YEARS) + max(sum(twice[start : start + rest]) for start in range(len(FOUR_YEARS)))


class Record(NamedTuple):
    """A class of records; `what` and `types` tell which retention rules of an audit trail are about it, "" for none."""

    name: str
    words: str
    what: str
    types: tuple[str, ...]


class Retention(NamedTuple):
    """A duty to keep records (`least`) or to let them go (`most`, or `limited` where no day is named)."""

    id: str
    requirement: str  # "" for a default that no duty asks for
    when: Any
    records: tuple[str, ...]
    least: Period | None
    most: Period | None
    limited: bool
    counted_from: str
    cite: str
    jurisdiction: str
    verified: str
    note: str


class Deadline(NamedTuple):
    """One thing to be done within a time, counted from a moment; without a time: without delay."""

    what: str
    within: Period | None
    counted_from: str

    def __str__(self) -> str:
        """As one reads it in a table."""
        return f"{self.what}: {self.limit}" + (f" from {self.counted_from}" if self.counted_from else "")

    @property
    def limit(self) -> str:
        """The time, in words."""
        return str(self.within) if self.within else "without delay"


class Clock(NamedTuple):
    """Whom to tell of an incident and by when; where the map knows no deadline, `ask` says whom to ask."""

    id: str
    regime: str
    requirement: str
    when: Any
    starts: str
    deadlines: tuple[Deadline, ...]
    recipient: str
    ask: str
    cite: str
    jurisdiction: str
    verified: str
    note: str


@dataclass(frozen=True, slots=True)
class Schedules:
    """The classes of records, and the rows of both schedules, by name."""

    records: Mapping[str, Record]
    retention: Mapping[str, Retention]
    clocks: Mapping[str, Clock]


Row = TypeVar("Row", bound=Retention | Clock)


class Applied(NamedTuple, Generic[Row]):
    """A row that a system's facts trigger: by which instrument, whether that is law, from when, and if it is so far."""

    row: Row
    instrument: str  # "" for a default that no duty asks for
    binds: bool
    applies_from: str
    started: bool
    because: tuple[Leaf, ...]


class Kept(NamedTuple):
    """All that is asked for one class of records: rows with a minimum, longest first; with an end, soonest first."""

    record: Record
    least: tuple[Applied[Retention], ...]
    most: tuple[Applied[Retention], ...]

    @property
    def minimum(self) -> int:
        """The days of the longest row, be it law, guidance or a default, in force or to come; 0 without any."""
        return max((_days(one.row.least) for one in self.least), default=0)

    @property
    def required(self) -> Applied[Retention] | None:
        """The longest row of law that is in force: what a project has to meet on that day."""
        return next((one for one in self.least if one.binds and one.started), None)

    @property
    def required_days(self) -> int:
        """The days of that row; 0 where no law in force asks."""
        return _days(self.required.row.least) if self.required else 0

    @property
    def ending(self) -> tuple[Applied[Retention], ...]:
        """The rows of law in force that want an end."""
        return tuple(one for one in self.most if one.binds and one.started)

    @property
    def maximum(self) -> int:
        """The days of the shortest row that names an end; 0 where none does."""
        return min((one.row.most.days for one in self.most if one.row.most), default=0)


def kept(records: Iterable[Record], rows: Iterable[Applied[Retention]]) -> list[Kept]:
    """What is asked for each class of records, in the order of the map; nothing of those that no row is about."""
    due = list(rows)
    least = sorted((one for one in due if one.row.least), key=lambda one: -_days(one.row.least))
    most = sorted((one for one in due if _ends(one.row)), key=lambda one: _days(one.row.most) or math.inf)
    found = [Kept(record, _about(record, least), _about(record, most)) for record in records]
    return [one for one in found if one.least or one.most]


def schedules(documents: Mapping[str, Any]) -> Schedules:
    """The schedules of a map, parsed and checked; a map of before there were any has none."""
    kept_by, told_by = documents.get("retention", {}), documents.get("clocks", {})
    return Schedules(
        {name: _record(name, row) for name, row in kept_by.get("records", {}).items()},
        {name: _retention(name, row) for name, row in kept_by.get("retention", {}).items()},
        {name: _clock(name, row) for name, row in told_by.get("clocks", {}).items()},
    )


def period(text: str | None) -> Period | None:
    """`25 months` as a period; None for what names no time."""
    found = re.fullmatch(r"(\d+) (hour|day|month|year)s?", text or "")
    return Period(int(found[1]), found[2]) if found else None


def _about(record: Record, rows: Iterable[Applied[Retention]]) -> tuple[Applied[Retention], ...]:
    return tuple(one for one in rows if record.name in one.row.records)


def _days(time: Period | None) -> int:
    return time.days if time else 0


def _ends(row: Retention) -> bool:
    return row.limited or row.most is not None


def _record(name: str, row: Mapping[str, Any]) -> Record:
    rules = row.get("rules", {})
    return Record(name, row["words"], rules.get("what", ""), tuple(rules.get("types", ())))


def _retention(name: str, row: Mapping[str, Any]) -> Retention:
    return Retention(
        id=name,
        requirement=row.get("requirement", ""),
        when=row.get("when"),
        records=tuple(row["records"]),
        least=period(row.get("least")),
        most=period(row.get("most")),
        limited=row.get("most") == PURPOSE,
        counted_from=row["from"],
        cite=row["cite"],
        jurisdiction=row["jurisdiction"],
        verified=row["verified"],
        note=row.get("note", ""),
    )


def _clock(name: str, row: Mapping[str, Any]) -> Clock:
    return Clock(
        id=name,
        regime=row["regime"],
        requirement=row.get("requirement", ""),
        when=row.get("when"),
        starts=row.get("starts", ""),
        deadlines=tuple(Deadline(one["what"], period(one["within"]), one.get("from", "")) for one in row["deadlines"]),
        recipient=row.get("recipient", ""),
        ask=row.get("ask", ""),
        cite=row.get("cite", ""),
        jurisdiction=row["jurisdiction"],
        verified=row["verified"],
        note=row.get("note", ""),
    )
