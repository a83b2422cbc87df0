"""Ctrl-C, a process manager's stop, a closed terminal: each ends a command in one way, and lets it tidy up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]
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
    """No such signal comes in between, neither here nor to a process started here; it counts afterwards."""
    with put_off(), held_back():  # one that reaches another thread is handled here
        yield


@contextmanager
def held_back() -> Iterator[set[signal.Signals]]:
    """Such a signal waits until the end, here and in a process forked here: that one sets the mask that this gives."""
    before = {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)}
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def put_off() -> Iterator[None]:
    """No such signal comes in between here; it counts afterwards. A process started here hears it as ever."""
    came: list[int] = []
    handlers = _handled(lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _handled(handler: Handler) -> dict[int, Handler | int]:
    """Set the handler of each such signal that is not ignored; those of before. Only the main thread has any."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in ENDINGS}
    own: dict[int, Handler | int] = {n: known for n, known in before.items() if known not in (None, signal.SIG_IGN)}
    for number in own:
        signal.signal(number, handler)
    return own
