"""`ai-factory fleet status`."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Annotated

import typer

from ai_factory.cli.fleets import options
from ai_factory.cli.fleets.options import Choice
from ai_factory.cli.fleets.results import Form
from ai_factory.errors import UsageError
from ai_factory.fleet.standing.status import AXES, Standing
from ai_factory.report.fleets import prometheus, standings
from ai_factory.report.fleets.standings import Told

FORMS = {
    "text": Form(standings.text, r"(?s)error: |.*(?:^|\n)\d+ projects?\n  sync: "),
    "json": Form(standings.json, r'\{\s*"schema": "ai-factory/(?:fleet-status|error)/'),
    "csv": Form(standings.csv, "project,url,path,"),
    "prometheus": Form(prometheus.document, "# HELP ai_factory_fleet_"),
}
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="STATE", help="Show only projects in this state, of any axis.")
]


def status(
    fleet: options.Fleet = options.DEFAULT,
    ring: options.Rings = None,
    owner: options.Owners = None,
    label: options.Labels = None,
    only: Only = None,
    whole: Annotated[bool, typer.Option("--all", help="Show projects in order too.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no network.")] = False,
    workers: options.Workers = 0,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, json, csv or prometheus (default: text).")
    ] = "",
    output: Annotated[
        list[str] | None, typer.Option("--output", metavar="FORMAT=FILE", help="Write a file too; may be repeated.")
    ] = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Show where each project stands: sync with its factory, rollout of updates, health of its own checks."""
    from ai_factory.cli.bar import bar_on
    from ai_factory.cli.console import today
    from ai_factory.cli.fleets import results
    from ai_factory.fleet import book, hosts
    from ai_factory.fleet.standing import distance
    from ai_factory.fleet.standing.status import Around, recorded
    from ai_factory.fleet.standing.status import status as verb
    from ai_factory.fleet.updates import journal

    wanted = results.asked(form, output, FORMS, as_json)
    states, at_once = [_state(text) for text in only or ()], options.counted(workers)
    choice = Choice(ring or (), owner or (), options.labelled(label))
    with results.accounted(wanted):
        known, now = book.opened(fleet), time.time()
        registry = known.fleet
        members = options.chosen(registry, choice)
        measure = distance.measured(registry, not offline, now)
        ask, reach = None if offline else hosts.asking(registry), hosts.Reaching(registry.hosts)
        noted = recorded(journal.last_rows(known.folder.root))
        around = Around(today(), measure, ask, reach, noted, offline)
        found = tuple(verb(members, around, at_once, bar_on(len(members))))
    told = Told(tuple(one for one in found if _is_meant(one, states)), found, now, whole or bool(states), _width())
    raise typer.Exit(results.deliver(told, wanted, FORMS, told.code))


def _state(text: str) -> str:
    """The word for a state, however it is written. Raises UsageError."""
    known = {word.lower(): word for words in AXES.values() for word in words}
    if text.lower() not in known:
        raise UsageError(f"`{text}` is no state", f"the states are {', '.join(known.values())}")
    return known[text.lower()]


def _is_meant(one: Standing, states: list[str]) -> bool:
    return not states or not {one.sync, one.rollout, one.health}.isdisjoint(states)


def _width() -> int:
    """How wide the table may be; a log takes any width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
