"""`ai-factory fleet apply`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import show, talk
from ai_factory.cli.fleets.options import DEFAULT, Executor, Fleet, Part, Scheduler, Workers, part, where
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError

if TYPE_CHECKING:
    from ai_factory.fleet.book import Book
    from ai_factory.fleet.updates.apply import Wish
    from ai_factory.fleet.updates.journal import Row
    from ai_factory.fleet.updates.plan import Plan


def apply(
    saved: Annotated[str, typer.Argument(metavar="PLAN", help="A plan, as `fleet plan --output` saved it.")],
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Where a project has moved on since the plan, go on from there.")
    ] = False,
    ring: Annotated[str, typer.Option("--ring", metavar="NAME", help="Only the projects of that ring.")] = "",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="STATE", help="Only what the last run left so, as `failed:transient`."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Only so many projects.")] = 0,
    automerge: Annotated[
        bool, typer.Option("--automerge", help="Merge what touches managed files alone, once its checks are green.")
    ] = False,
    quiet_too: Annotated[bool, typer.Option("--quiet-too", help="Also in the quiet hours of the fleet.")] = False,
    fleet: Fleet = DEFAULT,
    shard: Part = "",
    executor: Executor = "threads",
    scheduler: Scheduler = "",
    workers: Workers = 0,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tell it as Markdown.")] = False,
    verbose: Verbose = False,
) -> int:
    """Bring a saved plan to the projects: a branch and a pull request each. May be run again at any time."""
    from ai_factory.cli.fleets.plan import read
    from ai_factory.fleet.book import opened
    from ai_factory.fleet.updates.apply import BAD, STATES, Wish
    from ai_factory.report.rollouts import apply_data, apply_markdown, apply_text

    book = opened(fleet)
    found = read(saved)
    states = tuple(only or ())
    if strange := [one for one in states if one.partition(":")[0] not in STATES]:
        raise UsageError(f"`--only {strange[0]}` names no state", f"known are {', '.join(STATES)}")
    place = where(executor, workers, scheduler)
    wish = Wish(refresh, automerge, quiet_too, limit, ring, states, part(shard), place)
    rows = _applied(found, book, wish)
    text = apply_markdown(found, rows) if markdown else apply_text(rows)
    show(text, apply_data(found, rows), as_json)
    if any(row.state in BAD for row in rows):
        return 3
    return 1 if any(row.state in ("conflicted", "edited") for row in rows) else 0


def _applied(found: Plan, book: Book, wish: Wish) -> Sequence[Row]:
    from ai_factory.cli.bar import bar_on
    from ai_factory.fleet import hosts
    from ai_factory.fleet.releases import refreshed
    from ai_factory.fleet.run import elsewhere
    from ai_factory.fleet.updates import journal
    from ai_factory.fleet.updates.apply import Tools, sources_of
    from ai_factory.fleet.updates.apply import apply as verb
    from ai_factory.report.proposals import proposal_markdown

    known = book.fleet
    for line in hosts.estimates(known, [one for one in found.entries if wish.part.holds(one.key)], wish.part):
        talk(line)
    members = {one.key: one for one in known.members}
    sources = tuple(refreshed(one) for one in sources_of(known))
    bar = bar_on(len(found.entries))
    rows: list[Row] = []
    with journal.opened(book.folder.root) as memory, elsewhere(wish.where) as there:
        forges, reach = hosts.speaking(known, wish.part), hosts.Reaching(known.hosts)
        tools = Tools(known, members, sources, memory, forges, reach, proposal_markdown, there, _now)
        for number, row in enumerate(verb(found, tools, wish), 1):
            rows.append(row)
            if bar:
                bar(number)
    return rows


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
