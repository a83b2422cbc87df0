"""`ai-factory assess`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ai_factory.cli.console import ask, can_ask, show, today
from ai_factory.cli.look import Json, Place, Verbose
from ai_factory.cli.new import pair
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # see `new`
    from ai_factory.governance.assessment import Practice
    from ai_factory.project.assess import Prompts
    from ai_factory.project.facts import Told


def assess(
    path: Place = ".",
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FACT=VALUE", help="An answer; again for more.")
    ] = None,
    answers: Annotated[Path | None, typer.Option("--answers", help="A YAML file of answers.")] = None,
    screen: Annotated[
        bool, typer.Option("--screen", help="Only ask whether the use is prohibited; needs no project.")
    ] = False,
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="Judge as of that day, with --dry-run.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what follows, write nothing.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Ask what the system is, and say which duties, controls and tier follow, with reasons."""
    from ai_factory.project import assess as verb
    from ai_factory.project.facts import map_of
    from ai_factory.project.opening import open_project
    from ai_factory.report import assessments as report
    from ai_factory.workspace import in_project

    on, told = day(as_of), _told(answers, data or [])
    if on != today() and not dry_run and not screen:
        raise UsageError(f"what applies on {on} is to be looked at, not put on record", "add `--dry-run`")
    prompts = None if as_json or not can_ask() else _prompts()
    if screen:
        project = open_project(path) if in_project(path) else None
        found = verb.screened(map_of(project), told, prompts)
        show(report.prohibited_text(found), report.prohibited_data(found), as_json)
        raise typer.Exit(1 if found else 0)
    project = open_project(path)
    made = verb.assess(project, told, prompts, on)
    if made.prohibited:
        show(report.prohibited_text(made.prohibited), report.assessed_data(made, []), as_json)
        raise typer.Exit(1)
    written = [] if dry_run else verb.write(project, made)
    show(report.assessed_text(made, written), report.assessed_data(made, written), as_json)


def day(text: str) -> str:
    """An ISO date, today where none is given. Raises UsageError."""
    if not text:
        return today()
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"`{text}` is no date", "write it as YYYY-MM-DD") from None


def _told(file: Path | None, data: list[str]) -> Told:
    """The answers of the file, and those of the command line over them."""
    from ai_factory.project.facts import Told, told_by_file

    told = told_by_file(_content(file), str(file)) if file else Told()
    return told._replace(facts={**told.facts, **dict(map(pair, data))})


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read `{file}`: {(error.strerror or '').lower()}") from None


def _prompts() -> Prompts:
    from ai_factory.project.assess import Prompts

    return Prompts(ask, _ask_practice)


def _ask_practice(practice: Practice) -> bool:
    answer: Any = typer.confirm(f"Is this true of it: it {practice.use}?", default=None, err=True)
    return bool(answer)
