"""Killed at any moment, a project is as before, or as after, or says which command goes on and which goes back."""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from copier import run_copy

from tests import killing, kit
from tests.killing import CORE, CUT_OFF, EDITS, PROJECT, Point, State, copy, own_names, run, state
from tests.kit import LINES, cli, commit, git, put
from tests.outside import COPIER, released

chance = random.Random()  # noqa: S311 - moments, not secrets
told = logging.getLogger(__name__)
ALL = 1_000_000
QUICK, MANY, SOME = 12, 200, 40  # random kills of a sync in the normal run and in the slow one; of other commands there
LEFT = {"exclude.lock"}  # by a killed one, until that file is written the next time
ENDED = {"*.act", "*.lock"}  # by one that was killed when it was done, until the next one writes in that factory
RESOLVED = {"ops/runbook.md": LINES.replace("line 2\n", "line both\n"), "config.json": '{\n  "a": 5\n}\n'}
DRIFT = {"src/credit_line/controls/audit.py": "edited\n", "ops/runbook.md": None}
ON_OR_BACK = "hint: finish it with `ai-factory sync --continue`, or go back with `--abort`"
ONLY_BACK = "hint: go back with `ai-factory sync --abort`"
BACK = "hint: finish it with `ai-factory sync --abort`"


class Case(NamedTuple):
    """A command, the states before and after it, the one to which `--abort` goes back, and how long it takes."""

    start: Path
    arguments: tuple[str, ...]
    after: State
    aborted: State
    seconds: float

    def counted(self, found: State) -> State:
        """What counts of a state: who asks git for the version of a factory has it note the times of the files."""
        return found.meaning if self.arguments[0] == "factory" else found

    def seen(self, top: Path) -> State:
        return self.counted(state(top))


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
        make_states(folder)
        return World(folder, dict(make_cases(folder)))


def make_states(folder: Path) -> None:
    """A project before a sync, with and without conflicts in sight, and in the states that the other commands meet."""
    factory = killing.factory_at(folder / "factory")
    old = killing.repository_at(folder / "old", factory, EDITS)
    _without_record(copy(old, "bare"))
    calm = {path: text for path, text in EDITS.items() if path not in RESOLVED}
    put(copy(killing.repository_at(folder / "calm", factory, calm), "drifted") / PROJECT, DRIFT)
    _of_copier(copy(folder / "calm", "copied"), folder / "template")
    _own_factory(folder / "own", folder / "lower")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai_factory.git.changed_index", _killed)
        patch.setattr("ai_factory.journal.undo", lambda *_, **__: {})
        assert run(copy(old, "half"), "sync").code == 2
    new = copy(old, "new")
    assert run(new, "sync").code == 1
    put(copy(new, "resolved") / PROJECT, RESOLVED)
    commit(copy(new, "committed"))
    _branch_and_merge(copy(new, "merging"))


def _without_record(top: Path) -> None:
    """A repository that was never stamped: some of the factory's files are there, as the team has them."""
    shutil.rmtree(top / PROJECT / ".ai-factory")
    git(top, "add", "-A", "--force", PROJECT)  # what git ignores cannot be adopted
    git(top, "commit", "-q", "-m", "made by hand", "--", PROJECT)


def _of_copier(top: Path, template: Path) -> None:
    """A project that Copier made, edited, in place of the stamped one."""
    released(template, COPIER)
    git(top, "rm", "-r", "-q", "-f", PROJECT)
    run_copy(str(template), top / PROJECT, {"name": "my-thing"}, vcs_ref="v1.0.0", defaults=True, quiet=True)
    put(top / PROJECT, {"README.md": "edited\n"})
    git(top, "add", PROJECT)
    git(top, "commit", "-q", "-m", "made by Copier", "--", PROJECT)


