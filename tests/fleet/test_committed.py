"""A project read from a commit is the one that a checkout of it holds."""

from __future__ import annotations

import os
import re
import zlib
from contextlib import ExitStack
from pathlib import Path

import pytest

from ai_factory import git
from ai_factory.errors import ForgeError, LockError, MachineError
from ai_factory.fleet import system
from ai_factory.fleet.registry import Member
from ai_factory.git import Committed, remote
from ai_factory.project.opening import open_project
from ai_factory.tree import Blob
from ai_factory.workspace import Folder
from tests.kit import commit, put, small_project
from tests.kit import git as run_git


@pytest.fixture
def here(project: Path) -> Path:
    """A project with names that git quotes, a link, an executable file, ignore files and an empty file."""
    files = {"docs/ü \n.md": "x", "run.sh": "#!/bin/sh\n", ".gitignore": "var/\n*.log\n!kept.log\n", "empty": ""}
    put(project, {**files, "data/.gitignore": "/own\n"})
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("run.sh")
    commit(project)
    return project


def committed(folder: Path, reader: git.Reader, inside: str = "") -> Committed:
    found = reader.commit("HEAD")
    assert found
    assert (found.id, found.tree) == tuple(run_git(folder, "rev-parse", "HEAD", "HEAD^{tree}").split())
    assert found.time == int(run_git(folder, "log", "-1", "--format=%ct"))
    return Committed(reader, found, inside)


def test_a_commit_has_the_files_of_its_checkout(here: Path) -> None:
    """Paths, contents, modes, what is a folder, what git hides, and the index."""
    with git.reading(str(here / ".git")) as reader:
        files, disk = committed(here, reader), Folder(str(here))
        paths = sorted(files.walk())
        assert paths == sorted(disk.walk())
        assert files.read_all([*paths, "nowhere"]) == disk.read_all(paths)
        assert sorted(files.walk("docs")) == sorted(disk.walk("docs"))
        assert [files.is_folder(path) for path in ("docs", "run.sh", "link")] == [True, False, False]
        assert [files.reaches(path) for path in ("docs/x", "link/x")] == [True, False]
        assert files.status.tracked == git.status(str(here)).tracked
        asked = ["var/x", "a.log", "kept.log", "data/own", "own", "docs/var/y"]
        assert files.ignored(asked) == git.ignored(str(here), asked) == {"var/x", "a.log", "data/own", "docs/var/y"}


def test_a_project_in_a_folder_of_its_repository(here: Path, factory: Path) -> None:
    """By its own paths; the ignore files above it count."""
    small_project(here / "services/limits", factory)
    commit(here)
    with git.reading(str(here / ".git")) as reader:
        files, disk = committed(here, reader, "services/limits"), Folder(str(here / "services/limits"))
        assert sorted(files.walk()) == sorted(disk.walk())
        assert files.ignored(["var/x", "kept.log"]) == {"var/x"}
        assert committed(here, reader, "services/nowhere").listing == {}


def test_what_a_repository_lacks_is_absent(here: Path) -> None:
    """An id that is nowhere, a name that is none, a submodule: none of them is an error, or fetched."""
    head = run_git(here, "rev-parse", "HEAD")
    run_git(here, "update-index", "--add", "--cacheinfo", f"160000,{head},vendor")
    run_git(here, "commit", "-q", "-m", "a submodule")
    with git.reading(str(here / ".git")) as reader:
        files = committed(here, reader)
        assert (reader.commit("0" * 40), reader.commit("refs/heads/none"), reader.blobs(["0" * 40])) == (None, None, {})
        assert (files.listing["vendor"], files.read("vendor")) == (Blob("160000", head), None)
        assert [files.is_elsewhere(path) for path in ("vendor/x", "docs/x")] == [True, False]


def test_thousands_of_objects_are_read_by_one_process(tmp_path: Path) -> None:
    """More than a pipe holds, in both directions."""
    names = [f"{number % 37}/{number}" for number in range(3000)]
    put(tmp_path, {name: name * 50 for name in names})
    run_git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    with git.reading(str(tmp_path / ".git")) as reader:
        files = committed(tmp_path, reader)
        assert {path: file.content.decode() for path, file in files.read_all(names).items()} == {
            name: name * 50 for name in names
        }


def test_an_object_that_is_not_what_its_id_says_is_refused(here: Path) -> None:
    """Git does not look when it is asked for an object; what one repository says of an id counts for all others."""
    put(here, {"docs/to be damaged": ""})
    commit(here)
    with git.reading(str(here / ".git")) as reader:
        found = committed(here, reader)
        folder = run_git(here, "rev-parse", "HEAD:docs").strip()
        place = here / ".git/objects" / folder[:2] / folder[2:]
        place.chmod(0o644)
        place.write_bytes(zlib.compress(b"tree 0\0"))
        with pytest.raises(MachineError, match=f"is not what its id says: {folder}"):
            _ = found.listing


def test_one_git_reads_several_repositories(here: Path, tmp_path: Path) -> None:
    """Each by its own commit; another, one of another hash, and what is left when it has died, by its own git."""
    run_git(tmp_path, "clone", "--quiet", str(here), "other, \"'\n#")
    run_git(tmp_path, "init", "--quiet", "--object-format=sha256", "strange")
    run_git(tmp_path, "clone", "--quiet", str(here), "outside")
    places = [here, tmp_path / "other, \"'\n#", tmp_path / "strange", tmp_path / "outside"]
    for number, place in enumerate(places):
        put(place, {"own": str(number)})
        commit(place)
    heads = [run_git(place, "rev-parse", "HEAD").strip() for place in places]
    folders = [str(place / ".git") for place in places]
    with git.reading_together(folders[:3]) as read, ExitStack() as stack:
        readers = [stack.enter_context(read(folder)) for folder in folders]
        assert [_own(reader, head) for reader, head in zip(readers, heads, strict=True)] == ["0", "1", "2", "3"]
        assert [readers[0]._process is reader._process for reader in readers] == [True, True, False, False]
        readers[0]._process.kill()
        with pytest.raises(MachineError, match=re.escape(folders[1])):
            readers[1].commit(heads[1])
        assert _own(stack.enter_context(read(folders[1])), heads[1]) == "1"


