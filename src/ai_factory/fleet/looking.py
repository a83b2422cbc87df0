"""The same look at every project of a fleet: what each shows, or why it could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from ai_factory import cache, git
from ai_factory.fleet import each
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Member
from ai_factory.fleet.survey import Reach
from ai_factory.fleet.system import Here, System, located, opened
from ai_factory.git import remote
from ai_factory.git.remote import Access

Shown = TypeVar("Shown")
RELEASES = "v*"  # how the tags of releases begin


class Unread(NamedTuple):
    """A project that could not be read: why, and of which kind (FAILURES) that is."""

    key: str
    owner: str
    reason: str
    failure: str
    hint: str = ""


class Looked(NamedTuple, Generic[Shown]):
    """What a fleet shows: the projects that could be read, in its order, and the others."""

    shown: tuple[Shown, ...]
    unread: tuple[Unread, ...]


class Past(NamedTuple):
    """The history of a project, open to be read: `tags` are those of its repository that look like releases."""

    reader: git.Reader
    head: str
    tags: dict[str, str]


Look = Callable[[System, Here, Access], Shown]


def looked(
    members: Sequence[Member], look: Look[Shown], reach: Reach, workers: int, told: Callable[[int], None] | None = None
) -> Looked[Shown]:
    """Look at each project, several at a time; one that cannot be read stops no other."""
    found = each.over(members, partial(_seen, look=look, reach=reach), workers, told)
    failed = [(one, why) for one, why in zip(members, found, strict=True) if isinstance(why, Failure)]
    unread = (Unread(one.key, one.owner, why.message, why.kind, why.hint) for one, why in failed)
    return Looked(tuple(one for one in found if not isinstance(one, Failure)), tuple(unread))


def _seen(member: Member, look: Look[Shown], reach: Reach) -> Shown:
    access = reach(member.url)
    here = located(member, access)
    with opened(here, reach=access, whole=True) as system:
        return look(system, here, access)


@contextmanager
def past(here: Here, reach: Access) -> Iterator[Past]:
    """The history of a project, as long as the block lasts.

    Of a repository elsewhere all commits and trees are brought, no contents. Raises ForgeError.
    """
    url = here.member.url
    inside = f"{here.member.path}/" if here.member.path else ""
    tags = {
        name: one for name, one in remote.tags(url, f"{inside}{RELEASES}", reach).items() if name.startswith(inside)
    }
    if local := remote.local_repository(url):
        with git.reading(local) as reader:
            yield Past(reader, here.commit, tags)
        return
    # apart from those that are one commit deep: git keeps one list of where a repository's history is cut off
    with remote.claimed(cache.folder("fleet-history")) as repository, git.reading(repository) as reader:
        missing = [one for one in (here.commit, *tags.values()) if reader.tagged(one) is None]
        if missing:
            remote.fetch(url, repository, sorted(set(missing)), remote.TREES, reach, deep=True)
        yield Past(reader, here.commit, tags)


def contents(found: Past, url: str, ids: Sequence[str], reach: Access) -> dict[str, bytes]:
    """The contents of those ids that there are; those that are missing are brought from a repository elsewhere."""
    have = found.reader.blobs(ids)
    missing = sorted(set(ids) - have.keys())
    if missing and not remote.local_repository(url):
        remote.fetch(url, found.reader.repository, missing, remote.TREES, reach, deep=True)
        have |= found.reader.blobs(missing)
    return have
