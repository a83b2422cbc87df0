"""Reads files from strangers: in a process of its own, and within bounds of size and time.

Whatever a file does to the parser, it does not do to the service: the process is ended and
started anew, and the file is refused with a word that says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from .page import Page, page_of

WORKER = f"{__package__}.worker"
HEAD = b"%PDF-"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one file may take: bytes, pages, characters, seconds, bytes of memory, and
    words on a page."""

    size: int = 10_000_000
    pages: int = 20
    characters: int = 200_000
    seconds: float = 10.0
    memory: int = 1_500_000_000
    words: int = 2_000


class ReadRefused(Exception):
    """The file is not read. `reason`: size, kind, damaged, encrypted, empty, pages, characters,
    words, time or crash."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the document cannot be read ({reason})")
        self.reason = reason


class Reader:
    """Reads PDF files one after the other. Use it as a context manager, or call `close`."""

    def __init__(self, bounds: Bounds | None = None, command: tuple[str, ...] = ()) -> None:
        self._bounds = bounds or Bounds()
        limits = (self._bounds.pages, self._bounds.characters, self._bounds.memory)
        self._command = [*(command or (sys.executable, "-m", WORKER)), *map(str, limits)]
        self._worker: subprocess.Popen[bytes] | None = None
        self._mutex = threading.Lock()

    def read(self, content: bytes) -> tuple[Page, ...]:
        """The pages of a file, upright. Raises ReadRefused."""
        if len(content) > self._bounds.size:
            raise ReadRefused("size")
        if HEAD not in content[:1024]:
            raise ReadRefused("kind")
        with self._mutex:
            answer = self._asked(content)
        if "refused" in answer:
            raise ReadRefused(answer["refused"])
        if any(len(page["words"]) > self._bounds.words for page in answer["pages"]):
            raise ReadRefused("words")
        return tuple(page_of(page) for page in answer["pages"])

    def _asked(self, content: bytes) -> dict[str, Any]:
        worker = self._started()
        until = time.monotonic() + self._bounds.seconds
        try:
            assert worker.stdin is not None
            worker.stdin.write(len(content).to_bytes(8, "big") + content)
            worker.stdin.flush()
            answer: dict[str, Any] = json.loads(self._line(worker, until))
        except (OSError, ValueError) as error:
            self._end()
            raise ReadRefused("crash") from error
        except ReadRefused:
            self._end()
            raise
        return answer

    def _line(self, worker: subprocess.Popen[bytes], until: float) -> bytes:
        """One line of the answer; ReadRefused when time is up."""
        assert worker.stdout is not None
        handle, found = worker.stdout.fileno(), bytearray()
        while not found.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                raise ReadRefused("time")
            part = os.read(handle, 1 << 16)
            if not part:
                raise OSError("the reader has ended")
            found += part
        return bytes(found)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._worker is None or self._worker.poll() is not None:
            self._end()
            self._worker = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        return self._worker

    def _end(self) -> None:
        if worker := self._worker:
            worker.kill()
            for pipe in (worker.stdin, worker.stdout):
                with contextlib.suppress(OSError):
                    if pipe:
                        pipe.close()
            worker.wait()
            self._worker = None

    def close(self) -> None:
        """End the process; a second call does nothing."""
        with self._mutex:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _environment() -> dict[str, str]:
    """What the process needs to find its modules; no key or other secret goes along."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
