"""`ai-factory fleet plan`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import show, talk
from ai_factory.cli.fleets.options import DEFAULT, Executor, Fleet, Part, Scheduler, Workers, part, where
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError

if TYPE_CHECKING:
    from ai_factory.fleet.registry import Registry
    from ai_factory.fleet.run import Shard, Where
    from ai_factory.fleet.updates.plan import Plan

KEPT_DAYS = 14  # for which what a plan has made is kept; afterwards it is made again


def plan(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Save the plan, for `fleet apply FILE`.")
    ] = "",
    shown: Annotated[str, typer.Option("--show", metavar="FILE", help="Show a saved plan instead of making one.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="REF", help="A version (default: the newest in bound).")] = "",
    ring: Annotated[str, typer.Option("--ring", metavar="NAME", help="Only the projects of that ring.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Only so many projects.")] = 0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Show it as Markdown.")] = False,
    fleet: Fleet = DEFAULT,
    shard: Part = "",
    executor: Executor = "threads",
    scheduler: Scheduler = "",
    workers: Workers = 0,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Say what an update would bring to each project; nothing is written there."""
    from ai_factory.fleet.book import opened
    from ai_factory.report.rollouts import plan_data, plan_markdown, plan_text

    if shown:
        if output or to or ring or limit or shard:
            raise UsageError("`--show` shows a plan that is there", "leave the other options out")
        found = read(shown)
    else:
        known = opened(fleet).fleet
        found = _made(known, to, ring, limit, part(shard), where(executor, workers, scheduler))
        if output:
            write(output, found)
    show(plan_markdown(found) if markdown else plan_text(found, output), plan_data(found), as_json)
    if any(entry.outcome == "failed" for entry in found.entries):
        return 3
    return 1 if any(entry.conflicts for entry in found.entries) else 0


def _made(known: Registry, to: str, ring: str, limit: int, shard: Shard, place: Where) -> Plan:
    from ai_factory import __version__, cache
    from ai_factory.cli.bar import bar_on
    from ai_factory.fleet import hosts
    from ai_factory.fleet.releases import refreshed
    from ai_factory.fleet.updates.apply import sources_of
    from ai_factory.fleet.updates.carry import KEPT, Job
    from ai_factory.fleet.updates.plan import Head, Plan
    from ai_factory.fleet.updates.planning import entries
    from ai_factory.git.proposals import forget_old
    from ai_factory.report.proposals import proposal_markdown

    sources = tuple(refreshed(source) for source in sources_of(known))
    if not sources:
        raise UsageError("the fleet names no factory to take from", "write it under `factories` in fleet.yaml")
    if ring and ring not in {one.name for one in known.rings}:
        raise UsageError(f"the fleet has no ring `{ring}`")
    forget_old(cache.folder(KEPT), time.time() - KEPT_DAYS * 24 * 60 * 60)
    members = [one for one in known.members if shard.holds(one.key) and ring in ("", one.ring)]
    jobs = [Job(member, sources, to, time.strftime("%Y-%m-%d")) for member in members[: limit or len(members)]]
    bar = bar_on(len(jobs))
    found = []
    for number, entry in enumerate(
        entries(jobs, place, hosts.Reaching(known.hosts), proposal_markdown, hosts.missing(known)), 1
    ):
        found.append(entry)
        if bar:
            bar(number)
    return Plan(Head(__version__, to, tuple(one.url for one in sources)), tuple(found))


def write(place: str, found: Plan) -> None:
    """Save a plan, whole or not at all. Raises UsageError."""
    from ai_factory.cli.replacing import Writing, refuse
    from ai_factory.fleet.updates.plan import is_plan, lines

    refuse(place, Writing("--output", "earlier plan", is_plan))
    draft = f"{place}.draft"
    try:
        with open(draft, "w", encoding="ascii") as stream:
            stream.writelines(f"{line}\n" for line in lines(found.head, found.entries))
        os.replace(draft, place)
    except OSError as error:
        raise UsageError(f"cannot write `{place}`: {(error.strerror or str(error)).lower()}") from None
    talk(f"plan {found.digest[:12]} of {len(found.entries)} projects: {place}")


def read(place: str) -> Plan:
    """Read a saved plan. Raises UsageError."""
    from ai_factory.fleet.updates.plan import read as parsed

    try:
        with open(place, encoding="ascii", errors="replace") as stream:
            return parsed(stream, place)
    except OSError as error:
        raise UsageError(f"cannot read `{place}`: {(error.strerror or str(error)).lower()}") from None