def _own_factory(top: Path, lower: Path) -> None:
    """A factory with something to release, on top of another one that has a newer release, and a folder to be in."""
    below = {
        "templates/core/component.yaml": "summary: C\n",
        "blueprints/small.yaml": "summary: S\ncomponents: [core]\n",
    }
    released(lower, {**below, f"{CORE}/a.txt": LINES, f"{CORE}/b/c.txt": LINES})
    assert cli("factory", "new", str(top), "--factory", str(lower)).code == 0
    put(lower, {f"{CORE}/b/c.txt": None})
    (lower / CORE / "b").rmdir()
    put(lower, {f"{CORE}/a.txt": LINES.replace("line 3\n", "line three\n"), f"{CORE}/b": "now a file\n"})
    commit(lower)
    git(lower, "tag", "v2.0.0")
    edited = LINES.replace("line 18\n", "line eighteen\n")
    more = {
        "factory.yaml": (top / "factory.yaml").read_text() + "components: { core: extend }\n",
        f"{CORE}/a.txt": edited,
        "templates/core/CHANGELOG.md": "## Unreleased\n\n- Line 18.\n",
        f"{PROJECT}/notes.txt": "mine\n",
    }
    put(top, more)
    commit(top)


def _killed(*_: object) -> None:
    message = "killed"
    raise RuntimeError(message)


def _branch_and_merge(top: Path) -> None:
    """Two branches synced and decided a conflict each, and git merges them."""
    commit(top)
    for branch, side, path in (("one", "ours", "config.json"), ("two", "theirs", "ops/runbook.md")):
        git(top, "checkout", "-q", "-b", branch, "main")
        assert run(top, "sync", "--take", side, path).code == 1
        commit(top)
    subprocess.run(["git", "merge", "-q", "one"], cwd=top, check=False, capture_output=True)
    assert git(top, "ls-files", "--unmerged", "--", f"{PROJECT}/.ai-factory")


ADOPT = ("adopt", "--blueprint", "small", "--defaults")
THEIRS = ("sync", "--take", "theirs", "config.json")
CASES: dict[str, tuple[str, tuple[str, ...], str]] = {  # where it starts, what runs, to where an abort goes back
    "sync": ("old", ("sync",), "old"),
    "go on": ("half", ("sync", "--continue"), "old"),
    "take": ("new", THEIRS, "old"),
    "take later": ("committed", THEIRS, "committed"),
    "resolve": ("resolved", ("sync", "--continue"), "old"),
    "restore": ("drifted", ("restore", *DRIFT), "drifted"),
    "repair": ("merging", ("sync", "--repair"), "merging"),
    "go back": ("resolved", ("sync", "--abort"), "old"),
    "adopt": ("bare", (*ADOPT, "--factory", "{}/factory", "--version", "v1.0.0"), "bare"),
    "eject": ("old", ("eject",), "old"),
    "commit": ("calm", ("sync", "--commit"), "calm"),
    "adopt theirs": ("copied", ("adopt",), "copied"),
    "update": ("own", ("factory", "update", "../.."), "own"),
    "release": ("own", ("factory", "release", "--no-sign", "--factory", "../.."), "own"),
}


def make_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    for name, (start, words, back) in CASES.items():
        arguments = tuple(word.format(folder) for word in words)
        done = copy(folder / start, "done")
        seconds = killing.duration(done / PROJECT, arguments)
        moved = state(done) != state(folder / start)
        assert moved, name
        yield name, Case(folder / start, arguments, state(done), state(folder / back), seconds)


