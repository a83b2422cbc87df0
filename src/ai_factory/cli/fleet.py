"""`ai-factory fleet`: one verb over many repositories."""

from __future__ import annotations

import typer

from ai_factory.cli.fleets.apply import apply
from ai_factory.cli.fleets.insights import insights
from ai_factory.cli.fleets.measures import measures
from ai_factory.cli.fleets.plan import plan
from ai_factory.cli.fleets.report import report

fleet = typer.Typer(help="Many repositories at once.", rich_markup_mode=None, no_args_is_help=True)
fleet.command()(plan)
fleet.command()(apply)
fleet.command()(measures)
fleet.command()(insights)
fleet.command()(report)
