"""`ai-factory fleet catalog`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import show
from ai_factory.cli.fleets.asking import SOME_FAILED, asked, registry_at
from ai_factory.cli.fleets.options import DEFAULT, Fleet
from ai_factory.cli.look import Json, Verbose


def catalog(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[SEARCH]...", help="Words to look for (default: show all).")
    ] = None,
    fleet: Fleet = DEFAULT,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find datasets, features and models that teams have prepared, with owner, class and terms of use."""
    from ai_factory.fleet.governance.offers import offers, search
    from ai_factory.fleet.survey import unread
    from ai_factory.report.fleets import catalog as report

    registry = registry_at(fleet)
    answers = asked(registry, registry.members, offers)
    hits = search((one for found in answers for one in found.said or ()), " ".join(words or ()))
    show(report.text(hits, answers), report.data(hits, answers), as_json)
    raise typer.Exit(SOME_FAILED if unread(answers) else 0)
