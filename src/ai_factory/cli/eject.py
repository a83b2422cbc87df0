"""`ai-factory eject`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import show


def eject(
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="The project.")] = ".",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would happen, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Take a project out of the factory: its record goes, every file of the system stays and works."""
    from ai_factory.project import eject as verb
    from ai_factory.project.opening import open_project
    from ai_factory.report.ejections import eject_data, eject_text

    found = verb.prepare(open_project(path))
    if not plan:
        verb.apply(found)
    show(eject_text(found, not plan), eject_data(found, not plan), as_json)
