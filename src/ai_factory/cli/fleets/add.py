"""`ai-factory fleet add`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer

from ai_factory.cli.fleets import options
from ai_factory.errors import MachineError, UsageError
from ai_factory.fleet.registry import Registry
from ai_factory.fleet.sources import Place

LIST_LIMIT = 16 * 1024 * 1024  # bytes of a list of addresses


class Named(NamedTuple):
    """What a person named; `path` is the project in it, `origin` asks for a clone's own address."""

    urls: tuple[str, ...]
    path: str
    folder: str
    list: str
    organisation: str
    origin: bool


def add(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URL|FOLDER]...", help="Repositories; `#PATH` names one project."),
    ] = None,
    fleet: options.Fleet = options.DEFAULT,
    from_folder: Annotated[
        str, typer.Option("--from-folder", metavar="FOLDER", help="All checkouts and bare repositories below it.")
    ] = "",
    from_list: Annotated[
        str, typer.Option("--from-list", metavar="FILE", help="One address a line; `-` reads standard input.")
    ] = "",
    from_organisation: Annotated[
        str, typer.Option("--from-organisation", metavar="HOST/NAME", help="All of an organisation on a code host.")
    ] = "",
    origin: Annotated[bool, typer.Option("--origin", help="Write down where a clone came from.")] = False,
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="The one project in the repository.")] = "",
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="Where updates go to.")] = "",
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Who answers for them.")] = "",
    ring: Annotated[str, typer.Option("--ring", metavar="RING", help="When updates reach them.")] = "",
    label: Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label of theirs.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also repositories that hold no project.")] = False,
    workers: options.Workers = 0,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Add projects to the fleet: those that these repositories hold."""
    from ai_factory.cli.bar import bar_on
    from ai_factory.cli.console import show
    from ai_factory.fleet import book, joining, sources
    from ai_factory.report.fleets import joined

    into = book.opened_or_new(fleet)
    named = Named(tuple(urls or ()), path, from_folder, from_list, from_organisation, origin)
    places = sources.without_doubles(_places(named, into.fleet))
    wish = joining.Wish(branch, owner, ring, options.labelled(label), everything)
    found = joining.join(into, places, wish, options.counted(workers), bar_on(len(places)))
    show(joined.text(found), joined.data(found), as_json)
    raise typer.Exit(3 if found.failed else 0)


def _places(named: Named, registry: Registry) -> Iterator[Place]:
    """Everything that was named. Raises UsageError where that is nothing, or `--path` is given for several."""
    from ai_factory.fleet import hosts, sources

    given = (*named.urls, named.folder, named.list, named.organisation)
    if not any(given):
        raise UsageError("no repository is named", "name some, or give `--from-folder`, `--from-list`")
    if named.path and len(list(filter(None, given))) > 1:
        raise UsageError("`--path` is given for several repositories", "name one, or write `URL#PATH`")
    yield from (sources.given(url, named.path.strip("/"), named.origin) for url in named.urls)
    if named.folder:
        yield from sources.below(named.folder, named.origin)
    if named.list:
        yield from sources.listed(_list(named.list), named.origin)
    if named.organisation:
        yield from sources.of_organisation(*hosts.organisation(registry, named.organisation))


def _list(name: str) -> str:
    """The text of a list that a person named. Raises MachineError where it cannot be read."""
    import os
    import sys

    from ai_factory.workspace import Folder

    if name == "-":
        return sys.stdin.read(LIST_LIMIT)
    folder, own = os.path.split(os.path.abspath(name))
    file = Folder(folder).read(own) if os.path.isdir(folder) else None
    if file is None:
        raise MachineError(f"there is no file `{name}`", "name a file with one address a line")
    return file.content.decode("utf-8", "replace")
