"""The files of an incident beside fleet.yaml: what is written when it is opened, and read back later."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory import catalog, documents, exclusion, formats, rows
from ai_factory.errors import ProjectError, UsageError
from ai_factory.fleet.governance.affected import Suspect
from ai_factory.fleet.governance.clocks import Clock, Deadline
from ai_factory.fleet.governance.freeze import Frozen, Started
from ai_factory.fleet.governance.incidents import BEGAN, TOLD, Deed, Incident, Reached, moment_of, written
from ai_factory.fleet.governance.parts import Use
from ai_factory.tree import File
from ai_factory.workspace import Folder

FOLDER, HEAD, FREEZE, RUNBOOKS = "incidents", "incident.yaml", "freeze.json", "runbooks"


def documents_of(incident: Incident, zone: str = "") -> tuple[bytes, bytes]:
    """incident.yaml and freeze.json of an incident that was just opened."""
    freeze = (json.dumps(_freeze(incident), indent=1, ensure_ascii=True) + "\n").encode()
    suspect = {name: value for name, value in incident.suspect._asdict().items() if value}
    head = {
        "schema": 1,
        "title": incident.title,
        "severity": incident.severity,
        "what": suspect,
        "found": written(incident.found),
        **({"zone": zone} if zone else {}),
        "freeze": _digest(freeze),
        "log": [_row(deed) for deed in incident.log],
    }
    return documents.write(head), freeze


def with_deed(content: bytes, deed: Deed) -> bytes:
    """incident.yaml with one more row in its log; what stands in it already stays byte by byte."""
    return rows.with_row(content, [], _row(deed), "log")


def _row(deed: Deed) -> dict[str, Any]:
    found = {name: value for name, value in deed._asdict().items() if value}
    return {**found, **({"systems": list(deed.systems)} if deed.systems else {})}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _freeze(incident: Incident) -> dict[str, Any]:
    """The systems as they were; what the map says of a clock stands there once, however many systems it runs for."""
    names: dict[Clock, str] = {}
    taken: dict[str, Clock] = {}
    for clock in (one.clock for system in incident.systems for one in system.frozen.clocks):
        if clock not in names:
            name = clock.id if clock.id not in taken else f"{clock.id}#{len(taken)}"  # of a project with another map
            names[clock], taken[name] = name, clock
    return {
        "schema": "ai-factory/freeze/1",
        "clocks": {name: _clock(clock) for name, clock in taken.items()},
        "systems": [_system(one, names) for one in incident.systems],
        "unread": [dict(row) for row in incident.unread],
    }


def _clock(clock: Clock) -> dict[str, Any]:
    deadlines = [{"what": one.what, "within": one.within, "from": one.counted_from} for one in clock.deadlines]
    return {**clock._asdict(), "deadlines": deadlines}


def _system(one: Reached, names: Mapping[Clock, str]) -> dict[str, Any]:
    frozen = one.frozen._asdict()
    clocks = [
        {"clock": names[due.clock], "law": due.law, "applies_from": due.applies_from, "because": list(due.because)}
        for due in one.frozen.clocks
    ]
    lists: dict[str, Any] = {
        "approvals": [dict(row) for row in one.frozen.approvals],
        "way": [use._asdict() for use in one.way],
    }
    own = {name: value for name, value in one._asdict().items() if name not in ("frozen", "bundle")}
    bundle = {"bundle": dict(one.bundle)} if one.bundle else {}
    keys = list(one.frozen.checkpoint_keys)
    return {
        **own,
        **frozen,
        **lists,
        "files": dict(one.frozen.files),
        "checkpoint_keys": keys,
        "clocks": clocks,
        **bundle,
    }


def parse(name: str, content: bytes, freeze: bytes, where: str, load: documents.Load = documents.load) -> Incident:
    """An incident from its two files. Raises ProjectError with file and line for what is wrong in them."""
    head = dict(_checked(load(content, f"{where}/{HEAD}", ProjectError) or {}, content, where))
    frozen = _frozen(freeze, where)
    clocks = {key: _clock_of(row) for key, row in frozen["clocks"].items()}
    try:
        found = moment_of(head["found"], head.get("zone", ""))
        log = tuple(_deed(row) for row in head["log"])
        systems = tuple(_reached(row, clocks) for row in frozen["systems"])
    except (UsageError, KeyError) as error:
        told = error.message if isinstance(error, UsageError) else f"there is no clock {error}"
        raise ProjectError(f"`{where}`: {told}", "bring it back with git") from None
    what, unread = Suspect(**head["what"]), tuple(frozen["unread"])
    edited = _digest(freeze) != head["freeze"]
    return Incident(name, head["title"], head["severity"], what, found, systems, unread, log, edited)


def _checked(data: Any, content: bytes, where: str) -> Mapping[str, Any]:
    catalog.validate(data, formats.INCIDENT, content, f"{where}/{HEAD}", ProjectError)
    made: Mapping[str, Any] = data
    return made


def _frozen(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise ProjectError(f"`{where}/{FREEZE}` is no JSON", "bring it back with git") from None
    if problem := next(formats.problems(data, formats.FREEZE), None):
        place = ".".join(map(str, problem.place))
        raise ProjectError(f"`{where}/{FREEZE}`: {place}: {problem.message}", "bring it back with git")
    made: Mapping[str, Any] = data
    return made


def _deed(row: Mapping[str, Any]) -> Deed:
    made = Deed(**{**row, "systems": tuple(row.get("systems", ()))})
    for moment in filter(None, (made.at, made.when)):
        moment_of(moment)
    if made.did in (BEGAN, TOLD) and not (made.what and made.when):
        raise UsageError(f"the row of the log at {made.at} does not say what was {made.did}, and when", "")
    return made


def _clock_of(row: Mapping[str, Any]) -> Clock:
    deadlines = tuple(Deadline(one["what"], one["within"], one["from"]) for one in row["deadlines"])
    return Clock(**{**row, "deadlines": deadlines})


def _reached(row: Mapping[str, Any], clocks: Mapping[str, Clock]) -> Reached:
    started = tuple(
        Started(clocks[one["clock"]], one["law"], one["applies_from"], tuple(one["because"])) for one in row["clocks"]
    )
    frozen = Frozen(
        **{name: row[name] for name in ("commit", "factory", "files", "model", "model_digest", "tier")},
        approvals=tuple(row["approvals"]),
        checkpoint_keys=tuple(row["checkpoint_keys"]),
        clocks=started,
        clocks_unknown=row["clocks_unknown"],
    )
    way = tuple(Use(**one) for one in row["way"])
    own = {name: row[name] for name in ("key", "name", "owner", "contact", "purpose", "runbook")}
    return Reached(**own, way=way, frozen=frozen, bundle=row.get("bundle", {}))


# ---- names ---------------------------------------------------------------------------------------


def folder_name(suspect: Suspect, found: dt.datetime, taken: Sequence[str]) -> str:
    """The id of a new incident: the day on which it was found, and what is at fault."""
    words = f"{found.date().isoformat()}-{slug(f'{suspect.kind} {suspect.name} {suspect.version}')}"[:80].rstrip("-")
    return next(name for name in _numbered(words) if name not in taken)


def _numbered(words: str) -> Iterator[str]:
    yield words
    number = 1
    while True:
        number += 1
        yield f"{words}-{number}"


def slug(words: str) -> str:
    """Words as the name of a file."""
    return re.sub(r"[^a-z0-9.]+|\.\.+", "-", words.lower()).strip("-.") or "it"


def file_name(key: str) -> str:
    """The name of a system's files: readable, and its own also where others are called alike."""
    last = slug(key.rstrip("/").rpartition("/")[2].removesuffix(".git"))[:40]
    return f"{last}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


