"""What many teams changed in the same way, as proposals to the factory; and where projects drift most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory.fleet.looking import Unread
from ai_factory.fleet.scaling.departures import DELETED, EDITED, WAIVED, Departure, departures
from ai_factory.fleet.scaling.hunks import Hunk, hunks, named, names
from ai_factory.fleet.scaling.upstream import Patch
from ai_factory.fleet.system import Here, System
from ai_factory.git.remote import Access
from ai_factory.lock import Lock

LEAST = 3  # projects with the same edit that make a proposal


class Place(NamedTuple):
    """A file of a component, by its path in any project: the answers in it turned into names."""

    factory: str
    component: str
    path: str


class Change(NamedTuple):
    """One hunk of a project: as it stands there, and with its answers turned into names."""

    project: str
    place: Place
    controls: tuple[str, ...]
    raw: Hunk
    hunk: Hunk


class Spot(NamedTuple):
    """A managed file of a project that departs, and how."""

    project: str
    place: Place
    controls: tuple[str, ...]
    how: str


class Edits(NamedTuple):
    """What one project's team did to files that the factory looks after."""

    key: str
    changes: tuple[Change, ...]
    spots: tuple[Spot, ...]


class Proposal(NamedTuple):
    """The same edit in several projects; `identical` to the letter, or alike but for space and what stands around it.

    `variants` are the lines as they stand in projects; `patch` is the edit of the factory's own template.
    """

    place: Place
    hunk: Hunk
    variants: tuple[Hunk, ...]
    projects: tuple[str, ...]
    controls: tuple[str, ...]
    identical: bool
    patch: Patch = Patch()


class Hot(NamedTuple):
    """A file, component or control, and in how many projects it was edited, deleted or waived."""

    name: str
    component: str
    projects: int
    edited: int
    deleted: int
    waived: int


class Insights(NamedTuple):
    """A fleet's insights: of how many projects, the proposals, and the hot spots by file, component and control."""

    projects: int
    proposals: tuple[Proposal, ...]
    files: tuple[Hot, ...]
    components: tuple[Hot, ...]
    controls: tuple[Hot, ...]
    unread: tuple[Unread, ...] = ()


# ---- one project ---------------------------------------------------------------------------------


def edits(system: System, here: Here, _: Access, today: str) -> Edits:
    """Read one project. Raises ForgeError, LockError."""
    lock = system.project().lock
    found, key = departures(system, lock, today), here.member.key
    spots = (Spot(key, _place(one, lock), one.entry.controls, one.how) for one in found if _promised(one))
    return Edits(key, tuple(change for one in found for change in changes(key, one, lock)), tuple(spots))


def _promised(one: Departure) -> bool:
    return one.entry.ownership == "managed"


def changes(key: str, one: Departure, lock: Lock) -> Iterator[Change]:
    """The hunks of a file that was edited; none where a side is not known, or a conflict may have left markers."""
    if one.base is None or one.ours is None or one.entry.state == "open":
        return
    known = names(lock.answers, one.path, one.base.decode(errors="replace"))
    place = _place(one, lock)
    yield from (Change(key, place, one.entry.controls, raw, raw.mapped(known)) for raw in hunks(one.base, one.ours))


def _place(one: Departure, lock: Lock) -> Place:
    return Place(lock.factory.url, one.entry.component, named(one.path, names(lock.answers, one.path)))


# ---- many ----------------------------------------------------------------------------------------


def proposals(found: Iterable[Edits], least: int = LEAST) -> list[Proposal]:
    """The edits that stand in at least so many projects, those of the most projects first."""
    groups: dict[object, list[Change]] = {}
    known: dict[object, object] = {}
    for change in sorted(change for one in found for change in one.changes):
        # an answer may be a word that the file holds anyway: what is the same to the letter is the same
        group = known.setdefault((change.place, change.raw.essence()), (change.place, change.hunk.essence()))
        groups.setdefault(group, []).append(change)
    made = [_proposal(rows) for rows in groups.values()]
    wanted = [one for one in made if len(one.projects) >= least]
    return sorted(wanted, key=lambda one: (-len(one.projects), one.place, one.hunk))


def _proposal(rows: Sequence[Change]) -> Proposal:
    projects = tuple(sorted({row.project for row in rows}))
    controls = tuple(sorted({name for row in rows for name in row.controls}))
    variants = tuple(sorted({row.raw for row in rows}))
    identical = 1 in (len({row.hunk for row in rows}), len(variants))
    return Proposal(rows[0].place, rows[0].hunk, variants, projects, controls, identical)


def insights(
    found: Sequence[Edits], unread: Sequence[Unread], least: int, patch: Callable[[Proposal], Patch]
) -> Insights:
    """What these projects show; `patch` makes of a proposal the edit of a template."""
    spots = [spot for one in found for spot in one.spots]
    made = tuple(one._replace(patch=patch(one)) for one in proposals(found, least))
    files = hot(spots, lambda spot: [(spot.place.path, spot.place.component)])
    components = hot(spots, lambda spot: [(spot.place.component, spot.place.component)])
    controls = hot(spots, lambda spot: [(name, "") for name in spot.controls])
    return Insights(len(found), made, files, components, controls, tuple(unread))


def hot(spots: Iterable[Spot], of: Callable[[Spot], Sequence[tuple[str, str]]]) -> tuple[Hot, ...]:
    """What most projects depart in, by the names that each spot counts for; a project counts once, and once a way."""
    told: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for spot in spots:
        for name in of(spot):
            told.setdefault(name, set()).add((spot.project, spot.how))
    rows = [_hot(*name, ways) for name, ways in told.items()]
    return tuple(sorted(rows, key=lambda one: (-one.projects, one.component, one.name)))


def _hot(name: str, component: str, ways: set[tuple[str, str]]) -> Hot:
    counts: Mapping[str, int] = Counter(how for _, how in ways)
    projects = len({project for project, _ in ways})
    return Hot(name, component, projects, counts[EDITED], counts[DELETED], counts[WAIVED])
