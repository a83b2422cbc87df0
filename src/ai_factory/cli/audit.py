"""`ai-factory audit verify` and `audit prove`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import show
from ai_factory.cli.look import Json, Place, Verbose

audit = typer.Typer(help="Verify the audit logs of a project, or prove one event.", no_args_is_help=True)
Logs = Annotated[str, typer.Option("--logs", metavar="FOLDER", help="Where the logs are (default: var/audit).")]


@audit.command()
def verify(
    path: Place = ".",
    logs: Logs = "",
    against: Annotated[
        str, typer.Option("--against", metavar="FILE", help="Checkpoints that were kept elsewhere.")
    ] = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Are the logs what was written? Chain, ends, checkpoints and their signatures; exit code 1 if not."""
    from ai_factory.project.opening import open_project
    from ai_factory.project.trail import verify as verb
    from ai_factory.report import trails as report

    found = verb(open_project(path), logs, against)
    show(report.text(found), report.data(found), as_json)
    raise typer.Exit(1 if any(one.problems for one in found) else 0)


@audit.command()
def prove(
    event: Annotated[str, typer.Argument(help="The id of an event.")],
    path: Place = ".",
    logs: Logs = "",
    verbose: Verbose = False,
) -> None:
    """Print the proof that an event is in a log, as JSON, without showing any other event."""
    from ai_factory.project.opening import open_project
    from ai_factory.project.trail import prove as verb

    show("", verb(open_project(path), event, logs), as_json=True)
