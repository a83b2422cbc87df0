"""A managed module that is not what runs: Python takes another file in its place, and `check` says which."""

from __future__ import annotations

import marshal
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest

from tests.kit import cli, commit, git, put

CONTROLS = "src/small_thing/controls"
AUDIT = f"{CONTROLS}/audit.py"
EVIL = "print('EVIL')\n"
CODE = compile(EVIL, "audit.py", "exec")
CACHED = f"{CONTROLS}/__pycache__/audit.{sys.implementation.cache_tag}.pyc"
RUNS = "is not what runs: "
THERE = "is in a folder where every file is the factory's"


@pytest.fixture
def here(project: Path) -> Path:
    """A project on a branch of its own, with `main` behind it."""
    git(project, "branch", "-m", "main")
    git(project, "checkout", "-q", "-b", "feature")
    return project


def found(here: Path, *options: str) -> tuple[int, list[tuple[str, str, str, str]]]:
    result = cli("check", "--json", *options, cwd=here)
    rows = [row for row in result.data["projects"][0]["findings"] if row["rule"] != "AF001"]
    return result.code, [(row["rule"], row["level"], row["path"], row["message"]) for row in rows]


def runs(here: Path) -> str:
    """What Python prints when it imports the module."""
    command = [sys.executable, "-c", "import audit"]
    folder = here / CONTROLS
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout


def bytecode(flags: int = 0, key: bytes = b"12345678") -> bytes:
    """The code as Python keeps it: by date (0), by a hash that is not compared (1), by one that is (3)."""
    return MAGIC_NUMBER + flags.to_bytes(4, "little") + key + marshal.dumps(CODE)


def unread(here: Path) -> str:
    put(here, {CACHED: bytecode(1)})
    return CACHED


def package(here: Path) -> str:
    put(here, {f"{CONTROLS}/audit/__init__.py": EVIL})
    return f"{CONTROLS}/audit/__init__.py"


def sourceless_package(here: Path) -> str:
    put(here, {f"{CONTROLS}/audit/__init__.pyc": bytecode()})
    return f"{CONTROLS}/audit/__init__.pyc"


def package_behind_a_link(here: Path) -> str:
    put(here, {"elsewhere/__init__.py": EVIL})
    (here / CONTROLS / "audit").symlink_to("../../../elsewhere")
    return f"{CONTROLS}/audit"


def cache_behind_a_link(here: Path) -> str:
    put(here, {f"elsewhere/{Path(CACHED).name}": bytecode(1)})
    (here / CONTROLS / "__pycache__").symlink_to("../../../elsewhere")
    return f"{CONTROLS}/__pycache__"


def bytecode_behind_a_link(here: Path) -> str:
    put(here, {"elsewhere.pyc": bytecode(1), CACHED: ""})
    (here / CACHED).unlink()
    (here / CACHED).symlink_to(here / "elsewhere.pyc")
    return CACHED


SHADOWS: Mapping[str, tuple[Callable[[Path], str], str]] = {
    "bytecode that is not compared": (unread, "its bytecode `{}` is taken unread"),
    "a package": (package, "it is shadowed by `{}`"),
    "a package without source": (sourceless_package, "it is shadowed by `{}`"),
    "a package behind a link": (package_behind_a_link, "it is shadowed by `{}`"),
    "a cache behind a link": (cache_behind_a_link, "its bytecode `{}` is taken unread"),
    "bytecode behind a link": (bytecode_behind_a_link, "its bytecode `{}` is taken unread"),
}


@pytest.mark.parametrize("name", SHADOWS)
def test_what_runs_in_place_of_a_managed_module_is_drift(name: str, here: Path) -> None:
    """Python itself says that it does; whether it is tracked makes no difference, and removing it heals."""
    shadow, words = SHADOWS[name]
    other = shadow(here)
    assert runs(here) == "EVIL\n"
    told = ("AF002", "error", AUDIT, RUNS + words.format(other))
    for _ in range(2):
        code, rows = found(here)
        assert (code, [row for row in rows if row[0] == "AF002"]) == (1, [told])
        assert told in found(here, "--against", "main", "--verify")[1]
        git(here, "add", "-f", ".")
        git(here, "commit", "-q", "-m", "smuggled", "--allow-empty")
    (hint,) = {
        row["hint"]
        for row in cli("check", "--json", cwd=here).data["projects"][0]["findings"]
        if row["message"] == told[3]
    }
    assert hint == f"remove what runs in its place: `rm {other}`"
    (here / other).unlink()
    assert [row for row in found(here)[1] if row[0] == "AF002"] == []
    assert runs(here) == ""


