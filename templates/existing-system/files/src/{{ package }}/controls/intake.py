"""Takes in what a system outside this project reports: each report once, into the audit log.

The feed is JSON lines. A line that cannot be read is set aside with its reason and counted; one
that was taken in before is counted as repeated. Nothing is dropped without being counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .audit import AuditLog, EventType, Privacy, open_log, read_events
from .evidence import replace
from .paths import Paths

WRITER = "intake"
KINDS = {
    "decision": EventType.DECISION,
    "override": EventType.OVERRIDE,
    "incident": EventType.INCIDENT,
}
FIELDS = ("id", "kind", "at", "subject", "version", "outcome")
NO_TIME = "at is no time with an offset"
TO_COME = "at is still to come"
AHEAD = timedelta(days=1)  # clocks differ, and so do the days of the earth
BATCH = 500


class LineRefused(ValueError):
    """The line is no report; the message says why, and holds none of its values."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the system says that it did; `score` where it gives one, from 0 to 1."""

    id: str
    kind: str
    at: str
    subject: str
    version: str
    outcome: str
    score: float | None = None

    def data(self, privacy: Privacy) -> dict[str, Any]:
        """What the audit event says, besides whom it is about; an id that may identify is keyed."""
        said = {name: value for name, value in asdict(self).items() if name != "subject"}
        return said | {"id": privacy.name(self.id)}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the lines of a feed: every one is in exactly one of these."""

    lines: int
    recorded: int
    repeated: int
    refused: Mapping[str, int]

    @property
    def reconciled(self) -> bool:
        """Whether nothing is missing and nothing counted twice."""
        return self.lines == self.recorded + self.repeated + sum(self.refused.values())


def parse(line: str, now: datetime | None = None) -> Report:
    """Read one line; LineRefused if it is no report, or of a time that is more than a day ahead."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise LineRefused("no JSON") from None
    if not isinstance(found, dict):
        raise LineRefused("no JSON object")
    if missing := [name for name in FIELDS if not _is_text(found.get(name))]:
        raise LineRefused(f"missing or no text: {', '.join(missing)}")
    if unknown := found.keys() - {*FIELDS, "score"}:
        raise LineRefused(f"{len(unknown)} unknown fields")
    if found["kind"] not in KINDS:
        raise LineRefused(f"kind is none of {', '.join(KINDS)}")
    at, score = _time(found["at"], now or datetime.now(UTC)), _score(found.get("score"))
    return Report(**{**found, "at": at, "score": score})


def take_in(paths: Paths, lines: Iterable[str], now: datetime | None = None) -> Counts:
    """Record each new report, and set refused lines aside; raises AuditUnavailable if it cannot.

    Killed in between it can be done again: what was recorded is known by its id. `now` is the time
    of the intake, by default that of the machine.
    """
    refused: dict[str, int] = {}
    aside: list[str] = []
    total = repeated = recorded = 0
    now = now or datetime.now(UTC)
    with open_log(paths, writer=WRITER) as log:
        seen = taken(paths)  # nobody else writes the log from here on
        batch: list[Report] = []
        for line in lines:
            total += 1
            try:
                report = parse(line, now)
            except LineRefused as reason:
                refused[str(reason)] = refused.get(str(reason), 0) + 1
                aside.append(json.dumps({"reason": str(reason), "line": total}))
                continue
            name = log.privacy.name(report.id)
            if name in seen:
                repeated += 1
                continue
            seen.add(name)
            batch.append(report)
            if len(batch) == BATCH:
                recorded += _record(log, batch)
        recorded += _record(log, batch)
    replace(paths.quarantine / "feed.jsonl", "".join(f"{row}\n" for row in aside))
    return Counts(total, recorded, repeated, dict(sorted(refused.items())))


def taken(paths: Paths) -> set[str]:
    """The ids of the reports that are in the audit log, as `Privacy.name` writes them."""
    return {str(event["data"].get("id")) for event in reported(paths)}


def reported(paths: Paths) -> Iterator[dict[str, Any]]:
    """The events that were taken in, in the order in which they were recorded."""
    types = {str(kind) for kind in KINDS.values()}
    for event in read_events(paths.audit / f"{WRITER}.jsonl"):
        if event["type"] in types and "id" in event["data"]:
            yield event


def _record(log: AuditLog, batch: list[Report]) -> int:
    """Record the batch with one fsync, and empty it."""
    events = log.record_all(
        (KINDS[report.kind], report.subject, report.data(log.privacy)) for report in batch
    )
    batch.clear()
    return len(events)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= 200 and _whole(value)


def _whole(text: str) -> bool:
    """Whether UTF-8 can carry it: half of a surrogate pair, as after a cut, it cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _time(text: str, now: datetime) -> str:
    """In the one form that is read back by its parts; some others look like a phone number."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise LineRefused(NO_TIME) from None
    if found.tzinfo is None:
        raise LineRefused(NO_TIME)
    if found - now > AHEAD:  # it would be the newest month, and hide all others
        raise LineRefused(TO_COME)
    return found.isoformat()


def _score(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise LineRefused("score is not between 0 and 1")
    return float(value)
