"""`ai-factory factory test` and `factory preview`: the bench of those who change a factory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.bar import bar_on
from ai_factory.cli.console import show
from ai_factory.cli.library import Json, Verbose
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # see `new`
    from ai_factory.factory import Factory
    from ai_factory.fleet.updates.foreseen import Foreseen

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


def preview(
    components: Annotated[
        list[str] | None, typer.Argument(metavar="[COMPONENT]...", help="Only what these change (default: all).")
    ] = None,
    factory: Place = ".",
    against: Annotated[
        str, typer.Option("--against", metavar="REF", help="What to compare with (default: the last release, or HEAD).")
    ] = "",
    fleet: Annotated[
        str, typer.Option("--fleet", metavar="FILE", help="Say too what becomes of the projects of that fleet.")
    ] = "",
    diff: Annotated[bool, typer.Option("--diff", help="Show the lines.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what changed components do to the projects of each blueprint, and of a fleet; nothing is written."""
    from ai_factory.report import preview as report
    from ai_factory.workshop.opening import factory_at
    from ai_factory.workshop.preview import preview as verb
    from ai_factory.workshop.preview import states

    here = factory_at(_folder(factory))
    chosen = states(here, against, components or ())
    found = verb(chosen, components or ())
    broken = any(stat.failed for stat in found.stats)
    reached = None if broken or not fleet else _reached(fleet, chosen.after)
    show(report.text(found, reached, diff), report.data(found, reached, diff), as_json)
    raise typer.Exit(_code(broken, reached or ()))


def _reached(fleet: str, after: Factory) -> Sequence[Foreseen]:
    """What would become of the projects of the fleet."""
    from ai_factory.fleet.book import opened
    from ai_factory.fleet.hosts import Reaching
    from ai_factory.fleet.updates.foreseen import foreseen
    from ai_factory.workshop.opening import addresses

    known = opened(fleet).fleet
    return foreseen(known.members, after, addresses(after), Reaching(known.hosts), bar_on(len(known.members)))


def _code(broken: bool, reached: Sequence[Foreseen]) -> int:
    """Projects of which nobody can tell come before conflicts and blueprints that cannot be stamped."""
    if any(one.outcome == "failed" for one in reached):
        return 3
    return 1 if broken or any(one.conflicts for one in reached) else 0


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
