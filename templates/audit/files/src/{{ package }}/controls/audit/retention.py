"""Disposes of what was kept long enough, and of what a person asks to be erased.

A disposal is recorded before it is done, by the writer `operations`; run again after a crash, it
does the rest. An event that goes leaves its hash behind, so that chain and proofs hold, and
`verify` accepts the gap only because the disposal is on record. Holds stop everything: whoever
keeps files elsewhere asks `decisions_of` for those of the people on hold.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..paths import Paths
from .chain import STUB, read_events, split
from .delivery import cursor
from .events import EventType, canonical
from .log import locked, open_log
from .privacy import Payloads
from .settings import Rule, Settings, settings

WRITER, ERASURE = "operations", "erasure request"


@dataclass(frozen=True, slots=True)
class Disposal:
    """What goes: events or payloads of one log by sequence, or files; and because of what."""

    record: str
    what: str
    log: str = ""
    places: tuple[int, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A line for the person who decides."""
        if self.what == "files":
            return f"{self.record}: {len(self.files)} files, {self.files[0]} … {self.files[-1]}"
        spans = ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in ranges(self.places))
        return f"{self.record}: {self.what} of {len(self.places)} events in {self.log} ({spans})"

    def content(self) -> dict[str, Any]:
        """What the disposal event says; a file goes by its id, which is that of its decision."""
        named: dict[str, Any] = {}
        if self.places:
            named = {"log": self.log, "sequences": ranges(self.places)}
        if self.files:
            named = {"ids": [Path(file).stem for file in self.files]}
        return {"record": self.record, "what": self.what, "files": len(self.files), **named}


def due(paths: Paths, now: datetime) -> list[Disposal]:
    """What the rules of ops/audit.yaml dispose of today; nothing is touched."""
    chosen = settings(paths.ops / "audit.yaml")
    found: list[Disposal] = []
    held = decisions_of(paths, chosen.holds)
    for rule in chosen.retention:
        before = now - timedelta(days=rule.keep_days)
        if rule.what == "files":
            found += _files(paths, rule, before, held)
        else:
            for log in sorted(paths.audit.glob("*.jsonl")):
                found += _places(log, rule, before, chosen)
    return found


def idle(paths: Paths) -> list[str]:
    """The holds under whose pseudonym there is no event: they keep nothing."""
    holds = settings(paths.ops / "audit.yaml").holds
    known = {event["subject"] for event in _events(paths)} if holds else set()
    return sorted(holds - known)


def decisions_of(paths: Paths, subjects: Collection[str]) -> set[str]:
    """The ids of the decisions about these people (pseudonyms), as all logs say."""
    if not subjects:
        return set()
    about = (event["data"] for event in _events(paths) if event["subject"] in subjects)
    return {str(data["decision_id"]) for data in about if "decision_id" in data}


def erasure(paths: Paths, subjects: Collection[str]) -> list[Disposal]:
    """The payloads about one person, in all logs, and the files of their decisions.

    `subjects` are the pseudonyms that the person has. A file is of a decision if a rule names it
    and it is called by its id. ValueError if a hold stops it.
    """
    chosen = settings(paths.ops / "audit.yaml")
    if held := sorted(chosen.holds.intersection(subjects)):
        raise ValueError(f"{held[0]} is on hold (ops/audit.yaml): nothing is erased")
    found, decisions = [], decisions_of(paths, subjects)
    for log in sorted(paths.audit.glob("*.jsonl")):
        payloads = Payloads.of(log)
        about = {event for subject in subjects for event in payloads.events_of(subject)}
        places = [int(e["sequence"]) for e in read_events(log) if e["id"] in about]
        if places:
            found.append(Disposal(ERASURE, "payloads", log.name, tuple(places)))
    rules = [rule for rule in chosen.retention if rule.what == "files"]
    stored = {path for rule in rules for path in paths.root.glob(rule.files)}
    kept = [path for path in sorted(stored) if path.stem in decisions]
    names = tuple(path.relative_to(paths.root).as_posix() for path in kept)
    return [*found, Disposal(ERASURE, "files", files=names)] if names else found


def dispose(paths: Paths, disposals: Iterable[Disposal]) -> None:
    """Record each disposal, then do it. WriterBusy where a log that must shrink is in use."""
    for disposal in disposals:
        if disposal.what == "events":
            with locked(paths.audit / disposal.log):
                pass
        with open_log(paths, WRITER) as log:
            log.record(EventType.DISPOSAL, disposal.record, disposal.content())
        _do(paths, disposal)


