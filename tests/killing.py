"""A project with a bit of everything, processes that are killed in it, and what its states are to the byte."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import kit
from tests.kit import LINES, SMALL, Result, cli, commit, git, put

PROJECT = "teams/credit line"
EXCLUDE = b"# mine\n*.swp"  # without a last line break
PAGE = "".join(f"paragraph {number}\n" for number in range(1, 9))
CORE = "templates/core/files"
CUT_OFF = "was cut off half-way"

V1: Mapping[str, str] = {
    **{f"{CORE}/docs/page-{number:02}.md": f"# Page {number}\n{PAGE}" for number in range(1, 13)},
    **{f"{CORE}/lib/part{number}.py": f"PART = {number}\n{PAGE}" for number in range(1, 6)},
    f"{CORE}/scripts/run.sh": "#!/bin/sh\necho run\n",
    f"{CORE}/notes": "notes\n",
    f"{CORE}/box/inner.txt": "inner\n",
    f"{CORE}/local.cfg": "local = 1\n",
    f"{CORE}/config.json": '{\n  "a": 1\n}\n',
    f"{CORE}/odd -name's ü.txt": "odd\n",
}
V2: Mapping[str, str | None] = {
    **kit.SMALL_2,
    **{f"{CORE}/docs/page-{number:02}.md": f"# Page {number}, again\n{PAGE}" for number in range(1, 8)},
    **{f"{CORE}/docs/page-{number:02}.md": None for number in range(8, 10)},
    **{f"{CORE}/lib/part{number}.py": None for number in range(1, 6)},
    **{f"{CORE}/library/part{number}.py": f"PART = {number}\n{PAGE}new\n" for number in range(1, 6)},
    f"{CORE}/notes": None,
    f"{CORE}/notes/readme.md": "a folder now\n",
    f"{CORE}/box/inner.txt": None,
    f"{CORE}/box": "a file now\n",
    f"{CORE}/local.cfg": "local = 2\n",
    f"{CORE}/config.json": '{\n  "a": 2\n}\n',
    f"{CORE}/odd -name's ü.txt": "odd again\n",
}
EDITS: Mapping[str, str | None] = {
    "ops/runbook.md": LINES.replace("line 2\n", "line zwei\n"),  # markers
    "config.json": '{\n  "a": 3\n}\n',  # a proposal beside it
    "docs/page-02.md": f"# Page 2\n{PAGE}our own end\n",  # merged
    "lib/part3.py": f"PART = 3\n{PAGE}".replace("paragraph 4", "our own"),  # follows the rename
    "docs/page-03.md": None,  # stays deleted
    "ours/file.txt": "ours\n",
}


def factory_at(folder: Path) -> Path:
    """The small factory and some thirty files more, at v1.0.0 and v2.0.0."""
    put(folder, {**SMALL, **V1})
    (folder / CORE / "current").symlink_to("docs/page-01.md")
    git(folder.parent, "init", "-q", "-b", "main", str(folder))
    commit(folder, "v1")
    git(folder, "tag", "v1.0.0")
    put(folder, {path: text for path, text in V2.items() if text is None})
    (folder / CORE / "box").rmdir()
    put(folder, {path: text for path, text in V2.items() if text is not None})
    (folder / CORE / "scripts/run.sh").chmod(0o755)
    (folder / CORE / "current").unlink()
    (folder / CORE / "current").symlink_to("docs/page-02.md")
    commit(folder, "v2")
    git(folder, "tag", "v2.0.0")
    return folder


def repository_at(top: Path, factory: Path, edits: Mapping[str, str | None]) -> Path:
    """A repository with a project in a subfolder, edited, and work of the person's own elsewhere in it."""
    top.mkdir()
    git(top, "init", "-q", "-b", "main")
    put(top, {".gitignore": "local.cfg\n", "README.md": "top\n", "both.txt": "both\n", "tools/x.txt": "x\n"})
    commit(top)
    project = top / PROJECT
    made = cli("new", "small", str(project), "--defaults", "--factory", str(factory), "--version", "v1.0.0")
    assert made.code == 0, made.err
    commit(top)
    put(project, edits)
    commit(top)
    put(top, {"README.md": "staged\n", "both.txt": "staged\n", "new.txt": "staged\n"})
    git(top, "add", "README.md", "both.txt", "new.txt")
    put(top, {"both.txt": "and edited\n", "tools/x.txt": "edited\n", "scratch.txt": "mine\n"})
    (top / ".git/info/exclude").write_bytes(EXCLUDE)
    return top


class State(NamedTuple):
    """All of a repository that a command may change: files with modes, index, exclude file, head, names in `.git`."""

    files: dict[str, tuple[int, bytes]]
    staged: bytes
    entries: str
    exclude: bytes
    head: str
    names: frozenset[str]

    @property
    def meaning(self) -> State:
        """The same without what two runs write differently: the index holds the times of files."""
        return self._replace(staged=b"")


