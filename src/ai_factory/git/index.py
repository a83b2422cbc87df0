"""Replaces a repository's index as git itself does: under its lock, whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ai_factory.errors import MachineError
from ai_factory.tree import word

PATIENCE = 1.0  # seconds that another git at work in the repository gets to end


@contextmanager
def changed_index(index: str, mark: str) -> Iterator[str]:
    """The place of a copy of the index, which becomes the index when the block ends well (none, when it is gone).

    `mark` begins the names of what lies in git's own folder meanwhile: after a kill, `forget_index` knows by it
    what is ours. Raises MachineError while another git holds the index.
    """
    copy = f"{mark}.index"
    try:
        _wait(index, mark, lambda: _locked(index, mark))
        with suppress(FileNotFoundError):
            shutil.copy2(index, copy)  # with its time, by which git tells which entries it must look at again
        yield copy
        if os.path.exists(copy):
            os.replace(copy, index)
        elif os.path.exists(index):
            os.unlink(index)
    finally:
        forget_index(index, mark)


def require_free_index(index: str, mark: str) -> None:
    """Raise MachineError while another git holds the index: what cannot be ended should not be begun."""
    _wait(index, mark, lambda: not os.path.lexists(f"{index}.lock"))


def forget_index(index: str, mark: str) -> None:
    """Remove what a changed index leaves behind, also when its process was killed."""
    for place in (f"{mark}.index", f"{mark}.index.lock"):
        with suppress(FileNotFoundError):
            os.unlink(place)
    if _is_ours(index, mark):
        os.unlink(f"{index}.lock")
    with suppress(FileNotFoundError):
        os.unlink(f"{mark}.token")


def _wait(index: str, mark: str, done: Callable[[], bool]) -> None:
    forget_index(index, mark)
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            place = f"{index}.lock"
            raise MachineError(
                f"`{place}` is there: another git is at work in this repository, or one was killed",
                f"wait until it has ended; if none is running: `rm {word(place)}`, then the same command again",
            )
        time.sleep(PATIENCE / 20)


def _locked(index: str, mark: str) -> bool:
    """Take git's lock, unless it is taken; it says whose it is from its first moment, whenever we are killed."""
    token, place = f"{mark}.token", f"{index}.lock"
    with open(token, "wb") as stream:
        stream.write(_content(mark))
    try:
        os.link(token, place)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links
        return _created(place, _content(mark))
    return True


def _created(place: str, content: bytes) -> bool:
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    return True


def _is_ours(index: str, mark: str) -> bool:
    try:
        with open(f"{index}.lock", "rb") as stream:
            return stream.read(len(_content(mark)) + 1) == _content(mark)
    except FileNotFoundError:
        return False


def _content(mark: str) -> bytes:
    """What our lock holds: the name of the project's record in this repository, wherever that lies."""
    return os.fsencode(f"ai-factory {os.path.basename(mark)}\n")
