"""What keeps `check` fast, told without a clock on the wall: no process, no socket, few imports, and a CPU ratio."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from ai_factory.report.formats import FORMATS
from tests import golden, kit

ROUNDS = 9
RATIO = 6.0  # CPU of a check over that of `python -c pass`
CHECK_MIB, SYNC_MIB = 25, 60
HEAVY = ("typer", "click", "rich", "copier", "jinja2", "ruamel", "subprocess", "zipfile", "yaml", "socket", "pathspec")

AUDIT = """\
import atexit, json, os, resource, sys
_exit = os._exit
_seen = []
_WATCHED = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "pty.", "socket.", "urllib.")
sys.addaudithook(lambda event, arguments: _seen.append(event) if event.startswith(_WATCHED) else None)
_place = os.environ["AUDITED"]
def _tell():
    with open(_place, "w") as stream:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        json.dump({"events": _seen, "modules": sorted(sys.modules), "peak": peak}, stream)
atexit.register(_tell)
os._exit = lambda code: (_tell(), _exit(code))
"""


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole project, in a repository, with its record."""
    place = tmp_path_factory.mktemp("speed") / "credit-line"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AI_FACTORY_CACHE", str(place.parent / "cache"))
        done = kit.cli("new", "tabular-decision", str(place), "--defaults")
    assert done.code == 0, done.err
    return place


def _check(folder: Path, *prefix: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "ai_factory", "check", "."],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _audited(folder: Path, scratch: Path) -> dict[str, list[str]]:
    """The watched events of a check, and the modules that it had loaded at its end."""
    (scratch / "sitecustomize.py").write_text(AUDIT)
    place = scratch / "audited.json"
    done = _check(folder, PYTHONPATH=str(scratch), AUDITED=str(place))
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(place.read_text()))


def test_check_starts_nothing_and_asks_nobody(stamped: Path, tmp_path: Path) -> None:
    """No process and no socket, as the interpreter itself reports it."""
    assert _audited(stamped, tmp_path)["events"] == []


def test_check_imports_almost_nothing(stamped: Path, tmp_path: Path) -> None:
    """None of the heavy libraries is loaded, beyond what the interpreter loads by itself."""
    loaded = {name.split(".")[0] for name in _audited(stamped, tmp_path)["modules"]}
    assert sorted(loaded & set(HEAVY)) == []


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "text"])
def test_a_format_loads_its_own_module_alone(name: str, stamped: Path, tmp_path: Path) -> None:
    """And none of the heavy libraries."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    place = tmp_path / "audited.json"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "AUDITED": str(place)}
    command = [sys.executable, "-m", "ai_factory", "check", "--format", name]
    subprocess.run(command, cwd=stamped, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    found = json.loads(place.read_text())
    prefix = "ai_factory.report."
    modules = {module.removeprefix(prefix) for module in found["modules"] if module.startswith(prefix)}
    needed = {name, "markdown"} if name in ("gitlab", "github") else {name}  # a body in Markdown, a page of a job
    assert (found["events"], sorted(modules & FORMATS.keys() - needed)) == ([], [])
    assert sorted({module.split(".")[0] for module in found["modules"]} & set(HEAVY)) == []


def test_drift_costs_no_import_either(stamped: Path, tmp_path: Path) -> None:
    """A check that finds something is as light."""
    project = tmp_path / "project"
    shutil.copytree(stamped, project)
    for path in sorted((project / "src/credit_line/controls").glob("*.py"))[:3]:
        path.write_text("# gone\n")
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    done = _check(project, PYTHONPATH=str(tmp_path), AUDITED=str(tmp_path / "audited.json"))
    found = json.loads((tmp_path / "audited.json").read_text())
    assert (done.returncode, done.stdout.count("AF002 error")) == (1, 3)
    assert found["events"] == []
    assert sorted({name.split(".")[0] for name in found["modules"]} & set(HEAVY)) == []


def test_the_audit_hook_sees_processes(tmp_path: Path) -> None:
    """The two tests above can fail: a process, a socket and an import are seen."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    place = tmp_path / "audited.json"
    code = "import os, socket, subprocess; socket.socket().close(); subprocess.run(['true']); os.system('true')"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "AUDITED": str(place)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    found = json.loads(place.read_text())
    assert {"socket.__new__", "subprocess.Popen", "os.system"} <= set(found["events"])
    assert {"socket", "subprocess"} <= set(found["modules"])


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace on this machine")
def test_the_kernel_agrees(stamped: Path, tmp_path: Path) -> None:
    """One `execve`, no `fork`, no `clone`, no `socket`, as the kernel sees it."""
    log = tmp_path / "log"
    done = _check(stamped, "strace", "-f", "-o", str(log), "-e", "trace=process,network")
    if done.returncode != 0 and "ptrace" in done.stderr.lower():
        pytest.skip("this machine forbids tracing")
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    assert calls.count("execve") == 1
    allowed = {"execve", "exit_group", "exit"}
    assert sorted(set(calls) - allowed) == []


