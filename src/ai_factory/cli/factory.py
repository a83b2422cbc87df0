"""`ai-factory factory`: what the authors of a factory do with it."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli import bench
from ai_factory.cli.choosing import Version
from ai_factory.cli.console import progress, show, talk, today
from ai_factory.cli.library import Json, Verbose

factories = typer.Typer(help="Work on a factory of your own.", rich_markup_mode=None, no_args_is_help=True)


@factories.callback()
def group() -> None:
    """Work on a factory of your own."""


@factories.command()
def new(
    destination: Annotated[str, typer.Argument(metavar="DIR", help="A folder that is new or empty.")],
    factory: Annotated[
        str, typer.Option("--factory", metavar="URL|PATH", help="The factory that it stands on.")
    ] = "embedded",
    version: Version = "",
    no_git: Annotated[bool, typer.Option("--no-git", help="Make no repository and no commit.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make a factory of your own on top of another one, in a repository with what lints, tests and releases it."""
    from ai_factory.report import workshop as report
    from ai_factory.report.commits import lacking
    from ai_factory.workshop.founding import contents, found
    from ai_factory.workshop.opening import below

    lower = below(factory, version)
    with progress(len(contents(lower)), "writing") as advance:
        made = found(lower, destination, not no_git, advance)
    show(report.founded_text(made, lower, committed=not no_git), report.founded_data(made, lower), as_json)
    for line in lacking(made.author, destination) if not as_json else ():
        talk(line)


@factories.command()
def update(
    address: Annotated[str, typer.Argument(metavar="[FACTORY]", help="Your factory's folder (default: here).")] = ".",
    to: Annotated[str, typer.Option("--to", metavar="REF", help="A version of the factory below.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change, write nothing.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Take in the newest version of the factory below, merged with your files that stand in place of its."""
    from ai_factory.report import workshop as report
    from ai_factory.workshop.opening import clean_repository, factory_at
    from ai_factory.workshop.upstream import update as verb
    from ai_factory.workshop.upstream import write

    factory = factory_at(address)
    folder = clean_repository(factory)
    made = verb(factory, to)
    if not plan:
        write(folder, made)
    show(report.update_text(made, written=not plan), report.update_data(made, written=not plan), as_json)
    raise typer.Exit(1 if made.failed else 0)


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


factories.command("test")(bench.try_out)
factories.command("preview")(bench.preview)


@factories.command()
def release(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Such as 1.4.0 (default: the next one).")] = "",
    address: Annotated[str, typer.Option("--factory", metavar="PATH", help="Your factory's folder.")] = ".",
    plan: Annotated[bool, typer.Option("--plan", help="Show the notes, write nothing.")] = False,
    no_sign: Annotated[bool, typer.Option("--no-sign", help="Make a tag without a signature.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Release a factory: versions and notes in its changelogs, one commit, one signed tag; lint must find nothing."""
    from ai_factory.report import lint as flaws
    from ai_factory.report import workshop as report
    from ai_factory.workshop.opening import clean_repository, factory_at, last_release, refuse_unpushable
    from ai_factory.workshop.releasing import prepare, write

    factory = factory_at(address)
    folder = clean_repository(factory)
    made = prepare(factory, last_release(factory), version, today())
    if made.flaws:
        show(flaws.text(made.flaws), flaws.data(made.flaws), as_json)
        raise typer.Exit(1)
    if not plan:
        refuse_unpushable(folder)
        write(folder, made, sign=not no_sign)
    show(report.release_text(made, written=not plan), report.release_data(made, written=not plan), as_json)


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
