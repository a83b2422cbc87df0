"""`ai-factory check`: its own small parser, so that a check starts at once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ai_factory.check import Finding, Ground, compare, judged, located, verdict
from ai_factory.cli import say
from ai_factory.errors import ConsentError, FactoryError, LockError
from ai_factory.lock import BASE, LOCK, PROJECT, WAIVERS, Lock, parse
from ai_factory.newest import bound_in, newer
from ai_factory.report import findings as report
from ai_factory.report.findings import Checked
from ai_factory.shadows import shadows, unexpected
from ai_factory.tree import File, digest, word
from ai_factory.workspace import Folder, find_project, keeps_modes, link_within

if TYPE_CHECKING:  # the usual check is not asked for more than the files and their lock
    from ai_factory.cli.baseline import Wanted
    from ai_factory.project.grounds import Asked

PATIENCE = 1.0  # seconds after which a person wants to see that something happens


class Options(NamedTuple):
    """What was asked of a check; without a format, that is text, and in a job of GitHub Actions annotations too.

    `more` is by what the files are judged besides their lock, `baseline` what is known to differ.
    """

    paths: Sequence[str]
    format: str
    outputs: Sequence[str]
    fail_on: Sequence[str]
    more: Asked | None = None
    baseline: Wanted | None = None


def options(arguments: Sequence[str]) -> Options:
    """The arguments as a value; the usual ones are read without argparse. Raises UsageError."""
    paths = [one for one in arguments if one != "--json"]
    if not any(one.startswith("-") or not one for one in paths):
        return Options(paths or ["."], "json" if "--json" in arguments else "", (), ("drift", "conflict"))
    from ai_factory.cli.check_options import baseline, more, parser
    from ai_factory.cli.output import asked

    read = parser().parse_args(arguments)
    asked(read.format, read.output)
    return Options(read.paths, read.format, read.output, read.fail_on, more(read), baseline(read))


def main(arguments: Sequence[str]) -> int:
    """Check the projects and tell what was found; the exit code."""
    wanted = options(arguments)
    if wanted.format in ("", "text") and not wanted.outputs and "GITHUB_ACTIONS" not in os.environ:
        found = _results(wanted)
        say(report.text(found.projects, found.code, found.notes))
        return found.code
    from ai_factory.cli import output  # which loads what the other formats have in common

    asked = output.asked(wanted.format, wanted.outputs)
    with output.accounted("check", asked):
        found = _results(wanted)
    from ai_factory.report.rows import Report

    return output.deliver(Report("check", found.projects, found.code, wanted.fail_on, notes=found.notes), asked)


class Results(NamedTuple):
    """What was found of all projects, with the exit code."""

    projects: tuple[Checked, ...]
    code: int
    notes: tuple[str, ...] = ()


def _results(wanted: Options) -> Results:
    projects = _looked_at(wanted)
    notes = tuple(dict.fromkeys(note for project in projects for note in _told_by(project, len(projects) > 1)))
    if wanted.baseline:
        from ai_factory.cli.baseline import applied

        projects, said = applied(projects, wanted.baseline)
        notes += said
    code = verdict((finding for project in projects for finding in project.findings), wanted.fail_on)
    return Results(projects, code, notes)


def _told_by(project: Checked, several: bool) -> Sequence[str]:
    """The notes of a project, with its path where there are several."""
    return [f"{project.path}: {note}" for note in project.notes] if several else project.notes


def _looked_at(wanted: Options) -> tuple[Checked, ...]:
    """Each project in turn; once that takes long, a person sees how far it has come."""
    begun, bar, found = time.monotonic(), None, []
    for number, path in enumerate(wanted.paths, 1):
        found.append(checked(path, wanted.more))
        if bar is None and time.monotonic() - begun > PATIENCE:
            from ai_factory.cli.bar import bar_on

            bar = bar_on(len(wanted.paths))
        if bar:
            bar(number)
    return tuple(found)


def checked(path: str, more: Asked | None = None) -> Checked:
    """The findings of one project; what stops a check is a finding too (AF005), but for a consent that is needed."""
    try:
        root = _root(path, more.against if more else "")
        folder = Folder(root)
        file = folder.read(LOCK)
        record = parse(file.content if file else b"")
        ground = _ground(folder, record, more) if more else Ground(record)
        return Checked(path, record.factory.version, tuple(_findings(folder, record, ground)), root, notes=ground.notes)
    except ConsentError:
        raise
    except FactoryError as error:
        return Checked(path, "", (Finding("AF005", LOCK, error.message, hint=error.hint),))


def _root(path: str, against: str) -> str:
    """The root of the project at the path. Raises LockError where one is named that is not there."""
    if against:
        from ai_factory.project.reference import refuse_lost

        refuse_lost(path, against)
    root = find_project(path)
    if os.path.normpath(path) != ".":
        _refuse_other(path, root)
    return root


def _refuse_other(path: str, root: str) -> None:
    """Raise LockError where the project at `root` is another than the one that was named."""
    hint = f"name the project: `ai-factory check {word(os.path.relpath(root))}`"
    if link := link_within(path):
        raise LockError(f"`{path}` leads over a link, `{os.path.relpath(link)}`, to another project", hint)
    if not os.path.samefile(path, root):
        above = os.path.relpath(root)
        message = f"`{path}` is no project: there is no `{LOCK}` in it, and that of `{above}` says nothing of it alone"
        raise LockError(message, hint)


def _ground(folder: Folder, record: Lock, more: Asked) -> Ground:
    from ai_factory.project.grounds import ground  # with git, and with a renderer where one is needed

    return ground(folder, record, more)


def _findings(folder: Folder, record: Lock, ground: Ground) -> list[Finding]:
    known = ground.lock.paths if ground.doubted is None else {**ground.doubted.paths, **ground.lock.paths}
    wanted = [path for path, entry in known.items() if entry.ownership in ("managed", "merged")]
    ours = folder.read_all(path for path in wanted if known[path].state != "local")
    archive, modes = folder.read(BASE), keeps_modes(folder.root)
    found = [*_base_finding(archive, record), *ground.findings]
    edited = judged(ground, lambda lock: _compared(folder, lock, ours, modes))
    found += _located(edited, ours, archive, ground) if edited else []
    found += _behind(folder, record) if ground.behind is None else ground.behind
    waivers = folder.read(WAIVERS)
    found = _waived(found, waivers.content, ground.agreed) if waivers else found
    owner = record.answers.get("owner_team")
    return [finding._replace(owner=owner) for finding in found] if isinstance(owner, str) else found


def _located(found: list[Finding], ours: Mapping[str, File], archive: File | None, ground: Ground) -> list[Finding]:
    """The findings with their lines: the base is opened only for what was edited."""
    edited = {finding.path: ground.lock.paths[finding.path].base for finding in found if finding.rule == "AF002"}
    if not edited:
        return found
    from ai_factory.base import pristine

    here = pristine(archive.content, edited) if archive else {}
    return located(found, ours, here | {path: ground.known[path] for path in edited if path in ground.known})


def _behind(folder: Folder, record: Lock) -> list[Finding]:
    version = _newer(folder, record)
    hint = "`ai-factory sync --plan` shows what it brings"
    return [Finding("AF001", LOCK, f"is behind: {version} is there", hint=hint)] if version else []


def _newer(folder: Folder, record: Lock) -> str:
    """The newest version that a sync would go to; the bound is read, without a parser, where there is a newer one."""
    version = newer(record.factory)
    wish = folder.read(PROJECT) if version else None
    try:
        bound = bound_in(wish.content) if wish else ""
        return newer(record.factory, bound) if bound else version
    except FactoryError:
        return version  # the sync will say that it is no bound


def _base_finding(file: File | None, record: Lock) -> list[Finding]:
    if file and digest(file.content) == record.base_file:
        return []
    message = "is not the one that the lock names" if file else "is missing"
    return [Finding("AF005", BASE, message, hint="bring both back with `git checkout -- .ai-factory`")]


def _compared(folder: Folder, record: Lock, ours: Mapping[str, File], modes: bool) -> list[Finding]:
    beside = unexpected(folder, record.folders, record.paths)
    return compare(record, ours, beside, modes, shadows(folder, record.paths))


def _waived(found: list[Finding], content: bytes, agreed: bytes | None) -> list[Finding]:
    from ai_factory import waivers  # YAML is read only where somebody waived something

    try:
        seen = None if agreed is None else waivers.parse(agreed)
        return waivers.apply(found, waivers.parse(content), time.strftime("%Y-%m-%d"), seen)
    except FactoryError as error:
        return [*found, Finding("AF005", WAIVERS, error.message, hint=error.hint or "mend the file")]
