"""Where events go: the chain's own file, the table of all sinks, and how events get there.

The file is written before `record` returns, and it is the spool: every other sink gets the events
from it, in order, each at least once, through a cursor beside it, the sequence up to which the
sink has acknowledged. A sink that is down loses nothing and holds up nobody: its backlog grows, is
measured, and goes out when it answers again. An event that a sink refuses for ever stays in front:
a trail has no gaps. Each sink is a class in `stores.py` or `streams.py`; clients that are not in
the standard library are imported when a sink is opened.
"""

import base64
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from . import stores, streams
from .chain import split
from .events import Event

BATCH = 500
KEY_BYTES = 24
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
LOGGER = logging.getLogger(__name__)


class Connector(Protocol):
    """A place that keeps events."""

    def write(self, events: Sequence[Event]) -> None:
        """Return only when the events are as safe as this place can make them; else raise OSError.

        An event may arrive twice after a crash: `id` is the key by which to keep it once.
        """

    def close(self) -> None:
        """Give connections back; a later `write` may open them again."""


class FileConnector:
    """Appends to a file and returns after fsync; takes a failed write back."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._end = self._file.seek(0, os.SEEK_END)

    def write(self, events: Sequence[Event]) -> None:
        try:
            self._append(b"".join(event.line() for event in events))
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end = self._file.tell()

    def _append(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class StdoutConnector:
    """Prints each event as a line, for platforms that collect the standard output."""

    def write(self, events: Sequence[Event]) -> None:
        sys.stdout.write("".join(event.line().decode() for event in events))
        sys.stdout.flush()

    def close(self) -> None:
        pass


class MemoryConnector:
    """Keeps events in a list, for tests."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def close(self) -> None:
        pass


class SecretMissing(ValueError):
    """The environment variable that holds a sink's secret is not set."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a sink is reached: its entry in ops/audit.yaml, and the project's folder.

    `secret` in an entry names the environment variable that holds it.
    """

    options: Mapping[str, Any]
    root: Path
    environment: Mapping[str, str]

    def option(self, name: str) -> Any:
        """A value of the entry; ValueError if it is not there."""
        if not isinstance(self.options, Mapping) or name not in self.options:
            raise ValueError(f"`connections` in ops/audit.yaml does not say `{name}`")
        return self.options[name]

    def secret(self) -> str:
        """The secret; SecretMissing if the variable is not set."""
        name = str(self.option("secret"))
        if not self.environment.get(name):
            raise SecretMissing(f"set {name}: a sink in ops/audit.yaml needs it")
        return self.environment[name]

    def token(self) -> str:
        """The secret, or nothing where the entry names none."""
        named = isinstance(self.options, Mapping) and self.options.get("secret")
        return self.secret() if named else ""

    def key(self) -> bytes:
        """The bytes of a secret of standardwebhooks.com; ValueError where it is none."""
        text = self.secret().removeprefix("whsec_")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            key = b""
        if len(key) < KEY_BYTES:
            wanted = f"{KEY_BYTES} bytes or more in base64, with or without `whsec_` before it"
            raise ValueError(f"{self.option('secret')} must be {wanted}")
        return key


SINKS: Mapping[str, Callable[[Connection], Connector]] = {
    "stdout": lambda to: StdoutConnector(),
    "sqlite": lambda to: stores.SqliteConnector(to.root / to.option("path")),
    "postgres": lambda to: stores.PostgresConnector(to.secret()),
    "s3": lambda to: stores.S3Connector(
        to.option("bucket"), to.option("prefix"), to.option("keep_days"), to.option("endpoint")
    ),
    "kafka": lambda to: streams.KafkaConnector(to.option("topic"), to.option("client"), to.token()),
    "syslog": lambda to: streams.SyslogConnector(
        to.option("host"), to.option("port"), to.option("tls"), to.option("authorities")
    ),
    "otlp": lambda to: streams.OtlpConnector(to.option("url"), to.option("headers"), to.token()),
    "splunk": lambda to: streams.SplunkConnector(to.option("url"), to.secret()),
    "webhook": lambda to: streams.WebhookConnector(to.option("url"), to.key()),
}


