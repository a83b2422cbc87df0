"""`ai-factory fleet insights`."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import show, talk, today
from ai_factory.cli.fleets.asking import SOME_FAILED, registry_at
from ai_factory.cli.fleets.looking import looked, sources
from ai_factory.cli.fleets.options import DEFAULT, Fleet, Workers
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import FactoryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ai_factory.fleet.registry import Registry
    from ai_factory.fleet.releases import Source
    from ai_factory.fleet.scaling.insights import Insights, Proposal
    from ai_factory.fleet.scaling.upstream import Patch
    from ai_factory.tree import Tree


def insights(
    least: Annotated[
        int, typer.Option("--least", min=2, metavar="N", help="In how many projects an edit has to stand.")
    ] = 3,
    patch: Annotated[
        str, typer.Option("--patch", metavar="DIR", help="Write each proposal as a patch of the factory, if it is one.")
    ] = "",
    fleet: Fleet = DEFAULT,
    workers: Workers = 0,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tell it as Markdown.")] = False,
    verbose: Verbose = False,
) -> int:
    """Say what many teams changed in the same way, as proposals to the factory, and where projects drift most."""
    from ai_factory.report import insights as report

    known = registry_at(fleet)
    found = seen(known, workers, least)
    if patch:
        _write(patch, found.proposals)
    show(report.markdown(found) if markdown else report.text(found), report.data(found), as_json)
    return SOME_FAILED if found.unread else 0


def seen(known: Registry, workers: int, least: int) -> Insights:
    """What the fleet shows. Raises UsageError."""
    from ai_factory.fleet.scaling.insights import edits
    from ai_factory.fleet.scaling.insights import insights as verb

    factories = sources(known)
    found = looked(known, partial(edits, today=today()), workers)
    return verb(found.shown, found.unread, least, patches(factories))


def patches(factories: Sequence[Source]) -> Callable[[Proposal], Patch]:
    """What makes of a proposal a patch of its factory, at the newest release, if the fleet takes from it."""
    from ai_factory.fleet.scaling.upstream import Patch
    from ai_factory.fleet.scaling.upstream import patch as of_template

    trees: dict[str, Tree | str] = {one.url: _tree(one) for one in factories}

    def made(one: Proposal) -> Patch:
        tree = trees.get(one.place.factory, "the fleet does not take from its factory")
        if isinstance(tree, str):
            return Patch(why=tree)
        return of_template(tree, one.place.component, one.place.path, one.hunk, one.variants)

    return made


def _tree(source: Source) -> Tree | str:
    """The files of a factory at its newest release; or why they cannot be read."""
    from ai_factory.factory import Wanted, open_factory

    try:
        return open_factory(source.url, Wanted(refresh=False, signers=source.signers)).tree
    except FactoryError as error:
        return error.message


def _write(place: str, proposals: Sequence[Proposal]) -> None:
    """Write the patches into a folder, which is made if need be. Raises UsageError, MachineError."""
    from ai_factory.fleet.scaling.upstream import named_files
    from ai_factory.report.plain import plain
    from ai_factory.tree import File
    from ai_factory.workspace import Folder

    if os.path.lexists(place) and not os.path.isdir(place):
        raise UsageError(f"`{place}` is no folder", "name another one after `--patch`")
    made = named_files((f"{one.place.component} {one.place.path}", one.patch) for one in proposals)
    disk = Folder(place)
    for name, text in made.items():
        disk.write(name, File(text.encode()))
    talk(f"{len(made)} of {len(proposals)} proposals as patches: {plain(place)}")
