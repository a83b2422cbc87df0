"""`ai-factory blueprint` and `ai-factory component`: what a factory offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import in_ci, show, today
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # at run time it comes with what a list does not need
    from ai_factory.project.release import Request

Source = Annotated[str, typer.Option("--factory", metavar="URL|PATH", help="Which factory.")]
Version = Annotated[str, typer.Option("--version", metavar="REF", help="A tag, branch or commit of a git factory.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")]

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Components, as `list` shows them.")]
Data = Annotated[list[str] | None, typer.Option("--data", metavar="KEY=VALUE", help="An answer; again for more.")]
To = Annotated[
    str, typer.Option("--to", metavar="REF", help="A version to go to as well (default: the project's own).")
]
Plan = Annotated[bool, typer.Option("--plan", help="Show what would happen, write nothing.")]
Commit = Annotated[bool, typer.Option("--commit", help="Commit the result.")]
Given = Annotated[str, typer.Option("--factory", metavar="URL|PATH", help="The factory, when not the project's.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use no network: the cached factory.")]
Name = Annotated[str, typer.Argument(help="As `list` shows it.")]

blueprints = typer.Typer(help="The use cases on offer.", rich_markup_mode=None, no_args_is_help=True)
components = typer.Typer(help="The reusable parts on offer.", rich_markup_mode=None, no_args_is_help=True)


@blueprints.command("list")
def list_blueprints(
    factory: Source = "embedded", version: Version = "", as_json: Json = False, verbose: Verbose = False
) -> None:
    """List the blueprints."""
    from ai_factory import catalog
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.report.looks import blueprint_data, names_text

    opened = open_factory(factory, Wanted(version))
    found = [catalog.blueprint(name, opened.read) for name in opened.blueprints()]
    data = {"schema": "ai-factory/blueprints/1", "blueprints": [blueprint_data(item) for item in found]}
    show(names_text([(item.name, item.summary) for item in found]), data, as_json)


@blueprints.command("show")
def show_blueprint(
    name: Name,
    factory: Source = "embedded",
    version: Version = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show one blueprint: components, presets, risk facts."""
    from ai_factory import catalog
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.report.looks import blueprint_data, blueprint_text

    opened = open_factory(factory, Wanted(version))
    found = catalog.blueprint(name, opened.read)
    show(blueprint_text(found), blueprint_data(found), as_json)


@components.command("list")
def list_components(
    factory: Source = "embedded", version: Version = "", as_json: Json = False, verbose: Verbose = False
) -> None:
    """List the components."""
    from ai_factory import catalog
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.report.looks import component_data, names_text

    opened = open_factory(factory, Wanted(version))
    found = [catalog.component(name, opened.read, opened.origin.version) for name in opened.components()]
    data = {"schema": "ai-factory/components/1", "components": [component_data(item) for item in found]}
    show(names_text([(f"{item.name} {item.version}", item.summary) for item in found]), data, as_json)


@components.command("show")
def show_component(
    name: Name,
    factory: Source = "embedded",
    version: Version = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show one component: what it owns, asks, adds to other files, and is evidence for."""
    from ai_factory import catalog
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.report.looks import component_data, component_text

    opened = open_factory(factory, Wanted(version))
    found = catalog.component(name, opened.read, opened.origin.version)
    show(component_text(found), component_data(found), as_json)


@components.command("add")
def add(
    names: Names,
    data: Data = None,
    to: To = "",
    plan: Plan = False,
    commit: Commit = False,
    factory: Given = "",
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Take components into the project in this folder: in project.yaml, and by a sync."""
    request = _asked(data, to, factory, offline)._replace(takes=tuple(names))
    return _synced(request, plan, commit, as_json)


@components.command("remove")
def remove(
    names: Names,
    data: Data = None,
    to: To = "",
    plan: Plan = False,
    commit: Commit = False,
    factory: Given = "",
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Leave components out of the project in this folder: their files stay, and are the team's."""
    request = _asked(data, to, factory, offline)._replace(drops=tuple(names))
    return _synced(request, plan, commit, as_json)


def _asked(data: list[str] | None, to: str, factory: str, offline: bool) -> Request:
    from ai_factory.cli.new import pair
    from ai_factory.project.release import Request

    answers = dict(map(pair, data or ()))
    return Request(to, factory, "", answers, not offline, today(), trusted_only=in_ci())


def _synced(request: Request, plan: bool, commit: bool, as_json: bool) -> int:
    from ai_factory.cli.sync import run

    if plan and commit:
        raise UsageError("`--commit` and `--plan` exclude each other")
    return run(".", request, plan, markdown=False, commit=commit, as_json=as_json)
