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
    """One command. `{here}` is a fresh path; with `start`, a fresh copy of that project, and the current folder.

    `code` is the exit code that it must return; `projects` is how many projects it deals with.
    """

    group: str
    name: str
    command: str
    start: str = ""
    code: int = 0
    projects: int = 1


class Target(NamedTuple):
    """How many times the CPU time of `ours` the other takes at least; with `most`, ours takes the other's at most."""

    group: str
    ours: str
    other: str
    bound: float
    most: bool = False


NEW = "{ai-factory} new app {here} --factory {lab}/factory --version v3 --defaults"
NEW_FROM_THREE = "{ai-factory} new app {here} --factory {lab}/three --version v3 --defaults --no-git"
COPIER_UPDATE = "{copier} update --quiet --defaults --vcs-ref"
CRUFT_UPDATE = "{cruft} update --skip-apply-ask --checkout"
FLEET_STATUS = "{ai-factory} fleet status --fleet {lab}/fleet.yaml"

# The first case of a group is ours: the ratios of the group are against it.
CASES = [
    Case("start", "ai-factory --version", "{ai-factory} --version"),
    Case("start", "ai-factory --help", "{ai-factory} --help"),
    Case("start", "copier --version", "{copier} --version"),
    Case("start", "cookiecutter --version", "{cookiecutter} --version"),
    Case("start", "cruft --help", "{cruft} --help"),
    Case("check", "ai-factory check", "{ai-factory} check {here}", "factory-v3"),
    Case("check", "ai-factory check, with drift", "{ai-factory} check {here}", "factory-v3-drift", code=1),
    Case("check", "python -c pass", "{python} -c pass"),
    Case("check", "cruft check", "{cruft} check", "cruft-v3"),
    Case("check", "cruft diff -e", "{cruft} diff -e", "cruft-v3"),
    Case("check", "copier check-update", "{copier} check-update", "copier-v3"),
    Case("new", "ai-factory new", NEW),
    Case("new", "ai-factory new --no-git", NEW + " --no-git"),
    Case("new", "copier copy", "{copier} copy --quiet --defaults --vcs-ref v3 {lab}/copier {here}"),
    Case("new", "cookiecutter", "{cookiecutter} --no-input --output-dir {here} {lab}/cookiecutter"),
    Case("new", "cruft create", "{cruft} create --no-input --checkout v3 --output-dir {here} {lab}/cookiecutter"),
    Case("sync to v2", "ai-factory sync", "{ai-factory} sync {here} --to v2", "factory-v1"),
    Case("sync to v2", "copier update", f"{COPIER_UPDATE} v2", "copier-v1"),
    Case("sync to v2", "cruft update", f"{CRUFT_UPDATE} v2", "cruft-v1"),
    Case("sync to v3", "ai-factory sync", "{ai-factory} sync {here} --to v3", "factory-v1"),
    Case("sync to v3", "copier update", f"{COPIER_UPDATE} v3", "copier-v1"),
    Case("sync to v3", "cruft update", f"{CRUFT_UPDATE} v3", "cruft-v1"),
    Case("nothing to do", "ai-factory sync", "{ai-factory} sync {here}", "factory-v3"),
    Case("nothing to do", "copier update", f"{COPIER_UPDATE} v3", "copier-v3"),
    Case("nothing to do", "cruft update", f"{CRUFT_UPDATE} v3", "cruft-v3"),
    Case("components, new", "new, one component", NEW + " --no-git"),
    Case("components, new", "new, three components", NEW_FROM_THREE),
    Case("components, sync", "sync, one component", "{ai-factory} sync {here} --to v3", "factory-v1"),
    Case("components, sync", "sync, three components", "{ai-factory} sync {here} --to v3", "three-v1"),
    Case("fleet", "ai-factory check of 1,000", "{ai-factory} check {fleet}", projects=1000),
    Case("fleet", "git status, 1,000 times", "sh {lab}/status.sh", projects=1000),
    Case("fleet", "cruft check, 10 times", "sh {lab}/cruft.sh", projects=10),
    Case("rollout", "fleet plan and apply to 200", "sh {lab}/rollout.sh", "rollout", projects=200),
    Case("rollout", "copier update, 4 times", "sh {lab}/copier-rollout.sh", "copier-rollout", projects=4),
    Case("rollout", "cruft update, 4 times", "sh {lab}/cruft-rollout.sh", "cruft-rollout", projects=4),
    Case("fleet status", "fleet status of 1,000", FLEET_STATUS, projects=1000),
    Case("fleet status", "the same, the first time", f"env AI_FACTORY_CACHE={{here}} {FLEET_STATUS}", projects=1000),
    Case("fleet status", "git status, 1,000 times", "sh {lab}/status.sh", projects=1000),
]
TARGETS = [
    Target("start", "ai-factory --version", "copier --version", 8),
    Target("start", "ai-factory --help", "copier --version", 2.5),
    *(
        target
        for ours in ("ai-factory check", "ai-factory check, with drift")
        for target in (
            Target("check", ours, "cruft diff -e", 15),
            Target("check", ours, "cruft check", 8),
            Target("check", ours, "copier check-update", 15),
            Target("check", ours, "python -c pass", 6, most=True),
        )
    ),
    Target("new", "ai-factory new", "copier copy", 3),
    Target("new", "ai-factory new", "cookiecutter", 1.3),
    Target("sync to v2", "ai-factory sync", "copier update", 10),
    Target("sync to v2", "ai-factory sync", "cruft update", 3),
    Target("sync to v3", "ai-factory sync", "copier update", 10),
    Target("sync to v3", "ai-factory sync", "cruft update", 3),
    Target("nothing to do", "ai-factory sync", "copier update", 15),
    Target("nothing to do", "ai-factory sync", "cruft update", 2.5),
    Target("components, new", "new, three components", "new, one component", 1.5, most=True),
    Target("components, sync", "sync, three components", "sync, one component", 1.5, most=True),
    Target("fleet", "ai-factory check of 1,000", "cruft check, 10 times", 80),
    Target("fleet", "ai-factory check of 1,000", "git status, 1,000 times", 2, most=True),
    Target("rollout", "fleet plan and apply to 200", "copier update, 4 times", 50),
    Target("rollout", "fleet plan and apply to 200", "cruft update, 4 times", 15),
    Target("fleet status", "fleet status of 1,000", "git status, 1,000 times", 2, most=True),
    Target("fleet status", "the same, the first time", "git status, 1,000 times", 2, most=True),
]
MEMORY = [  # group, case, MiB at most
    ("check", "ai-factory check", 25),
    ("sync to v3", "ai-factory sync", 60),
    ("fleet", "ai-factory check of 1,000", 40),
    ("fleet status", "fleet status of 1,000", 45),
]
FLEET_ROUNDS = 3  # each takes as long as all others together
# How each start project comes about: by the tool's own verb, then with the ten edits where it is to be updated.
STAMPS = {
    "factory": "{ai-factory} new app {here} --factory {lab}/factory --version {version} --defaults --no-git",
    "three": "{ai-factory} new app {here} --factory {lab}/three --version {version} --defaults --no-git",
    "copier": "{copier} copy --quiet --defaults --vcs-ref {version} {lab}/copier {here}",
    "cruft": "{cruft} create --no-input --checkout {version} --output-dir {here} {lab}/cookiecutter",
}
# What must hold in the copy after the warm-up run, lest a command be quick because it did nothing.
WANTED: Mapping[str, Callable[[Path], list[str]]] = {
    "new": fixture.stamped,
    "components, new": fixture.stamped,
    "sync to v2": lambda project: fixture.updated(project, "v2"),
    "sync to v3": lambda project: fixture.updated(project, "v3"),
    "components, sync": lambda project: fixture.updated(project, "v3"),
    "rollout": lambda folder: fixture.rolled_out(folder, "v3"),
}
LOOP = "for place in {places}; do cd $place && {command} || exit; done\n"
# What the scripts of a rollout run: ours over the whole, the peers' in each project.
ROLLOUT = """\
{{ echo 'factories: [{{url: {lab}/factory}}]'; echo 'projects:'
for place in "$PWD"/projects/*; do echo "- {{url: $place}}"; done; }} > fleet.yaml
{ai-factory} fleet plan --to v3 --output plan.jsonl && {ai-factory} fleet apply plan.jsonl
"""