def state(top: Path) -> State:
    """The state of a repository; its own folder and the objects in git's do not count."""
    found: dict[str, tuple[int, bytes]] = {}
    names: set[str] = set()
    for here, folders, files in os.walk(top):
        inside = Path(here).relative_to(top)
        if inside.parts[:1] == (".git",):
            folders[:] = [name for name in folders if (inside / name) not in (OBJECTS, OWN, LOGS)]
            names |= {str(inside / name) for name in [*folders, *files]}
            continue
        for name in [*files, *(name for name in folders if (Path(here) / name).is_symlink())]:
            found[str(inside / name)] = _entry(Path(here) / name)
        if not folders and not files:
            found[f"{inside}/"] = (0, b"")
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=top, capture_output=True, text=True, check=True)
    head = git(top, "rev-parse", "HEAD^{tree}")
    exclude = (top / ".git/info/exclude").read_bytes() if (top / ".git/info/exclude").exists() else b""
    return State(found, (top / ".git/index").read_bytes(), listed.stdout, exclude, head, frozenset(names))


OBJECTS, OWN, LOGS = Path(".git/objects"), Path(".git/ai-factory"), Path(".git/logs")


def _entry(place: Path) -> tuple[int, bytes]:
    mode = place.lstat().st_mode
    return (0, os.fsencode(os.readlink(place))) if stat.S_ISLNK(mode) else (stat.S_IMODE(mode), place.read_bytes())


def own_names(top: Path) -> set[str]:
    """What lies in the tool's folder in `.git`, by the kind of name."""
    return {re.sub(r"^[0-9a-f]{16}", "*", name) for name in os.listdir(top / OWN)} if (top / OWN).exists() else set()


def copy(top: Path, name: str, folder: Path | None = None) -> Path:
    """A copy in that folder, else beside it, to try something in."""
    target = (folder or top.parent) / name
    if target.exists():
        shutil.rmtree(target)
    return shutil.copytree(top, target, symlinks=True)


def run(top: Path, *arguments: str) -> Result:
    """Run a command in the project, in this process."""
    return cli(*arguments, cwd=top / PROJECT)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ai_factory", *arguments]


def duration(folder: Path, arguments: Sequence[str]) -> float:
    """How long the command takes, in seconds, on this machine."""
    start = time.monotonic()
    subprocess.run(command(*arguments), cwd=folder, capture_output=True, check=False, timeout=300)
    return time.monotonic() - start


def kill(folder: Path, arguments: Sequence[str], moment: float, number: int = signal.SIGKILL) -> int:
    """Start the command in a process group of its own and kill all of it after `moment` seconds; its exit code."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command(*arguments), cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(timeout=300)
    settle(process.pid)
    return process.returncode


WRITING = (  # the system calls by which a process changes a disk
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "symlink", "symlinkat"),
    *("mkdir", "mkdirat", "rmdir", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "chmod", "fchmod"),
    *("fchmodat", "utimensat", "sendfile", "copy_file_range"),
)


class Point(NamedTuple):
    """A system call of a run: its name, and how many of that name came before it, itself included."""

    call: str
    number: int


def changes(folder: Path, arguments: Sequence[str], log: Path) -> list[Point]:
    """The changes that the tool's own process makes to the disk, in order. Skips the test where none may be traced."""
    _traced(folder, arguments, "-o", str(log), "-e", f"trace={','.join(WRITING)}")
    calls = re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE) if log.exists() else []
    if not calls:
        pytest.skip("no strace, or it may not trace here")
    seen: dict[str, int] = {}
    points = []
    for call in calls:
        seen[call] = seen.get(call, 0) + 1
        points.append(Point(call, seen[call]))
    return points


def kill_before(folder: Path, arguments: Sequence[str], point: Point, name: str = "SIGKILL") -> None:
    """Run the command, and send it that signal when it is about to make that change."""
    _traced(folder, arguments, "-o", os.devnull, *_at(point, f"signal={name}"))


def refuse_at(folder: Path, arguments: Sequence[str], point: Point, error: str, *, on: bool = False) -> Result:
    """Run the command, while the machine refuses that change with an error; `on`: and each of that call after it."""
    return _traced(folder, arguments, "-o", os.devnull, *_at(point, f"error={error}", "+" if on else ""))


def _at(point: Point, what: str, on: str = "") -> tuple[str, ...]:
    return "-e", f"trace={point.call}", "-e", f"inject={point.call}:{what}:when={point.number}{on}"


def mortal_git(folder: Path, point: Point) -> str:
    """A folder for PATH, with a git whose every process is killed when it is about to make that change."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    words = [
        "exec",
        shutil.which("strace") or "",
        "-o",
        os.devnull,
        *_at(point, "signal=SIGKILL"),
        shutil.which("git") or "",
    ]
    (folder / "git").write_text(f'#!/bin/sh\n{shlex.join(words)} "$@"\n')
    (folder / "git").chmod(0o755)
    return str(folder)


def _traced(folder: Path, arguments: Sequence[str], *options: str) -> Result:
    if not shutil.which("strace"):
        pytest.skip("no strace")
    with subprocess.Popen(
        ["strace", *options, *command(*arguments)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        out, err = process.communicate(timeout=300)
        settle(process.pid)
    return Result(process.returncode, out, err)


def settle(group: int) -> None:
    """Wait until no process of the group runs any more."""
    end = time.monotonic() + 60
    while any(_runs(place, group) for place in Path("/proc").glob("[0-9]*/stat")) and time.monotonic() < end:
        time.sleep(0.005)


def _runs(place: Path, group: int) -> bool:
    try:
        fields = place.read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[2]) == group and fields[0] not in "ZX"
