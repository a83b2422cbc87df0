"""Killed at any moment, a project is as before, or as after, or says which command goes on and which goes back."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import killing, kit
from tests.killing import CUT_OFF, EDITS, PROJECT, State, copy, kill, own_names, run, state
from tests.kit import LINES, commit, git, put

QUICK, MANY, SOME = 12, 200, 25  # random kills of a sync in the normal run, in the slow one, and of each other command
LOCKS = {"*.lock", "exclude.lock"}  # what stays in the tool's folder in `.git`; besides, the journal of a sync
RESOLVED = {"ops/runbook.md": LINES.replace("line 2\n", "line both\n"), "config.json": '{\n  "a": 5\n}\n'}
DRIFT = {"src/credit_line/controls/audit.py": "edited\n", "ops/runbook.md": None}
AGAIN = "finish it with `ai-factory sync --continue`, or go back with `--abort`"


class Case(NamedTuple):
    """A command, the states before and after it, the one to which `--abort` goes back, and how long it takes."""

    start: Path
    arguments: tuple[str, ...]
    after: State
    aborted: State
    seconds: float


class World(NamedTuple):
    """One repository for each state in which a command may be killed, and what the commands make of it."""

    folder: Path
    cases: dict[str, Case]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**kit.IDENTITY, "HOME": str(folder), "AI_FACTORY_CACHE": str(folder / "cache")}.items():
            patch.setenv(name, value)
        factory = killing.factory_at(folder / "factory")
        killing.repository_at(folder / "old", factory, EDITS)
        calm = {path: text for path, text in EDITS.items() if path not in RESOLVED}
        killing.repository_at(folder / "calm", factory, calm)
        _states(folder)
        return World(folder, dict(_cases(folder)))


def _states(folder: Path) -> None:
    """Further states: a sync cut off; ended; its conflicts resolved; or committed; a project with drift."""
    half, new = copy(folder / "old", "half"), copy(folder / "old", "new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai_factory.git.changed_index", _killed)
        patch.setattr("ai_factory.journal.undo", lambda *_, **__: {})
        assert run(half, "sync").code == 2
    assert run(new, "sync").code == 1
    put(copy(new, "resolved") / PROJECT, RESOLVED)
    commit(copy(new, "committed"))
    put(copy(folder / "calm", "drifted") / PROJECT, DRIFT)


def _killed(*_: object) -> None:
    message = "killed"
    raise RuntimeError(message)


THEIRS = ("sync", "--take", "theirs", "config.json")
CASES: dict[str, tuple[str, tuple[str, ...], str]] = {  # where it starts, what runs, to where an abort goes back
    "sync": ("old", ("sync",), "old"),
    "go on": ("half", ("sync", "--continue"), "old"),
    "go back": ("resolved", ("sync", "--abort"), "old"),
    "take": ("new", THEIRS, "old"),
    "take later": ("committed", THEIRS, "committed"),
    "resolve": ("resolved", ("sync", "--continue"), "old"),
    "restore": ("drifted", ("restore", *DRIFT), "drifted"),
    "commit": ("calm", ("sync", "--commit"), "calm"),
}


def _cases(folder: Path) -> Iterator[tuple[str, Case]]:
    for name, (start, arguments, back) in CASES.items():
        done = copy(folder / start, "done")
        seconds = killing.duration(done / PROJECT, arguments)
        yield name, Case(folder / start, arguments, state(done), state(folder / back), seconds)


@pytest.fixture
def broken(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], Path]:
    """A copy of the case's repository, in which its command was killed after that part of its time."""
    monkeypatch.setenv("AI_FACTORY_CACHE", str(world.folder / "cache"))

    def kill_it(name: str, part: float) -> Path:
        case = world.cases[name]
        top = shutil.copytree(case.start, tmp_path / "killed", symlinks=True)
        kill(top / PROJECT, case.arguments, case.seconds * part)
        return top

    return kill_it


def judged(top: Path, case: Case) -> str:
    """In which of the three states it is; raises where it is in none, or where the way on or back leads elsewhere."""
    told = run(copy(top, "asked"), "sync", "--plan")
    if CUT_OFF in told.err:
        assert (told.code, told.err.splitlines()[-1]) == (2, f"hint: {AGAIN}")
        ahead, back = copy(top, "ahead"), copy(top, "back")
        assert run(ahead, "sync", "--continue").code in (0, 1)
        assert (state(ahead).meaning, own_names(ahead)) == (case.after.meaning, own_names(ahead) & (LOCKS | {"*"}))
        assert run(back, "sync", "--abort").code == 0
        assert (state(back), own_names(back) - {"*"}) == (case.aborted, own_names(back) & LOCKS)
        return "half-way"
    if state(top).meaning != case.after.meaning:
        assert state(top) == state(case.start)
        assert run(top, *case.arguments).code in (0, 1)
        assert (state(top).meaning, own_names(top)) == (case.after.meaning, own_names(top) & (LOCKS | {"*"}))
        return "before"
    assert (run(top, "sync", "--abort").code, state(top)) in ((0, case.aborted), (2, state(top)))
    assert own_names(top) <= LOCKS | {"*"}
    return "after"


def went_back(top: Path, case: Case) -> str:
    """The same for an abort: another one finishes it, and names all that is kept."""
    if state(top) == case.after:
        for content in RESOLVED.values():
            assert git(top, "cat-file", "blob", _id(top, content)) == content.strip()
        return "after"
    told = run(copy(top, "asked"), "sync", "--continue")
    half = CUT_OFF in told.err
    assert not half or (told.code, told.err.splitlines()[-1]) == (2, "hint: finish it with `ai-factory sync --abort`")
    assert half or state(top) == state(case.start)
    result = run(top, "sync", "--abort")
    assert (result.code, state(top), own_names(top)) == (0, case.after, LOCKS)
    kept = dict(re.findall(r"`git cat-file blob (\w+) > (\S+)`", result.out))
    assert {path: git(top, "cat-file", "blob", blob) for blob, path in kept.items()} == {
        path: content.strip() for path, content in RESOLVED.items()
    }
    return "half-way" if half else "before"


def _id(top: Path, content: str) -> str:
    done = subprocess.run(
        ["git", "hash-object", "--stdin"], cwd=top, input=content.encode(), capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def committed(top: Path, case: Case) -> str:
    """The same for a sync with its commit: git itself may leave a lock behind, and then the command says so."""


@pytest.mark.parametrize("number", range(QUICK))
def test_a_sync_killed_at_a_random_moment(world: World, broken: Callable[[str, float], Path], number: int) -> None:
    judged(broken("sync", (number + random.random()) / QUICK), world.cases["sync"])
