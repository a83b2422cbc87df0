"""Where events go: one small protocol, with a file, the standard output and memory behind it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from .events import Event


class Connector(Protocol):
    """A place that keeps events: a database, a queue or a webhook is one more such class."""

    def write(self, events: Sequence[Event]) -> None:
        """Return only when the events are as safe as this place can make them; else raise OSError.

        An event may arrive twice after a crash: `id` is the key by which to keep it once.
        """


class FileConnector:
    """Appends to a file and returns after fsync; takes a failed write back."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=0)

    def write(self, events: Sequence[Event]) -> None:
        start = self._file.seek(0, os.SEEK_END)
        try:
            self._append(b"".join(event.line() for event in events))
        except OSError:
            self._file.truncate(start)
            raise

    def _append(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


class StdoutConnector:
    """Prints each event as a line, for platforms that collect the standard output."""

    def write(self, events: Sequence[Event]) -> None:
        sys.stdout.write("".join(event.line().decode() for event in events))
        sys.stdout.flush()


class MemoryConnector:
    """Keeps events in a list, for tests."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
