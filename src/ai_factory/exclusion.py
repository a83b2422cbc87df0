"""One process at a time: a lock that goes with its process, however that ends, and leaves no file behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def alone(place: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock at that place. Raises BlockingIOError while another process does, unless it is to `wait`."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    descriptor = _locked(place, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(place)
        os.close(descriptor)


def _locked(place: str, how: int) -> int:
    while True:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, how)
            if _lies_at(descriptor, place):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever held it has removed it by now: the next one has a file of its own


def _lies_at(descriptor: int, place: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(place))
    except FileNotFoundError:
        return False
