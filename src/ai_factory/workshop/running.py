"""Runs a stamped project's own command, as its author or its Makefile names it, and keeps what it printed last."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

from ai_factory.interruption import put_off
from ai_factory.workspace import Folder

TARGETS = ("install", "lint", "run", "test")  # of a Makefile, as far as there are such, in this order
SECONDS = 3600  # after which a command is ended
SHOWN = 30  # lines of its output that are kept
OTHERS = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "MAKEFLAGS", "MAKELEVEL", "PYTHONPATH", "VIRTUAL_ENV")


class Ran(NamedTuple):
    """How a command went; `release` is the one that the project came from, empty for a project of now."""

    release: str
    command: str
    code: int
    seconds: float
    output: str


def command_of(declared: str, makefile: str) -> str:
    """The command that shows whether a project works: what its blueprint names, else targets of its Makefile."""
    there = [one for one in TARGETS if re.search(rf"^{one}:(?!=)", makefile, re.MULTILINE)]
    return declared or (f"make {' '.join(there)}" if "test" in there else "")


def makefile_in(folder: str) -> str:
    """The text of the Makefile there; empty where there is none."""
    file = Folder(folder).read("Makefile")
    return file.content.decode(errors="replace") if file else ""


def ran(command: str, folder: str, release: str = "", seconds: float = SECONDS) -> Ran:
    """Run a command of the factory's author in that folder. It is a shell's, with the rights of who calls this."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        late = ""
        with _begun(command, folder, output) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                late = f"ended after {seconds:.0f} seconds"
        lines = [*_last(output), *([late] if late else [])]
    return Ran(release, command, process.returncode, time.monotonic() - begun, "\n".join(lines))


@contextmanager
def _begun(command: str, folder: str, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The command, in a session of its own; at the end of this it is over, with all that it started."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with put_off():  # what has begun is known, whatever comes in between
            process = subprocess.Popen(
                ["sh", "-c", command],
                cwd=folder,
                env={key: value for key, value in os.environ.items() if key not in OTHERS},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        yield process
    finally:
        if process:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what the command has started and left, be it done or not."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last(output: IO[bytes]) -> Iterable[str]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - 64 * 1024))
    return output.read().decode(errors="replace").splitlines()[-SHOWN:]
