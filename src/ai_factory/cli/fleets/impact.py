"""`ai-factory fleet impact`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show
from ai_factory.cli.fleets.asking import SOME_FAILED, registry_at, way
from ai_factory.cli.fleets.options import DEFAULT, Fleet
from ai_factory.cli.look import Json, Verbose
from ai_factory.cli.maps import Address


def impact(
    new: Annotated[str, typer.Option("--map", metavar="NEW", help=f"The map to come: {Address}.")],
    fleet: Fleet = DEFAULT,
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="Judge as of that day (default: today).")] = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say which systems gain, lose or change which control under a new map, by which duty, from when."""
    from ai_factory.fleet.governance.impact import impact as verb
    from ai_factory.project.maps import map_at
    from ai_factory.report.fleets import impact as report

    registry = registry_at(fleet)
    found = verb(registry, map_at(new), day(as_of), way(registry, len(registry.members)))
    show(report.text(found), report.data(found), as_json)
    raise typer.Exit(SOME_FAILED if any(one.said is None or one.said.impact.unknown for one in found) else 0)