class Run(NamedTuple):
    """What one run took: CPU of the process and all its children, wall time, peak memory of any of them."""

    cpu_ms: float
    wall_ms: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Row:
    """A case with the medians of its runs, a project; `ratio` is the median of its CPU time over ours, a round."""

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
        words = [word.split() if word == "{fleet}" else [word.format_map(places)] for word in command.split()]
        fleet = sorted(str(place) for place in (self.root / "fleet").glob("*"))
        return [part for word in words for part in (fleet if word == ["{fleet}"] else word)]


IDENTITY = (("NAME", "bench"), ("EMAIL", "bench@example.org"))


def measure(words: Sequence[str], folder: Path, env: Mapping[str, str], code: int = 0) -> Run:
    """Run one command to its end. Raises FailedError with its output when it returns another code."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != code:
            output.seek(0)
            said = output.read().decode(errors="replace")[-2000:]
            raise FailedError(f"`{' '.join(words)[:500]}` returned {process.returncode}:\n{said}")
    return Run(1000 * (usage.ru_utime + usage.ru_stime), 1000 * wall, usage.ru_maxrss / MIB)


def tools(ours: str) -> dict[str, str]:
    """The commands by name, each in an environment of its own; ours from a wheel of this checkout, unless given."""
    place = Path(ours or _own_environment() / "bin" / "ai-factory")
    found = {"ai-factory": str(place), "python": str(place.with_name("python"))}
    for line in (HERE / "peers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            found[line.partition("==")[0]] = str(_environment(line) / "bin" / line.partition("==")[0])
    return found


def _own_environment() -> Path:
    """Our package as users have it: its dependencies are installed once, the package itself each time."""
    root = str(HERE.parent)
    folder = _environment("ai-factory", root, "-c", f"{root}/constraints.txt")
    _run([*_installer(folder), "--no-deps", "--force-reinstall", root])
    _run([str(folder / "bin" / "python"), "-m", "compileall", "-q", str(folder / "lib")])
    return folder


def _environment(name: str, *requirements: str) -> Path:
    """The environment that holds one tool."""
    folder = ENVIRONMENTS / f"{name}-py{sys.version_info[0]}{sys.version_info[1]}"
    if not (folder / "done").exists():
        print(f"installing {name}", file=sys.stderr)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([*_installer(folder), *(requirements or (name,))])
        (folder / "done").touch()
    return folder


def _installer(folder: Path) -> list[str]:
    return [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise FailedError(f"`{' '.join(words)}` returned {done.returncode}:\n{done.stderr[-2000:]}")


def prepare(lab: Lab, cases: Sequence[Case]) -> None:
    """Write the templates, and the start projects that these cases need."""
    (lab.root / "home").mkdir()
    for name in fixture.FORMATS:
        fixture.write_repository(lab.root / name, name, lab.env())
    groups = {case.group for case in cases}
    wanted = {"fleet": ["fleet", "fleet status"], "cruft-fleet": ["fleet"]}
    starts = {"factory-v3": "fleet", "cruft-v3": "cruft-fleet"}
    fleets = {start: name for start, name in starts.items() if not groups.isdisjoint(wanted[name])}
    rollouts = {f"{tool}-v1": 200 if tool == "factory" else 4 for tool in ("factory", "copier", "cruft")}
    rollouts = rollouts if "rollout" in groups else {}
    alone = {case.start for case in cases if case.start and case.group != "rollout"}
    for start in sorted(alone | fleets.keys() | rollouts.keys()):
        _start(lab, start)
    for start, name in fleets.items():
        _fleet(lab, start, name, 1000 if name == "fleet" else 10)
    for start, count in rollouts.items():
        _rollout(lab, start, count)


def _start(lab: Lab, start: str) -> None:
    """A project in a repository: `TOOL-VERSION`, and `-drift` where managed files are edited."""
    tool, version, *drift = start.split("-")
    project, made = lab.root / "start" / start, lab.root / "made" / start
    made.parent.mkdir(exist_ok=True)
    measure(lab.words(STAMPS[tool], made, version), lab.root, lab.env())
    inner = made / str(fixture.ANSWERS["name"])  # where cruft puts the project into the folder it was given
    shutil.copytree(inner if inner.is_dir() else made, project)
    fixture.git(project, lab.env(), "init", "--quiet", "--initial-branch=main")
    fixture.commit(project, lab.env(), "start")
    if version == "v1" or drift:
        fixture.edit(project, lab.env(), version)


def _fleet(lab: Lab, start: str, name: str, count: int) -> None:
    """Copies of a start project, and the script that goes over them with the peer's command."""
    print(f"copying {count} projects", file=sys.stderr)
    for number in range(count):
        shutil.copytree(lab.root / "start" / start, lab.root / name / f"{number:04}", symlinks=True)
        fixture.git(lab.root / name / f"{number:04}", lab.env(), "status")
    loops = {"fleet": ("status.sh", "git status --porcelain"), "cruft-fleet": ("cruft.sh", "{cruft} check")}
    script, command = loops[name]
    loop = f"for place in {lab.root / name}/*; do cd $place && {command.format_map(lab.tools)} || exit; done\n"
    (lab.root / script).write_text(loop)
    if name == "fleet":
        rows = "".join(f"  - url: {lab.root}/fleet/{number:04}\n" for number in range(count))
        head = f"factories:\n  - url: {lab.root}/factory\nprojects:\n"
        (lab.root / "fleet.yaml").write_text(head + rows)


