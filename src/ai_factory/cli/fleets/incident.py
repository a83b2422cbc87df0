"""`ai-factory fleet incident`: open, list, show, note, close."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import show as print_result
from ai_factory.cli.fleets.asking import SOME_FAILED, registry_at, way
from ai_factory.cli.fleets.options import DEFAULT, Fleet
from ai_factory.cli.look import Json, Verbose
from ai_factory.errors import UsageError
from ai_factory.formats import SEVERITIES

if TYPE_CHECKING:  # see `new`
    from ai_factory.fleet.governance.affected import Suspect
    from ai_factory.fleet.governance.incidents import Deed, Incident, Standing
    from ai_factory.fleet.governance.response import Raised
    from ai_factory.workspace import Folder

incident = typer.Typer(help="Handle an incident that reaches several systems.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="The incident, as `list` names it.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Systems = Annotated[list[str] | None, typer.Option("--system", metavar="KEY", help="A system; again for more.")]
Zone = Annotated[str, typer.Option("--zone", metavar="ZONE", help="The time zone, such as Europe/Berlin.")]
At = Annotated[str, typer.Option("--at", metavar="TIME", help="When it was (default: now).")]


def now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@incident.command("open")
def open_(
    component: Annotated[str, typer.Option("--component", help="A component or package that is at fault.")] = "",
    version: Annotated[str, typer.Option("--version", help="Its version, or a bound: `<2.1`.")] = "",
    dataset: Annotated[str, typer.Option("--dataset", help="A dataset: the id of its contract, or a digest.")] = "",
    model: Annotated[str, typer.Option("--model", help="A model: its version, or a digest.")] = "",
    title: Annotated[str, typer.Option("--title", help="What happened, in one sentence.")] = "",
    by: By = "not named",
    severity: Annotated[str, typer.Option("--severity", help=f"{', '.join(SEVERITIES)}.")] = "high",
    found: Annotated[str, typer.Option("--found", metavar="TIME", help="When somebody knew (default: now).")] = "",
    zone: Zone = "",
    bundle: Annotated[str, typer.Option("--bundle", metavar="DIR", help="Also copy histories there.")] = "",
    fleet: Fleet = DEFAULT,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find who is reached and why, freeze evidence, start the legal clocks, and write a runbook for each."""
    from ai_factory.fleet.governance import incident_files as files
    from ai_factory.fleet.governance.bundles import with_bundles
    from ai_factory.fleet.governance.incidents import moment_of, standings, written
    from ai_factory.fleet.governance.response import Alarm, raised
    from ai_factory.report.fleets.runbooks import runbook

    if severity not in SEVERITIES:
        raise UsageError(f"`{severity}` is no severity", f"known are {', '.join(SEVERITIES)}")
    registry, disk, at = registry_at(fleet), _disk(fleet), now()
    when = moment_of(found or written(at), zone)
    if when > at:
        raise UsageError(f"`{found}` is still to come", "say when it was found")
    alarm = Alarm(_suspect(component, version, dataset, model), _words(title), severity, when, _who(by))
    asking = way(registry, len(registry.members))
    what = raised(registry, alarm, at, asking)
    if what.incident is None:
        _nobody(alarm.suspect, what, as_json)
        return
    made = what.incident._replace(id=files.folder_name(alarm.suspect, when, _taken(disk)))
    made = with_bundles(made, registry, bundle, asking.reach) if bundle else made
    pages = {one.system.runbook: runbook(made, one) for one in standings(made, at)}
    files.write(disk, made, zone, pages)
    _tell(made, as_json, SOME_FAILED if made.unread else 0)


def _nobody(suspect: Suspect, found: Raised, as_json: bool) -> None:
    from ai_factory.report.fleets.incidents import nobody_data, nobody_text

    told = suspect, found.in_use, found.unread
    print_result(nobody_text(*told), nobody_data(*told), as_json)
    raise typer.Exit(SOME_FAILED if found.unread else 0)


@incident.command("list")
def list_(fleet: Fleet = DEFAULT, as_json: Json = False, verbose: Verbose = False) -> None:
    """Name all incidents, and each notice for which somebody has to act now (then exit code 1)."""
    from ai_factory import cache
    from ai_factory.fleet.governance import incident_files as files
    from ai_factory.fleet.governance.incidents import standings
    from ai_factory.report.fleets.incidents import list_data, list_text

    disk, at = _disk(fleet), now()
    found = [files.read(disk, name, cache.document) for name in files.known(disk)]
    told = [(one, standings(one, at)) for one in found]
    print_result(list_text(told), list_data(told), as_json)
    raise typer.Exit(1 if any(_presses(*one) for one in told) else 0)


