"""What is to be kept of a system that an incident reaches: which bytes it was, and which clocks run for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ai_factory.errors import FactoryError, ProjectError
from ai_factory.fleet.governance.clocks import Clock, Deadline
from ai_factory.fleet.governance.maps import Maps
from ai_factory.fleet.governance.papers import ROWS, Papers, matching, rows, table, text, texts
from ai_factory.fleet.governance.parts import MODEL
from ai_factory.fleet.system import System
from ai_factory.governance import facts as facts_of
from ai_factory.governance import schedules
from ai_factory.governance.approvals import REGISTER
from ai_factory.governance.record import reasons
from ai_factory.governance.schedules import Applied
from ai_factory.lock import LOCK, PROJECT, WAIVERS
from ai_factory.project.bundle import KEPT
from ai_factory.project.facts import FACTS, judged, recorded
from ai_factory.project.trail import SETTINGS

WANTED = (LOCK, PROJECT, WAIVERS, *(f"{one}*" if one.endswith("/") else one for one in KEPT), "*.checkpoints")
ELSEWHERE = (  # what tells of decisions and is in no repository: whoever runs the system has to keep it
    "var/audit/ (the logs of decisions, their head files and checkpoints)",
    "var/models/ (the model that serves, and those before it)",
    "var/lineage/, var/data/ and var/reports/ of the runs in question",
)
APPROVAL = ("role", "decision", "approved_on", "expires")


class Started(NamedTuple):
    """A clock that the facts of a system trigger: whether it is law, from which day, and for which facts."""

    clock: Clock
    law: bool
    applies_from: str
    because: tuple[str, ...]


class Frozen(NamedTuple):
    """A system as it was at a commit: the digests of its records, and the clocks that started for it.

    `clocks_unknown` says why it is not known which do.
    """

    commit: str
    factory: str
    files: Mapping[str, str]
    approvals: tuple[Mapping[str, str], ...]
    checkpoint_keys: tuple[str, ...]
    model: str = ""
    model_digest: str = ""
    tier: str = ""
    clocks: tuple[Started, ...] = ()
    clocks_unknown: str = ""


def freezing(maps: Maps, as_of: str) -> Callable[[System], Frozen]:
    """The question with which a system is frozen: its clocks are those of the map that it stands under, on that day."""
    return lambda system: _with_clocks(_frozen(system), system, maps, as_of)


def _frozen(system: System) -> Frozen:
    wanted = matching(system.files.listing, WANTED)
    if len(wanted) > ROWS:
        raise ProjectError(f"it holds more than {ROWS} records, which is more than can be kept", "look at it by hand")
    found = system.read_all(wanted)
    papers, origin = Papers(found), system.project().lock.factory
    model = table(papers.json(MODEL).get("content"))
    return Frozen(
        commit=system.here.commit,
        factory=f"{origin.url} {origin.version}",
        files={path: f"sha256:{hashlib.sha256(file.content).hexdigest()}" for path, file in sorted(found.items())},
        approvals=tuple(
            {name: text(row.get(name)) for name in APPROVAL} for row in rows(papers.yaml(REGISTER).get("approvals"))
        ),
        checkpoint_keys=texts(papers.yaml(SETTINGS).get("checkpoint_keys")),
        model=text(model.get("version")),
        model_digest=text(model.get("model")),
    )


def _with_clocks(frozen: Frozen, system: System, maps: Maps, as_of: str) -> Frozen:
    """Which clocks run follows from facts: without them nobody knows, and that is told."""
    try:
        project = system.project()
        known, told = maps.of(project), recorded(project).facts
        if problems := facts_of.problems(told, known.facts):
            return frozen._replace(clocks_unknown=f"`{FACTS}` does not answer: {', '.join(problems)}")
        found = judged(known, facts_of.facts(told), as_of).found
    except FactoryError as error:
        return frozen._replace(clocks_unknown=error.message)
    return frozen._replace(tier=found.tier, clocks=tuple(_started(one) for one in found.clocks if one.started))


def _started(one: Applied[schedules.Clock]) -> Started:
    row = one.row
    deadlines = tuple(Deadline(due.what, due.limit, due.counted_from or row.starts) for due in row.deadlines)
    clock = Clock(row.id, row.regime, row.recipient, row.cite, row.verified, row.ask, row.note, deadlines)
    return Started(clock, one.binds, one.applies_from, tuple(reasons(one.because)))
