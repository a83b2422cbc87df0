"""Ctrl-C, a process manager's stop, a closed terminal: each ends a command in one way, and lets it tidy up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def tidy_endings() -> None:
    """From now on a polite signal to end is a KeyboardInterrupt, on whose way out everything is put back."""
    for number in ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:  # what is ignored stays so: `nohup`
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def undisturbed() -> Iterator[None]:
    """No such signal comes in between; it counts afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
