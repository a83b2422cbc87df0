"""What the commands that look at every project of a fleet have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ai_factory.cli.console import talk
from ai_factory.cli.fleets.options import counted
from ai_factory.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_factory.fleet.looking import Look, Looked, Unread
    from ai_factory.fleet.registry import Registry
    from ai_factory.fleet.releases import Source
    from ai_factory.fleet.scaling.measured import Measured, Moment
    from ai_factory.fleet.scaling.measures import Measures

Since = Annotated[str, typer.Option("--since", metavar="DATE", help="Only projects stamped on that day or later.")]
Shown = TypeVar("Shown")


def looked(known: Registry, look: Look[Shown], workers: int) -> Looked[Shown]:
    """Look at each project: what many have in common shows only where all are looked at."""
    from ai_factory.cli.bar import bar_on
    from ai_factory.fleet.hosts import Reaching
    from ai_factory.fleet.looking import looked as verb

    return verb(known.members, look, Reaching(known.hosts), counted(workers), bar_on(len(known.members)))


def sources(known: Registry) -> Sequence[Source]:
    """The factories of the fleet, as they are now; where one cannot be reached, as they were, which is said."""
    from ai_factory.fleet.updates.apply import sources_of

    return [_refreshed(source) for source in sources_of(known)]


def _refreshed(source: Source) -> Source:
    from ai_factory.fleet.releases import refreshed
    from ai_factory.report.plain import plain

    try:
        return refreshed(source)
    except UnreachableError as error:
        talk(f"the factory as it was before: {plain(error.message)}")
        return source


def gathered(found: Sequence[Measured], unread: Sequence[Unread], known: Sequence[Source], first: str) -> Measures:
    """The measures of projects that were looked at, of those stamped from an ISO date on, where one is given."""
    from ai_factory.fleet.scaling import laws, measures

    rows = measures.since(found, first)
    leads = laws.leads(laws.read(known), [(one.factory, one.story) for one in rows if not one.story.cut])
    return measures.Measures(tuple(rows), tuple(unread), tuple(leads), first)


def moment(known: Sequence[Source]) -> Moment:
    """Now, and the releases that there are."""
    from ai_factory.fleet.scaling.ages import releases
    from ai_factory.fleet.scaling.measured import Moment

    now = int(time.time())
    return Moment(now, time.strftime("%Y-%m-%d", time.localtime(now)), releases(known))