@incident.command()
def show(name: Id, fleet: Fleet = DEFAULT, as_json: Json = False, verbose: Verbose = False) -> None:
    """Show an incident: systems, ways, clocks, log; exit code 1 where somebody has to act now."""
    _tell(_read(fleet, name), as_json)


@incident.command()
def note(
    name: Id,
    by: By,
    words: Annotated[str, typer.Option("--note", help="What is to be known.")] = "",
    systems: Systems = None,
    clock: Annotated[str, typer.Option("--clock", metavar="ID", help="The clock that it is about.")] = "",
    told: Annotated[str, typer.Option("--told", metavar="NOTICE", help="A notice of the clock that was sent.")] = "",
    began: Annotated[str, typer.Option("--began", metavar="MOMENT", help="A moment that time counts from.")] = "",
    aside: Annotated[bool, typer.Option("--set-aside", help="The clock does not run; or legal has said.")] = False,
    again: Annotated[bool, typer.Option("--open-again", help="Open closed systems again.")] = False,
    at: At = "",
    zone: Zone = "",
    fleet: Fleet = DEFAULT,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Add to the log: a note, a notice that was sent, a moment, or that a clock does not run."""
    from ai_factory.fleet.governance import incident_files as files
    from ai_factory.fleet.governance.deeds import Told, noted
    from ai_factory.fleet.governance.incidents import moment_of, written

    found, moment = _read(fleet, name), now()
    when = written(moment_of(at, zone)) if at else written(moment)
    asked = Told(_words(words), tuple(systems or ()), clock, told, began, aside, again, when)
    files.append(_disk(fleet), name, noted(found, asked, written(moment), _who(by)))
    _tell(_read(fleet, name), as_json)


@incident.command()
def close(
    name: Id,
    by: By,
    words: Annotated[str, typer.Option("--note", help="Why it is over for these systems.")],
    systems: Systems = None,
    everything: Annotated[bool, typer.Option("--all", help="All systems that are open.")] = False,
    fleet: Fleet = DEFAULT,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Close systems of an incident; when all are, it is closed. Clocks that still run are told on."""
    from ai_factory.fleet.governance import incident_files as files
    from ai_factory.fleet.governance.deeds import closed
    from ai_factory.fleet.governance.incidents import written

    found = _read(fleet, name)
    deed: Deed = closed(found, tuple(systems or ()), everything, _words(words), written(now()), _who(by))
    files.append(_disk(fleet), name, deed)
    _tell(_read(fleet, name), as_json)


def _suspect(component: str, version: str, dataset: str, model: str) -> Suspect:
    from ai_factory.fleet.governance.affected import Suspect

    given = [(kind, one) for kind, one in (("component", component), ("dataset", dataset), ("model", model)) if one]
    if len(given) != 1:
        raise UsageError("one thing is at fault", "give one of `--component`, `--dataset`, `--model`")
    if version and not component:
        raise UsageError("`--version` is that of a component", "a dataset or a model is named by its id or digest")
    return Suspect(*given[0], version)


def _words(text: str) -> str:
    """What a person typed, as one line that can be written."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _who(by: str) -> str:
    who = _words(by)
    if not who:
        raise UsageError("nobody says so", "name yourself with `--by`")
    return who


def _disk(fleet: str) -> Folder:
    from ai_factory.fleet.book import opened

    return opened(fleet).folder


def _taken(disk: Folder) -> list[str]:
    from ai_factory.fleet.governance.incident_files import FOLDER

    return sorted({path.split("/")[1] for path in disk.walk(FOLDER)})


def _read(fleet: str, name: str) -> Incident:
    from ai_factory import cache
    from ai_factory.fleet.governance.incident_files import read

    return read(_disk(fleet), name, cache.document)


def _tell(found: Incident, as_json: bool, code: int = 0) -> None:
    from ai_factory.fleet.governance.incidents import standings
    from ai_factory.report.fleets.incidents import data, text

    told = standings(found, now())
    print_result(text(found, told), data(found, told), as_json)
    raise typer.Exit(code or (1 if _presses(found, told) else 0))


def _presses(found: Incident, told: list[Standing]) -> bool:
    return found.edited or any(one.presses for one in told)
