"""The journal: all of a plan is written or nothing, whatever fails and whenever it is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ai_factory import git, journal
from ai_factory.errors import MachineError, ProjectError
from ai_factory.git import Stage
from ai_factory.journal import Journal, Step
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, Blob, File, blob_id, raw_blob_id
from ai_factory.workspace import Folder
from tests import kit
from tests.kit import commit, put, refusal, snapshot

ODD = "new dir/-odd\n'name"
STEPS = (  # what goes makes room for what comes: a file becomes a folder, and a folder a file
    Step("gone", File(b"gone\n"), None),
    Step("f", File(b"f\n"), None),
    Step("d/x", File(b"x\n"), None),
    Step("change", File(b"before\n"), File(b"after\r\n\0")),
    Step("mode", File(b"mode\n"), File(b"mode\n", EXECUTABLE)),
    Step("link", File(b"change", LINK), File(b"mode", LINK)),
    Step("f/y", None, File(b"y\n")),
    Step("d", None, File(b"d\n")),
    Step(ODD, None, File(b"odd\n")),
    Step("open", File(b"ours\n"), File(b"<<<<<<< yours\n")),
    Step("open.incoming", None, File(b"theirs\n")),
)
EXCLUDE = b"# mine\r\n*.tmp\n"
KEPT = {"same": File(b"same\n"), "edited": File(b"edited\n")}


def blob(file: File) -> Blob:
    return Blob(file.mode, raw_blob_id(file.content))


def stage_of(step: Step) -> Stage:
    if step.path == "open":
        base, theirs = (blob(File(content)) for content in (b"base\n", b"theirs\n"))
        return Stage("open", sides=(base, blob(File(b"ours\n")), theirs))
    return Stage(step.path, blob(step.after) if step.after else None)


STAGES = tuple(stage_of(step) for step in STEPS if step.path != "open.incoming")


class Place(NamedTuple):
    """A project in a subfolder of a repository, and its journal."""

    top: Path
    root: Path
    journal: Journal

    @property
    def exclude(self) -> Path:
        return self.top / ".git/info/exclude"

    def begin(self) -> None:
        """Apply the whole plan."""
        journal.apply(self.journal, "the head", STEPS, STAGES, ["open.incoming"])

    def all(self) -> tuple[dict[str, tuple[int, bytes]], bytes]:
        """Every byte of the project, of the index and of git's exclude file."""
        return snapshot(self.top), self.exclude.read_bytes()

    def files(self) -> dict[str, File]:
        disk = Folder(str(self.root))
        return disk.read_all(disk.walk())

    def staged(self) -> list[tuple[str, str, str]]:
        """Path, stage, and mode and id of what the index holds."""
        rows = [row.split("\t", 1) for row in kit.git(self.root, "ls-files", "--stage", "-z").split("\0") if row]
        return sorted((path, head[-1], head[:-2]) for head, path in rows)


def row(path: str, file: File, number: int = 0) -> tuple[str, str, str]:
    return path, str(number), " ".join(blob(file))


BEFORE = {step.path: step.before for step in STEPS if step.before} | KEPT
AFTER = {step.path: step.after for step in STEPS if step.after} | KEPT
OPEN = [row("open", File(content), number) for number, content in enumerate((b"base\n", b"ours\n", b"theirs\n"), 1)]
INDEX = sorted(OPEN + [row(path, file) for path, file in AFTER.items() if not path.startswith(("open", "edited"))])
INDEX = sorted([*INDEX, row("edited", File(b"committed\n"))])


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("pattern") / "top"
    root = top / "sub dir"
    put(root, {path: file.content for path, file in BEFORE.items() if file.mode != LINK})
    put(root, {"edited": "committed\n"})
    (root / "link").symlink_to("change")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kit.IDENTITY.items():
            patch.setenv(name, value)
        kit.git(top, "init", "-q", "-b", "main")
        commit(top)
    git.store(str(root), [b"base\n", b"theirs\n", *(step.after.content for step in STEPS if step.after)])
    put(root, {"edited": "edited\n"})
    (top / ".git/info/exclude").write_bytes(EXCLUDE)
    return top


