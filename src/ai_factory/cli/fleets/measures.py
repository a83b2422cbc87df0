"""`ai-factory fleet measures`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show
from ai_factory.cli.fleets.options import FleetFile, Part, Workers, part, registry
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError

if TYPE_CHECKING:
    from ai_factory.fleet.measures import Measures
    from ai_factory.fleet.registry import Registry
    from ai_factory.fleet.run import Shard

Since = Annotated[str, typer.Option("--since", metavar="DATE", help="Only projects stamped on that day or later.")]


def measures(
    since: Since = "",
    fleet: FleetFile = "",
    shard: Part = "",
    workers: Workers = 0,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet, a row a project.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tell it as Markdown.")] = False,
    verbose: Verbose = False,
) -> int:
    """Say whether it scales: time to production, effort of governance, reuse, age and drift; from git alone."""
    from ai_factory.report import measures as report

    if as_json + as_csv + markdown > 1:
        raise UsageError("`--json`, `--csv` and `--markdown` exclude each other")
    known, _ = registry(fleet)
    found = measured(known, since, part(shard), workers)
    told = report.csv if as_csv else report.markdown if markdown else report.text
    show(told(found), report.data(found), as_json)
    return 3 if found.unread else 0


def measured(known: Registry, since: str, shard: Shard, workers: int) -> Measures:
    """The fleet, measured. Raises UsageError."""
    from ai_factory.cli.fleets.looking import looked, moment, refreshed
    from ai_factory.fleet import laws, measures
    from ai_factory.fleet.measured import measured as look

    first = day(since) if since else ""
    sources = refreshed(known)
    found = looked(known, partial(look, moment=moment(sources)), shard, workers)
    rows = measures.since(found.shown, first)
    leads = laws.leads(laws.read(sources), [(one.factory, one.story) for one in rows if not one.story.cut])
    return measures.Measures(tuple(rows), found.unread, tuple(leads), first)
