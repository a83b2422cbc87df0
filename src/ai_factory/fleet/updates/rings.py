"""Whether the next ring of a fleet may begin: the one before has to be through, and in good health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.fleet.registry import Member, Ring
from ai_factory.fleet.updates.plan import Entry

DAY = 24 * 60 * 60  # seconds
THROUGH = ("merged", "current")
ASIDE = ("held", "declined")  # they hold up nobody


class Progress(NamedTuple):
    """How far a ring has come: of how many projects how many have the update, how many fail, and since when."""

    size: int
    merged: int
    failing: int
    since: float  # when its youngest update came there (Unix time); 0 where nobody knows


def pause(ring: Ring, progress: Progress, now: float) -> str:
    """Why the next ring has to wait, in words; empty where it may begin."""
    if not progress.size:
        return ""
    if progress.failing > ring.failing * progress.size:
        return f"{progress.failing} of {progress.size} in ring `{ring.name}` fail, more than {ring.failing:.0%}"
    if progress.merged < ring.merged * progress.size:
        return f"{progress.merged} of {progress.size} in ring `{ring.name}` have it, fewer than {ring.merged:.0%}"
    if ring.days and now - progress.since < ring.days * DAY:
        return f"ring `{ring.name}` has had it for less than {ring.days:g} days"
    return ""


def lets_all_pass(ring: Ring) -> bool:
    """Whether nothing that a ring comes to can hold up the next one."""
    return not ring.merged and ring.failing >= 1 and not ring.days


def in_rings(
    rings: Sequence[Ring], entries: Sequence[Entry], members: Mapping[str, Member]
) -> list[tuple[Ring, list[Entry]]]:
    """The entries by the ring in which the fleet has their projects now, in the order of the rings.

    What is in none comes last, and so does what is no longer in the fleet: whoever brings it is told.
    """
    named = {one.key: members[one.key].ring if one.key in members else "" for one in entries}
    found = [(ring, [one for one in entries if named[one.key] == ring.name]) for ring in rings]
    rest = [one for one in entries if not named[one.key]]
    return [*found, *([(Ring(""), rest)] if rest else [])]
