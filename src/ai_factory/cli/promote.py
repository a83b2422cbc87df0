"""`ai-factory promote`: what a team improved, back into the factory."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import show
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError


def promote(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="Files that were edited here.", show_default=False)
    ] = None,
    project: Annotated[str, typer.Option("--project", metavar="PATH", help="The project.")] = ".",
    into: Annotated[
        str, typer.Option("--into", metavar="FOLDER", help="The factory's repository (default: the project's own).")
    ] = "",
    branch: Annotated[str, typer.Option("--branch", metavar="NAME", help="How the new branch is called.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be committed; write nothing.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Take what the team improved in stamped files back to their templates, as a branch of the factory."""
    from ai_factory.project.opening import open_project
    from ai_factory.report import promotions
    from ai_factory.workshop.promote import files as verb

    if not paths:
        raise UsageError("name the files that were improved", "`ai-factory diff` shows what the team edited")
    opened = open_project(project)
    names = [opened.relative(path) for path in paths]
    made = verb.prepare(opened, names, verb.Asked(into, branch))
    commit = "" if plan or not made.files else verb.apply(made)
    show(promotions.text(made, commit, plan), promotions.data(made, commit), as_json)
    raise typer.Exit(0 if made.is_complete else 1)
