"""`ai-factory fleet measures`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show
from ai_factory.cli.fleets.asking import SOME_FAILED, registry_at
from ai_factory.cli.fleets.looking import Since, gathered, looked, moment, sources
from ai_factory.cli.fleets.options import DEFAULT, Fleet, Workers
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError


def measures(
    since: Since = "",
    fleet: Fleet = DEFAULT,
    workers: Workers = 0,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet, a row a project.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tell it as Markdown.")] = False,
    verbose: Verbose = False,
) -> int:
    """Say whether it scales: time to production, effort of governance, reuse, age and drift; from git alone."""
    from ai_factory.fleet.scaling.measured import measured as look
    from ai_factory.report import measures as report

    if as_json + as_csv + markdown > 1:
        raise UsageError("`--json`, `--csv` and `--markdown` exclude each other")
    known = registry_at(fleet)
    first, factories = day(since) if since else "", sources(known)
    seen = looked(known, partial(look, moment=moment(factories)), workers)
    found = gathered(seen.shown, seen.unread, factories, first)
    told = report.csv if as_csv else report.markdown if markdown else report.text
    show(told(found), report.data(found), as_json)
    return SOME_FAILED if found.unread else 0
