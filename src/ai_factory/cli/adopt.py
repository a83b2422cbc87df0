"""`ai-factory adopt`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import in_ci, show
from ai_factory.cli.signers import Trust


def adopt(
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="The project (default: the one here).")] = ".",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would happen, write nothing.")] = False,
    factory: Annotated[
        str, typer.Option("--factory", metavar="URL|PATH", help="Where the template is now, when not where it was.")
    ] = "",
    trust: Trust = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network: the cached template.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Take over a project of Copier or cruft: its template is followed from now on, and no file of it changes."""
    from ai_factory.project.foreign import adopting as verb
    from ai_factory.report.taken_over import taken_over_data, taken_over_text

    found = verb.prepare(path, verb.Wish(factory, trust, not offline, in_ci()))
    if not plan:
        verb.apply(found)
    show(taken_over_text(found, not plan), taken_over_data(found, not plan), as_json)