@pytest.fixture
def place(pattern: Path, tmp_path: Path) -> Place:
    """A project with a change of the person's own that is not committed."""
    top = shutil.copytree(pattern, tmp_path / "top", symlinks=True)
    root = top / "sub dir"
    return Place(top, root, journal.journal_of(str(root)))


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch, *names: str, after: int = 0) -> Iterator[None]:
    """The process is killed when it calls one of these for the `after`-th time (from 0); nothing is undone."""
    calls = iter(range(1_000))
    with monkeypatch.context() as patch:
        patch.setattr(journal, "undo", lambda *_, **__: None)
        for name in names:
            patch.setattr(f"ai_factory.{name}", _until(_attribute(name), calls, after))
        with pytest.raises(Killed):
            yield


def _attribute(name: str) -> Callable[..., object]:
    from ai_factory import workspace

    owner, _, attribute = name.rpartition(".")
    found: Callable[..., object] = getattr(
        {"git": git, "journal": journal, "workspace.Folder": workspace.Folder}[owner], attribute
    )
    return found


def _until(call: Callable[..., object], calls: Iterator[int], after: int) -> Callable[..., object]:
    def counted(*arguments: object, **named: object) -> object:
        if next(calls) == after:
            raise Killed
        return call(*arguments, **named)

    return counted


# ---- applied -------------------------------------------------------------------------------------


def test_all_is_written_staged_and_remembered(place: Place) -> None:
    place.begin()
    assert place.files() == AFTER
    assert place.staged() == INDEX
    assert place.exclude.read_bytes() == EXCLUDE + b"/sub dir/open.incoming\n"
    assert (place.journal.state(), place.journal.head()) == ("applied", "the head")
    assert [place.journal.wrote(path) for path in ("change", "gone", "same")] == [File(b"after\r\n\0"), None, None]


def test_undone_is_as_before_to_the_byte(place: Place) -> None:
    before = place.all()
    place.begin()
    assert journal.undo(place.journal) == {}
    assert place.all() == before
    assert (place.journal.state(), place.journal.load(), os.path.exists(place.journal.place)) == ("", {}, False)


def test_finished_twice_is_finished_once(place: Place) -> None:
    place.begin()
    journal.finish(place.journal)
    assert (place.files(), place.staged()) == (AFTER, INDEX)
    assert place.exclude.read_bytes() == EXCLUDE + b"/sub dir/open.incoming\n"


def test_the_next_sync_replaces_the_journal(place: Place) -> None:
    place.begin()
    journal.apply(place.journal, "later", [Step("same", File(b"same\n"), File(b"new\n"))], [Stage("same")], [])
    assert (place.journal.head(), place.journal.wrote("change")) == ("later", None)
    journal.undo(place.journal)
    assert (place.files(), place.staged()) == (AFTER, INDEX)


def test_a_repository_without_an_index_gets_none(tmp_path: Path) -> None:
    kit.git(tmp_path, "init", "-q")
    where = journal.journal_of(str(tmp_path))
    ids = git.store(str(tmp_path), [b"a\n"])
    before = snapshot(tmp_path)
    journal.apply(where, "", [Step("a", None, File(b"a\n"))], [Stage("a", Blob("100644", ids[b"a\n"]))], [])
    assert kit.git(tmp_path, "ls-files") == "a"
    journal.undo(where)
    assert snapshot(tmp_path) == before


def test_projects_and_worktrees_have_journals_of_their_own(place: Place) -> None:
    other = place.top / "other"
    other.mkdir()
    kit.git(place.top, "worktree", "add", "-q", "--detach", "../linked")
    linked = journal.journal_of(str(place.top.parent / "linked/sub dir"))
    assert len({journal.journal_of(str(other)).place, place.journal.place, linked.place}) == 3
    assert linked.place.startswith(str(place.top / ".git/worktrees/linked/"))
    assert linked.index_file == str(place.top / ".git/worktrees/linked/index")


