"""A polite signal ends a command by way of its tidying up, and does not end that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ai_factory.interruption import undisturbed

WAIT = """\
import signal, sys, time
from ai_factory.interruption import tidy_endings
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1:] else signal.SIG_DFL)  # whatever this test runs under
tidy_endings()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("put back", flush=True)
"""


def told(number: signal.Signals, *arguments: str, then: signal.Signals | None = None) -> str:
    """What a process says that gets the signal, and perhaps another one."""
    command = [sys.executable, "-c", WAIT, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        if then:
            process.send_signal(then)
        return process.communicate(timeout=60)[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_is_a_keyboard_interrupt(number: signal.Signals) -> None:
    assert told(number) == "put back\n"


def test_what_was_ignored_stays_ignored() -> None:
    assert told(signal.SIGHUP, "nohup", then=signal.SIGKILL) == ""


@pytest.mark.parametrize("others", [0, 2])
def test_undisturbed_it_counts_afterwards(others: int) -> None:
    """Also where the signal reaches another thread, as it may when there are any."""
    done: list[str] = []

    def put_back() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("put back")
        time.sleep(60)  # another thread may take a moment to notice

    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(others)]
    for thread in threads:
        thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            put_back()
    finally:
        end.set()
    assert done == ["put back"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
