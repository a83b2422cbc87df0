"""A project of somebody's template with a team's edits, updated by its own tool and by ours; see README.md.

The template is a clone with tags. The project is made at the first tag by Copier or cruft, edited, and brought to the
last tag at once, then tag by tag. What an untouched file should hold in the end is told by stamping the last tag anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import team
from team import RECORDS, Edit, Files, read

LEFT_BESIDE = (".rej", ".orig", ".incoming")
OURS = (".ai-factory/", ".gitattributes")
CONFLICT = re.compile(
    r"^<<<<<<< .*\n((?:.*\n)*?)(?:\|{7} .*\n(?:.*\n)*?)?=======\n(?:.*\n)*?>>>>>>> .*\n", re.MULTILINE
)
IDENTITY = (("NAME", "bench"), ("EMAIL", "bench@example.org"))
COPIER_UPDATE = "{copier} update --trust --defaults --quiet --answers-file {record} --vcs-ref {to} --conflict"
INLINE, REJECTED = (f"copier, {form}" for form in ("inline", "rej"))
COMMANDS = {  # a tool's update of the current folder to a tag
    INLINE: f"{COPIER_UPDATE} inline",
    REJECTED: f"{COPIER_UPDATE} rej",
    "cruft": "{cruft} update --skip-apply-ask --checkout {to}",
    "ai-factory": "{ai-factory} sync --trust --to {to}",
}
COLUMNS = ("tool", "way", "exit", "conflicts", "with exit 0", "unsaid", "lost", "back", "other", "cpu s")


class Lab(NamedTuple):
    """A scratch folder outside every repository, the template, the commands by name, and the answers that are given."""

    root: Path
    clone: Path
    tools: Mapping[str, str]
    data: Mapping[str, str]

    @property
    def is_copier(self) -> bool:
        return any((self.clone / name).exists() for name in ("copier.yml", "copier.yaml"))

    def run(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command with an empty home folder and a fixed identity."""
        who = {f"GIT_{role}_{field}": value for role in ("AUTHOR", "COMMITTER") for field, value in IDENTITY}
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.root / "home"), "LC_ALL": "C.UTF-8", **who}
        return subprocess.run(
            words,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def done(self, folder: Path, *words: str) -> str:
        """Run what must not fail. Raises SystemExit with what it said."""
        made = self.run(folder, *words)
        if made.returncode:
            said = (made.stdout + made.stderr)[-3000:]
            raise SystemExit(f"error: `{' '.join(words)}` returned {made.returncode}:\n{said}")
        return made.stdout

    def commit(self, project: Path, message: str) -> None:
        """Commit all there is."""
        self.done(project, "git", "add", "--all")
        self.done(project, "git", "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)


class Story(NamedTuple):
    """A project at the first tag with its edits, and what the first and the last tag stamp."""

    start: Path
    edits: Sequence[Edit]
    old: Files
    wanted: Files


class Outcome(NamedTuple):
    """What came of one way."""

    tool: str
    steps: str
    codes: tuple[int, ...]
    conflicts: int  # files that wait for a person, over all steps
    silent: int  # those of them that were left with exit code 0
    waits: tuple[str, ...]  # those after the last step
    unsaid: tuple[str, ...]  # edited files that the last tag has no more, left there with nothing that says so
    lost: tuple[str, ...]
    back: tuple[str, ...]
    other: tuple[str, ...]  # files that nobody touched, and that are not as the last tag stamps them
    seconds: float  # of CPU time
    files: Files


# ---- the project ---------------------------------------------------------------------------------


def story(lab: Lab, tags: Sequence[str]) -> Story:
    """Make the project, and edit it."""
    start = _stamped(lab, tags[0])
    old, wanted = read(start), _stamped_again(lab, tags[-1], start)
    edits = team.edit(start, old, wanted)
    lab.commit(start, "edits of the team")
    return Story(start, edits, old, wanted)


def _stamped(lab: Lab, tag: str) -> Path:
    """A project at that tag, in a folder that is called the same each time."""
    project = lab.root / "old" / "project"
    project.parent.mkdir()
    if lab.is_copier:
        data = [word for key, value in lab.data.items() for word in ("--data", f"{key}={value}")]
        words = [lab.tools["copier"], "copy", "--trust", "--defaults", "--quiet", "--vcs-ref", tag]
        lab.done(project.parent, *words, *data, str(lab.clone), project.name)
    else:
        _cut(lab, tag, project, lab.data)
    if not (project / ".git").exists():
        lab.done(project, "git", "init", "--quiet", "--initial-branch=main")
    lab.commit(project, "start")
    return project


def _stamped_again(lab: Lab, tag: str, start: Path) -> Files:
    """What another tag stamps with the recorded answers of a project, in a folder that holds but the record."""
    project = lab.root / "new" / "project"
    project.parent.mkdir()
    record = record_of(start)
    if lab.is_copier:
        project.mkdir()
        shutil.copy(start / record, project / record)
        words = [lab.tools["copier"], "recopy", "--trust", "--defaults", "--quiet", "--overwrite"]
        lab.done(project, *words, "--answers-file", record, "--vcs-ref", tag)
    else:
        said = json.loads((start / record).read_text())["context"]["cookiecutter"]
        _cut(lab, tag, project, {key: value for key, value in said.items() if not key.startswith("_")})
    return read(project)


def _cut(lab: Lab, tag: str, project: Path, known: Mapping[str, object]) -> None:
    context = ["--extra-context", json.dumps(dict(known))] if known else []
    words = [lab.tools["cruft"], "create", "--no-input", "--checkout", tag, *context, str(lab.clone)]
    lab.done(project.parent, *words)
    made = next(project.parent.iterdir())
    if made != project:
        made.rename(project)


def record_of(project: Path) -> str:
    """The file in which the template's own tool has noted what it did."""
    return next(path.name for path in sorted(project.iterdir()) if RECORDS.fullmatch(path.name))


# ---- one way -------------------------------------------------------------------------------------


def follow(lab: Lab, tool: str, made: Story, tags: Sequence[str]) -> Outcome:
    """Update a copy of the project to each tag in turn; in between, conflicts are decided for the team."""
    place = Path(tempfile.mkdtemp(dir=lab.root)) / "project"
    shutil.copytree(made.start, place, symlinks=True)
    if tool == "ai-factory":
        lab.done(place, lab.tools[tool], "adopt", "--trust", "--commit")
    codes, waits, seconds = list[int](), list[set[str]](), 0.0
    for tag in tags:
        if waits:
            _decide(lab, place, tool, waits[-1])
        words = COMMANDS[tool].format_map({**lab.tools, "to": tag, "record": record_of(place)}).split()
        before = _cpu()
        ran = lab.run(place, *words)
        seconds += _cpu() - before
        (place.parent / f"said-{tag}").write_text(f"$ {' '.join(words)}\n{ran.stdout}{ran.stderr}")
        codes.append(ran.returncode)
        waits.append(set(waiting(lab, place)))
        if ran.returncode > 1 or (ran.returncode and not waits[-1]):
            break
    steps = "at once" if len(tags) == 1 else f"in {len(tags)} steps"
    return _outcome(made, tool, steps, codes, waits, seconds, read(place))


def _cpu() -> float:
    """Seconds of CPU time that the commands run so far have taken, with all that they started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _outcome(
    made: Story, tool: str, steps: str, codes: list[int], waits: list[set[str]], seconds: float, files: Files
) -> Outcome:
    seen = set[str]().union(*waits)
    unsaid = [one.path for one in made.edits if one.path in files.keys() & made.old.keys() - made.wanted.keys() - seen]
    nobodys = {*made.wanted, *made.old} - team.paths(made.edits) - waits[-1]
    other = [
        path
        for path in sorted(nobodys)
        if files.get(path) != made.wanted.get(path)
        and not RECORDS.fullmatch(path)
        and not team.in_hand(made.edits, files.get(path, b""))
    ]
    return Outcome(
        tool,
        steps,
        tuple(codes),
        sum(map(len, waits)),
        sum(len(found) for found, code in zip(waits, codes, strict=True) if not code),
        tuple(sorted(waits[-1])),
        tuple(unsaid),
        tuple(team.lost(made.edits, files)),
        tuple(team.back(made.edits, files)),
        tuple(other),
        seconds,
        files,
    )


def waiting(lab: Lab, project: Path) -> Iterator[str]:
    """The files with markers, unmerged in the index, with a rejected part beside them, or open in our lock."""
    files = read(project)
    lock = json.loads(files.get(".ai-factory/lock.json", b"{}"))
    yield from (path for path, row in lock.get("paths", {}).items() if row.get("state") == "open")
    yield from lab.done(project, "git", "diff", "--name-only", "--diff-filter=U").splitlines()
    yield from (path for path, content in files.items() if CONFLICT.search(content.decode(errors="replace")))
    yield from (path.removesuffix(".rej") for path in files if path.endswith(".rej"))


def _decide(lab: Lab, project: Path, tool: str, waits: set[str]) -> None:
    """Keep the team's lines where there are markers, else the team's file; then commit."""
    for path, content in read(project).items():
        text = content.decode(errors="replace")
        if CONFLICT.search(text):
            (project / path).write_text(CONFLICT.sub(r"\1", text))
        if path.endswith((".rej", ".orig")):
            (project / path).unlink()
    lab.done(project, "git", "add", "--all")
    if tool == "ai-factory" and waits:
        lab.run(project, lab.tools[tool], "sync", "--continue")
        if left := sorted(set(waiting(lab, project))):
            lab.run(project, lab.tools[tool], "sync", "--take", "ours", *left)
    lab.commit(project, "updated")


# ---- the report ----------------------------------------------------------------------------------


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---" + "|---:" * (len(COLUMNS) - 3) + "|"]
    for one in outcomes:
        codes = " ".join(map(str, one.codes))
        counts = (one.conflicts, one.silent, *map(len, (one.unsaid, one.lost, one.back, one.other)))
        lines.append(f"| {' | '.join(map(str, (one.tool, one.steps, codes, *counts)))} | {one.seconds:.1f} |")
    return "\n".join(lines)


def details(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The files behind the numbers, and those that end otherwise than ours though neither side waits for a person."""
    ours = {one.steps: one for one in outcomes if one.tool == "ai-factory"}
    for one in outcomes:
        columns = {"waits": one.waits, "unsaid": one.unsaid, "lost": one.lost, "back": one.back}
        columns |= {"other than the tag": one.other, "other than ours": _unlike(one, ours[one.steps])}
        for word, rows in columns.items():
            if rows:
                yield f"- {one.tool}, {one.steps}: {word}: {', '.join(rows)}"


def _unlike(one: Outcome, ours: Outcome) -> tuple[str, ...]:
    paths = {*one.files, *ours.files} - {*one.waits, *ours.waits}
    return tuple(
        path
        for path in sorted(paths)
        if one.files.get(path) != ours.files.get(path)
        and not path.startswith(OURS)
        and not path.endswith(LEFT_BESIDE)
        and not RECORDS.fullmatch(path)
    )


def report(lab: Lab, tags: Sequence[str]) -> Iterator[str]:
    """All ways from the first tag to the last; a rejected part is put back by hand, so those are not gone on with."""
    made = story(lab, tags)
    theirs = [INLINE, REJECTED] if lab.is_copier else ["cruft"]
    ways = [(tool, tags[-1:]) for tool in (*theirs, "ai-factory")]
    if len(tags) > 2:
        ways += [(tool, tags[1:]) for tool in (theirs[0], "ai-factory")]
    outcomes = [follow(lab, tool, made, steps) for tool, steps in ways]
    yield f"\n{lab.clone.name}, {' → '.join(tags)}\n"
    yield f"edits: {', '.join(map(str, made.edits))}\n"
    yield f"{table(outcomes)}\n"
    yield from details(outcomes)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare updates of a template's projects: its own tool's and ours.")
    parser.add_argument("clone", type=Path, help="a clone of a template of Copier or Cookiecutter, with its tags")
    parser.add_argument("tags", nargs="+", help="two tags or more, the oldest first")
    parser.add_argument("--data", action="append", default=[], metavar="KEY=VALUE", help="an answer; again for more")
    beside = Path(sys.executable)
    for tool in ("ai-factory", "copier", "cruft"):
        parser.add_argument(f"--{tool}", default=str(beside.with_name(tool)), help=f"the command (default: {tool})")
    parser.add_argument("--keep", action="store_true", help="leave the projects, and what each command said")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the project, update its copies, print the table and what is behind it."""
    options = _options(argv)
    root = Path(tempfile.mkdtemp(prefix="ai-factory-on-ramps-")).resolve()
    (root / "home").mkdir()
    tools = {"ai-factory": options.ai_factory, "copier": options.copier, "cruft": options.cruft}
    lab = Lab(root, options.clone.resolve(), tools, dict(row.split("=", 1) for row in options.data))
    try:
        for line in report(lab, options.tags):
            print(line, flush=True)
    finally:
        if options.keep:
            print(f"\nkept: `{root}`", file=sys.stderr)
        else:
            shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
