"""Which projects of some repositories join a fleet: those that they hold, and that are not in it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import lock
from ai_factory.errors import FactoryError, LockError, UsageError
from ai_factory.fleet import book, each, system
from ai_factory.fleet.book import Book
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Member, Registry
from ai_factory.fleet.sources import Place
from ai_factory.fleet.system import System
from ai_factory.tree import check_path, word

LEAST = "holds no project: there is no `.ai-factory/lock.json`"


class Wish(NamedTuple):
    """What is to be written down with each project; `all` takes repositories without a project in, too."""

    branch: str = ""
    owner: str = ""
    ring: str = ""
    labels: Mapping[str, str] = {}
    all: bool = False


class Looked(NamedTuple):
    """What a repository holds: its projects, and the factories that they say they came from."""

    members: tuple[Member, ...] = ()
    factories: tuple[str, ...] = ()
    why_not: str = ""


class Joined(NamedTuple):
    """What came of it: who joined, who was there already, what was looked at and left, what could not be looked at.

    `factories` are those that the projects came from and the fleet does not trust: it does now, where the file is new.
    """

    book: Book
    added: tuple[Member, ...]
    present: tuple[Member, ...]
    left: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, Failure], ...]
    factories: tuple[str, ...]


def join(
    into: Book,
    places: Sequence[Place],
    wish: Wish,
    at_once: int = 0,
    told: Callable[[int], None] | None = None,
) -> Joined:
    """Add the projects that these repositories hold, and write the file. Raises UsageError for a ring that is none."""
    rings = [ring.name for ring in into.fleet.rings]
    if wish.ring and wish.ring not in rings:
        raise UsageError(f"the fleet has no ring `{wish.ring}`", f"add it to `rings` in `{into.name}`")
    found = each.over(places, partial(look, wish), at_once, told)
    looked = [(place, one) for place, one in zip(places, found, strict=True) if isinstance(one, Looked)]
    failed = tuple((p.key, one) for p, one in zip(places, found, strict=True) if isinstance(one, Failure))
    members = {member.key: member for _, one in looked for member in one.members}
    known = {member.key for member in into.fleet.members}
    added = tuple(member for key, member in sorted(members.items()) if key not in known)
    present = tuple(member for key, member in sorted(members.items()) if key in known)
    left = tuple((place.key, one.why_not) for place, one in looked if one.why_not)
    factories = _untrusted(into.fleet, [one for _, one in looked])
    if added:
        book.add(into, added, factories)
    return Joined(into, added, present, left, failed, factories)


def _untrusted(fleet: Registry, looked: Iterable[Looked]) -> tuple[str, ...]:
    return tuple(sorted({url for one in looked for url in one.factories if fleet.trusts(url) is None}))


def look(wish: Wish, place: Place) -> Looked:
    """What that repository holds. Raises ForgeError where it cannot be read."""
    if place.closed:
        return Looked(why_not=place.closed)
    here = system.located(Member(place.looked_at or place.url, branch=wish.branch))
    with system.opened(here, ()) as there:
        paths = [path for path in _projects(there) if place.path in ("", path)]
        if paths:
            rows = [_member(there, place, path, wish) for path in paths]
            factories = sorted({url for _, url in rows if url})
            return Looked(tuple(member for member, _ in rows), tuple(factories))
    if wish.all:
        return Looked((_wished(place, place.path, wish),))
    return Looked(why_not=LEAST)


def _projects(there: System) -> list[str]:
    """The folders of all projects in the repository, without any that no checkout would have; empty for its top."""
    names = (path for path in there.files.listing if path == lock.LOCK or path.endswith(f"/{lock.LOCK}"))
    return sorted(name.removesuffix(lock.LOCK).rstrip("/") for name in names if _is_path(name))


def _is_path(name: str) -> bool:
    try:
        return bool(check_path(name)) and name.isprintable()
    except FactoryError:
        return False


def _member(there: System, place: Place, path: str, wish: Wish) -> tuple[Member, str]:
    """The project as it is written down, and the factory that its lock names; a broken lock names nobody."""
    made = _wished(place, path, wish)
    file = there.files.read(f"{path}/{lock.LOCK}" if path else lock.LOCK)
    try:
        record = lock.parse(file.content if file else b"")
    except LockError:
        return made, ""
    owner = record.answers.get("owner_team")
    if isinstance(owner, str) and owner.isprintable() and not wish.owner:
        made = made._replace(owner=owner)
    return made, record.factory.url


def _wished(place: Place, path: str, wish: Wish) -> Member:
    return Member(place.url, path, wish.branch, wish.owner, wish.ring, wish.labels)


def leave(book_: Book, names: Sequence[str]) -> tuple[Member, ...]:
    """Strike projects out, named by key, or by address for all of a repository. Raises UsageError for unknown ones."""
    gone = [member for member in book_.fleet.members if member.key in names or member.url in names]
    known = {name for member in gone for name in (member.key, member.url)}
    if unknown := [name for name in names if name not in known]:
        hint = f"`ai-factory fleet status --fleet {word(book_.path)}` names all that are"
        raise UsageError(f"there is no `{unknown[0]}` in the fleet", hint, tuple(f"nor `{one}`" for one in unknown[1:]))
    book.remove(book_, gone)
    return tuple(gone)
