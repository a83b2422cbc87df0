"""`ai-factory fleet graph`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli import say
from ai_factory.cli.fleets.asking import SOME_FAILED, asked, registry_at
from ai_factory.cli.fleets.options import DEFAULT, Fleet
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError

KINDS = ("system", "model", "dataset", "prompt", "service", "api", "resource", "component")
MORE = ("package", "data")  # of which a system has so many that they hide the rest


def graph(
    fleet: Fleet = DEFAULT,
    format_: Annotated[str, typer.Option("--format", help="text, json, dot or mermaid.")] = "text",
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", help=f"Only such things; again for more: {', '.join((*KINDS, *MORE))}."),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show systems, models, datasets, prompts, services and components, and who depends on whom."""
    from ai_factory.fleet.governance.graph import graph as drawn
    from ai_factory.fleet.governance.parts import parts
    from ai_factory.fleet.survey import unread
    from ai_factory.report.fleets.graph import FORMATS

    name = "json" if as_json else format_
    _known("format", name, tuple(FORMATS))
    for kind in kinds or ():
        _known("kind", kind, (*KINDS, *MORE))
    registry = registry_at(fleet)
    answers = asked(registry, registry.members, parts)
    found = drawn(one.said for one in answers if one.said)
    say(FORMATS[name](found.only(["system", *(kinds or KINDS)]), answers))
    raise typer.Exit(SOME_FAILED if unread(answers) else 0)


def _known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UsageError(f"`{name}` is no {what}", f"known are {', '.join(known)}")
