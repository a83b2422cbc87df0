"""The writer of a log: each event is redacted, chained and durable before `record` returns.

Threads that record at the same time share one fsync: whoever comes first writes for all who wait.
"""

import fcntl
import hashlib
import itertools
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..paths import Paths
from ..stages import StageFailed
from .chain import Verification, head_path, split, verify, verify_folder
from .delivery import (
    Backlog,
    Connection,
    Connector,
    Delivery,
    FileConnector,
    SecretMissing,
    connect,
)
from .events import ABOUT_PEOPLE, GENESIS, PAYLOAD, Draft, Event, EventType, Sealed
from .privacy import Payloads, Privacy, identifying_fields, in_production, privacy_from
from .settings import OnFailure, Settings, settings

Entry = tuple[EventType, str, Mapping[str, Any]]
PATIENCE = 5.0
LOGGER = logging.getLogger(__name__)


class AuditUnavailable(RuntimeError):
    """An event could not be made durable: what it is about must not go out."""


class WriterBusy(AuditUnavailable):
    """Another process writes this log; give this writer a name of its own."""


def open_log(paths: Paths, writer: str, environment: Mapping[str, str] = os.environ) -> "AuditLog":
    """Open `<audit folder>/<writer>.jsonl` as `ops/audit.yaml` says.

    Each process that writes has a writer name: service, pipeline, operations. Raises WriterBusy,
    KeyRefused, AuditUnavailable where the log does not verify, and ValueError where a sink is not
    set up (`opened`).
    """
    chosen = settings(paths.ops / "audit.yaml")
    privacy = privacy_from(environment, chosen.identifying_fields)
    return AuditLog(
        paths.audit / f"{writer}.jsonl",
        chosen.source,
        privacy,
        sinks=opened(chosen, paths.root, environment),
        on_failure=chosen.on_failure,
        hold=chosen.hold_events,
    )


def identifying(paths: Paths) -> frozenset[str]:
    """Names of fields, in small letters, that identify people: logged nowhere, seen by no model."""
    return identifying_fields(settings(paths.ops / "audit.yaml").identifying_fields)


class LogBroken(StageFailed):
    """An audit log is not what was written; the message says what was found."""


def refuse_broken(paths: Paths) -> None:
    """Raises LogBroken unless each log is whole, and signed by the keys of `ops/audit.yaml`."""
    keys = settings(paths.ops / "audit.yaml").checkpoint_keys
    broken = [
        f"{state.path.name}: {finding.message}"
        for state in verify_folder(paths.audit, keys)
        for finding in state.findings
    ]
    if broken:
        raise LogBroken(f"the audit log is not intact: {'; '.join(broken)}")


def opened(chosen: Settings, root: Path, environment: Mapping[str, str]) -> dict[str, Connector]:
    """The sinks besides the file, by name; ValueError where one is not set up.

    Outside production one that lacks but its secret is left out, and said: what it has not got
    waits in the log.
    """
    found = {}
    for name in (name for name in chosen.sinks if name != "file"):
        try:
            to = Connection(chosen.connections.get(name, {}), root, environment)
            found[name] = connect(name, to)
        except SecretMissing as missing:
            if in_production(environment):
                raise
            LOGGER.warning("%s; outside production the log goes on without it", missing)
    return found


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _Call:
    """What one caller asked for, and what came of it; `gate` opens when it may go on."""

    drafts: list[Draft]
    events: list[Event] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False
    gate: threading.Lock = field(default_factory=threading.Lock)