def _rollout(lab: Lab, start: str, count: int) -> None:
    """A folder with so many projects, and the script that updates them; ours are bare repositories."""
    ours = start == "factory-v1"
    name = "rollout" if ours else f"{start.partition('-')[0]}-rollout"
    folder, source = lab.root / "start" / name, lab.root / "start" / start
    (folder / "projects").mkdir(parents=True)
    for number in range(count):
        place = folder / "projects" / f"{number:03}"
        if ours:
            fixture.git(folder, lab.env(), "clone", "--quiet", "--bare", str(source), str(place))
        else:
            shutil.copytree(source, place, symlinks=True)
    fixture.git(folder, lab.env(), "init", "--quiet")
    peers = {"copier-v1": f"{COPIER_UPDATE} v3", "cruft-v1": f"{CRUFT_UPDATE} v3"}
    places = {**lab.tools, "lab": lab.root}
    text = (
        ROLLOUT.format_map(places)
        if ours
        else LOOP.format(places='"$PWD"/projects/*', command=peers[start].format_map(places))
    )
    (lab.root / f"{name}.sh").write_text(text)


def once(lab: Lab, case: Case, verify: bool = False) -> Run:
    """One run of a case on a fresh copy of its start project; setting up and clearing away are not measured."""
    here = Path(tempfile.mkdtemp(dir=lab.root)) / "here"
    try:
        if case.start:
            shutil.copytree(lab.root / "start" / case.start, here, symlinks=True)
            fixture.git(here, lab.env(), "status")  # the copy's index knows its new files
        run = measure(lab.words(case.command, here), here if case.start else lab.root, lab.env(), case.code)
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
    ours, first = next(iter(runs.values())), next(iter(runs))
    for case, mine in runs.items():
        ratios = [run.cpu_ms / our.cpu_ms for run, our in zip(mine, ours, strict=True)]
        ratio = statistics.median(ratios) * first.projects / case.projects
        cpu, wall, peak = (round(statistics.median(column), 1) for column in zip(*mine, strict=True))
        each = [round(run.cpu_ms, 1) for run in mine]
        yield Row(case.group, case.name, cpu / case.projects, wall / case.projects, peak, round(ratio, 2), each)


