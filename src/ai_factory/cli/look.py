"""`ai-factory status`, `diff`, `explain` and `restore`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import in_ci, show, today
from ai_factory.cli.signers import Trust
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # see `new`
    from ai_factory.project.opening import Project

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")]
Place = Annotated[str, typer.Argument(metavar="[PATH]", help="The project (default: the one here).")]


def status(
    path: Place = ".",
    remote: Annotated[bool, typer.Option("--remote", help="Ask the factory for newer versions first.")] = False,
    trust: Trust = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show two letters a path: what the team changed, what a sync would bring."""
    from ai_factory.project import inspect
    from ai_factory.project.opening import open_project
    from ai_factory.report.looks import status_data, status_text

    report = inspect.status(open_project(path), inspect.Look(remote, in_ci(), trust))
    show(status_text(report), status_data(report), as_json)


def diff(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH] [FILE]...", help="The project, or some of its files."),
    ] = None,
    incoming: Annotated[bool, typer.Option("--incoming", help="What a sync would change instead.")] = False,
    trust: Trust = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show the team's edits against what the factory stamped."""
    from ai_factory.project import inspect
    from ai_factory.report.looks import diff_data, diff_text

    project, files = project_and_files(paths or [])
    look = inspect.Look(trust=trust)
    found = inspect.incoming(project, files, look) if incoming else inspect.diff(project, files)
    show(diff_text(found), diff_data(found), as_json)


def restore(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE...", help="Files of the project.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All managed files that drifted.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Merged files too: their edits are lost.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Put the factory's bytes back; what was there is kept as a git object."""
    from ai_factory.project.restore import restore as verb
    from ai_factory.report.looks import restored_data, restored_text

    project, paths = project_and_files(files or [])
    if bool(paths) == everything:
        raise UsageError("name files, or give `--all`", "`ai-factory check` lists what drifted")
    restored = verb(project, paths, force)
    show(restored_text(restored), restored_data(restored), as_json)


def explain(
    subject: Annotated[str, typer.Argument(metavar="FILE[:LINE]|CONTROL", help="A file of the project, or a control.")],
    trust: Trust = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say where a file comes from and what it is evidence for, or what a control asks."""
    from ai_factory.project import inspect
    from ai_factory.report import looks

    control = re.fullmatch(r"([A-Za-z]+-\d+)([A-Za-z]?)", subject)
    if control and not os.path.lexists(subject):
        _explain_control(control[1].upper() + control[2].lower(), as_json)
        return
    name, line = name_and_line(subject)
    project, paths = project_and_files([name])
    if not paths:
        raise UsageError(f"`{subject}` is a folder", "name a file")
    item = inspect.explain_file(project, paths[0], line, trust)
    show(looks.file_text(item), looks.file_data(item), as_json)


def _explain_control(control: str, as_json: bool) -> None:
    """What it asks, what it is to this project and why, and where its evidence lies."""
    from ai_factory.project import inspect
    from ai_factory.project.facts import standing
    from ai_factory.report import chains, looks

    project = _project_here()
    found = inspect.explain_control(project, control)
    stands = standing(project, control, today()) if project else None
    text, data = looks.control_text(found), looks.control_data(found)
    if project:
        text, data = f"{text}\n{chains.text(stands)}", {**data, "standing": chains.data(stands)}
    show(text, data, as_json)


def _project_here() -> Project | None:
    from ai_factory.project.opening import open_project
    from ai_factory.workspace import in_project

    return open_project(".") if in_project(".") else None


def name_and_line(subject: str) -> tuple[str, int]:
    """A file, and the line of it that is meant; 0 where none is."""
    found = re.fullmatch(r"(.+):([1-9]\d*)", subject)
    if found and not os.path.lexists(subject):
        return found[1], int(found[2])
    return subject, 0


def project_and_files(paths: list[str]) -> tuple[Project, list[str]]:
    """The project that the paths lie in, and those of them that are files, named within it."""
    from ai_factory.project.opening import open_project

    if paths and os.path.isdir(paths[0]) and not os.path.islink(paths[0]):
        project = open_project(paths[0])
        if project.relative(paths[0]) in project.lock.paths:  # a folder that lies where a file of the factory's should
            return project, [project.relative(path) for path in paths]
        return project, [_within(project, paths[0], path) for path in paths[1:]]
    start = _existing_folder(paths[0]) if paths else "."
    project = open_project(start)
    return project, [project.relative(path) for path in paths]


def _within(project: Project, folder: str, path: str) -> str:
    relative = project.relative(path)
    return relative if relative in project.lock.paths else str(project.relative(os.path.join(folder, path)))


def _existing_folder(path: str) -> str:
    here = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(here):
        here = os.path.dirname(here)
    return here
