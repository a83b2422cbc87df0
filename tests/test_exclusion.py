"""A lock for one process at a time, that leaves no file behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ai_factory.exclusion import alone
from tests.kit import put

COUNT = """\
import sys
from ai_factory.exclusion import alone
for _ in range(40):
    with alone(sys.argv[1] + "/locks/one", wait=True), open(sys.argv[1] + "/count", "r+") as stream:
        number = int(stream.read()) + 1
        stream.seek(0)
        stream.write(str(number))
"""


def test_while_it_is_held_nobody_else_gets_it(tmp_path: Path) -> None:
    place = str(tmp_path / "locks/one")
    with alone(place), pytest.raises(BlockingIOError), alone(place):
        pass
    with alone(place):
        assert os.path.exists(place)


def test_nothing_is_left(tmp_path: Path) -> None:
    with alone(str(tmp_path / "locks/one")), alone(str(tmp_path / "locks/two")):
        pass
    assert os.listdir(tmp_path / "locks") == []


def test_what_a_killed_one_left_is_no_lock(tmp_path: Path) -> None:
    put(tmp_path, {"locks/one": "left\n"})
    with alone(str(tmp_path / "locks/one")):
        pass
    assert os.listdir(tmp_path / "locks") == []


def test_of_many_that_wait_one_goes_at_a_time(tmp_path: Path) -> None:
    """Although each removes the file that the next one waits for."""
    (tmp_path / "count").write_text("0")
    many = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=300) for process in many] == [0] * 4
    assert (tmp_path / "count").read_text() == "160"