def test_outside_a_repository_there_is_none(tmp_path: Path) -> None:
    error = refusal(lambda: journal.journal_of(str(tmp_path)))
    assert (type(error), error.message) == (ProjectError, f"`{tmp_path}` lies in no git work tree")


def test_a_broken_journal_is_named(place: Place) -> None:
    put(Path(place.journal.place), {"journal.json": "{"})
    assert refusal(place.journal.state).message == f"the journal `{place.journal.place}` is broken"


def test_a_journal_of_another_version_is_none_unless_it_was_cut_off(place: Place) -> None:
    for state in ("applied", "applying"):
        put(Path(place.journal.place), {"journal.json": json.dumps({"format": 1, "state": state})})
        if state == "applied":
            assert place.journal.state() == ""
    message = f"the journal `{place.journal.place}` was written by another version of ai-factory"
    assert refusal(place.journal.state).message == message


# ---- failed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["same/x", "taken", "taken/deep"])
def test_a_failure_in_the_middle_leaves_all_as_before(place: Place, path: str) -> None:
    """A folder is in the way, or a file where a folder must be."""
    put(place.root, {"taken/deep/mine": "mine\n"})
    before = place.all()
    steps = [*STEPS[:5], Step(path, None, File(b"x\n")), *STEPS[5:]]
    error = refusal(lambda: journal.apply(place.journal, "", steps, STAGES, ["open.incoming"]))
    assert (type(error), error.message.partition("`:")[0]) == (MachineError, f"cannot write `{place.root / path}")
    assert place.all() == before
    assert place.journal.state() == ""


def test_a_failure_of_git_leaves_all_as_before(place: Place) -> None:
    put(place.top, {".git/index.lock": ""})  # another git is at work
    before = place.all()
    error = refusal(place.begin)
    assert (type(error), "index.lock" in error.message) == (MachineError, True)
    assert place.all() == before
    assert place.journal.state() == ""


def test_an_interruption_leaves_all_as_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.all()
    with monkeypatch.context() as patch:
        patch.setattr("ai_factory.git.stage", _until(git.stage, iter([0]), 0))
        with pytest.raises(Killed):
            place.begin()
    assert place.all() == before


