"""`ai-factory blueprint` and `ai-factory component`: what a factory offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.choosing import Data, Version
from ai_factory.cli.console import in_ci, show, today
from ai_factory.cli.signers import Trust
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # at run time it comes with what a list does not need
    from ai_factory.fleet.survey import Answer
    from ai_factory.project.release import Request

Source = Annotated[str, typer.Option("--factory", metavar="URL|PATH", help="Which factory.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")]

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Components, as `list` shows them.")]
To = Annotated[
    str, typer.Option("--to", metavar="REF", help="A version to go to as well (default: the project's own).")
]
Plan = Annotated[bool, typer.Option("--plan", help="Show what would happen, write nothing.")]
Commit = Annotated[bool, typer.Option("--commit", help="Commit the result.")]
Given = Annotated[str, typer.Option("--factory", metavar="URL|PATH", help="The factory, when not the project's.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use no network: the cached factory.")]
Name = Annotated[str, typer.Argument(help="As `list` shows it.")]


class Form(StrEnum):
    """The tools for which a blueprint can be exported."""

    copier = "copier"
    backstage = "backstage"


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


@blueprints.command("export")
def export_blueprint(
    name: Name,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A new or empty folder, or an earlier export.")],
    form: Annotated[Form, typer.Option("--as", help="What it becomes.")] = Form.copier,
    factory: Source = "embedded",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write a blueprint as a template of another tool, which then needs nothing of ours."""
    from ai_factory.report import exported as report
    from ai_factory.workshop.exporting.backstage import as_backstage
    from ai_factory.workshop.exporting.repository import as_copier

    if form is Form.backstage:
        written = as_backstage(name, factory, destination)
        show(report.written_text(written), report.written_data(written), as_json)
        return
    found = as_copier(name, factory, destination)
    show(report.text(found), report.data(found), as_json)
    raise typer.Exit(1 if found.left_out else 0)


@components.command("list")
def list_components(
    factory: Source = "embedded", version: Version = "", as_json: Json = False, verbose: Verbose = False
) -> None:
    """List the components: version, what each gives, what it is."""
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.report import library as report
    from ai_factory.workshop.library import entries

    found = entries(open_factory(factory, Wanted(version)))
    show(report.list_text(found), report.list_data(found), as_json)


@components.command("show")
def show_component(
    name: Name,
    factory: Source = "embedded",
    version: Version = "",
    fleet: Annotated[
        str, typer.Option("--fleet", metavar="FILE", help="Also say which projects of this fleet have it.")
    ] = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show one component: what it owns, asks, gives and is evidence for, how it is used, its releases, who has it."""
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.report import library as report
    from ai_factory.workshop.library import entry

    found = entry(name, open_factory(factory, Wanted(version)))
    answers = _users(fleet) if fleet else None
    show(report.text(found, answers), report.data(found, answers), as_json)
    if answers is not None and any(one.said is None for one in answers):
        raise typer.Exit(3)


def _users(fleet: str) -> Sequence[Answer[Mapping[str, str]]]:
    """What each project of a fleet has."""
    from ai_factory.cli.fleets.asking import asked, registry_at
    from ai_factory.fleet.users import components_of

    registry = registry_at(fleet)
    return asked(registry, registry.members, components_of)


@components.command("add")
def add(
    names: Names,
    data: Data = None,
    to: To = "",
    plan: Plan = False,
    commit: Commit = False,
    factory: Given = "",
    trust: Trust = False,
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Take components into the project in this folder: in project.yaml, and by a sync."""
    request = _asked(data, to, factory, offline)._replace(takes=tuple(names), trust=trust)
    return _synced(request, plan, commit, as_json)


@components.command("remove")
def remove(
    names: Names,
    data: Data = None,
    to: To = "",
    plan: Plan = False,
    commit: Commit = False,
    factory: Given = "",
    trust: Trust = False,
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Leave components out of the project in this folder: their files stay, and are the team's."""
    request = _asked(data, to, factory, offline)._replace(drops=tuple(names), trust=trust)
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
