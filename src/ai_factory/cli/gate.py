"""`ai-factory gate`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show
from ai_factory.cli.look import Json, Place, Verbose
from ai_factory.cli.signers import ApprovalSigners, readable


def gate(
    path: Place = ".",
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="Judge as of that day (default: today).")] = "",
    signers: ApprovalSigners = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say whether every control that the system has to meet is met, and what stands in the way of a release."""
    from ai_factory.project.gate import gate as verb
    from ai_factory.project.opening import open_project
    from ai_factory.report import gates as report

    found = verb(open_project(path), day(as_of), readable(signers))
    show(report.text(found), report.data(found), as_json)
    raise typer.Exit(0 if found.passed else 1)
