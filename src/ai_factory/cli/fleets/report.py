"""`ai-factory fleet report`."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show, talk
from ai_factory.cli.fleets.asking import SOME_FAILED, registry_at
from ai_factory.cli.fleets.looking import Since, gathered, looked, moment, sources
from ai_factory.cli.fleets.options import DEFAULT, Fleet, Workers
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError

if TYPE_CHECKING:
    from ai_factory.fleet.registry import Registry
    from ai_factory.fleet.scaling.insights import Edits
    from ai_factory.fleet.scaling.measured import Measured, Moment
    from ai_factory.fleet.system import Here, System
    from ai_factory.git.remote import Access
    from ai_factory.report.scaling import Page


def report(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE.html|.md", help="Write it there (default: print Markdown).")
    ] = "",
    since: Since = "",
    fleet: Fleet = DEFAULT,
    workers: Workers = 0,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Write the sponsor's one page: does each further system cost less, and what needs a decision."""
    from ai_factory.report import scaling

    forms = {".html": scaling.html, ".md": scaling.markdown}
    ending = os.path.splitext(output)[1].lower()
    if output and ending not in forms:
        raise UsageError(f"`--output {output}` is of no form that is known", "name it .html or .md")
    known = registry_at(fleet)
    found, unread = _page(known, since, workers)
    if output:
        _write(output, forms[ending](found))
    if as_json or not output:
        show(scaling.markdown(found), scaling.data(found), as_json)
    return SOME_FAILED if unread else 0


def _page(known: Registry, since: str, workers: int) -> tuple[Page, bool]:
    """The page, and whether somebody could not be read."""
    from ai_factory.fleet.scaling.insights import proposals
    from ai_factory.report.scaling import page

    first, factories = day(since) if since else "", sources(known)
    now = moment(factories)
    seen = looked(known, partial(_both, moment=now), workers)
    found = gathered([one for one, _ in seen.shown], seen.unread, factories, first)
    return page(found, len(proposals(edits for _, edits in seen.shown)), now.today), bool(found.unread)


def _both(system: System, here: Here, access: Access, moment: Moment) -> tuple[Measured, Edits]:
    """What is measured, and what the team edited, for one opening."""
    from ai_factory.fleet.scaling.insights import edits
    from ai_factory.fleet.scaling.measured import measured

    return measured(system, here, access, moment), edits(system, here, access, moment.today)


def _write(place: str, text: str) -> None:
    from ai_factory.cli.output import write_file
    from ai_factory.report.plain import plain

    if error := write_file(place, text.rstrip("\n")):
        raise error
    talk(f"written: {plain(place)}")
