"""`ai-factory fleet hold`."""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated

import typer

from ai_factory.cli.fleets import options
from ai_factory.errors import UsageError


def hold(
    name: Annotated[str, typer.Argument(metavar="URL|FOLDER", help="A project of the fleet.")],
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="The last day on which it is left alone.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever reads the fleet.")] = "",
    end: Annotated[bool, typer.Option("--end", help="The project takes part again.")] = False,
    fleet: options.Fleet = options.DEFAULT,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Leave a project alone until a day, or let it take part again; it stands in the fleet's file."""
    from ai_factory.cli.console import show
    from ai_factory.fleet import book, sources
    from ai_factory.report.plain import plain

    if end == bool(until or reason):
        raise UsageError("say until when and why, or that it ends", "`--until DATE --reason TEXT`, or `--end`")
    known = book.opened(fleet)
    key = sources.given(name).key if os.path.isdir(name) else name
    member = next((one for one in known.fleet.members if one.key == key), None)
    if member is None:
        raise UsageError(f"`{name}` is no project of the fleet", "`ai-factory fleet status` lists them")
    held = {} if end else {"until": _day(until), "reason": _text(reason)}
    book.hold(known, member, held)
    said = f"left alone until {held['until']}: {held['reason']}" if held else "takes part again"
    show(f"{plain(key)} {plain(said)}", {"schema": "ai-factory/fleet-hold/1", "project": key, "hold": held}, as_json)


def _day(text: str) -> str:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`--until {text}` is no day", "write it as 2027-03-31") from None
    if day < dt.datetime.now(dt.UTC).date():
        raise UsageError(f"{day} is past", "give a day to come, or `--end`")
    return day.isoformat()


def _text(text: str) -> str:
    if not text.strip():
        raise UsageError("a hold needs a reason", "`--reason TEXT`")
    return text.strip()
