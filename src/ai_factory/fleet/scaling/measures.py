"""The measures of scaling: what is read off each project, and what that makes of a fleet; formulas alone.

What each measure means, and what it does not say, stands in docs/explanation/measures.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ai_factory.fleet.looking import Unread
from ai_factory.fleet.scaling.laws import Lead
from ai_factory.fleet.scaling.measured import Measured
from ai_factory.fleet.scaling.samples import DAY, Sample, Value, day, days, quarter, sample
from ai_factory.fleet.scaling.story import Story
from ai_factory.governance.regulation import TIERS

CUT = "its clone is shallow: the history is cut off"
UNSTAMPED = "no commit of its history adds a lock"
UNRECORDED = "no applicability record yet"
UNTOUCHED = "nobody has worked on its governance yet"
NOT_YET = {"green": "no green evaluation yet", "approved": "no approval yet", "production": "not in production yet"}
UNKNOWN = "unknown"  # the tier of a system for which none is recorded


class Measure(NamedTuple):
    """What is read off a project: its name for machines, what it is in words, its unit."""

    name: str
    title: str
    unit: str
    of: Callable[[Measured], Value]


def _until(moment: str) -> Callable[[Measured], Value]:
    return lambda one: until(one.story, moment)


def until(story: Story, moment: str) -> Value:
    """The days from the stamp to the first green evaluation, the first approval, or production."""
    if story.cut or not story.stamped:
        return Value(why=CUT if story.cut else UNSTAMPED)
    when: int = getattr(story, moment)
    return Value(days(story.stamped, when)) if when else Value(why=NOT_YET[moment])


def controls(one: Measured) -> Value:
    """How many controls are required now."""
    found = one.governance.required
    return Value(why=UNRECORDED) if found is None else Value(found)


def items(one: Measured) -> Value:
    """How many items people had to write or approve: files under `governance/` that are theirs, and approvals."""
    return Value(one.governance.written + one.governance.approvals)


def span(one: Measured) -> Value:
    """The days between the first and the last commit in which people changed the governance."""
    return _touched(one, lambda moments: days(min(moments), max(moments)))


def touched(one: Measured) -> Value:
    """The days (dates in UTC) on which people committed a change of the governance."""
    return _touched(one, lambda moments: len({moment // DAY for moment in moments}))


def _touched(one: Measured, count: Callable[[Sequence[int]], float]) -> Value:
    if one.story.cut or not one.story.stamped:
        return Value(why=CUT if one.story.cut else UNSTAMPED)
    return Value(count(one.story.touches)) if one.story.touches else Value(why=UNTOUCHED)


def share(one: Measured) -> Value:
    """Of a hundred lines of code, those of managed and merged files that are as they were stamped."""
    found = one.lines
    return Value(round(100 * found.shared / found.code, 1)) if found.code else Value(why="it holds no code")


MEASURES = (
    Measure("days_to_green", "stamp to first green evaluation", "days", _until("green")),
    Measure("days_to_approval", "stamp to first approval", "days", _until("approved")),
    Measure("days_to_production", "stamp to production", "days", _until("production")),
    Measure("controls_required", "controls required now", "controls", controls),
    Measure("governance_items", "items written or approved by people", "items", items),
    Measure("governance_span", "first to last work on governance", "days", span),
    Measure("governance_touch", "days with work on governance", "days", touched),
    Measure("shared_lines", "code still as it was stamped", "%", share),
    Measure("drifted_files", "managed files drifted", "files", lambda one: Value(len(one.drifted))),
    Measure("version_age", "age of the applied version", "days", lambda one: one.age),
    Measure("releases_behind", "releases behind", "releases", lambda one: one.behind),
)
BY_NAME: Mapping[str, Measure] = {one.name: one for one in MEASURES}


class Reuse(NamedTuple):
    """How often components are used: instances in all projects, components that there are in any; their ratio."""

    instances: int
    components: int

    @property
    def rate(self) -> float | None:
        return round(self.instances / self.components, 1) if self.components else None


class Point(NamedTuple):
    """A system on the curve: the how-manieth it is by its stamp, and what it gives."""

    number: int
    key: str
    value: Value


class Measures(NamedTuple):
    """A fleet, measured: the projects in the order of their stamps, those that could not be read, changes of law."""

    projects: tuple[Measured, ...]
    unread: tuple[Unread, ...] = ()
    leads: tuple[Lead, ...] = ()
    since: str = ""

    def whole(self) -> dict[str, Sample]:
        """Each measure over all projects."""
        return summary(self.projects)


def since(found: Iterable[Measured], first: str) -> list[Measured]:
    """The projects in the order of their stamps, from an ISO date on; without a date, those of no known stamp last."""
    known = [one for one in found if not first or (_stamp(one) and day(_stamp(one)) >= first)]
    return sorted(known, key=lambda one: (not _stamp(one), _stamp(one), one.key))


def _stamp(one: Measured) -> int:
    """When it was stamped; 0 where that is not known: of a history that is cut off the beginning is no birth."""
    return 0 if one.story.cut else one.story.stamped


def summary(found: Iterable[Measured]) -> dict[str, Sample]:
    """Each measure over these projects."""
    rows = list(found)
    return {one.name: sample(one.of(row) for row in rows) for one in MEASURES}


def by_quarter(found: Iterable[Measured]) -> dict[str, dict[str, Sample]]:
    """Each measure over the projects that were stamped in the same quarter, by quarter."""
    return _grouped(found, lambda one: quarter(_stamp(one)) if _stamp(one) else "")


def by_tier(found: Iterable[Measured]) -> dict[str, dict[str, Sample]]:
    """Each measure over the projects of the same inherent tier, the lowest first; `unknown` where none is recorded."""
    groups = _grouped(found, lambda one: one.governance.tier or UNKNOWN)
    return {tier: groups[tier] for tier in (*TIERS, UNKNOWN) if tier in groups}


def _grouped(found: Iterable[Measured], name: Callable[[Measured], str]) -> dict[str, dict[str, Sample]]:
    groups: dict[str, list[Measured]] = {}
    for one in found:
        groups.setdefault(name(one), []).append(one)
    return {key: summary(rows) for key, rows in sorted(groups.items()) if key}


def reuse(found: Iterable[Measured]) -> Reuse:
    """How often components are used; the same component of two factories is two."""
    used = [(one.factory, component) for one in found for component in one.components]
    return Reuse(len(used), len(set(used)))


def curve(found: Sequence[Measured], name: str) -> list[Point]:
    """A measure, system after system in the order of their stamps; those of no known stamp are not on it."""
    known = [one for one in found if _stamp(one)]
    return [Point(number, one.key, BY_NAME[name].of(one)) for number, one in enumerate(known, 1)]


def drift_by_control(found: Iterable[Measured]) -> dict[str, int]:
    """In how many projects a drifted file weakens each control, the most first."""
    rows = Counter(name for one in found for name in {name for row in one.drifted for name in row.controls})
    return dict(sorted(rows.items(), key=lambda row: (-row[1], row[0])))


class Trend(NamedTuple):
    """A measure over the order of stamps: the first and the last number, and the medians of both halves."""

    first: Point
    last: Point
    earlier: float
    later: float


def trend(points: Sequence[Point]) -> Trend | None:
    """What a curve says in four numbers; None of fewer than two. Of an odd count the middle one is in neither half."""
    known = [point for point in points if point.value.number is not None]
    half = len(known) // 2
    if not half:
        return None
    halves = (known[:half], known[-half:])
    earlier, later = (sample(point.value for point in some).median or 0 for some in halves)
    return Trend(known[0], known[-1], earlier, later)