def test_what_is_left_of_one_answer_answers_nobody_else(here: Path, tmp_path: Path) -> None:
    """A repository with a file that is too large could else say what the next one holds."""
    run_git(tmp_path, "clone", "--quiet", str(here), "other")
    put(tmp_path / "other", {"own": "other"})
    commit(tmp_path / "other")
    (here / "large").write_bytes(b"%s commit 0\n\n" % (b"a" * 40) * (65 * 2**20 // 50))
    commit(here)
    folders = [str(here / ".git"), str(tmp_path / "other/.git")]
    heads = [run_git(place, "rev-parse", "HEAD").strip() for place in (here, tmp_path / "other")]
    with git.reading_together(folders) as read, read(folders[0]) as first, read(folders[1]) as second:
        found = first.commit(heads[0])
        assert found
        with pytest.raises(MachineError, match="holds more than"):
            Committed(first, found).read("large")
        with pytest.raises(MachineError, match="git cannot read"):
            second.commit(heads[1])
        with read(folders[1]) as again:
            assert _own(again, heads[1]) == "other"


@pytest.mark.parametrize("name", ["config", "objects/info/alternates"])
def test_git_is_not_made_to_wait(name: str, here: Path) -> None:
    (here / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(here / ".git" / name)
    folder = str(here / ".git")
    with pytest.raises(MachineError, match=r"git would wait for ever for `.*, which is no file"), git.reading(folder):
        pass
    with (
        git.reading_together([folder, folder]) as read,
        pytest.raises(MachineError, match="git would wait for ever"),
        read(folder),
    ):
        pass


def _own(reader: git.Reader, head: str) -> str:
    found = reader.commit(head)
    assert found
    file = Committed(reader, found).read("own")
    assert file
    return file.content.decode()


def test_what_is_no_repository_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(MachineError, match=re.escape(f"git cannot read `{tmp_path}`")),
        git.reading(str(tmp_path)) as one,
    ):
        one.commit("HEAD")


# ---- where it is now -----------------------------------------------------------------------------


def test_where_a_project_is_now(here: Path, tmp_path: Path) -> None:
    """The same of a clone, of a bare repository in a folder, and of one behind an address; read alike."""
    bare = tmp_path / "bare.git"
    run_git(here, "branch", "-m", "main")
    run_git(here, "branch", "ai-factory/root--notebook")
    run_git(here, "branch", "other")
    run_git(tmp_path, "clone", "-q", "--bare", str(here), str(bare))
    head = run_git(here, "rev-parse", "HEAD")
    wanted = open_project(str(here)).lock
    for url in (str(here), str(bare), f"file://{bare}"):
        found = system.located(Member(url))
        assert found == system.Here(Member(url), "main", head, {"ai-factory/root--notebook": head})
        with system.opened(found) as there:
            assert there.project().lock == wanted
    other = system.located(Member(str(bare), branch="other"))
    assert (other.branch, other.commit) == ("other", head)


@pytest.mark.parametrize(
    ("name", "says"),
    [("no branch", "has no branch `gone`"), ("empty", "has no commit yet"), ("nothing", "is no git repository")],
)
def test_where_there_is_no_project_is_said(name: str, says: str, here: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q", "--bare", "empty.git")
    member = {
        "no branch": Member(str(here), branch="gone"),
        "empty": Member(str(tmp_path / "empty.git")),
        "nothing": Member(str(tmp_path)),
    }[name]
    if name == "empty":
        (tmp_path / "empty.git/HEAD").write_text("ref: refs/heads/main\n")
        says = "has no branch `main`"
    with pytest.raises(ForgeError, match=says):
        system.located(member)


def test_a_repository_without_a_project(here: Path) -> None:
    put(here, {".ai-factory/lock.json": None})
    commit(here)
    with system.opened(system.located(Member(str(here)))) as there, pytest.raises(LockError, match="there is no"):
        there.project()


def test_two_workers_never_share_a_repository(tmp_path: Path) -> None:
    """Each has its own as long as it works, and the next takes one that is free."""
    with remote.claimed(str(tmp_path)) as one, remote.claimed(str(tmp_path)) as two:
        assert sorted(map(os.path.basename, (one, two))) == ["0.git", "1.git"]
    with remote.claimed(str(tmp_path)) as three:
        assert os.path.basename(three) == "0.git"


def test_a_cache_that_has_grown_too_large_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git would look through all of its packs for each object."""
    with remote.claimed(str(tmp_path)) as one:
        put(Path(one), {f"objects/pack/pack-{number}.pack": b"" for number in range(3)})
    monkeypatch.setattr(remote, "PACKS", 3)
    with remote.claimed(str(tmp_path)) as one:
        assert len(list(Path(one).glob("objects/pack/*"))) == 3
    monkeypatch.setattr(remote, "PACKS", 2)
    with remote.claimed(str(tmp_path)) as one:
        assert list(Path(one).glob("objects/pack/*")) == []
        assert (Path(one) / "HEAD").exists()
