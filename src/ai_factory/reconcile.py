"""Two locks that descend from one: what a project has applied in which two branches both synced, and git merged them.

Path by path, the side that changed since the common ancestor tells; where both did, the one with the newer version,
of which the other is an ancestor; what neither tells stays open for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from ai_factory import versions
from ai_factory.lock import Entry, Lock, Origin

Value = TypeVar("Value")
AGREED = "is the same on both branches"
UNKNOWN = ""  # of the origin's tree: no one rendering gave all that the merged lock records


class Sides(NamedTuple):
    """The locks of both branches, and of their common ancestor where that had one."""

    ancestor: Lock | None
    ours: Lock
    theirs: Lock

    @property
    def newer(self) -> Lock:
        """The side with the newer version; ours where neither is newer."""
        return self.theirs if is_newer(self.theirs.factory, self.ours.factory) else self.ours

    @property
    def comparable(self) -> bool:
        """Whether the version of one side is an ancestor of the other's: both are releases of one factory."""
        one, other = self.ours.factory, self.theirs.factory
        return one == other or is_newer(one, other) or is_newer(other, one)


class Decision(NamedTuple):
    """What becomes of one path: its row (None: no longer the factory's), which side told, and why."""

    entry: Entry | None
    side: str  # `ours`, `theirs`, or `open`
    why: str


def is_newer(one: Origin, other: Origin) -> bool:
    """Whether one origin is a later release of the same factory."""
    return (one.kind, one.url) == (other.kind, other.url) and versions.is_older(other.version, one.version)


def decided(sides: Sides, present: Collection[str]) -> dict[str, Decision]:
    """What becomes of each path that either side knows; `present` are those at which a file lies now."""
    ancestor = sides.ancestor.paths if sides.ancestor else {}
    paths = sorted({*sides.ours.paths, *sides.theirs.paths})
    found = {path: _decided(sides, path, ancestor.get(path)) for path in paths}
    return {path: decision._replace(entry=_now(decision.entry, path in present)) for path, decision in found.items()}


def _decided(sides: Sides, path: str, before: Entry | None) -> Decision:
    ours, theirs = sides.ours.paths.get(path), sides.theirs.paths.get(path)
    if ours == theirs:
        return Decision(ours, "ours", AGREED)
    if before is None and sides.comparable and (gone := _gone_since(sides, ours, theirs)):
        return gone
    if theirs == before:
        return Decision(ours, "ours", "only this branch changed it")
    if ours == before:
        return Decision(theirs, "theirs", "only the other branch changed it")
    if ours and theirs and (resolved := _resolved(ours, theirs)):
        return resolved
    if sides.comparable:
        newer = sides.newer is sides.theirs
        entry, side = (theirs, "theirs") if newer else (ours, "ours")
        waits = next((found for found in (ours, theirs) if found and found.state == "open"), None)
        if waits is None:
            return Decision(entry, side, "the newer version has gone through the older one")
        return Decision(_still_open(waits, entry), "open", "its conflict waits for a person on one branch")
    return Decision(_apart(before, ours, theirs), "open", "each branch took a version of its own")


def _gone_since(sides: Sides, ours: Entry | None, theirs: Entry | None) -> Decision | None:
    """A path that only the older version brought, and that the newer one, which has its component, has no more."""
    side = "theirs" if sides.newer is sides.theirs else "ours"
    older, newer = (ours, theirs) if side == "theirs" else (theirs, ours)
    same = sides.ours.factory.version == sides.theirs.factory.version
    if same or older is None or newer is not None or older.component not in sides.newer.components:
        return None
    return Decision(None, side, "the newer version has it no more")


def _resolved(ours: Entry, theirs: Entry) -> Decision | None:
    """One branch has decided what the other has open, or both descend from the same content."""
    if ours.state == "open" and theirs.base == ours.theirs and theirs.state != "open":
        return Decision(theirs, "theirs", "the other branch has resolved its conflict")
    if theirs.state == "open" and ours.base == theirs.theirs and ours.state != "open":
        return Decision(ours, "ours", "this branch has resolved its conflict")
    if "open" not in (ours.state, theirs.state) and (ours.base, ours.mode) == (theirs.base, theirs.mode):
        later = versions.is_older(ours.base_version, theirs.base_version)
        return Decision(theirs if later else ours, "theirs" if later else "ours", "both branches have the same version")
    return None


def _still_open(waits: Entry, newer: Entry | None) -> Entry:
    """The open row, waiting for what the newer side has: its own proposal, or the content it descends from."""
    proposal = "" if newer is None else newer.theirs if newer.state == "open" else newer.base
    return waits._replace(theirs=proposal, mode=newer.mode if newer else waits.mode)


def _apart(before: Entry | None, ours: Entry | None, theirs: Entry | None) -> Entry:
    """An open row: it descends from what the ancestor had, and the other branch's version is the proposal."""
    known = ours or theirs
    assert known
    proposal = "" if theirs is None else theirs.theirs if theirs.state == "open" else theirs.base
    base, version = (before.base, before.base_version) if before else ("", "")
    return known._replace(state="open", theirs=proposal, base=base, base_version=version)


def _now(entry: Entry | None, present: bool) -> Entry | None:
    """The row, with the state that the file itself tells: what is not there was declined."""
    if entry is None or entry.state in ("open", "local") or entry.ownership not in ("managed", "merged"):
        return entry
    return entry._replace(state="" if present else "declined")


def merged(sides: Sides, decisions: Mapping[str, Decision]) -> Lock:
    """The lock of the merged project, but for the digest of its base.

    Where both sides synced, no one rendering gave it: its tree is not known, so that the next sync renders.
    """
    lead, whole = _lead(sides)
    return lead._replace(
        factory=lead.factory if whole else lead.factory._replace(tree=UNKNOWN),
        components=_three_way(sides, lambda lock: lock.components),
        answers=_three_way(sides, lambda lock: lock.answers),
        paths={path: decision.entry for path, decision in decisions.items() if decision.entry},
        base_file="",
        project_file="",
    )


def _lead(sides: Sides) -> tuple[Lock, bool]:
    """The side whose version and answers the merged project has; and whether it alone, or both alike, have them."""
    before, ours, theirs = (lock and (lock.factory, lock.components, lock.answers) for lock in sides)
    if ours == before:
        return sides.theirs, True
    if theirs in (before, ours):
        return sides.ours, True
    return sides.newer, False


def _three_way(sides: Sides, part: Callable[[Lock], Mapping[str, Value]]) -> dict[str, Value]:
    """A mapping of the lock, merged key by key; where both sides changed one, the newer side's."""
    before: Mapping[str, Any] = part(sides.ancestor) if sides.ancestor else {}
    ours, theirs, newer = part(sides.ours), part(sides.theirs), part(sides.newer)
    chosen: dict[str, Value] = {}
    for key in sorted({*ours, *theirs}):
        one, other, old = (lock.get(key) for lock in (ours, theirs, before))
        side = theirs if one == old else ours if other == old else newer
        if key in side:
            chosen[key] = side[key]
    return chosen
