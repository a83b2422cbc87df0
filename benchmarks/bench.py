"""What `make bench` runs: our commands and those of the peers, in turn, on the same files; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import fixture

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE / ".work"
RESULTS = HERE / "results.json"
MIB = 1024 * 1024 if sys.platform == "darwin" else 1024  # units of ru_maxrss: bytes on macOS, KiB on Linux


class Case(NamedTuple):
    """One command. `{here}` is a fresh path; with `start`, a fresh copy of that project, and the current folder."""

    group: str
    name: str
    command: str
    start: str = ""


NEW = "{ai-factory} new app {here} --factory {lab}/factory --version v2 --defaults"

# The first case of a group is ours: the ratios of the group are against it.
CASES = [
    Case("start", "ai-factory --version", "{ai-factory} --version"),
    Case("start", "ai-factory --help", "{ai-factory} --help"),
    Case("start", "copier --version", "{copier} --version"),
    Case("start", "cookiecutter --version", "{cookiecutter} --version"),
    Case("start", "cruft --help", "{cruft} --help"),
    Case("check", "ai-factory check", "{ai-factory} check {here}", "factory-v2"),
    Case("check", "python -c pass", "{python} -c pass"),
    Case("check", "cruft check", "{cruft} check", "cruft-v2"),
    Case("check", "cruft diff -e", "{cruft} diff -e", "cruft-v2"),
    Case("check", "copier check-update", "{copier} check-update", "copier-v2"),
    Case("new", "ai-factory new", NEW),
    Case("new", "ai-factory new --no-git", NEW + " --no-git"),
    Case("new", "copier copy", "{copier} copy --quiet --defaults --vcs-ref v2 {lab}/copier {here}"),
    Case("new", "cookiecutter", "{cookiecutter} --no-input --output-dir {here} {lab}/cookiecutter"),
    Case("new", "cruft create", "{cruft} create --no-input --checkout v2 --output-dir {here} {lab}/cookiecutter"),
    Case("sync", "ai-factory sync", "{ai-factory} sync {here} --to v2", "factory-v1"),
    Case("sync", "copier update", "{copier} update --quiet --defaults --vcs-ref v2", "copier-v1"),
    Case("sync", "cruft update", "{cruft} update --skip-apply-ask --checkout v2", "cruft-v1"),
    Case("nothing to do", "ai-factory sync", "{ai-factory} sync {here}", "factory-v2"),
    Case("nothing to do", "copier update", "{copier} update --quiet --defaults --vcs-ref v2", "copier-v2"),
    Case("nothing to do", "cruft update", "{cruft} update --skip-apply-ask --checkout v2", "cruft-v2"),
]
# How each start project comes about: by the tool's own verb, then with the ten edits where it is to be updated.
STAMPS = {
    "factory": "{ai-factory} new app {here} --factory {lab}/factory --version {version} --defaults --no-git",
    "copier": "{copier} copy --quiet --defaults --vcs-ref {version} {lab}/copier {here}",
    "cruft": "{cruft} create --no-input --checkout {version} --output-dir {here} {lab}/cookiecutter",
}
# What must hold in the copy after the warm-up run, lest a command be quick because it did nothing.
WANTED: Mapping[str, Callable[[Path], list[str]]] = {"new": fixture.stamped, "sync": fixture.updated}


class Run(NamedTuple):
    """What one run took: CPU of the process and all its children, wall time, peak memory of any of them."""

    cpu_ms: float
    wall_ms: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Row:
    """A case with the medians of its runs; `ratio` is the median of its CPU time over ours, round by round."""

    group: str
    name: str
    cpu_ms: float
    wall_ms: float
    peak_mib: float
    ratio: float
    runs_cpu_ms: list[float]


class FailedError(Exception):
    """A command did not do what it should."""


@dataclass(frozen=True, slots=True)
class Lab:
    """A scratch folder outside every repository, with the templates, the start projects and a home of its own."""

    root: Path
    tools: Mapping[str, str]

    def env(self) -> dict[str, str]:
        """The same for all: an empty home folder, a fixed git identity, no colour."""
        who = {f"GIT_{role}_{field}": value for role in ("AUTHOR", "COMMITTER") for field, value in IDENTITY}
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.root / "home"), "LC_ALL": "C", "NO_COLOR": "1", "TERM": "dumb", **who}

    def words(self, command: str, here: Path, version: str = "") -> list[str]:
        """The command as argv, its places filled in after it was split: no path needs quoting."""
        places = {**self.tools, "lab": str(self.root), "here": str(here), "version": version}
        return [word.format_map(places) for word in command.split()]


IDENTITY = (("NAME", "bench"), ("EMAIL", "bench@example.org"))


def measure(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> Run:
    """Run one command to its end. Raises FailedError with its output when it does not return 0."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace")[-2000:]
            raise FailedError(f"`{' '.join(words)}` returned {process.returncode}:\n{said}")
    return Run(1000 * (usage.ru_utime + usage.ru_stime), 1000 * wall, usage.ru_maxrss / MIB)