def _ratio(target: Target, runs: Mapping[Case, list[Run]]) -> float:
    """How many times ours the other takes, a project, as the median over the rounds; the reverse for `most`."""
    ours, other = (
        next(case for case in runs if (case.group, case.name) == (target.group, name))
        for name in (target.ours, target.other)
    )
    pairs = zip(runs[ours], runs[other], strict=True)
    ratio = statistics.median(run.cpu_ms / our.cpu_ms for our, run in pairs) * ours.projects / other.projects
    return 1 / ratio if target.most else ratio


def verdicts(runs: Mapping[Case, list[Run]]) -> Iterator[str]:
    """A row for each target of which both sides were measured, and for each limit of memory."""
    measured = {(case.group, case.name): case for case in runs}
    for target in TARGETS:
        if {(target.group, target.ours), (target.group, target.other)} <= measured.keys():
            ratio = _ratio(target, runs)
            words, met = ("at most", ratio <= target.bound) if target.most else ("at least", ratio >= target.bound)
            bound = f"{words} {target.bound:g}x"
            yield f"| {target.ours} ({target.group}) | {target.other} | {bound} | {ratio:.1f}x | {_met(met)} |"
    for group, name, limit in MEMORY:
        if case := measured.get((group, name)):
            peak = statistics.median(run.peak_mib for run in runs[case])
            yield f"| {name} ({group}) | memory | at most {limit} MiB | {peak:.0f} MiB | {_met(peak <= limit)} |"


