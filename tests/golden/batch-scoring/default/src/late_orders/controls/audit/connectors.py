"""Where events go: one small protocol, the chain's own file, and a table of all sinks.

The file is written before `record` returns. Every other sink gets the events from the file,
through a cursor of its own (`delivery.py`), so that one that is down loses nothing and holds up
nobody. Each is a class in `stores.py`, `streams.py` or `web.py`; clients that are not in the
standard library are imported when a sink is opened.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from . import stores, streams, web
from .events import Event


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


@dataclass(frozen=True, slots=True)
class Connection:
    """How a sink is reached: its entry in ops/audit.yaml, and the project's folder.

    `secret` in an entry names the environment variable that holds it.
    """

    options: Mapping[str, Any]
    root: Path
    environment: Mapping[str, str]

    def secret(self) -> str:
        """The secret; ValueError if the variable is not set."""
        name = str(self.options["secret"])
        if not self.environment.get(name):
            raise ValueError(f"set {name}: a sink in ops/audit.yaml needs it")
        return self.environment[name]


SINKS: Mapping[str, Callable[[Connection], Connector]] = {
    "stdout": lambda to: StdoutConnector(),
    "sqlite": lambda to: stores.SqliteConnector(to.root / to.options["path"]),
    "postgres": lambda to: stores.PostgresConnector(to.secret()),
    "s3": lambda to: stores.S3Connector(
        to.options["bucket"], to.options["prefix"], to.options["keep_days"], to.options["endpoint"]
    ),
    "kafka": lambda to: streams.KafkaConnector(
        to.options["topic"], to.options["client"], to.secret() if to.options["secret"] else ""
    ),
    "syslog": lambda to: streams.SyslogConnector(
        to.options["host"], to.options["port"], to.options["tls"], to.options["authorities"]
    ),
    "otlp": lambda to: web.OtlpConnector(to.options["url"], to.options["headers"]),
    "splunk": lambda to: web.SplunkConnector(to.options["url"], to.secret()),
    "webhook": lambda to: web.WebhookConnector(to.options["url"], to.secret()),
}
