"""`ai-factory factory`: what the authors of a factory do with it."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.console import show
from ai_factory.cli.library import Json, Verbose

factories = typer.Typer(help="Work on a factory of your own.", rich_markup_mode=None, no_args_is_help=True)


@factories.callback()
def group() -> None:
    """Work on a factory of your own."""


@factories.command()
def lint(
    address: Annotated[
        str, typer.Argument(metavar="[FACTORY]", help="A folder with a factory, or `embedded` (default: here).")
    ] = ".",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Name every mistake in components and blueprints, with file and line; against the last release too, if any."""
    from ai_factory.report import lint as report
    from ai_factory.workshop.linting import lint as verb
    from ai_factory.workshop.opening import factory_at, last_release

    factory = factory_at(address)
    found = verb(factory, last_release(factory))
    show(report.text(found), report.data(found), as_json)
    raise typer.Exit(1 if found else 0)


@factories.command()
def editor(
    folder: Annotated[str, typer.Argument(metavar="[FACTORY]", help="A folder with a factory (default: here).")] = ".",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write the JSON Schemas of a factory's files into `.schemas/`, and name them in each file's first line."""
    from ai_factory.report.plain import count, plain
    from ai_factory.workshop.editor import set_up

    written = set_up(folder)
    lines = [f"  + {plain(path)}" for path in written]
    lines.append(f"{count(len(written), 'file')} written" if written else "all is there")
    show("\n".join(lines), {"schema": "ai-factory/editor/1", "written": list(written)}, as_json)
