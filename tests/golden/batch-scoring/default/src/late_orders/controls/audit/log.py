"""The writer of a log: each event is redacted, chained and durable before `record` returns."""

import fcntl
import hashlib
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from ..paths import Paths
from .chain import Verification, head_path, split, verify
from .connectors import Connector, FileConnector, StdoutConnector
from .events import ABOUT_PEOPLE, Event, EventType
from .privacy import Privacy, privacy_from

Entry = tuple[EventType, str, Mapping[str, Any]]


class AuditUnavailable(RuntimeError):
    """An event could not be made durable: what it is about must not go out."""


class WriterBusy(AuditUnavailable):
    """Another process writes this log; give this writer a name of its own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `ops/audit.yaml` says: the source of events, sinks, and own identifying fields."""

    source: str
    sinks: tuple[str, ...]
    identifying_fields: tuple[str, ...]


def settings(path: Path) -> Settings:
    """Read `ops/audit.yaml`; ValueError names a sink that does not exist."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = set(content["sinks"]) - {"file", "stdout"}
    if unknown:
        raise ValueError(f"{path}: unknown sink {', '.join(sorted(unknown))} (file, stdout)")
    return Settings(
        content["source"], tuple(content["sinks"]), tuple(content["identifying_fields"])
    )


def open_log(paths: Paths, writer: str, environment: Mapping[str, str] = os.environ) -> "AuditLog":
    """Open `<audit folder>/<writer>.jsonl` as `ops/audit.yaml` says.

    Each process that writes has a writer name: service, pipeline, operations. Raises WriterBusy,
    KeyRefused, and AuditUnavailable where the log does not verify.
    """
    chosen = settings(paths.ops / "audit.yaml")
    privacy = privacy_from(environment, chosen.identifying_fields)
    mirrors = [StdoutConnector()] if "stdout" in chosen.sinks else []
    return AuditLog(paths.audit / f"{writer}.jsonl", chosen.source, privacy, mirrors)


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


class AuditLog:
    """The one writer of one log. Use it as a context manager, or call `close`.

    The file is always written first: it is the chain. `mirrors` are further connectors.
    """

    def __init__(
        self,
        path: Path,
        source: str,
        privacy: Privacy,
        mirrors: Sequence[Connector] = (),
        clock: Callable[[], datetime] = now,
        ledger: Callable[[Path], FileConnector] = FileConnector,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.privacy = path, privacy
        self._source, self._mirrors, self._clock = source, tuple(mirrors), clock
        self._mutex, self._closed = threading.Lock(), False
        self._lock = _lock(path)
        try:
            torn = _set_torn_tail_aside(path)
            state = _sound(verify(path))
            self._sequence, self._hash = state.sequence, state.hash
            self._ledger = ledger(path)
        except BaseException:
            os.close(self._lock)
            raise
        if torn:
            self.record(EventType.INCIDENT, path.name, {"kind": "torn tail set aside", **torn})

    def record(self, type: EventType, subject: str, data: Mapping[str, Any]) -> Event:
        """Write one event; when this returns, it survives a crash. Else raises AuditUnavailable.

        `data` is redacted, and in events about people `subject` becomes a pseudonym.
        """
        return self.record_all([(type, subject, data)])[0]

    def record_all(self, entries: Iterable[Entry]) -> list[Event]:
        """Write many events with one fsync: all of them, or none."""
        with self._mutex:
            events = self._chained(entries)
            if events:
                self._store(events)
        return events

    def _chained(self, entries: Iterable[Entry]) -> list[Event]:
        sequence, previous, events = self._sequence, self._hash, []
        for entry in entries:
            sequence += 1
            events.append(self._event(entry, sequence, previous))
            previous = events[-1].hash
        return events

    def _event(self, entry: Entry, sequence: int, previous: str) -> Event:
        type, subject, data = entry
        hide = self.privacy.pseudonym if type in ABOUT_PEOPLE else self.privacy.redact_text
        return Event(
            id=str(uuid.uuid4()),
            source=self._source,
            type=str(type),
            subject=hide(subject),
            time=self._clock().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            data=self.privacy.redact(data),
            sequence=sequence,
            previous_hash=previous,
        )

    def _store(self, events: Sequence[Event]) -> None:
        try:
            self._ledger.write(events)
            self._sequence, self._hash = events[-1].sequence, events[-1].hash
            _write_head(self.path, self._sequence, self._hash)
            for mirror in self._mirrors:
                mirror.write(events)
        except OSError as error:
            raise AuditUnavailable(
                f"the audit log {self.path} cannot be written: {error}"
            ) from error

    def close(self) -> None:
        """Give the log back, so that another process may write it; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._ledger.close()
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _lock(log: Path) -> int:
    handle = os.open(log.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise WriterBusy(f"{log} is being written by another process") from error
    return handle


def _sound(state: Verification) -> Verification:
    if not state.intact:
        raise AuditUnavailable(
            f"{state.path} does not verify ({state.findings[0].message}): keep it, call security"
        )
    return state


def _set_torn_tail_aside(log: Path) -> dict[str, Any] | None:
    """Move what a crash left after the last newline to its own file, if there is anything."""
    whole, torn = split(log.read_bytes() if log.is_file() else b"")
    if not torn:
        return None
    digest = hashlib.sha256(torn).hexdigest()
    log.with_suffix(f".torn-{digest[:12]}").write_bytes(torn)
    with log.open("r+b") as file:
        file.truncate(sum(len(line) + 1 for line in whole))
        os.fsync(file.fileno())
    return {"bytes": len(torn), "digest": f"sha256:{digest}"}


def _write_head(log: Path, sequence: int, digest: str) -> None:
    """Replace the head file in one step; after a crash it may lag behind, never run ahead."""
    head = head_path(log)
    draft = head.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"log": log.name, "sequence": sequence, "hash": digest}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(head)
