"""Incidents over several systems, as text and JSON; nothing here says that a duty is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory.fleet.governance.affected import Suspect
from ai_factory.fleet.governance.clocks import Due
from ai_factory.fleet.governance.freeze import Started
from ai_factory.fleet.governance.incidents import Deed, Incident, Standing, is_closed, written
from ai_factory.fleet.governance.parts import Use
from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.plain import count, plain

NOT_KNOWN = "which clocks run is not known"
EARLIEST = "ends are the earliest reading: neither holidays nor longer readings are counted; legal decides"


def text(incident: Incident, found: Sequence[Standing]) -> str:
    """What happened, then each system with the way, its clocks and its runbook, then the log."""
    lines = [
        f"{plain(incident.id)}: {plain(incident.title)}, severity {incident.severity}, {_state(found)}",
        f"at fault: {plain(str(incident.suspect))}; found {written(incident.found)}",
    ]
    if incident.edited:
        lines.append("freeze.json is not what it was when the incident was opened: bring it back with git")
    lines += [line for one in found for line in _system(incident, one)]
    lines += [f"not read, so it may be reached too: {plain(_unread(row))}" for row in incident.unread]
    lines += [f"log: {plain(_deed(deed))}" for deed in incident.log]
    return "\n".join([*lines, *_pressing(found), EARLIEST, UNREVIEWED])


def _state(found: Sequence[Standing]) -> str:
    still = [one for one in found if not one.closed]
    return f"open for {len(still)} of {count(len(found), 'system')}" if still else "closed"


def _system(incident: Incident, one: Standing) -> Iterator[str]:
    system = one.system
    state = f"closed by {one.closed.by} at {one.closed.at}" if one.closed else "open"
    contact = f", {plain(system.contact)}" if system.contact else ""
    owner = f"{plain(system.owner) or 'no owner is named'}{contact}"
    yield f"{plain(system.name)} ({plain(system.key)}), {owner}: {plain(state)}"
    yield f"  reached: {plain(way(system.way))}"
    yield f"  frozen at {system.frozen.commit[:12]}: {count(len(system.frozen.files), 'file')}"
    yield f"  runbook: incidents/{plain(incident.id)}/{plain(system.runbook)}"
    if system.frozen.clocks_unknown:
        yield f"  {NOT_KNOWN}: {plain(system.frozen.clocks_unknown)}"
    for started, dues in one.clocks:
        clock = started.clock
        yield f"  clock {plain(clock.id)}: {plain(clock.regime)} ({_force(started)}, {plain(clock.cite) or 'no cite'})"
        if clock.ask:
            yield f"    the map knows no time: ask {plain(clock.ask)}"
        yield from (f"    {due_text(due)}" for due in dues)


def way(uses: Sequence[Use]) -> str:
    """From the system back to what is at fault, each step with the file that says so."""
    steps = [f"{use.source} {use.words or 'uses'} ({use.where})" for use in uses]
    return " → ".join([*steps, uses[-1].target]) if uses else "it is at fault itself"


def _force(one: Started) -> str:
    return "law" if one.law else "no law"


def due_text(due: Due) -> str:
    """One notice: until when, counted from what, and how it stands."""
    one = due.deadline
    counted = f" from {plain(one.counted_from)}" if one.counted_from else ""
    until = f": until {written(due.ends)}" if due.ends else ""
    return f"{plain(one.what)}, {plain(one.within)}{counted}{until}; {due.state.value}"


def _deed(deed: Deed) -> str:
    about = " ".join(filter(None, (deed.clock, deed.what, deed.when)))
    systems = ", ".join(deed.systems)
    parts = [f"{deed.at} {deed.by} {deed.did}", about, systems, deed.note]
    return "; ".join(filter(None, parts))


def _unread(row: Mapping[str, str]) -> str:
    return f"{row.get('system', '')}: {row.get('why', '')}"


def _pressing(found: Sequence[Standing]) -> Iterator[str]:
    for one in found:
        if one.unanswered:
            yield f"act: {plain(one.system.name)}: {NOT_KNOWN}: ask legal, and record it (`note --set-aside`)"
        for started, due in one.pressing:
            yield f"act: {plain(one.system.name)}: {plain(started.clock.id)}: {due_text(due)}"


def nobody_text(suspect: Suspect, in_use: Sequence[str], unread: Sequence[Mapping[str, str]]) -> str:
    """That no system is reached, as far as systems could be read; which versions are in use."""
    told = f": in use are {', '.join(map(plain, in_use))}" if in_use else ""
    lines = [f"not read, so it may be reached: {plain(_unread(row))}" for row in unread]
    return "\n".join([f"no system that could be read has {plain(str(suspect))}{told}; nothing was written", *lines])


def nobody_data(suspect: Suspect, in_use: Sequence[str], unread: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The same for machines."""
    rows = [dict(row) for row in unread]
    told = {"what": suspect._asdict(), "systems": [], "in_use": list(in_use), "unread": rows}
    return {"schema": "ai-factory/fleet-incident/1", "id": None, **told}


