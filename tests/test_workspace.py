"""A folder on disk: what is read, written and deleted stays inside it, whole, with its mode."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_factory import workspace
from ai_factory.errors import FactoryError, LockError, MachineError, ProjectError
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, File, digest
from ai_factory.workspace import Folder, Repository
from tests.kit import commit, git, put, refusal, snapshot

VERBS: dict[str, Callable[[Folder, str], object]] = {
    "read": lambda folder, path: folder.read(path),
    "read_all": lambda folder, path: folder.read_all([path]),
    "write": lambda folder, path: folder.write(path, File(b"bad")),
    "delete": lambda folder, path: folder.delete(path),
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder beside which lies a file that must never change."""
    put(tmp_path, {"outside/secret": "secret\n", "inside/a/b.txt": "b\n"})
    return Folder(str(tmp_path / "inside"))


# ---- containment ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "path", ["../outside/secret", "/etc/passwd", "a/../../outside/secret", ".git/config", "a/.GIT/x", ""]
)
def test_no_verb_touches_a_path_that_leaves_the_folder(verb: str, path: str, folder: Folder, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    error = refusal(lambda: VERBS[verb](folder, path))
    assert (type(error), snapshot(tmp_path)) == (FactoryError, before)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("target", ["../outside", "{}/outside", "..", "a/../../outside"])
def test_no_verb_follows_a_linked_folder_out(verb: str, target: str, folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "inside/link").symlink_to(target.format(tmp_path))
    before = snapshot(tmp_path)
    error = refusal(lambda: VERBS[verb](folder, "link/secret"))
    real = os.path.realpath(tmp_path / "inside/link")
    assert (type(error), error.message, snapshot(tmp_path)) == (
        ProjectError,
        f"`link/secret` lies outside the project: a folder above it is a link to `{real}`",
        before,
    )


def test_a_folder_whose_name_only_begins_alike_is_outside(folder: Folder, tmp_path: Path) -> None:
    put(tmp_path, {"inside2/x": "x"})
    (tmp_path / "inside/link").symlink_to("../inside2")
    assert type(refusal(lambda: folder.read("link/x"))) is ProjectError


def test_beyond_a_linked_folder_that_stays_inside_lies_nothing(folder: Folder, tmp_path: Path) -> None:
    """Git tracks the link alone: a file beyond it would be two."""
    (tmp_path / "inside/link").symlink_to("a")
    assert folder.read("link/b.txt") is None
    before = snapshot(tmp_path)
    for verb in ("write", "delete"):
        error = refusal(lambda verb=verb: VERBS[verb](folder, "link/b.txt"))  # type: ignore[misc]
        assert (type(error), error.message) == (ProjectError, "`link/b.txt` lies beyond a folder that is a link")
    assert snapshot(tmp_path) == before


def test_a_link_is_read_written_and_deleted_as_a_link(folder: Folder, tmp_path: Path) -> None:
    """Its target is neither read nor changed."""
    place = tmp_path / "inside/x"
    place.symlink_to("../outside/secret")
    assert folder.read("x") == File(b"../outside/secret", LINK)
    folder.write("x", File(b"mine\n"))
    assert (place.is_symlink(), place.read_text()) == (False, "mine\n")
    folder.write("x", File(b"a/b.txt", LINK))
    assert os.readlink(place) == "a/b.txt"
    folder.delete("x")
    assert not os.path.lexists(place)
    assert (tmp_path / "outside/secret").read_text() == "secret\n"


def test_a_temporary_name_that_is_a_link_is_not_written_through(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "inside/x.ai-factory-new").symlink_to("../outside/secret")
    folder.write("x", File(b"mine\n"))
    assert (tmp_path / "outside/secret").read_text() == "secret\n"
    assert sorted(os.listdir(tmp_path / "inside")) == ["a", "x"]


def test_a_project_behind_a_link_is_its_real_folder(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to("inside")
    assert Folder(str(tmp_path / "alias")).root == folder.root


# ---- reading and writing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file", [File(b"text\r\n"), File(b"#!/bin/sh\n", EXECUTABLE), File(b"a/b.txt", LINK), File(b""), File(b"\0\xff")]
)
@pytest.mark.parametrize("path", ["x", "new/deep/x", "ünï \n-'\"$x", "-x", "\udcff"])
def test_what_is_written_is_read_back(path: str, file: File, folder: Folder) -> None:
    folder.write(path, file)
    assert folder.read(path) == file


@pytest.mark.parametrize(("before", "after"), [(REGULAR, EXECUTABLE), (EXECUTABLE, REGULAR)])
def test_a_mode_can_change(before: str, after: str, folder: Folder) -> None:
    folder.write("x", File(b"x", before))
    folder.write("x", File(b"x", after))
    assert folder.read("x") == File(b"x", after)


def test_what_is_not_there_or_no_file_reads_as_none(folder: Folder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "inside/pipe")
    assert [folder.read(path) for path in ("none", "a", "a/b.txt/c", "pipe")] == [None] * 4
    assert folder.read_all(["none", "a/b.txt"]) == {"a/b.txt": File(b"b\n")}


def test_a_huge_file_is_refused_unread(folder: Folder, tmp_path: Path) -> None:
    with (tmp_path / "inside/huge").open("wb") as stream:
        stream.truncate(workspace.SIZE_LIMIT + 1)
    error = refusal(lambda: folder.read("huge"))
    assert (type(error), error.message) == (ProjectError, f"`{folder.root}/huge` is larger than 67108864 bytes")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder: Folder, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    error = refusal(lambda: folder.write("a", File(b"x")))
    assert (type(error), error.message) == (MachineError, f"cannot write `{folder.root}/a`: directory not empty")
    assert snapshot(tmp_path) == before
    below = refusal(lambda: folder.write("a/b.txt/c", File(b"x")))
    assert (type(below), below.message) == (MachineError, f"cannot write `{folder.root}/a/b.txt/c`: file exists")
    assert snapshot(tmp_path) == before


def test_an_empty_folder_gives_way_to_a_file(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "inside/empty").mkdir()
    folder.write("empty", File(b"x"))
    assert folder.read("empty") == File(b"x")


@pytest.mark.parametrize("target", [b"a\0b", b""])
def test_a_link_that_cannot_be_is_refused(target: bytes, folder: Folder) -> None:
    assert type(refusal(lambda: folder.write("x", File(target, LINK)))) is MachineError
    assert folder.read("x") is None


def test_deleting_removes_the_folders_that_it_leaves_empty(folder: Folder, tmp_path: Path) -> None:
    put(tmp_path, {"inside/p/q/r/x": "", "inside/p/keep": ""})
    folder.delete("p/q/r/x")
    folder.delete("p/q/r/x")
    folder.delete("p/keep/none")
    assert sorted(os.listdir(tmp_path / "inside/p")) == ["keep"]
    folder.delete("a/b.txt")
    folder.delete("p/keep")
    assert os.listdir(tmp_path / "inside") == []


def test_a_folder_is_not_deleted_as_a_file(folder: Folder, tmp_path: Path) -> None:
    assert type(refusal(lambda: folder.delete("a"))) is MachineError
    assert (tmp_path / "inside/a/b.txt").exists()


def test_a_walk_lists_files_and_links_sorted_without_gits_own(folder: Folder, tmp_path: Path) -> None:
    put(tmp_path, {"inside/.git/HEAD": "", "inside/a/.git": "gitdir: x", "inside/z": "", "inside/.x/y": ""})
    (tmp_path / "inside/out").symlink_to("../outside")
    (tmp_path / "inside/broken").symlink_to("nowhere")
    assert list(folder.walk()) == ["broken", "out", "z", ".x/y", "a/b.txt"]
    assert list(folder.walk("a")) == ["a/b.txt"]
    assert list(folder.walk("none")) == []


# ---- finding -------------------------------------------------------------------------------------


def test_a_project_is_found_from_below(tmp_path: Path) -> None:
    put(tmp_path, {"p/.ai-factory/lock.json": "{}", "p/a/b/c": "", "q/.ai-factory/base": "", "r/x": ""})
    assert workspace.find_project(str(tmp_path / "p/a/b")) == os.path.realpath(tmp_path / "p")
    broken = refusal(lambda: workspace.find_project(str(tmp_path / "q")))
    none = refusal(lambda: workspace.find_project(str(tmp_path / "r")))
    assert [(type(error), error.message) for error in (broken, none)] == [
        (LockError, f"`{tmp_path}/q/.ai-factory/lock.json` is missing"),
        (
            LockError,
            f"`{tmp_path}/r` is no project of ai-factory: there is no `.ai-factory/lock.json` in it or above it",
        ),
    ]
    assert refusal(lambda: workspace.find_project(str(tmp_path / "s"))).message == f"there is no `{tmp_path}/s`"


def test_a_repository_is_found_from_its_files(tmp_path: Path) -> None:
    top = Path(os.path.realpath(tmp_path))
    git(top, "init", "-q", "main")
    commit(top / "main")
    git(top / "main", "worktree", "add", "-q", "../tree")
    put(top, {"main/a/b": ""})
    assert workspace.find_repository(str(top / "main/a")) == Repository(
        f"{top}/main", f"{top}/main/.git", f"{top}/main/.git"
    )
    assert workspace.find_repository(str(top / "tree")) == Repository(
        f"{top}/tree", f"{top}/main/.git/worktrees/tree", f"{top}/main/.git"
    )
    assert workspace.find_repository(str(top)) is None


@pytest.mark.parametrize(
    ("value", "keeps"), [("true", True), ("false", False), ("0", False), ("off", False), (None, True)]
)
def test_modes_mean_what_git_says(value: str | None, keeps: bool, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "--unset", "core.fileMode")
    if value is not None:
        git(tmp_path, "config", "core.fileMode", value)
    assert workspace.keeps_modes(str(tmp_path)) is keeps


def test_a_name_may_be_as_long_as_a_disk_allows(folder: Folder) -> None:
    name, before = "long" + "ü" * 120, os.listdir(folder.root)
    folder.write(name, File(b"long\n"))
    assert (folder.read(name), sorted(os.listdir(folder.root))) == (File(b"long\n"), sorted([*before, name]))
    Path(folder.root, f"{digest(name.encode())}.ai-factory-new").touch()  # a writing that was cut off
    folder.forget_draft(name)
    assert sorted(os.listdir(folder.root)) == sorted([*before, name])


def test_a_folder_that_is_not_there_may_become_a_link(tmp_path: Path) -> None:
    """What was not there is looked at again before anything is read or written below it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("x")
    folder = Folder(str(tmp_path / "project"))
    assert folder.read("a/secret") is None
    (tmp_path / "project/a").symlink_to("../outside")
    for name in ("read", "write"):
        with pytest.raises(ProjectError, match="lies outside the project"):
            VERBS[name](folder, "a/secret")
    assert (tmp_path / "outside/secret").read_text() == "x"
