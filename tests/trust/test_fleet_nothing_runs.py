"""A fleet holds repositories of strangers: nothing of theirs runs while they are looked at, and none is changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fleet.kit import AUDIT, allow_filters, fleet, looked, rows, served
from tests.kit import cli, commit, git, put, snapshot
from tests.trust.test_nothing_runs import git_folder, infect, program
from tests.trust.web import moved, serving


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """The file in which every program of the hostile settings writes its name."""
    return tmp_path / "ran"


@pytest.fixture
def evil(tmp_path: Path, trap: Path) -> str:
    return program(tmp_path / "evil", f"echo \"$@\" >> '{trap}'; cat")


@pytest.fixture
def infected(project: Path, evil: str) -> Path:
    """A project that has drifted, with an update on its branch, and a trap at every corner of its repository."""
    put(project, {AUDIT: "edited\n"})
    commit(project)
    git(project, "branch", "ai-factory/root--small", "HEAD~1")
    infect(project, evil)
    return project


def test_a_hostile_clone(infected: Path, trap: Path, factory: Path) -> None:
    """Hooks, filters, a monitor of the file system, aliases, helpers, attributes."""
    before = snapshot(infected), git_folder(infected)
    where = infected.parent / "f"
    where.mkdir()
    assert cli("fleet", "add", "--from-folder", str(infected.parent), "--origin", cwd=where).code == 0
    fleet(where, rows(infected, factory=factory))
    row = looked(where)["small-thing"]
    assert (row["sync"], row["rollout"], trap.exists()) == ("Diverged", "Merged", False)
    assert (snapshot(infected), git_folder(infected)) == before


def test_a_clone_that_lacks_what_it_would_fetch(infected: Path, evil: str, trap: Path, factory: Path) -> None:
    """It names a program that brings missing objects, and lacks one that is asked for: it is unknown."""
    git(infected, "config", "remote.x.url", f"ext::{evil} fetch")
    git(infected, "config", "remote.x.uploadpack", f"{evil} pack")
    git(infected, "config", "remote.x.promisor", "true")
    git(infected, "config", "extensions.partialClone", "x")
    git(infected, "config", "core.repositoryFormatVersion", "1")
    blob = git(infected, "rev-parse", f"HEAD:{AUDIT}")
    (infected / ".git/objects" / blob[:2] / blob[2:]).unlink()
    row = looked(fleet(infected.parent / "f", rows(infected, factory=factory)))["small-thing"]
    assert (row["sync"], row["why"] is not None, trap.exists()) == ("Unknown", True, False)


@pytest.mark.parametrize("place", ["HEAD", "refs/heads/main", "packed-refs", "refs/heads/ai-factory/x"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(place: str, project: Path, factory: Path) -> None:
    git(project, "branch", "-m", "main")
    pipe = project / ".git" / place
    pipe.unlink(missing_ok=True)
    pipe.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    row = looked(fleet(project.parent / "f", rows(project, factory=factory)))["small-thing"]
    why = f"`{project}` is no git repository" if place == "HEAD" else f"`{pipe}` is no regular file"
    assert (row["sync"], row["why"]["message"]) == ("Unknown", why)


def test_objects_of_another_repository(project: Path, factory: Path, tmp_path: Path) -> None:
    """A repository that borrows its objects elsewhere says no more of itself than by its own commits."""
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", "--shared", str(project), str(other))
    put(project, {AUDIT: "edited\n"})
    commit(project)
    where = fleet(tmp_path / "f", rows(project, other, factory=factory))
    assert {name: row["sync"] for name, row in looked(where).items()} == {"small-thing": "Diverged", "other": "Behind"}


def test_a_hostile_server(project: Path, evil: str, trap: Path, factory: Path, tmp_path: Path) -> None:
    """What is fetched is read from the cache, where none of the repository's attributes and submodules count."""
    put(project, {AUDIT: "edited\n", ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch ran"\n'})
    infect(project, evil)
    trap.unlink(missing_ok=True)
    bare = tmp_path / "served/a.git"
    git(tmp_path, "clone", "-q", "--bare", str(project), str(bare))
    allow_filters(bare)
    with serving(served(tmp_path / "served")) as server:
        row = looked(fleet(tmp_path / "f", rows(f"{server.url}/a.git", factory=factory)))["a.git"]
    assert (row["sync"], trap.exists(), (tmp_path / "ran").exists()) == ("Diverged", False, False)


def test_a_server_that_leads_elsewhere_is_not_followed(project: Path, factory: Path, tmp_path: Path) -> None:
    """A redirect would be another host, and credentials are for the one that was named."""
    git(tmp_path, "clone", "-q", "--bare", str(project), str(tmp_path / "served/a.git"))
    with serving(served(tmp_path / "served")) as real, serving(moved(lambda: real.url)) as liar:
        row = looked(fleet(tmp_path / "f", rows(f"{liar.url}/a.git", factory=factory)))["a.git"]
    assert (row["sync"], real.asked) == ("Unknown", [])


def test_a_lock_cannot_name_a_file_outside(project: Path, factory: Path) -> None:
    """Paths in it are paths of the project; one that is none breaks the lock."""
    record = json.loads((project / ".ai-factory/lock.json").read_text())
    record["paths"]["../../etc/passwd"] = record["paths"][AUDIT]
    put(project, {".ai-factory/lock.json": json.dumps(record)})
    commit(project)
    row = looked(fleet(project.parent / "f", rows(project, factory=factory)))["small-thing"]
    assert (row["sync"], row["why"]["rule"]) == ("Unknown", "AF005")
