"""What of a fleet needs somebody's decision: what does not go away by itself, with the command that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ai_factory.fleet.scaling.laws import WAITS
from ai_factory.fleet.scaling.measured import Measured
from ai_factory.fleet.scaling.measures import Measures


class Decision(NamedTuple):
    """What is to be decided, of which projects (all, by their keys), and what shows more."""

    what: str
    projects: tuple[str, ...]
    hint: str


def decisions(found: Measures, proposals: int) -> list[Decision]:
    """What needs a decision, the gravest first; `proposals` is how many edits many teams made in the same way."""
    rows = found.projects
    told = [
        Decision("in production without an approval", _keys(_unapproved(rows)), "`ai-factory gate` in each"),
        Decision("a managed file drifted, and nobody answers for it", _keys(_drifted(rows)), "`ai-factory check`"),
        Decision("a conflict of an update is open", _keys(_conflicts(rows)), "`ai-factory status`"),
        Decision("no tier is on record", _keys(_untiered(rows)), "`ai-factory assess`"),
        Decision("the newest release is not applied", _keys(_behind(rows)), "`ai-factory fleet plan`"),
        Decision("could not be read", tuple(one.key for one in found.unread), "`ai-factory fleet measures`"),
        Decision("a clone without its history", _keys(_cut(rows)), "`git fetch --unshallow` in each"),
    ]
    return [*(one for one in told if one.projects), *_fleet(found, proposals)]


def _fleet(found: Measures, proposals: int) -> Iterator[Decision]:
    """What is of the whole fleet."""
    for one in found.leads:
        if waiting := one.days.missing.get(WAITS, 0):
            what = f"the change of law of {one.amendment.release} is not covered by {waiting} of those it concerns"
            yield Decision(what, (), "`ai-factory fleet measures`")
    if proposals:
        yield Decision(f"edits that many teams made in the same way: {proposals}", (), "`ai-factory fleet insights`")


def _keys(rows: Iterator[Measured]) -> tuple[str, ...]:
    return tuple(sorted(one.key for one in rows))


def _unapproved(rows: Sequence[Measured]) -> Iterator[Measured]:
    return (one for one in rows if one.story.production and not one.governance.approvals)


def _drifted(rows: Sequence[Measured]) -> Iterator[Measured]:
    return (one for one in rows if one.drifted)


def _conflicts(rows: Sequence[Measured]) -> Iterator[Measured]:
    return (one for one in rows if one.conflicts)


def _untiered(rows: Sequence[Measured]) -> Iterator[Measured]:
    return (one for one in rows if not one.governance.tier)


def _behind(rows: Sequence[Measured]) -> Iterator[Measured]:
    return (one for one in rows if one.behind.number)


def _cut(rows: Sequence[Measured]) -> Iterator[Measured]:
    return (one for one in rows if one.story.cut)
