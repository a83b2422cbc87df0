"""Where a project departs from what the factory stamped: files that were edited or deleted, and what is waived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ai_factory import base, waivers
from ai_factory.check import Waiver
from ai_factory.errors import ProjectError
from ai_factory.fleet.system import System
from ai_factory.git import SUBMODULE
from ai_factory.lock import BASE, WAIVERS, Entry, Lock
from ai_factory.tree import blob_id

SHARED = ("managed", "merged")  # what the factory goes on to look after
EDITED, DELETED, WAIVED = "edited", "deleted", "waived"
RULES = {EDITED: "AF002", DELETED: "AF003"}


class Departure(NamedTuple):
    """A managed or merged file that is not as it was stamped: how, and both contents where they are known.

    `how` is one of EDITED, DELETED and, where somebody answers for it, WAIVED.
    """

    path: str
    entry: Entry
    how: str
    base: bytes | None = None
    ours: bytes | None = None


def departures(system: System, lock: Lock, today: str) -> list[Departure]:
    """Where the project departs, by path; contents are read only where the id differs. `today` is an ISO date."""
    shared = {path: one for path, one in lock.paths.items() if one.ownership in SHARED and one.base}
    shared = {path: one for path, one in shared.items() if one.state != "local"}
    listing = system.files.listing
    there = {path for path in shared if path in listing and listing[path].mode != SUBMODULE}
    other = {path for path in there if listing[path].id != shared[path].base}
    files = system.read_all(sorted(other - system.files.absent))
    edited = {path for path in other if path not in files or blob_id(files[path].content) != shared[path].base}
    stamped = _stamped(system, {path: shared[path].base for path in edited})
    agreed = _sound_waivers(system, today)
    found = []
    for path in sorted(edited | (shared.keys() - there)):
        how = EDITED if path in edited else DELETED
        ours = files[path].content if path in files else None
        told = WAIVED if _is_waived(path, shared[path], RULES[how], agreed) else how
        found.append(Departure(path, shared[path], told, stamped.get(path), ours))
    return found


def _stamped(system: System, wanted: dict[str, str]) -> dict[str, bytes]:
    """What those files were stamped as; nothing of one that the base does not hold."""
    if not wanted or BASE in system.files.absent:
        return {}
    file = system.files.read(BASE)
    return base.pristine(file.content, wanted) if file else {}


def _sound_waivers(system: System, today: str) -> list[Waiver]:
    """The waivers that hold; none of a file that cannot be read."""
    file = system.files.read(WAIVERS)
    try:
        found = waivers.parse(file.content) if file else []
    except ProjectError:
        return []
    return [one for one in found if not waivers.fault(one, today)]


def _is_waived(path: str, entry: Entry, rule: str, agreed: Sequence[Waiver]) -> bool:
    named = [one for one in agreed if one.rule == rule]
    return any(one.path == path if one.path else one.control in entry.controls for one in named)
