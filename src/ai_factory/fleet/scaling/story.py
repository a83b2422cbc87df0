"""What the history of a project tells: when it was stamped, passed, was approved and released, and what people did."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import cache, lock, versions
from ai_factory.errors import FactoryError
from ai_factory.fleet.looking import Past, contents
from ai_factory.fleet.system import Here
from ai_factory.git import NOBODY, Moment, Timeline, timeline
from ai_factory.git.remote import Access
from ai_factory.governance.approvals import APPROVED, RECORD, REGISTER, register

GOVERNANCE = "governance"
SYSTEM = f"{GOVERNANCE}/system.yaml"
EVALUATION = "evidence/evaluation.json"  # the evidence in which a run says whether it keeps its thresholds
READ = (lock.LOCK, REGISTER, SYSTEM, RECORD, EVALUATION)  # what is read in all its versions
BATCH = 200  # contents that are held at once
LATEST = 253_402_300_799  # the end of the year 9999 in Unix time: what a commit says of later is no date
_MACHINE = re.compile(r"\[bot\]|(?:^|[_.+-])bot[_.@-]", re.IGNORECASE)  # as code hosts spell it


class Covered(NamedTuple):
    """From which moment the project's record goes by the map of that day, and which requirements it names."""

    time: int
    map: str
    requirements: frozenset[str]


class Applied(NamedTuple):
    """From which moment the project has that version of its factory."""

    time: int
    version: str


class Story(NamedTuple):
    """The moments of a project's life in Unix time, 0 for what its history does not show.

    `touches` are those at which people changed its governance; `cut` says that its history is not all there.
    """

    stamped: int = 0
    green: int = 0
    approved: int = 0
    production: int = 0
    touches: tuple[int, ...] = ()
    applied: tuple[Applied, ...] = ()
    covered: tuple[Covered, ...] = ()
    cut: bool = False


Contents = Callable[[Sequence[str]], Mapping[str, bytes]]  # those of these ids that there are


def read(found: Past, here: Here, reach: Access) -> Story:
    """The story of a project. Raises ForgeError, MachineError."""
    line = timeline(found.reader, found.head, [*READ, GOVERNANCE], here.member.path)
    tags = {name.rpartition("/")[2]: when for name, one in found.tags.items() if (when := found.reader.tagged(one))}
    return told(line, tags, lambda ids: contents(found, here.member.url, ids, reach))


def told(line: Timeline, tags: Mapping[str, int], known: Contents) -> Story:
    """The story that these commits and tags tell."""
    stamp = next((one for one in line.moments if one.changed.get(lock.LOCK)), None)
    if stamp is None or not 0 < stamp.time <= LATEST:
        return Story(cut=line.cut)
    later = [one for one in line.moments if stamp.time <= one.time <= LATEST]
    states = list(_states(later, known))
    return Story(
        stamp.time,
        _first(states, EVALUATION),
        _first(states, REGISTER),
        _released(tags, stamp.time) or _first(states, SYSTEM),
        tuple(one.time for one in later if one.commit != stamp.commit and _by_people(one)),
        tuple(Applied(when, state) for when, path, state in states if path == lock.LOCK),
        tuple(Covered(when, *state) for when, path, state in states if path == RECORD),
        line.cut,
    )


def _states(moments: Sequence[Moment], known: Contents) -> Iterator[tuple[int, str, Any]]:
    """What each version of a file that is read says, with its moment; of one that says nothing there is no state."""
    rows = [(one.time, path, one.changed[path]) for one in moments for path in READ if one.changed.get(path)]
    for begin in range(0, len(rows), BATCH):
        some = rows[begin : begin + BATCH]
        bodies = known(list(dict.fromkeys(blob for _, _, blob in some)))
        for when, path, blob in some:
            state = READERS[path](bodies[blob]) if blob in bodies else None
            if state:
                yield when, path, state


def _first(states: Sequence[tuple[int, str, Any]], path: str) -> int:
    return next((when for when, name, _ in states if name == path), 0)


def _released(tags: Mapping[str, int], stamped: int) -> int:
    """When the first release was tagged; pre-releases do not count, nor what was there before the stamp."""
    times = [when for name, when in tags.items() if stamped <= when <= LATEST and versions.newest([name])]
    return min(times, default=0)


def _by_people(moment: Moment) -> bool:
    """Whether a person changed the governance in it: an update of the factory's comes with its lock."""
    touched = any(path.startswith(f"{GOVERNANCE}/") for path in moment.changed)
    return touched and lock.LOCK not in moment.changed and not is_machine(moment.author)


def is_machine(address: str) -> bool:
    """Whether a commit by that address is no person's: a bot's, or one of our own."""
    return address == NOBODY[1] or _MACHINE.search(address) is not None


# ---- what a version of a file says ---------------------------------------------------------------


def _version(content: bytes) -> str:
    try:
        return lock.parse(content).factory.version
    except FactoryError:
        return ""


def approvals(content: bytes) -> int:
    """How many approvals a register holds that have the form of one; whether they hold is not asked."""
    return sum(one.decision == APPROVED for one in register(_yaml(content)).approvals)


def _in_use(content: bytes) -> bool:
    return _yaml(content).get("status") == "production"


def _yaml(content: bytes) -> Mapping[str, Any]:
    try:
        data = cache.document(content, GOVERNANCE, FactoryError)
    except FactoryError:
        return {}
    return data if isinstance(data, dict) else {}


def _passed(content: bytes) -> bool:
    body = json_object(content).get("content")
    gate = body.get("gate") if isinstance(body, dict) else None
    return isinstance(gate, dict) and gate.get("passed") is True


def record(content: bytes) -> tuple[str, frozenset[str]] | None:
    """The day of the map by which an applicability record goes, and the requirements that it names."""
    data = json_object(content)
    rows = data.get("requirements")
    if not isinstance(rows, dict) or not isinstance(data.get("map"), str):
        return None
    return str(data["map"]), frozenset(map(str, rows))


def json_object(content: bytes) -> Mapping[str, Any]:
    """The object of a JSON document; an empty one of a document that holds none."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


READERS: Mapping[str, Callable[[bytes], Any]] = {
    lock.LOCK: _version,
    REGISTER: approvals,
    SYSTEM: _in_use,
    RECORD: record,
    EVALUATION: _passed,
}
