"""`ai-factory approve`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show, today
from ai_factory.cli.look import Json, Place, Verbose


def approve(
    role: Annotated[str, typer.Argument(help="The role that decides, such as risk.")],
    approver: Annotated[str, typer.Option("--approver", help="Your address.")],
    author: Annotated[str, typer.Option("--author", help="The address of who proposes the release.")],
    expires: Annotated[str, typer.Option("--expires", metavar="DATE", help="The last day, at most a year on.")],
    path: Place = ".",
    conditions: Annotated[str, typer.Option("--conditions", help="Under which conditions, in words.")] = "",
    refuse: Annotated[bool, typer.Option("--refuse", help="Put on record that you do not approve.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Approve the subjects of a release as they are now, in one role; written into governance/approvals.yaml."""
    from ai_factory.project.approve import Given
    from ai_factory.project.approve import approve as verb
    from ai_factory.project.opening import open_project
    from ai_factory.report import approvals as report

    decision = "refused" if refuse else "approved"
    given = Given(role, approver, author, day(expires), decision, conditions)
    done = verb(open_project(path), given, today())
    show(report.text(done), report.data(done), as_json)