def _cpu(arguments: list[str], folder: Path) -> float:
    """User and system seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _ratio(folder: Path) -> float:
    pairs = [(_cpu(["-m", "ai_factory", "check", "."], folder), _cpu(["-c", "pass"], folder)) for _ in range(ROUNDS)]
    return statistics.median(check for check, _ in pairs) / statistics.median(bare for _, bare in pairs)


def test_check_costs_little_more_than_python_itself(stamped: Path) -> None:
    """Median CPU of a check of a whole project, over that of an empty program, interleaved; once again if noisy."""
    _cpu(["-m", "ai_factory", "check", "."], stamped)  # compiled once
    ratio = _ratio(stamped)
    if ratio > RATIO:
        ratio = min(ratio, _ratio(stamped))
    assert ratio <= RATIO


def _peak_mib(arguments: list[str], folder: Path, scratch: Path) -> float:
    """The most memory that the process held at once, by its own account; a shell keeps it apart from this large one."""
    (scratch / "sitecustomize.py").write_text(AUDIT)
    place = scratch / "audited.json"
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "ai_factory", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(scratch), "AUDITED": str(place)}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    peak = json.loads(place.read_text())["peak"]
    return float(peak) / (1024 * 1024 if sys.platform == "darwin" else 1024)


def test_check_needs_little_memory(stamped: Path, tmp_path: Path) -> None:
    assert _peak_mib(["check", "."], stamped, tmp_path) <= CHECK_MIB


def test_the_memory_of_a_check_does_not_grow_with_the_number_of_projects(stamped: Path, tmp_path: Path) -> None:
    """A hundred projects take no more than one, but for what is kept of each."""
    bare = shutil.ignore_patterns(".git")
    places = [str(shutil.copytree(stamped, tmp_path / str(number), ignore=bare)) for number in range(100)]
    one = _peak_mib(["check", places[0]], tmp_path, tmp_path)
    assert _peak_mib(["check", *places], tmp_path, tmp_path) <= one + 4


def test_a_sync_needs_little_memory(project: Path, tmp_path: Path) -> None:
    assert _peak_mib(["sync", "--to", "v2.0.0"], project, tmp_path) <= SYNC_MIB


def test_a_sync_with_nothing_to_do_parses_and_renders_nothing(project: Path, tmp_path: Path) -> None:
    """What it has no use for is not even loaded, and one git process tells the factory's version."""
    assert kit.cli("sync", "--to", "v2.0.0", "--commit", cwd=project).code == 0
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    place = tmp_path / "audited.json"
    done = subprocess.run(
        [sys.executable, "-m", "ai_factory", "sync"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "AUDITED": str(place)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "nothing to do: the project is at v2.0.0\n")
    found = json.loads(place.read_text())
    loaded = {name.split(".")[0] for name in found["modules"]}
    assert sorted(loaded & {"jinja2", "ruamel", "packaging", "pathspec", "tomlkit", "zipfile", "rich"}) == []
    assert found["events"].count("subprocess.Popen") == 2  # which version, and the release after it


def test_new_needs_no_copier_and_no_network(tmp_path: Path) -> None:
    """Stamping imports none of the libraries that are only there for foreign templates, and opens no connection."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    place = tmp_path / "audited.json"
    arguments = ["-m", "ai_factory", "new", "tabular-decision", str(tmp_path / "credit-line"), "--defaults"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "AUDITED": str(place)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in json.loads(place.read_text())["modules"]}
    assert sorted(loaded & {"copier", "cookiecutter", "pydantic", "yaml", "tomlkit", "requests"}) == []
    assert [
        event for event in json.loads(place.read_text())["events"] if event.startswith(("socket.", "urllib."))
    ] == []


def test_the_stamped_project_is_whole(stamped: Path) -> None:
    """What was measured is a real project: as many files as the golden tree."""
    files = golden.read(golden.GOLDEN / "tabular-decision" / "default")
    assert set(kit.tree(stamped)) == set(files)


LIGHT = ("typer", "click", "rich", "copier", "jinja2", "pathspec", "tomlkit", "socket")


@pytest.mark.parametrize(
    ("options", "spared"),
    [
        (["--fail-on", "any"], (*HEAVY, "ai_factory.project", "ai_factory.git", "ai_factory.baseline")),
        (["--baseline", "known.json"], (*LIGHT, "subprocess", "ai_factory.project", "ai_factory.git")),
        (["--remote"], (*LIGHT, "ai_factory.project.verify", "ai_factory.baseline")),
        (["--max-behind", "3"], (*LIGHT, "ai_factory.project.verify", "ai_factory.baseline")),
        (["--against", "HEAD"], (*LIGHT, "ai_factory.project.verify", "ai_factory.baseline")),
    ],
)
def test_an_option_loads_what_it_needs(
    options: list[str], spared: tuple[str, ...], stamped: Path, tmp_path: Path
) -> None:
    """And nothing that another one needs."""
    project = shutil.copytree(stamped, tmp_path / "project", symlinks=True)
    (project / "known.json").write_text('{"schema": "ai-factory/baseline/1", "findings": []}')
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    place = tmp_path / "audited.json"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "AUDITED": str(place)}
    command = [sys.executable, "-m", "ai_factory", "check", *options]
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    loaded = set(json.loads(place.read_text())["modules"])
    assert sorted(name for name in spared if name in loaded) == []