def data(incident: Incident, found: Sequence[Standing]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/fleet-incident/1",
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity,
        "what": incident.suspect._asdict(),
        "found": written(incident.found),
        "closed": is_closed(found),
        "edited": incident.edited,
        "systems": [_system_data(one) for one in found],
        "unread": [dict(row) for row in incident.unread],
        "log": [{**deed._asdict(), "systems": list(deed.systems)} for deed in incident.log],
    }


def _system_data(one: Standing) -> dict[str, Any]:
    system, frozen = one.system, one.system.frozen
    return {
        "system": system.key,
        **{name: getattr(system, name) for name in ("name", "owner", "contact", "runbook")},
        "way": [use._asdict() for use in system.way],
        "closed": one.closed.at if one.closed else None,
        "commit": frozen.commit,
        "files": len(frozen.files),
        "clocks_unknown": frozen.clocks_unknown,
        "unanswered": one.unanswered,
        "clocks": [_clock_data(started, dues) for started, dues in one.clocks],
        "bundle": dict(system.bundle) or None,
    }


def _clock_data(started: Started, dues: Sequence[Due]) -> dict[str, Any]:
    clock = started.clock
    return {
        **{name: getattr(clock, name) for name in ("id", "regime", "recipient", "cite", "verified", "ask", "note")},
        "law": started.law,
        "because": list(started.because),
        "deadlines": [
            {**due.deadline._asdict(), "state": due.state.value, "ends": written(due.ends) if due.ends else None}
            for due in dues
        ],
    }


# ---- several incidents ---------------------------------------------------------------------------

Told = Sequence[tuple[Incident, Sequence[Standing]]]


def list_text(told: Told) -> str:
    """A line an incident, and one for each notice for which somebody has to act now."""
    lines = []
    for incident, found in told:
        lines.append(f"{plain(incident.id)}: {plain(incident.title)}, severity {incident.severity}, {_state(found)}")
        lines += [f"  {line}" for line in _pressing(found)]
    return "\n".join(lines) or "no incidents"


def list_data(told: Told) -> dict[str, Any]:
    """The same for machines."""
    rows = [
        {
            "id": incident.id,
            "title": incident.title,
            "severity": incident.severity,
            "closed": is_closed(found),
            "open_systems": [one.system.key for one in found if not one.closed],
            "pressing": [row for one in found for row in _pressed(one)],
        }
        for incident, found in told
    ]
    return {"schema": "ai-factory/fleet-incidents/1", "incidents": rows}


def _pressed(one: Standing) -> Iterator[dict[str, Any]]:
    if one.unanswered:
        yield {"system": one.system.key, "clock": None, "what": NOT_KNOWN, "state": "not known", "ends": None}
    for started, due in one.pressing:
        told = {"what": due.deadline.what, "state": due.state.value, "ends": written(due.ends) if due.ends else None}
        yield {"system": one.system.key, "clock": started.clock.id, **told}