# ---- the folder ----------------------------------------------------------------------------------


def known(disk: Folder) -> list[str]:
    """The ids of all incidents, sorted."""
    found = [path.split("/") for path in disk.walk(FOLDER)]
    return sorted(parts[1] for parts in found if len(parts) == 3 and parts[2] == HEAD)


def read(disk: Folder, name: str, load: documents.Load = documents.load) -> Incident:
    """The incident of that id. Raises UsageError where there is none, ProjectError for files that are broken."""
    where = f"{FOLDER}/{name}"
    head = disk.read(f"{where}/{HEAD}") if re.fullmatch(r"[a-z0-9.-]+", name) else None
    freeze = disk.read(f"{where}/{FREEZE}") if head else None
    if head is None:
        raise UsageError(f"there is no incident `{name}`", "`ai-factory fleet incident list` shows which there are")
    if freeze is None:
        raise ProjectError(f"`{where}/{FREEZE}` is missing", "bring it back with git")
    return parse(name, head.content, freeze.content, where, load)


def write(disk: Folder, incident: Incident, zone: str, pages: Mapping[str, str]) -> None:
    """Put a new incident beside fleet.yaml: what makes it one, incident.yaml, comes last."""
    head, freeze = documents_of(incident, zone)
    where = f"{FOLDER}/{incident.id}"
    for name, page in pages.items():
        disk.write(f"{where}/{name}", File(page.encode("utf-8", "backslashreplace")))
    disk.write(f"{where}/{FREEZE}", File(freeze))
    disk.write(f"{where}/{HEAD}", File(head))


def append(disk: Folder, name: str, deed: Deed) -> None:
    """Add a deed to the log of an incident, one process after the other. Raises UsageError where there is none."""
    where = f"{FOLDER}/{name}"
    with exclusion.alone(disk.locate(f"{where}/.lock"), wait=True):
        file = disk.read(f"{where}/{HEAD}")
        if file is None:
            raise UsageError(f"there is no incident `{name}`", "`ai-factory fleet incident list` shows which there are")
        disk.write(f"{where}/{HEAD}", file._replace(content=with_deed(file.content, deed)))