def tools(ours: str) -> dict[str, str]:
    """The commands by name; an environment for each peer is made where it is not there yet."""
    found = {"ai-factory": ours, "python": sys.executable}
    for line in (HERE / "peers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            found[line.partition("==")[0]] = str(_environment(line) / "bin" / line.partition("==")[0])
    return found


def _environment(requirement: str) -> Path:
    """The environment that holds one peer, by uv where it is on PATH, else by venv and pip."""
    folder = ENVIRONMENTS / f"{requirement}-py{sys.version_info[0]}{sys.version_info[1]}"
    if (folder / "done").exists():
        return folder
    print(f"installing {requirement}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    if uv := shutil.which("uv"):
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        fill = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, requirement]
    else:
        make = [sys.executable, "-m", "venv", str(folder)]
        fill = [python, "-m", "pip", "install", "--quiet", requirement]
    for words in (make, fill):
        subprocess.run(words, check=True)
    (folder / "done").touch()
    return folder


def prepare(lab: Lab, cases: Sequence[Case]) -> None:
    """Write the templates, and the start projects that these cases need."""
    (lab.root / "home").mkdir()
    for name in fixture.FORMATS:
        fixture.write_repository(lab.root / name, name, lab.env())
    for start in sorted({case.start for case in cases if case.start}):
        tool, _, version = start.partition("-")
        project, made = lab.root / "start" / start, lab.root / "made" / start
        made.parent.mkdir(exist_ok=True)
        measure(lab.words(STAMPS[tool], made, version), lab.root, lab.env())
        inner = made / str(fixture.ANSWERS["name"])  # where cruft puts the project into the folder it was given
        shutil.copytree(inner if inner.is_dir() else made, project)
        fixture.git(project, lab.env(), "init", "--quiet", "--initial-branch=main")
        fixture.commit(project, lab.env(), "start")
        if version == "v1":
            fixture.edit(project, lab.env())


def once(lab: Lab, case: Case, verify: bool = False) -> Run:
    """One run of a case on a fresh copy of its start project; setting up and clearing away are not measured."""
    here = Path(tempfile.mkdtemp(dir=lab.root)) / "here"
    try:
        if case.start:
            shutil.copytree(lab.root / "start" / case.start, here, symlinks=True)
            fixture.git(here, lab.env(), "status")  # the copy's index knows its new files
        run = measure(lab.words(case.command, here), here if case.start else lab.root, lab.env())
        if verify and case.group in WANTED and (wrong := WANTED[case.group](here)):
            raise FailedError(f"{case.name}: " + "; ".join(wrong))
    finally:
        shutil.rmtree(here.parent)
    return run


def rounds(lab: Lab, cases: Sequence[Case], count: int) -> dict[Case, list[Run]]:
    """All cases of a group in turn, `count` times, after a warm-up; so a busy minute hits all of them alike."""
    for case in cases:
        once(lab, case, verify=True)
    runs: dict[Case, list[Run]] = {case: [] for case in cases}
    for _ in range(count):
        for case in cases:
            runs[case].append(once(lab, case))
    return runs


def rows(runs: Mapping[Case, list[Run]]) -> Iterator[Row]:
    """The medians of a group; the first case is what the others are compared with."""
    ours = next(iter(runs.values()))
    for case, mine in runs.items():
        ratio = statistics.median(run.cpu_ms / our.cpu_ms for run, our in zip(mine, ours, strict=True))
        cpu, wall, peak = (round(statistics.median(column), 1) for column in zip(*mine, strict=True))
        yield Row(case.group, case.name, cpu, wall, peak, round(ratio, 2), [round(run.cpu_ms, 1) for run in mine])


def table(found: Sequence[Row], least_mib: float) -> str:
    """The rows as Markdown; memory below the harness's own cannot be told apart from it."""
    lines = ["| case | cpu ms | wall ms | peak MiB | cpu against the first |", "|---|---:|---:|---:|---:|"]
    for row in found:
        peak = f"<{least_mib:.0f}" if row.peak_mib <= least_mib else f"{row.peak_mib:.0f}"
        lines.append(f"| {row.name} | {row.cpu_ms:.0f} | {row.wall_ms:.0f} | {peak} | {row.ratio:.2f} |")
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    peers = [line for line in (HERE / "peers.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {
        "git": git,
        "peers": peers,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
    }


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare ai-factory with its peers on this machine.")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds of each case (default 7)")
    parser.add_argument("--match", default="", help="only cases whose group and name hold these words")
    ours = str(Path(sys.executable).parent / "ai-factory")
    parser.add_argument("--ai-factory", default=ours, help="our command (default: the one beside this python)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table for each group, write results.json."""
    options = _options(argv)
    if shutil.which(options.ai_factory) is None:
        print(f"error: `{options.ai_factory}` is no command\n\nhint: `make bench` makes `.venv` first", file=sys.stderr)
        return 2
    cases = [case for case in CASES if options.match in f"{case.group}: {case.name}"]
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ai-factory-bench-") as folder:
        lab = Lab(Path(folder).resolve(), tools(options.ai_factory))
        try:
            prepare(lab, cases)
            for group in dict.fromkeys(case.group for case in cases):
                runs = rounds(lab, [case for case in cases if case.group == group], options.rounds)
                found += (mine := list(rows(runs)))
                least = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
                print(f"\n{group}\n\n{table(mine, least)}", flush=True)
        except FailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        report = {"schema": 1, "machine": machine(), "rounds": options.rounds, "cases": [asdict(r) for r in found]}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten: `{RESULTS}`", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
