"""A full disk, a read-only file or folder: the project is as it was, and one sentence says what is in the way."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit import LINES, Result, cli, commit, git, put, snapshot

RUNBOOK = "ops/runbook.md"
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # of Linux: what lets root write anywhere


def strays(project: Path) -> set[str]:
    """What lies in git's folder and should not."""
    own = {place.name for place in (project / ".git/ai-factory").glob("*") if place.name != "any.lock"}
    packs = {place.name for place in (project / ".git/objects/pack").glob("tmp_*")}
    return own | packs | {place.name for place in (project / ".git").glob("*crash*")}


def is_told(error: str) -> bool:
    """Whether it says in one sentence what is the matter, and in a hint what mends it."""
    lines = error.splitlines()
    return len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: check ")


def as_before(project: Path, before: dict[str, tuple[int, bytes]], result: Result) -> None:
    assert (result.code, snapshot(project), strays(project)) == (2, before, set())
    assert is_told(result.err), result.err


@pytest.fixture
def edited(project: Path, factory: Path) -> Path:
    """A project with edits that will clash, in a file that gets markers and in one that gets a proposal beside it."""
    put(factory, {"templates/core/files/pyproject.toml.jinja": '[project]\nname = "y"\n'})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei\n"), "pyproject.toml": '[project]\nname = "x"\n'})
    commit(project)
    return project


# ---- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount(["-t", "tmpfs", "-o", "size=4m", "none"], place)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def mount(options: list[str], place: Path) -> None:
    if subprocess.run(["mount", *options, str(place)], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")


def fill(disk: Path, left: int) -> None:
    """Leave that many bytes on the disk."""
    status = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(status.f_bavail * status.f_frsize - left))


def test_a_full_disk_leaves_all_as_it_was(edited: Path, disk: Path) -> None:
    """However much room is left: none for the objects, for the journal, for the files, for going back."""
    codes = [_synced_on(disk, edited, left * 1024) for left in [*range(0, 480, 40), 600, 800]]
    assert codes == sorted(codes, reverse=True)
    assert set(codes) == {1, 2}


def _synced_on(disk: Path, edited: Path, left: int) -> int:
    project = shutil.copytree(edited, disk / "project", symlinks=True)
    before = snapshot(project)
    fill(disk, left)
    result = cli("sync", cwd=project)
    (disk / "filler").unlink()
    if result.code == 1:
        assert cli("sync", "--abort", cwd=project).code == 0
        assert (snapshot(project), strays(project)) == (before, set())
    else:
        as_before(project, before, result)
    shutil.rmtree(project)
    return result.code


def test_a_project_that_does_not_fit_is_not_stamped(factory: Path, disk: Path) -> None:
    fill(disk, 16 * 1024)
    result = cli("new", "small", "deep/p", "--defaults", "--factory", str(factory), cwd=disk)
    assert (result.code, os.listdir(disk), is_told(result.err)) == (2, ["filler"], True)


def limited(project: Path, limit: Callable[[], None]) -> Result:
    """A sync in a process of its own that `limit` was called in first."""
    command = [sys.executable, "-m", "ai_factory", "sync"]
    done = subprocess.run(command, cwd=project, preexec_fn=limit, capture_output=True, text=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("size", [0, 100, 1_000, 3_000, 10_000, 100_000])
def test_where_files_may_not_grow_all_is_as_it_was(edited: Path, size: int) -> None:
    """The limit on the size of a file that a process may write, as a second kind of full disk."""
    before = snapshot(edited)
    as_before(edited, before, limited(edited, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))))


# ---- what may not be written ---------------------------------------------------------------------


@pytest.fixture
def immutable() -> Iterator[Callable[[Path], None]]:
    """Makes files and folders such that not even root may change them."""
    places: list[Path] = []

    def fix(place: Path) -> None:
        if subprocess.run(["chattr", "+i", str(place)], capture_output=True, check=False).returncode:
            pytest.skip("making a file immutable is not allowed here")
        places.append(place)

    yield fix
    for place in places:
        subprocess.run(["chattr", "-i", str(place)], check=True)


@pytest.mark.parametrize(
    "path",
    [
        *("ops/new.md", "ops", "ops/old.md", "config", "settings.txt", "src/small_thing/controls/audit.py"),
        *(".ai-factory", ".ai-factory/base", ".ai-factory/lock.json", "."),
        *(
            ".git",
            ".git/index",
            ".git/objects",
            ".git/objects/pack",
            ".git/info",
            ".git/info/exclude",
            ".git/ai-factory",
        ),
    ],
)
def test_what_may_not_be_written_leaves_all_as_it_was(
    edited: Path, path: str, immutable: Callable[[Path], None]
) -> None:
    (edited / "config").mkdir()
    put(edited, {".git/ai-factory/any.lock": "", ".git/info/exclude": "*.mine\n"})
    if path == "ops/new.md":
        put(edited, {path: "ours\n"})
        commit(edited)
    before = snapshot(edited)
    immutable(edited / path)
    as_before(edited, before, cli("sync", cwd=edited))


def test_a_read_only_disk_leaves_all_as_it_was(edited: Path, tmp_path: Path) -> None:
    before = snapshot(edited)
    place = tmp_path / "read-only"
    place.mkdir()
    mount(["--bind", str(edited)], place)
    mount(["-o", "remount,ro,bind"], place)
    try:
        as_before(place, before, cli("sync", cwd=place))
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def without_privileges() -> None:
    """Even root is held to the permissions of folders from now on, and whatever it starts."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.mark.parametrize("path", ["ops", ".ai-factory", ".git", ".git/objects", ".git/objects/pack", "."])
def test_a_folder_without_permission_leaves_all_as_it_was(edited: Path, path: str) -> None:
    (edited / path).chmod(0o555)
    before = snapshot(edited)
    try:
        as_before(edited, before, limited(edited, without_privileges))
    finally:
        (edited / path).chmod(0o755)


@pytest.mark.parametrize("words", [("check",), ("check", "--format", "sarif"), ("gate", "--json"), ("--version",)])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_a_standard_output_that_takes_nothing(words: tuple[str, ...], where: str, project: Path) -> None:
    """Exit 2, and one sentence with its hint on standard error: no result was seen."""
    if where == ">/dev/full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    command = f'exec "$0" -m ai_factory "$@" {where}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, *words], cwd=project, capture_output=True, text=True, check=False
    )
    first, second = done.stderr.splitlines()
    closed = first == "error: standard output is closed"
    full = first.startswith("error: ") and first.endswith("no space left on device")
    told = words[0] == "gate" and first.startswith("error: `governance/facts.yaml`")  # what it had to say itself
    assert (done.returncode, closed if where == ">&-" else full or told, second[:6]) == (2, True, "hint: ")