def _met(met: bool) -> str:
    return "met" if met else "**not met**"


def table(found: Sequence[Row], least_mib: float) -> str:
    """The rows as Markdown; memory below the harness's own cannot be told apart from it."""
    lines = ["| case | cpu ms | wall ms | peak MiB | cpu against the first |", "|---|---:|---:|---:|---:|"]
    for row in found:
        peak = f"<{least_mib:.0f}" if row.peak_mib <= least_mib else f"{row.peak_mib:.0f}"
        cpu, wall = (f"{value:.0f}" if value >= 10 else f"{value:.1f}" for value in (row.cpu_ms, row.wall_ms))
        lines.append(f"| {row.name} | {cpu} | {wall} | {peak} | {row.ratio:.2f} |")
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
    parser.add_argument("--ai-factory", default="", help="our command (default: a wheel of this checkout)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table for each group, write results.json."""
    options = _options(argv)
    cases = [case for case in CASES if options.match in f"{case.group}: {case.name}"]
    found: list[Row] = []
    runs: dict[Case, list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="ai-factory-bench-") as folder:
        try:
            lab = Lab(Path(folder).resolve(), tools(options.ai_factory))
            prepare(lab, cases)
            for group in dict.fromkeys(case.group for case in cases):
                count = min(options.rounds, FLEET_ROUNDS) if group.startswith(("fleet", "rollout")) else options.rounds
                runs |= (these := rounds(lab, [case for case in cases if case.group == group], count))
                found += (mine := list(rows(these)))
                least = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
                print(f"\n{group}\n\n{table(mine, least)}", flush=True)
        except FailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    print("\ntargets\n\n| ours | against | target | measured | |\n|---|---|---|---|---|", *verdicts(runs), sep="\n")
    report = {"schema": 1, "machine": machine(), "rounds": options.rounds, "cases": [asdict(r) for r in found]}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten: `{RESULTS}`", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
