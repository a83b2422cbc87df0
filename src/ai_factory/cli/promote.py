"""`ai-factory promote`: what a team improved, back into the factory."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import show
from ai_factory.cli.look import Json, Verbose, name_and_line
from ai_factory.cli.signers import Trust
from ai_factory.errors import UsageError


def promote(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE[:LINE]...", help="Files of the project, or one edit of a file.", show_default=False
        ),
    ] = None,
    component: Annotated[
        str, typer.Option("--component", metavar="NAME", help="Make the team's own files this new component.")
    ] = "",
    project: Annotated[str, typer.Option("--project", metavar="PATH", help="The project.")] = ".",
    into: Annotated[
        str, typer.Option("--into", metavar="FOLDER", help="The factory's repository (default: the project's own).")
    ] = "",
    branch: Annotated[str, typer.Option("--branch", metavar="NAME", help="How the new branch is called.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be committed; write nothing.")] = False,
    trust: Trust = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Take what the team improved back to its factory, as a branch: edits of stamped files, or a new component."""
    from ai_factory.project.opening import open_project
    from ai_factory.report import promotions
    from ai_factory.workshop.promote import component as whole
    from ai_factory.workshop.promote import files as edits

    if not paths:
        raise UsageError("name the files that were improved", "`ai-factory diff` shows what the team edited")
    opened = open_project(project)
    asked = edits.Asked(into, branch, trust)
    if component:
        made = whole.prepare(opened, component, [opened.relative(path) for path in paths], asked)
    else:
        wishes = [(opened.relative(name), line) for name, line in map(name_and_line, paths)]
        made = edits.prepare(opened, wishes, asked)
    commit = "" if plan or not made.files else edits.apply(made)
    show(promotions.text(made, commit, plan), promotions.data(made, commit), as_json)
    raise typer.Exit(0 if made.is_complete else 1)