class AuditLog:
    """The one writer of one log. Use it as a context manager, or call `close`.

    The file is always written first: it is the chain. `sinks` get the events from there.
    """

    def __init__(
        self,
        path: Path,
        source: str,
        privacy: Privacy,
        sinks: Mapping[str, Connector] | None = None,
        clock: Callable[[], datetime] = now,
        ledger: Callable[[Path], FileConnector] = FileConnector,
        on_failure: OnFailure = OnFailure.CLOSED,
        hold: int = 1000,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.privacy, self.payloads = path, privacy, Payloads.of(path)
        self._source, self._clock = source, clock
        self._on_failure, self._most = on_failure, hold
        self._mutex, self._writing, self._closed = threading.Lock(), False, False
        self._calls: list[_Call] = []
        self._held: list[Draft] = []
        self._lost = 0
        self._seed, self._numbers = secrets.token_bytes(32), itertools.count()
        self._lock = _lock(path)
        try:
            torn = _set_torn_tail_aside(path)
            state = _sound(verify(path))
            self._sequence, self._hash = state.sequence, state.hash
            self.payloads.destroy(state.orphans)
            self._ledger = ledger(path)
            self._deliveries = [
                Delivery(path, name, sink, state.sequence) for name, sink in (sinks or {}).items()
            ]
        except BaseException:
            os.close(self._lock)
            raise
        for delivery in self._deliveries:
            delivery.start()
        if torn:
            self.record(EventType.INCIDENT, path.name, {"kind": "torn tail set aside", **torn})

    def record(
        self,
        type: EventType,
        subject: str,
        data: Mapping[str, Any],
        payload: Mapping[str, Any] | None = None,
    ) -> Event:
        """Write one event; when this returns, it survives a crash. Else raises AuditUnavailable.

        `data` is redacted, and in events about people `subject` becomes a pseudonym. `payload` is
        not redacted: it is kept apart from the chain, never sent to a sink, and can be destroyed.
        Where ops/audit.yaml lets outcomes out while the disk fails, an event has sequence 0 that
        is held in memory.
        """
        sealed = None if payload is None else Sealed.of(payload)
        return self._commit([self._draft(type, subject, data, sealed)])[0]

    def record_all(self, entries: Iterable[Entry]) -> list[Event]:
        """Write many events with one fsync: all of them, or none."""
        return self._commit([self._draft(*entry) for entry in entries])

    def adopt(self, entries: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> list[Event]:
        """Write events (id, type, subject, data) that got their ids elsewhere, in an outbox."""
        return self._commit(
            [
                self._draft(EventType(type), subject, data, name=name)
                for name, type, subject, data in entries
            ]
        )

    def backlogs(self) -> list[Backlog]:
        """How far each sink is behind."""
        return [delivery.backlog(self._clock()) for delivery in self._deliveries]

    def _draft(
        self,
        type: EventType,
        subject: str,
        data: Mapping[str, Any],
        sealed: Sealed | None = None,
        name: str = "",
    ) -> Draft:
        if PAYLOAD in data:
            raise ValueError(f"`{PAYLOAD}` is a field of the log itself: hand in a payload")
        own = {PAYLOAD: sealed.digest} if sealed else {}
        hide = self.privacy.pseudonym if type in ABOUT_PEOPLE else self.privacy.redact_text
        return Draft(
            id=name or self._name(),
            source=self._source,
            type=str(type),
            subject=hide(subject),
            time=self._clock().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            data={**self.privacy.redact(data), **own},
            sealed=sealed,
        )

    def _name(self) -> str:
        """A random UUID, from a seed: `uuid4` would give way to another thread at each call."""
        made = hashlib.sha256(self._seed + next(self._numbers).to_bytes(8, "big")).hexdigest()
        variant = "89ab"[int(made[16], 16) % 4]
        return f"{made[:8]}-{made[8:12]}-4{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"

    def _commit(self, drafts: list[Draft]) -> list[Event]:
        """Write for all who wait if nobody does; else wait until that is done, or one's turn."""
        if not drafts:
            return []
        call = _Call(drafts)
        call.gate.acquire()
        with self._mutex:
            self._calls.append(call)
            first, self._writing = not self._writing, True
        if not first:
            call.gate.acquire()
        if not call.done:
            self._write_for_all()
        if call.error is not None:
            raise AuditUnavailable(
                f"the audit log {self.path} cannot be written: {call.error}"
            ) from call.error
        return call.events

    def _write_for_all(self) -> None:
        with self._mutex:
            calls, self._calls = self._calls, []
        try:
            self._write(calls)
        finally:
            with self._mutex:
                self._writing = bool(self._calls)
                following = self._calls[:1]
            for call in (*calls, *following):
                call.gate.release()

    def _write(self, calls: Sequence[_Call]) -> None:
        """One fsync for all of them."""
        late = self._late()
        waiting = [*late, *(one for call in calls for one in call.drafts)]
        try:
            events = self._store(waiting)
        except BaseException as error:
            self._not_stored(calls, error)
            if not isinstance(error, OSError):
                raise
            return
        self._held, self._lost = [], 0
        place = len(late)
        for call in calls:
            call.events = events[place : place + len(call.drafts)]
            place += len(call.drafts)
            call.done = True

    def _store(self, waiting: Sequence[Draft]) -> list[Event]:
        """Payloads first, then the chain, then its head: what is acknowledged is all there."""
        sequence, previous, events = self._sequence, self._hash, []
        for one in waiting:
            sequence += 1
            events.append(one.chained(sequence, previous))
            previous = events[-1].hash
        kept = [(one.id, one.subject, one.sealed) for one in waiting if one.sealed]
        self.payloads.put(kept)
        try:
            self._ledger.write(events)
        except OSError:
            self.payloads.destroy(name for name, _, _ in kept)
            raise
        self._sequence, self._hash = sequence, previous
        for delivery in self._deliveries:
            delivery.wake(sequence)
        self._note_end()
        return events

    def _note_end(self) -> None:
        """The events are on disk and stay there, so a head that lags behind refuses nobody."""
        try:
            _write_head(self.path, self._sequence, self._hash)
        except OSError as error:
            LOGGER.error("the head of %s cannot be written: %s", self.path, error)

    def _late(self) -> list[Draft]:
        """What was held while the log could not be written, after a note that says so."""
        if not self._held and not self._lost:
            return []
        facts = {"kind": "audit log was unavailable", "held": len(self._held), "lost": self._lost}
        return [self._draft(EventType.INCIDENT, self.path.name, facts), *self._held]

    def _not_stored(self, calls: Sequence[_Call], error: BaseException) -> None:
        """Refuse, or hold in memory what ops/audit.yaml lets go on."""
        for call in calls:
            call.done = True
            room = self._most - len(self._held)
            full = self._on_failure is OnFailure.DEGRADE and len(call.drafts) > room
            refused = self._on_failure is OnFailure.CLOSED or full
            if refused or not isinstance(error, OSError):
                call.error = error
                continue
            LOGGER.error("outcomes go out while %s cannot be written: %s", self.path, error)
            self._held += call.drafts[:room]
            self._lost += len(call.drafts[room:])
            call.events = [draft.chained(0, GENESIS) for draft in call.drafts]

    def close(self) -> None:
        """Give the log back, so that another process may write it; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._held or self._lost:
            self._write([])
        for delivery in self._deliveries:
            delivery.close(PATIENCE)
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


@contextmanager
def locked(log: Path) -> Iterator[None]:
    """Keep every writer away from a log for a while; WriterBusy if one is there."""
    handle = _lock(log)
    try:
        yield
    finally:
        os.close(handle)


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
