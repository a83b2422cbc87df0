"""Git's index changes whole, under git's own lock, and whose a lock is can be told."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ai_factory import git
from ai_factory.errors import MachineError
from ai_factory.git import index as module
from tests import kit
from tests.kit import commit, put, refusal


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.02)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    kit.git(tmp_path, "init", "-q")
    put(tmp_path, {"a": "a\n"})
    commit(tmp_path)
    (tmp_path / ".git/own").mkdir()
    return tmp_path


def places(repository: Path) -> tuple[str, str]:
    return str(repository / ".git/index"), str(repository / ".git/own/slug")


def left(repository: Path) -> list[str]:
    return [*os.listdir(repository / ".git/own"), *(["lock"] if (repository / ".git/index.lock").exists() else [])]


def test_the_copy_becomes_the_index(repository: Path) -> None:
    before = (repository / ".git/index").stat().st_mtime_ns
    with git.changed_index(*places(repository)) as copy:
        assert os.stat(copy).st_mtime_ns == before  # by which git tells what it must look at again
        assert (repository / ".git/index.lock").exists()
        Path(copy).write_bytes(b"new")
    assert ((repository / ".git/index").read_bytes(), left(repository)) == (b"new", [])


def test_a_copy_that_is_gone_means_no_index(repository: Path) -> None:
    with git.changed_index(*places(repository)) as copy:
        os.unlink(copy)
    assert (list((repository / ".git").glob("index*")), left(repository)) == ([], [])


def test_where_there_was_none_there_is_one(repository: Path) -> None:
    (repository / ".git/index").unlink()
    with git.changed_index(*places(repository)) as copy:
        assert not os.path.exists(copy)
        Path(copy).write_bytes(b"new")
    assert ((repository / ".git/index").read_bytes(), left(repository)) == (b"new", [])


def test_after_a_failure_the_index_is_as_before(repository: Path) -> None:
    before = (repository / ".git/index").read_bytes()
    with pytest.raises(FileNotFoundError), git.changed_index(*places(repository)) as copy:
        Path(copy).rename(repository / "nowhere/at all")
    assert ((repository / ".git/index").read_bytes(), left(repository)) == (before, [])


def test_git_itself_is_locked_out_meanwhile(repository: Path) -> None:
    put(repository, {"b": "b\n"})
    with git.changed_index(*places(repository)), pytest.raises(AssertionError, match=r"index\.lock"):
        kit.git(repository, "add", "b")
    kit.git(repository, "add", "b")


def test_the_lock_of_another_git_is_respected(repository: Path) -> None:
    put(repository, {".git/index.lock": "another git's"})
    place = repository / ".git/index.lock"
    expected = (
        f"`{place}` is there: another git is at work in this repository, or one was killed",
        f"wait until it has ended; if none is running: `rm {place}`, then the same command again",
    )
    for call in (
        lambda: git.changed_index(*places(repository)).__enter__(),
        lambda: git.require_free_index(*places(repository)),
    ):
        error = refusal(call)
        assert (type(error), (error.message, error.hint)) == (MachineError, expected)
    assert (place.read_text(), left(repository)) == ("another git's", ["lock"])


def test_another_git_gets_a_moment_to_end(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 60)
    lock = repository / ".git/index.lock"
    lock.write_text("")
    ending = threading.Timer(0.1, lock.unlink)
    ending.start()
    git.require_free_index(*places(repository))
    ending.join()
    assert left(repository) == []


def test_a_lock_that_a_killed_one_of_ours_left_is_ours(repository: Path) -> None:
    held = git.changed_index(*places(repository))
    held.__enter__()
    assert len(left(repository)) == 3
    git.require_free_index(*places(repository))
    assert left(repository) == []
    other = str(repository / ".git/own/other")
    held = git.changed_index(places(repository)[0], other)
    held.__enter__()
    assert "another git is at work" in refusal(lambda: git.require_free_index(*places(repository))).message


def test_a_disk_without_hard_links_will_do(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with git.changed_index(*places(repository)) as copy:
        Path(copy).write_bytes(b"new")
        assert "another git" in refusal(lambda: git.require_free_index(places(repository)[0], "/else/other")).message
    assert ((repository / ".git/index").read_bytes(), left(repository)) == (b"new", [])
