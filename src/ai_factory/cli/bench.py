"""`ai-factory factory test` and `factory preview`: the bench of those who change a factory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ai_factory.cli.bar import bar_on
from ai_factory.cli.console import show
from ai_factory.cli.library import Json, Verbose
from ai_factory.errors import UsageError

Place = Annotated[str, typer.Option("--factory", metavar="FOLDER", help="A folder with a factory (default: here).")]


def try_out(
    blueprints: Annotated[
        list[str] | None, typer.Argument(metavar="[BLUEPRINT]...", help="Which blueprints (default: all).")
    ] = None,
    factory: Place = ".",
    run: Annotated[
        bool, typer.Option("--run", help="Run the projects' own commands too, with your rights: this takes minutes.")
    ] = False,
    keep: Annotated[
        str, typer.Option("--keep", metavar="FOLDER", help="Leave the projects there, to be looked at.")
    ] = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Render each blueprint with every two answers, and bring projects of every release to the factory as it is now."""
    from ai_factory.report import bench as report
    from ai_factory.workshop.bench import try_out as verb

    with _scratch(keep) as place:
        found = verb(_folder(factory), blueprints or (), place, run, _progress())
    show(report.text(found, keep), report.data(found, keep), as_json)
    raise typer.Exit(1 if found.failed else 0)


def _folder(address: str) -> str:
    """The folder. Raises UsageError for what is none: a release elsewhere has no changes to try."""
    if not os.path.isdir(address):
        raise UsageError(f"`{address}` is no folder", "clone the factory, and name the folder of the clone")
    return os.path.realpath(address)


def _progress() -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        if bar := bar_on(total, "jobs"):
            bar(done)

    return told


@contextmanager
def _scratch(keep: str) -> Iterator[str]:
    """A folder that goes at the end, or the one that is to be kept. Raises UsageError where that is in use."""
    if not keep:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="ai-factory-test-") as folder:
            yield folder
        return
    if os.path.lexists(keep) and (not os.path.isdir(keep) or os.listdir(keep)):
        raise UsageError(f"`{keep}` is not empty", "name a folder that is new or empty")
    yield os.path.abspath(keep)
