"""`ai-factory map diff`, `map impact` and `map lint`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show
from ai_factory.cli.look import Json, Verbose

maps = typer.Typer(help="Rehearse a change of law: compare maps, and see what a new one asks.", no_args_is_help=True)
Address = "a factory (`embedded`, a folder, ADDRESS@VERSION) or a folder with a map"


@maps.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=f"The map that was: {Address}.")],
    new: Annotated[str, typer.Argument(metavar="[NEW]", help="The map to come (default: embedded).")] = "embedded",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show every row in which two maps differ."""
    from ai_factory.project.maps import diff as verb
    from ai_factory.report import maps as report

    found = verb(old, new)
    show(report.diff_text(found), report.diff_data(found), as_json)


@maps.command()
def impact(
    new: Annotated[str, typer.Argument(metavar="NEW", help=f"The map to come: {Address}.")],
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Projects (default: the one here).")
    ] = None,
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="Judge as of that day (default: today).")] = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say what stands otherwise in each project under a new map: controls, duties, clocks, roles, questions."""
    from ai_factory.project.maps import impact as verb
    from ai_factory.report import maps as report

    found = verb(new, paths or ["."], day(as_of))
    show(report.impact_text(found), report.impact_data(found), as_json)
    raise typer.Exit(2 if any(one.unknown for one in found) else 0)


@maps.command()
def lint(
    address: Annotated[
        str, typer.Argument(metavar="[FACTORY]", help=f"{Address[0].upper()}{Address[1:]}.")
    ] = "embedded",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Name what a map does not keep: ids that lead nowhere, rows that nothing uses, controls that nothing looks at."""
    from ai_factory.project.maps import lint as verb
    from ai_factory.report import maps as report

    found = verb(address)
    show(report.lint_text(found), report.lint_data(found), as_json)
    raise typer.Exit(1 if found else 0)