def connect(name: str, to: Connection) -> Connector:
    """Open the sink of this name; ValueError says what it lacks, SecretMissing that it is that."""
    try:
        return SINKS[name](to)
    except SecretMissing as error:
        raise SecretMissing(f"sink {name}: {error}") from error
    except ModuleNotFoundError as error:
        cure = "add it to the dependencies in pyproject.toml"
        lacks = f"the package {error.name} is not installed: {cure}"
        raise ValueError(f"sink {name}: {lacks}") from error
    except (ImportError, ValueError) as error:
        raise ValueError(f"sink {name}: {' '.join(str(error).split())}") from error


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a sink has not acknowledged yet: how many events, and the age of the oldest."""

    log: str
    sink: str
    events: int
    seconds: float


class Delivery:
    """One log to one sink, in a thread of its own once it is started."""

    def __init__(self, log: Path, sink: str, connector: Connector, end: int) -> None:
        self._log, self._sink, self._connector = log, sink, connector
        self._cursor, self._end = min(cursor(log, sink), end), end
        self._offset = _offset(log, self._cursor)
        self._changed, self._closing = threading.Condition(), False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Deliver what waits, then whatever `wake` tells of."""
        self._thread = threading.Thread(target=self._run, name=f"audit-{self._sink}", daemon=True)
        self._thread.start()

    def wake(self, end: int) -> None:
        """The log now ends at this sequence."""
        with self._changed:
            self._end = end
            self._changed.notify()

    def backlog(self, now: datetime) -> Backlog:
        """How far the sink is behind."""
        place, offset = self._cursor, self._offset
        return _backlog(self._log, self._sink, self._end - place, offset, now)

    def step(self) -> bool:
        """Deliver one batch and move the cursor; False if nothing waits. What fails is raised."""
        lines = _lines(self._log, self._offset, min(self._end - self._cursor, BATCH))
        if not lines:
            return False
        self._connector.write([Event.parse(line) for line in lines])
        self._offset += sum(map(len, lines))
        self._cursor += len(lines)
        _move(self._log, self._sink, self._cursor)
        return True

    def close(self, patience: float) -> None:
        """Deliver what waits if the sink answers, and stop; the rest waits for the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(patience)
        self._connector.close()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                while self.step():
                    pause = FIRST_PAUSE
            except Exception as error:  # a sink may fail in any way; the log must go on
                LOGGER.warning("audit sink %s is behind: %s", self._sink, error)
                if self._wait(pause):
                    return
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if self._wait(None):
                return

    def _wait(self, pause: float | None) -> bool:
        """Until there is something to do, or so many seconds; True when it is time to stop."""
        with self._changed:
            if pause is None:
                self._changed.wait_for(lambda: self._closing or self._cursor < self._end)
                return self._closing and self._cursor >= self._end
            self._changed.wait_for(lambda: self._closing, pause)
            return self._closing


def backlogs(folder: Path, sinks: Sequence[str], now: datetime) -> list[Backlog]:
    """The backlog of each log and sink, from the files alone: for a process that writes nothing."""
    found = []
    for log in sorted(folder.glob("*.jsonl")):
        end = len(split(log.read_bytes())[0])
        for sink in sinks:
            place = min(cursor(log, sink), end)
            found.append(_backlog(log, sink, end - place, _offset(log, place), now))
    return found


def metrics(system: str, found: Sequence[Backlog]) -> str:
    """The backlogs in Prometheus' text format."""
    lines = [
        "# HELP audit_backlog_events Audit events that a sink has not acknowledged.",
        "# TYPE audit_backlog_events gauge",
        *(f"audit_backlog_events{_labels(system, one)} {one.events}" for one in found),
        "# HELP audit_backlog_age_seconds Age of the oldest of them.",
        "# TYPE audit_backlog_age_seconds gauge",
        *(f"audit_backlog_age_seconds{_labels(system, one)} {one.seconds:.3f}" for one in found),
    ]
    return "\n".join(lines) + "\n"


def cursor(log: Path, sink: str) -> int:
    """The sequence up to which the sink has acknowledged; 0 if that is not known."""
    try:
        found: Mapping[str, int] = json.loads(_cursor_file(log, sink).read_text("utf-8"))
        return int(found["sequence"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _move(log: Path, sink: str, sequence: int) -> None:
    """After a crash the cursor may lag behind: then events go out twice, never not at all."""
    file = _cursor_file(log, sink)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"sequence": sequence}) + "\n", encoding="utf-8")
    draft.replace(file)


def _cursor_file(log: Path, sink: str) -> Path:
    return log.with_name(f"{log.stem}.{sink}.cursor")


def _backlog(log: Path, sink: str, waiting: int, offset: int, now: datetime) -> Backlog:
    oldest = _lines(log, offset, min(waiting, 1))
    if not oldest:
        return Backlog(log.stem, sink, 0, 0.0)
    age = (now - datetime.fromisoformat(Event.parse(oldest[0]).time)).total_seconds()
    return Backlog(log.stem, sink, waiting, max(age, 0.0))


def _offset(log: Path, lines: int) -> int:
    """Where the line behind so many lines begins: event n stands in line n."""
    with log.open("rb") as file:
        return sum(len(line) for line in islice(file, lines))


def _lines(log: Path, offset: int, limit: int) -> list[bytes]:
    with log.open("rb") as file:
        file.seek(offset)
        return [line for line in islice(file, limit) if line.endswith(b"\n")]


def _labels(system: str, one: Backlog) -> str:
    labels = {"system": system, "log": one.log, "sink": one.sink}
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
