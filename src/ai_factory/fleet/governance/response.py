"""Opens an incident: asks the whole fleet who is reached, and freezes those that are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.fleet.governance.affected import Affected, Suspect, affected, versions_in_use
from ai_factory.fleet.governance.freeze import Frozen, freezing
from ai_factory.fleet.governance.graph import Graph, graph
from ai_factory.fleet.governance.incident_files import RUNBOOKS, file_name
from ai_factory.fleet.governance.incidents import OPENED, Deed, Incident, Reached, written
from ai_factory.fleet.governance.maps import Maps
from ai_factory.fleet.governance.parts import Parts, Use, parts
from ai_factory.fleet.registry import Registry
from ai_factory.fleet.survey import PLAIN, Answer, Way, survey, unread


class Alarm(NamedTuple):
    """What somebody found: what is at fault, how grave it is, when that was known, and who says so."""

    suspect: Suspect
    title: str
    severity: str
    found: dt.datetime
    by: str


class Raised(NamedTuple):
    """What an alarm comes to: an incident without a name yet; else the versions that are in use, and nobody reached."""

    incident: Incident | None
    in_use: tuple[str, ...]
    unread: tuple[Mapping[str, str], ...]


def raised(registry: Registry, alarm: Alarm, now: dt.datetime, way: Way = PLAIN) -> Raised:
    """Which systems are reached, as each is at one commit; nothing is written.

    Raises UsageError for a name that no system knows.
    """
    answers = survey(registry.members, parts, way)
    found = graph(one.said for one in answers if one.said)
    lost = [{"system": one.member.key, "why": one.why, "failure": one.failure} for one in unread(answers)]
    reached = affected(found, alarm.suspect)
    if not reached:
        return Raised(None, tuple(versions_in_use(found, alarm.suspect)), tuple(lost))
    frozen = _frozen(registry, answers, {found.systems[one.id].key for one in reached}, alarm, way)
    systems = tuple(_reached(found, one, frozen[found.systems[one.id].key]) for one in reached)
    deed = Deed(written(now), alarm.by, OPENED)
    head = (alarm.title or str(alarm.suspect), alarm.severity, alarm.suspect, alarm.found)
    return Raised(Incident("", *head, systems, tuple(lost), (deed,)), (), tuple(lost))


def _frozen(
    registry: Registry, answers: Sequence[Answer[Parts]], keys: set[str], alarm: Alarm, way: Way
) -> dict[str, Answer[Frozen]]:
    """Each system that is reached, at the very commit at which it was asked."""
    commits = {one.member.key: one.commit for one in answers}
    members = [one for one in registry.members if one.key in keys]
    day = alarm.found.astimezone(dt.UTC).date().isoformat()
    asking = way._replace(told=None, commits=commits)
    return {one.member.key: one for one in survey(members, freezing(Maps(registry), day), asking)}


def _reached(found: Graph, one: Affected, answer: Answer[Frozen]) -> Reached:
    said = found.systems[one.id]
    lost = Frozen(answer.commit, "", {}, (), (), clocks_unknown=f"it could not be read again: {answer.why}")
    return Reached(
        key=said.key,
        name=found.things[one.id].name,
        owner=said.owner,
        contact=said.contact,
        purpose=said.purpose,
        way=tuple(_in_words(found, use) for use in one.way),
        frozen=answer.said or lost,
        runbook=f"{RUNBOOKS}/{file_name(said.key)}.md",
    )


def _in_words(found: Graph, use: Use) -> Use:
    """A use between things as people call them; a system by its key too."""
    return use._replace(source=_called(found, use.source), target=_called(found, use.target))


def _called(found: Graph, name: str) -> str:
    thing = found.things[name]
    more = found.systems[name].key if name in found.systems else thing.version
    return " ".join([thing.kind, thing.name, *([f"({more})"] if more not in ("", thing.name) else [])])