@pytest.mark.parametrize("name", ["audit.so", "audit.cpython-311-x86_64-linux-gnu.so", "audit.pyd"])
@pytest.mark.parametrize("folder", ["", "audit/__init__"])
def test_a_compiled_module_comes_before_its_source(name: str, folder: str, here: Path) -> None:
    """For every system that a file is made for: another one runs the project than the one that checks it."""
    other = f"{CONTROLS}/{folder + name.removeprefix('audit') if folder else name}"
    put(here, {other: b"\x7fELF"})
    assert ("AF002", "error", AUDIT, f"{RUNS}it is shadowed by `{other}`") in found(here)[1]


def test_bytecode_that_python_compares_is_no_finding(here: Path) -> None:
    """By date, or by hash; nor are tests that were run, and names that only begin alike."""
    folder = f"{CONTROLS}/__pycache__"
    put(
        here,
        {
            CACHED: bytecode(3, source_hash(b"another source")),
            f"{folder}/audit.cpython-311.opt-1.pyc": bytecode(),
            f"{folder}/audit.cpython-311-pytest-8.4.1.pyc": bytecode(),
            f"{folder}/auditor.cpython-311.pyc": bytecode(1),
            f"{folder}/audit.short.pyc": b"",
            f"{CONTROLS}/audit/data.json": "{}",  # no package, so Python takes the module
        },
    )
    assert runs(here) == ""
    assert found(here) == (0, [("AF011", "warning", f"{CONTROLS}/audit/data.json", THERE)])


def test_bytecode_without_source_is_a_file_like_any_other(here: Path) -> None:
    """Beside the source it does not run."""
    put(here, {f"{CONTROLS}/audit.pyc": bytecode()})
    assert runs(here) == ""
    assert [row[:3] for row in found(here)[1]] == [("AF011", "warning", f"{CONTROLS}/audit.pyc")]


@pytest.mark.parametrize(
    "name", ["conftest.py", "sub/conftest.py", "pytest.ini", ".ruff.toml", "pyproject.toml", "__init__.py"]
)
def test_a_file_that_a_tool_reads_by_itself_is_drift(name: str, here: Path) -> None:
    """It changes what the managed files do; moving it away heals."""
    put(here, {f"{CONTROLS}/{name}": ""})
    told = f"{THERE}, and is read by itself: the files there do something else then"
    assert found(here) == (1, [("AF011", "error", f"{CONTROLS}/{name}", told)])
    assert found(here, "--fail-on", "conflict")[0] == 0
    (here / CONTROLS / name).rename(here / "moved")
    assert found(here) == (0, [])


@pytest.mark.parametrize("name", ["own.py", "own/__init__.py", "notes.md", "sitecustomize.py", "mypy.ini"])
def test_other_files_are_a_warning(name: str, here: Path) -> None:
    """Nothing reads them there by itself: a package of the team's own is imported by the team alone."""
    put(here, {f"{CONTROLS}/{name}": ""})
    assert [row[:3] for row in found(here)[1]] == [("AF011", "warning", f"{CONTROLS}/{name}")]
    assert found(here)[0] == 0


def test_it_can_be_waived_and_known_like_other_drift(here: Path) -> None:
    put(here, {f"{CONTROLS}/conftest.py": ""})
    assert cli("check", "--write-baseline", "known.json", cwd=here).code == 0
    assert [row[:2] for row in found(here, "--baseline", "known.json")[1]] == [("AF011", "note")]
    row = f"{{rule: AF011, path: {CONTROLS}/conftest.py, reason: r, owner: a@x, approver: b@x, until: '2999-12-31'}}"
    put(here, {".ai-factory/waivers.yaml": f"- {row}\n"})
    assert (found(here)[0], [row[:2] for row in found(here)[1]]) == (0, [("AF010", "note")])


def test_a_module_outside_of_a_managed_folder_is_looked_at_too(tmp_path: Path) -> None:
    """Also at the top of a project, and one that git ignores here is not."""
    factory = tmp_path / "factory"
    put(
        factory,
        {
            "blueprints/b.yaml": "summary: s\ncomponents: [c]\n",
            "templates/c/component.yaml": "summary: s\nownership: {top.py: managed}\n",
            "templates/c/copier.yml": "_subdirectory: files\n",
            "templates/c/files/top.py": "x = 1\n",
        },
    )
    here = tmp_path / "here"
    assert cli("new", "b", str(here), "--defaults", "--factory", str(factory)).code == 0
    put(here, {"top/__init__.py": ""})
    assert found(here) == (1, [("AF002", "error", "top.py", f"{RUNS}it is shadowed by `top/__init__.py`")])
    commit(here)