def early(log: Path, rules: Sequence[Rule]) -> list[str]:
    """Events that went before their rule's time, as far as that can be told.

    A gap does not say when its event was, but the events before it were not later.
    """
    kept = {rule.record: rule.keep_days for rule in rules if rule.what == "events"}
    gone = _when_disposed(log, kept)
    found, last = [], None
    for place, line in enumerate(split(log.read_bytes())[0] if log.is_file() else [], start=1):
        event = json.loads(line)
        if event.keys() != STUB:
            last = datetime.fromisoformat(event["time"])
        elif last and place in gone and last > gone[place]:
            found.append(f"event {place} went before its rule allows")
    return found


def _when_disposed(log: Path, kept: Mapping[str, int]) -> dict[int, datetime]:
    """Before when each event that is gone had to be; a rule that is none counts as the shortest."""
    found: dict[int, datetime] = {}
    for other in sorted(log.parent.glob("*.jsonl")):
        for event in read_events(other):
            data = event["data"]
            if event["type"] == EventType.DISPOSAL and data.get("log") == log.name:
                days = kept.get(data.get("record"), min(kept.values(), default=0))
                before = datetime.fromisoformat(event["time"]) - timedelta(days=days)
                if data.get("what") == "events":
                    spans = [range(first, last + 1) for first, last in data["sequences"]]
                    found |= {place: before for span in spans for place in span}
    return found


def ranges(places: Sequence[int]) -> list[list[int]]:
    """Consecutive numbers as [first, last]."""
    found: list[list[int]] = []
    for place in sorted(places):
        if found and place == found[-1][1] + 1:
            found[-1][1] = place
        else:
            found.append([place, place])
    return found


def _events(paths: Paths) -> Iterator[dict[str, Any]]:
    """The events of all logs that are still there."""
    return (event for log in sorted(paths.audit.glob("*.jsonl")) for event in read_events(log))


def _files(paths: Paths, rule: Rule, before: datetime, held: Collection[str]) -> list[Disposal]:
    """Files last written before then, by their own time stamps, but none of a held decision."""
    old = [
        path.relative_to(paths.root).as_posix()
        for path in sorted(paths.root.glob(rule.files))
        if path.is_file()
        and path.stem not in held
        and datetime.fromtimestamp(path.stat().st_mtime, UTC) < before
    ]
    return [Disposal(rule.record, "files", files=tuple(old))] if old else []


def _places(log: Path, rule: Rule, before: datetime, chosen: Settings) -> list[Disposal]:
    """Events of the rule's types from before then that no hold keeps and every sink has."""
    sinks = [sink for sink in chosen.sinks if sink != "file"]
    delivered = min((cursor(log, sink) for sink in sinks), default=None)
    there = Payloads.of(log).digests() if rule.what == "payloads" else None
    places = [
        int(event["sequence"])
        for event in read_events(log)
        if event["type"] in rule.types
        and datetime.fromisoformat(event["time"]) < before
        and event["subject"] not in chosen.holds
        and (there is None or event["id"] in there)
        and (there is not None or delivered is None or int(event["sequence"]) <= delivered)
    ]
    return [Disposal(rule.record, rule.what, log.name, tuple(places))] if places else []


def _do(paths: Paths, disposal: Disposal) -> None:
    for name in disposal.files:
        (paths.root / name).unlink(missing_ok=True)
    if disposal.places:
        log, places = paths.audit / disposal.log, set(disposal.places)
        gone = [e["id"] for e in read_events(log) if int(e["sequence"]) in places]
        Payloads.of(log).destroy(gone)
        if disposal.what == "events":
            with locked(log):
                _strike(log, places)


def _strike(log: Path, places: set[int]) -> None:
    """Leave only place and hashes of these events, in one step."""
    draft = log.with_suffix(".draft")
    with draft.open("wb") as file:
        for place, line in enumerate(split(log.read_bytes())[0], start=1):
            file.write((_stub(line) if place in places else line) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(log)


def _stub(line: bytes) -> bytes:
    event = json.loads(line)
    return canonical({"disposed": True, **{name: event[name] for name in STUB - {"disposed"}}})
