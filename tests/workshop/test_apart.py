"""Work in processes of its own: in order, ended with the one who asked, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ai_factory.errors import MachineError, UsageError
from ai_factory.workshop.apart import apart
from ai_factory.workshop.running import ran


def test_answers_come_in_order() -> None:
    heard: list[tuple[int, int]] = []

    def work(number: int) -> tuple[int, int]:
        time.sleep(0.1 / (number + 1))
        return number, os.getpid()

    found = apart(work, range(6), lambda done, total: heard.append((done, total)))
    assert [number for number, _ in found] == list(range(6))
    assert len({process for _, process in found} - {os.getpid()}) == 6
    assert heard == [(number, 6) for number in range(1, 7)]
    assert apart(work, []) == []


def test_an_error_ends_all() -> None:
    def work(number: int) -> None:
        if number == 1:
            raise UsageError("no")
        time.sleep(60)

    begun = time.monotonic()
    with pytest.raises(UsageError, match="no"):
        apart(work, [1, 2, 3])
    assert time.monotonic() - begun < 30


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(MachineError, match="a process was ended from outside"):
        apart(lambda _: os.kill(os.getpid(), signal.SIGKILL), [1])


SCRIPT = """
import signal, sys
from ai_factory.interruption import tidy_endings
from ai_factory.workshop.apart import apart
from ai_factory.workshop.running import ran

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
tidy_endings()
apart(lambda number: ran(f"echo $$ > {sys.argv[1]}/{number}; sleep 60", "."), [1, 2])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_stopped_leaves_nothing_behind(number: int, tmp_path: Path) -> None:
    """The command that a project runs goes with it."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stderr=subprocess.DEVNULL)
    places = [tmp_path / "1", tmp_path / "2"][: os.cpu_count()]
    _until(lambda: all(place.exists() and place.read_text().strip() for place in places))
    process.send_signal(number)
    assert process.wait(30) != 0
    for place in places:
        group = int(place.read_text())
        _until(partial(_is_gone, group))


def test_a_stop_while_a_command_is_being_started_ends_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.append(real(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        return begun[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ran("sleep 60", str(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert begun[0].returncode == -signal.SIGKILL


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False