# ---- killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["journal._keep", "journal._write_record", "journal._drop"])
def test_killed_before_the_journal_was_whole_is_as_before(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.all()
    with killed(monkeypatch, name):
        place.begin()
    assert (place.all(), place.journal.state()) == (before, "")
    place.begin()
    assert (place.files(), place.staged()) == (AFTER, INDEX)


def test_killed_before_the_journal_was_whole_leaves_the_one_before(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.begin()
    with killed(monkeypatch, "journal._write_record"):
        journal.apply(place.journal, "later", [], [], [])
    assert (place.journal.state(), place.journal.head()) == ("applied", "the head")


MOMENTS = [
    *((("workspace.Folder.write", "workspace.Folder.delete"), number) for number in range(len(STEPS))),
    (("git.stage",), 0),
    (("journal._write_record",), 1),
]


@pytest.mark.parametrize(("names", "number"), MOMENTS)
def test_killed_between_two_steps_can_be_finished_and_undone(
    place: Place, names: tuple[str, ...], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, was = place.all(), place.staged()
    with killed(monkeypatch, *names, after=number):
        place.begin()
    assert place.journal.state() == "applying"
    half = shutil.copytree(place.top, place.top.parent / "half", symlinks=True)
    other = Place(half, half / "sub dir", journal.journal_of(str(half / "sub dir")))
    journal.finish(place.journal)
    assert (place.files(), place.staged(), place.journal.state()) == (AFTER, INDEX, "applied")
    assert place.exclude.read_bytes() == EXCLUDE + b"/sub dir/open.incoming\n"
    assert journal.undo(other.journal) == {}
    assert other.staged() == was
    assert other.all() == before
    assert (other.files(), other.exclude.read_bytes()) == (BEFORE, EXCLUDE)
    assert other.journal.state() == ""


def test_an_undoing_that_was_killed_can_be_finished(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it still names what it keeps, of a file that it had put back already."""
    before = place.all()
    place.begin()
    put(place.root, {"change": "worked on\n"})
    with monkeypatch.context() as patch:
        patch.setattr("ai_factory.git.changed_index", _until(git.changed_index, iter([0]), 0))
        with pytest.raises(Killed):
            journal.undo(place.journal)
    assert (place.journal.state(), (place.root / "change").read_text()) == ("aborting", "before\n")
    assert refusal(lambda: journal.complete(place.journal)).hint == "finish it with `ai-factory sync --abort`"
    assert journal.undo(place.journal) == {"change": Blob(REGULAR, blob_id(b"worked on\n"))}
    assert place.all() == before


def test_a_folder_that_was_empty_before_is_empty_again(place: Place) -> None:
    (place.root / "new dir").mkdir()
    place.begin()
    journal.undo(place.journal)
    assert list((place.root / "new dir").iterdir()) == []


# ---- something on top of it ----------------------------------------------------------------------


MORE = (Step("open", File(b"<<<<<<< yours\n"), File(b"theirs\n")), Step("open.incoming", File(b"theirs\n"), None))
DECIDED = (Stage("open", blob(File(b"theirs\n"))),)


def decide(place: Place, *, counts: bool) -> None:
    kept = {"open": Blob(REGULAR, raw_blob_id(b"<<<<<<< yours\n"))}
    journal.carry_out(place.journal, journal.DECISION, "the head", MORE, DECIDED, replaced=kept, counts=counts)


def test_what_counts_to_a_sync_is_undone_with_it(place: Place) -> None:
    before = place.all()
    place.begin()
    decide(place, counts=True)
    assert (place.files()["open"], journal.cut_off(place.journal)) == (File(b"theirs\n"), "")
    assert row("open", File(b"theirs\n")) in place.staged()
    assert journal.undo(place.journal) == {}
    assert place.all() == before


def test_what_does_not_count_leaves_the_journal_of_the_sync_alone(place: Place) -> None:
    place.begin()
    record = place.journal.load()
    decide(place, counts=False)
    assert (place.journal.load(), place.journal.act.load()) == (record, {})


def test_what_others_stage_before_a_decision_stays_staged(place: Place) -> None:
    place.begin()
    put(place.root, {"mine": "mine\n"})
    kit.git(place.root, "add", "mine")
    decide(place, counts=True)
    journal.undo(place.journal)
    assert row("mine", File(b"mine\n")) in place.staged()


@pytest.mark.parametrize("name", ["workspace.Folder.write", "workspace.Folder.delete", "git.stage", "journal._settle"])
def test_a_decision_that_was_killed_can_be_finished_and_undone(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.begin()
    before = place.all()
    with killed(monkeypatch, name):
        decide(place, counts=True)
    half = shutil.copytree(place.top, place.top.parent / "half", symlinks=True)
    other = Place(half, half / "sub dir", journal.journal_of(str(half / "sub dir")))
    message = refusal(lambda: journal.require_finished(place.journal)).message
    assert message == "a decision was cut off half-way"
    assert journal.complete(place.journal) == {"open": Blob(REGULAR, raw_blob_id(b"<<<<<<< yours\n"))}
    decided = {path: file for path, file in AFTER.items() if path != "open.incoming"}
    assert place.files() == {**decided, "open": File(b"theirs\n")}
    journal.undo(other.journal.act)
    assert other.all() == before


def test_what_a_killed_writing_left_beside_a_file_is_cleared(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.all()
    with killed(monkeypatch, "workspace.Folder.write", after=0):
        place.begin()
    put(place.root, {"change.ai-factory-new": "half"})
    journal.undo(place.journal)
    assert place.all() == before


# ---- two at once ---------------------------------------------------------------------------------


HOLD = """\
import sys
from ai_factory import journal
with journal.exclusive(journal.journal_of(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_has_ended(place: Place) -> None:
    command = [sys.executable, "-c", HOLD, str(place.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        error = refusal(lambda: _hold(place.journal))
        assert (type(error), error.message) == (ProjectError, "another sync is running in this project")
        first.kill()  # the lock goes with the process, however that ends
    _hold(place.journal)


def _hold(where: Journal) -> None:
    with journal.exclusive(where):
        pass


# ---- somebody else's work ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["change", "f/y", "gone"])
def test_a_file_that_was_changed_since_the_plan_is_not_overwritten(place: Place, path: str) -> None:
    if path == "f/y":
        (place.root / "f").unlink()
    put(place.root, {path: "just written\n"})
    before = place.all()
    error = refusal(place.begin)
    assert (type(error), error.message) == (ProjectError, f"`{path}` was changed while the sync was under way")
    assert place.all() == before


def test_a_file_that_was_changed_since_the_sync_is_kept_as_an_object(place: Place) -> None:
    before = place.all()
    place.begin()
    put(place.root, {"change": "worked on\n"})
    kept = journal.undo(place.journal)
    assert kept == {"change": Blob(REGULAR, blob_id(b"worked on\n"))}
    assert kit.git(place.root, "cat-file", "blob", kept["change"].id) == "worked on"
    assert place.all() == before


def test_what_was_staged_since_the_sync_stays_staged(place: Place) -> None:
    place.begin()
    put(place.root, {"mine": "mine\n"})
    kit.git(place.root, "add", "mine", "edited")
    journal.undo(place.journal)
    expected = BEFORE | {"mine": File(b"mine\n")}
    assert (place.files(), place.staged()) == (expected, sorted(row(path, file) for path, file in expected.items()))


# ---- git's exclude file --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, b"/sub dir/open.incoming\n", id="there is none"),
        pytest.param(b"", b"/sub dir/open.incoming\n", id="empty"),
        pytest.param(b"a", b"a\n/sub dir/open.incoming\n", id="without a last line break"),
        pytest.param(b"a\r\n\xff\n", b"a\r\n\xff\n/sub dir/open.incoming\n", id="odd bytes"),
        pytest.param(b"/sub dir/open.incoming\n", b"/sub dir/open.incoming\n", id="the line is there"),
    ],
)
def test_gits_exclude_file_is_as_before_when_undone(place: Place, before: bytes | None, after: bytes) -> None:
    if before is None:
        place.exclude.unlink()
    else:
        place.exclude.write_bytes(before)
    place.begin()
    assert place.exclude.read_bytes() == after
    journal.undo(place.journal)
    assert (place.exclude.read_bytes() if place.exclude.exists() else None) == before


def test_a_line_that_somebody_added_to_it_stays(place: Place) -> None:
    place.begin()
    put(place.top, {".git/info/exclude": place.exclude.read_bytes() + b"*.log\n"})
    journal.undo(place.journal)
    assert place.exclude.read_bytes() == EXCLUDE + b"*.log\n"


def test_only_the_proposal_itself_is_hidden(place: Place) -> None:
    """Whatever signs its name holds."""
    odd = ["[a]*.incoming", "\\b?.incoming", "!c .incoming", "#d\n.incoming"]
    put(place.root, dict.fromkeys([*odd, "ax.incoming", "bb.incoming", "deep/[a]*.incoming"], "x\n"))
    journal.apply(place.journal, "", [], [], odd)
    seen = kit.git(place.root, "status", "--porcelain", "-z", "--untracked-files=all").split("\0")
    assert [line for line in seen if "incoming" in line] == [
        f"?? sub dir/{path}" for path in ("ax.incoming", "bb.incoming", "deep/[a]*.incoming")
    ]
