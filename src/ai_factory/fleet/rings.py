"""Whether the next ring of a fleet may begin: the one before has to be through, and in good health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ai_factory.fleet.plan import Entry
from ai_factory.fleet.registry import Ring

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


def in_rings(rings: Sequence[Ring], entries: Sequence[Entry]) -> list[tuple[Ring, list[Entry]]]:
    """The entries by ring, in the order of the rings; what is in none comes last."""
    named = [(ring, [one for one in entries if one.ring == ring.name]) for ring in rings]
    rest = [one for one in entries if not one.ring]
    return [*named, *([(Ring(""), rest)] if rest else [])]
