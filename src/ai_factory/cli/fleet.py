"""`ai-factory fleet`: a file for each command below it."""

from __future__ import annotations

import typer

from ai_factory.cli.fleets.catalog import catalog
from ai_factory.cli.fleets.compare import compare
from ai_factory.cli.fleets.graph import graph
from ai_factory.cli.fleets.impact import impact
from ai_factory.cli.fleets.incident import incident

fleet = typer.Typer(help="Look at many systems at once.", no_args_is_help=True)
fleet.command()(impact)
fleet.command()(graph)
fleet.command()(catalog)
fleet.command()(compare)
fleet.add_typer(incident, name="incident")
