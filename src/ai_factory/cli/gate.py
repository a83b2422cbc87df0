"""`ai-factory gate`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli import output
from ai_factory.cli.assess import day
from ai_factory.cli.given import given
from ai_factory.cli.look import Json, Place, Verbose
from ai_factory.cli.signers import ApprovalSigners, readable
from ai_factory.report.formats import FORMATS

Format = Annotated[
    str,
    typer.Option(
        "--format",
        callback=given,
        metavar="|".join(FORMATS),
        help="What to print (default: text; in a job of GitHub Actions annotations too).",
    ),
]
Output = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        metavar="FORMAT=FILE",
        help="Write that format to a file as well, new or an earlier report; again for more.",
    ),
]
AsOf = Annotated[
    str, typer.Option("--as-of", callback=given, metavar="DATE", help="Judge as of that day (default: today).")
]


def gate(
    path: Place = ".",
    as_of: AsOf = "",
    signers: ApprovalSigners = "",
    form: Format = output.AUTO,
    outputs: Output = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say whether every control that the system has to meet is met, and what stands in the way of a release."""
    from ai_factory.project.gate import gate as verb
    from ai_factory.project.opening import open_project
    from ai_factory.report import gates as report

    wanted = output.asked("json" if as_json else form, outputs or [])
    with output.accounted("gate", wanted):
        project = open_project(path)
        found = verb(project, day(as_of), readable(signers))
    made, own = report.report(found, path, project.root), report.own(found)
    raise typer.Exit(output.deliver(made, wanted, own))
