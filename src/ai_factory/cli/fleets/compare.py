"""`ai-factory fleet compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli import say
from ai_factory.cli.fleets.asking import SOME_FAILED, asked, registry_at
from ai_factory.cli.fleets.options import DEFAULT, Fleet
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # see `new`
    from ai_factory.fleet.registry import Member


def compare(
    systems: Annotated[
        list[str] | None, typer.Argument(metavar="[SYSTEM]...", help="Keys of systems (default: all).")
    ] = None,
    blueprint: Annotated[str, typer.Option("--blueprint", help="Only systems of that blueprint.")] = "",
    fleet: Fleet = DEFAULT,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Lay the evaluations of systems side by side: metrics with intervals, thresholds, slices, data."""
    from ai_factory.fleet.governance.evaluations import evaluation
    from ai_factory.fleet.survey import unread
    from ai_factory.report.fleets.compare import FORMATS

    forms = [name for name, wanted in (("json", as_json), ("csv", csv), ("markdown", markdown)) if wanted]
    if len(forms) > 1:
        raise UsageError("two formats are asked for", "give one of `--json`, `--csv`, `--markdown`")
    registry = registry_at(fleet)
    answers = asked(registry, _chosen(registry.members, systems or []), evaluation)
    kept = [one for one in answers if not (blueprint and one.said and one.said.blueprint != blueprint)]
    say(FORMATS[forms[0] if forms else "text"](kept))
    raise typer.Exit(SOME_FAILED if unread(kept) else 0)


def _chosen(members: tuple[Member, ...], names: list[str]) -> list[Member]:
    """The members that are named by key, or by the last part of it where one alone ends so."""
    return [_one(members, name) for name in dict.fromkeys(names)] if names else list(members)


def _one(members: tuple[Member, ...], name: str) -> Member:
    found = [one for one in members if one.key == name]
    found = found or [one for one in members if one.key.removesuffix(".git").endswith(f"/{name}")]
    if len(found) != 1:
        message = "names several systems of the fleet" if found else "is no system of the fleet"
        raise UsageError(f"`{name}` {message}", f"known are {', '.join(one.key for one in members)}")
    return found[0]