@pytest.fixture
def broken(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A copy of a case's repository, in which its command was killed after that part of its time."""
    monkeypatch.setenv("AI_FACTORY_CACHE", str(world.folder / "cache"))

    def kill_it(case: Case, part: float, number: int = signal.SIGKILL) -> Path:
        top = copy(case.start, "killed", tmp_path)
        killing.kill(top / PROJECT, case.arguments, case.seconds * part, number)
        return top

    return kill_it


# ---- what it may be afterwards -------------------------------------------------------------------


def judged(top: Path, case: Case) -> str:
    """In which of the three states it is; raises where it is in none, or where the way on or back leads elsewhere."""
    itself = case.arguments[0] in ("adopt", "eject", "factory") or case.arguments[-1] == "--repair"
    told = run(copy(top, "asked"), *(case.arguments if itself else ("sync", "--plan")))
    if CUT_OFF in told.err:
        assert (told.code, told.err.splitlines()[-1]) == (2, ON_OR_BACK)
        ahead, back = copy(top, "ahead"), copy(top, "back")
        assert run(ahead, "sync", "--continue").code in (0, 1)
        assert (state(ahead).meaning, own_names(ahead) - LEFT - {"*"}) == (case.after.meaning, set())
        assert run(back, "sync", "--abort").code == 0
        assert (case.seen(back), own_names(back) - LEFT - {"*"}) == (case.counted(case.aborted), set())
        return "half-way"
    if state(top).meaning != case.after.meaning:
        assert case.seen(top) == case.seen(case.start)
        assert run(top, *case.arguments).code in (0, 1)
        assert (state(top).meaning, own_names(top) - LEFT - {"*"}) == (case.after.meaning, set())
        return "before"
    assert (run(top, "sync", "--abort").code, state(top)) in ((0, case.aborted), (2, state(top)))
    assert own_names(top) - LEFT - (ENDED if case.arguments[0] == "factory" else set()) <= {"*"}
    return "after"


def went_back(top: Path, case: Case) -> str:
    """The same for an abort: only another one finishes it, and that one names all that is kept."""
    if state(top) == case.after:
        assert [git(top, "cat-file", "blob", _id(top, content)) for content in RESOLVED.values()] == [
            content.strip() for content in RESOLVED.values()
        ]
        return "after"
    told = run(copy(top, "asked"), "sync", "--continue")
    half = CUT_OFF in told.err
    assert not half or (told.code, told.err.splitlines()[-1]) == (2, BACK)
    assert half or state(top) == state(case.start)
    result = run(top, "sync", "--abort")
    assert (result.code, state(top), own_names(top) - LEFT) == (0, case.after, set())
    kept = re.findall(r"`git cat-file blob (\w+) > (\S+)`", result.out)
    assert {path: git(top, "cat-file", "blob", blob) for blob, path in kept} == {
        path: content.strip() for path, content in RESOLVED.items()
    }
    return "half-way" if half else "before"


def _id(top: Path, content: str) -> str:
    command = ["git", "hash-object", "--stdin"]
    return subprocess.run(command, cwd=top, input=content, capture_output=True, text=True, check=True).stdout.strip()


def committed(top: Path, case: Case) -> str:
    """The same for a sync with its commit. Killed, git may leave a lock of its own: then the command says so."""
    if _without_names(state(top)) == _without_names(case.after):
        return "after"
    for _ in range(2):
        result = run(top, "sync", "--abort")
        mend = re.search(r"`rm (\S+|'[^']+')`", result.err)
        if not mend:
            break
        assert (result.code, "index.lock" in mend[1]) == (2, True)
        subprocess.run(["sh", "-c", f"rm {mend[1]}"], check=True)
    if "no sync is under way" in result.err:
        assert _without_names(state(top)) == _without_names(state(case.start))
        return "before"
    assert (result.code, result.err, own_names(top) - LEFT) == (0, "", set())
    assert _without_names(state(top)) == _without_names(case.aborted)
    return "half-way"


def made_release(top: Path, case: Case) -> str:
    """The same for a release: what was cut off is taken back, or is whole but for its tag, and the next one goes on."""
    told = run(copy(top, "asked"), *case.arguments)
    found = "before"
    if CUT_OFF in told.err:
        assert (told.code, told.err.splitlines()[-1]) == (2, ONLY_BACK)
        result = run(top, "sync", "--abort")
        assert (result.code, case.seen(top), own_names(top) - LEFT) == (0, case.counted(case.aborted), set()), (
            result.err
        )
        found = "half-way"
    elif _without_names(state(top)) == _without_names(case.after):
        found = "after" if git(top, "tag", "--list") else "no tag"
    else:
        assert case.seen(top) == case.seen(case.start)
    assert run(top, *case.arguments).code == (2 if found == "after" else 0)  # nothing has changed since
    assert _without_names(state(top)) == _without_names(case.after)
    assert (git(top, "tag", "--list"), own_names(top) - LEFT - ENDED) == ("v0.1.0", set())
    return found


def _without_names(found: State) -> State:
    """Without what git's own commit leaves behind in `.git`."""
    return found.meaning._replace(names=frozenset())


JUDGES = {"go back": went_back, "commit": committed, "release": made_release}


# ---- killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(QUICK))
def test_a_sync_killed_at_a_random_moment(world: World, broken: Callable[..., Path], number: int) -> None:
    case = world.cases["sync"]
    judged(broken(case, (number + chance.random()) / QUICK), case)


@pytest.mark.parametrize("name", [name for name in CASES if name != "sync"])
def test_another_command_killed_at_a_random_moment(world: World, broken: Callable[..., Path], name: str) -> None:
    case = world.cases[name]
    JUDGES.get(name, judged)(broken(case, chance.uniform(0.5, 1)), case)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_many_random_kills(world: World, broken: Callable[..., Path], name: str) -> None:
    case, kills = world.cases[name], MANY if name == "sync" else SOME
    found: Counter[str] = Counter()
    for number in range(kills):
        found[JUDGES.get(name, judged)(broken(case, 1.05 * (number + chance.random()) / kills), case)] += 1
    told.info("%s %s", name, dict(found))
    assert found.total() == kills


@pytest.mark.parametrize("name", list(CASES))
def test_killed_before_a_change_to_the_disk(world: World, tmp_path: Path, name: str) -> None:
    """Some of all changes that the tool's own process makes, spread over the run."""
    sweep(world.cases[name], tmp_path, name, 4 if name == "sync" else 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_killed_before_each_change_to_the_disk(world: World, tmp_path: Path, name: str) -> None:
    sweep(world.cases[name], tmp_path, name, ALL)


def sweep(case: Case, folder: Path, name: str, number: int) -> None:
    points = killing.changes(copy(case.start, "killed", folder) / PROJECT, case.arguments, folder / "log")
    found: Counter[str] = Counter()
    for point in some(points, number):
        top = copy(case.start, "killed", folder)
        killing.kill_before(top / PROJECT, case.arguments, point)
        found[JUDGES.get(name, judged)(top, case)] += 1
    told.info("%s %s", name, dict(found))


def some(points: Sequence[Point], number: int) -> Sequence[Point]:
    """So many of the points, spread over them all; those that no run of the tests has seen before, in the long run."""
    every = max(len(points) // number, 1)
    return points[chance.randrange(every) :: every]


@pytest.mark.parametrize(
    "arguments", [["sync"], ["sync", "--take", "ours", "config.json"], ["sync", "--repair"], ["restore", "--all"]]
)
def test_what_was_cut_off_is_told_by_whoever_would_write(world: World, tmp_path: Path, arguments: list[str]) -> None:
    top = copy(world.folder / "half", "half", tmp_path)
    result = run(top, *arguments)
    assert (result.code, result.err) == (2, f"error: a sync was cut off half-way\n{ON_OR_BACK}\n")
    assert state(top) == state(world.folder / "half")


def test_what_was_cut_off_is_told_by_status(world: World, tmp_path: Path) -> None:
    top = copy(world.folder / "half", "half", tmp_path)
    assert run(top, "status").out.splitlines()[-2:] == ["a sync was cut off half-way", ON_OR_BACK]
    assert run(top, "status", "--json").data["cut_off"] == "a sync was cut off half-way"
    assert run(copy(world.folder / "old", "old", tmp_path), "status", "--json").data["cut_off"] == ""


# ---- asked to end --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "part"), [(signal.SIGTERM, 0.6), (signal.SIGTERM, 0.9), (signal.SIGINT, 0.8), (signal.SIGHUP, 0.8)]
)
def test_asked_to_end_it_leaves_all_as_it_was(
    world: World, broken: Callable[..., Path], number: signal.Signals, part: float
) -> None:
    case = world.cases["sync"]
    as_before_or_done(broken(case, part, number), case)


@pytest.mark.parametrize("number", [3, pytest.param(ALL, marks=pytest.mark.slow)])
def test_asked_to_end_before_a_change_to_the_disk(world: World, tmp_path: Path, number: int) -> None:
    case, found = world.cases["sync"], Counter[str]()
    points = killing.changes(copy(case.start, "asked to end", tmp_path) / PROJECT, case.arguments, tmp_path / "log")
    for point in some(points, number):
        top = copy(case.start, "asked to end", tmp_path)
        killing.kill_before(top / PROJECT, case.arguments, point, "SIGTERM")
        found[as_before_or_done(top, case)] += 1
    told.info("asked to end %s", dict(found))


def as_before_or_done(top: Path, case: Case, spared: Collection[str] = ()) -> str:
    """Or all is done: the question came too late. Nobody has to mend anything."""
    assert CUT_OFF not in run(top, "sync", "--plan").err
    if state(top).meaning == case.after.meaning:
        assert own_names(top) - LEFT - {*spared} <= {"*"}
        return "done"
    assert (state(top), own_names(top) - {*spared}) == (state(case.start), set())
    return "as before"


@pytest.mark.parametrize("last", [2, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("call", ["write", "rename", "link", "unlink"])
def test_killing_git_alone_leaves_all_as_it_was(
    world: World, tmp_path: Path, call: str, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process of git that the sync starts, before each of its changes to the disk."""
    case, found = world.cases["sync"], Counter[str]()
    path = os.environ["PATH"]
    for number in range(1, last + 1):
        top = copy(case.start, "killed", tmp_path)
        monkeypatch.setenv("PATH", f"{killing.mortal_git(tmp_path, Point(call, number))}:{path}")
        result = run(top, "sync")
        monkeypatch.setenv("PATH", path)
        assert result.code == 1 or (result.code, result.err[:18]) == (2, "error: git failed:")
        found[as_before_or_done(top, case)] += 1
    told.info("git killed at %s: %s", call, dict(found))


# ---- a machine that refuses ----------------------------------------------------------------------


ERRORS = {"write": "ENOSPC", "sendfile": "ENOSPC", "fsync": "EIO"}  # others: a folder that may not be written


@pytest.mark.parametrize("number", [4, pytest.param(ALL, marks=pytest.mark.slow)])
def test_a_change_that_the_machine_refuses_leaves_all_as_it_was(world: World, tmp_path: Path, number: int) -> None:
    case, found = world.cases["sync"], Counter[str]()
    for point in some(
        killing.changes(copy(case.start, "it", tmp_path) / PROJECT, case.arguments, tmp_path / "log"), number
    ):
        top = copy(case.start, "it", tmp_path)
        result = killing.refuse_at(top / PROJECT, case.arguments, point, ERRORS.get(point.call, "EACCES"))
        lock = {name for name in own_names(top) if name == "*.lock"}  # empty, where even that may not be removed
        found[as_before_or_done(top, case, lock if point.call == "unlink" else set())] += 1
        assert result.code == 1 or re.fullmatch(r"error: .*\n(hint: check .*\n)?", result.err), (point, result.err)
    told.info("refused %s", dict(found))


@pytest.mark.parametrize("number", [2, pytest.param(ALL, marks=pytest.mark.slow)])
def test_a_disk_that_stays_full_leaves_what_can_be_ended(world: World, tmp_path: Path, number: int) -> None:
    """Where nothing can be written any more, not even what would put things back, the command says so."""
    case, found = world.cases["sync"], Counter[str]()
    points = killing.changes(copy(case.start, "it", tmp_path) / PROJECT, case.arguments, tmp_path / "log")
    for point in some([point for point in points if point.call == "write"], number):
        top = copy(case.start, "it", tmp_path)
        result = killing.refuse_at(top / PROJECT, case.arguments, point, "ENOSPC", on=True)
        where = judged(top, case)
        found[where] += 1
        assert result.code == 2 or where == "after"
    told.info("full for good %s", dict(found))


# ---- a project that is not whole yet -------------------------------------------------------------


NEW = [
    ("new", "small", "deep/p", "--defaults", "--version", "v1.0.0", "--factory"),
    ("factory", "new", "deep/p", "--version", "v1.0.0", "--factory"),
]


@pytest.mark.parametrize("number", [4, pytest.param(ALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize("words", NEW, ids=["project", "factory"])
def test_new_killed_before_a_change_to_the_disk_can_be_done_again(
    world: World, tmp_path: Path, number: int, words: tuple[str, ...]
) -> None:
    """What it left is named, with the command that removes it."""
    arguments, found = (*words, str(world.folder / "factory")), Counter[str]()
    points = killing.changes(tmp_path, arguments, tmp_path / "log")
    whole = born(tmp_path / "deep/p")
    for point in some(points, number):
        shutil.rmtree(tmp_path / "deep")
        killing.kill_before(tmp_path, arguments, point)
        again = cli(*arguments, cwd=tmp_path)
        found[str(again.code)] += 1
        if again.code == 2 and not (tmp_path / "deep/p/.ai-factory-new").exists():
            assert "is not empty" in again.err  # all of it was written, and only its end is missing
        elif again.code == 2:
            assert again.err.startswith("error: an `ai-factory new` is at work in `deep/p`, or was cut off there\n")
            subprocess.run(["sh", "-c", again.err.split("`")[5]], cwd=tmp_path, check=True)
            assert cli(*arguments, cwd=tmp_path).code == 0
        assert born(tmp_path / "deep/p") == whole
    told.info("new %s", dict(found))


def born(project: Path) -> tuple[State, str]:
    """What a project is made of, and its history."""
    return state(project).meaning, git(project, "log", "--format=%an %s", "--stat")


@pytest.mark.parametrize("number", [4, pytest.param(ALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize("words", NEW, ids=["project", "factory"])
def test_new_asked_to_end_leaves_nothing(world: World, tmp_path: Path, number: int, words: tuple[str, ...]) -> None:
    arguments = (*words, str(world.folder / "factory"))
    points = killing.changes(tmp_path, arguments, tmp_path / "log")
    whole = born(tmp_path / "deep/p")
    for point in some(points, number):
        shutil.rmtree(tmp_path / "deep", ignore_errors=True)
        killing.kill_before(tmp_path, arguments, point, "SIGTERM")
        assert not (tmp_path / "deep").exists() or born(tmp_path / "deep/p") == whole


def test_new_that_was_cut_off_in_a_fresh_clone_spares_the_clone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    git(tmp_path / "deep", "init", "-q", "p")
    git(tmp_path / "deep/p", "remote", "add", "origin", "https://git.example.org/p.git")
    before, arguments = state_of_git(tmp_path / "deep/p"), (*NEW[0], str(world.folder / "factory"))
    with monkeypatch.context() as patch:
        patch.setattr("ai_factory.project.filling._undo", lambda *_: None)
        patch.setattr("ai_factory.workspace.Folder.write", _killed)
        cli(*arguments, cwd=tmp_path)
    again = cli(*arguments, cwd=tmp_path)
    subprocess.run(["sh", "-c", again.err.split("`")[5]], cwd=tmp_path, check=True)
    assert (again.code, os.listdir(tmp_path / "deep/p"), state_of_git(tmp_path / "deep/p")) == (2, [".git"], before)
    assert cli(*arguments, cwd=tmp_path).code == 0


def state_of_git(project: Path) -> dict[str, bytes]:
    return {str(place): place.read_bytes() for place in (project / ".git").rglob("*") if place.is_file()}
