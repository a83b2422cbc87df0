"""The factories of a fleet, each opened once: their releases, and what is looked up in one for many projects."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ai_factory import __version__, base, git, versions
from ai_factory.base import Base
from ai_factory.errors import FactoryError, HoldError, LockError, ProjectError, UnreachableError
from ai_factory.factory import EMBEDDED, Factory, Wanted, goes_back, is_remote, is_tag, mirror_of, open_factory
from ai_factory.lock import Lock
from ai_factory.manifest import Manifest
from ai_factory.newest import repository_at
from ai_factory.plan import Target
from ai_factory.project.target import Choice, Recipe, recipe, rendered
from ai_factory.tree import File, Tree, digest


class Source(NamedTuple):
    """A factory that a fleet takes from, and the file of those of whom one must have signed its releases.

    `seen` names the releases that there were when the run began: a worker that has run for long looks again. `broken`
    says why nothing can be taken from it; `trust` lets the code of a foreign template run.
    """

    url: str
    signers: str = ""
    seen: str = ""
    broken: str = ""
    trust: bool = False


def refreshed(source: Source) -> Source:
    """The factory as it is now; a copy of one elsewhere is brought up to date. One that cannot be reached says so."""
    try:
        if source.url != EMBEDDED and is_remote(source.url):
            git.update_mirror(source.url, mirror_of(source.url))
        return source._replace(seen=_state(source.url))
    except FactoryError as error:
        return source._replace(broken=error.message)


def _state(url: str) -> str:
    """A name for the releases of a factory."""
    if url == EMBEDDED:
        return __version__
    repository = repository_at(url)
    rows = sorted(git.releases(repository)) if os.path.exists(repository) else []
    return digest("\n".join(f"{one.tag} {one.commit}" for one in rows).encode())


class Release(NamedTuple):
    """A factory at one version, and when that was released (Unix time; 0 where nobody can tell)."""

    factory: Factory
    when: int


def source_for(sources: Sequence[Source], record: Lock, wish: Manifest) -> Source:
    """The factory of a project, if the fleet takes from it. Raises LockError (AF005): a project's own word is none."""
    known = {source.url: source for source in sources}
    for place, url in (("its lock", record.factory.url), ("its project.yaml", wish.factory)):
        if url not in known:
            raise LockError(
                f"{place} names the factory `{url}`, and the fleet takes from {_listed(known)} (AF005)",
                "name it under `factories` of the fleet, if it is to be trusted",
            )
    if record.factory.url != wish.factory:
        raise LockError(
            f"it came from `{record.factory.url}`, and wants to take from `{wish.factory}` (AF005)",
            "its team moves it: `ai-factory sync --accept-factory URL`",
        )
    if known[wish.factory].broken:
        raise UnreachableError(known[wish.factory].broken, "run it again")
    return known[wish.factory]


def _listed(known: Mapping[str, Source]) -> str:
    return ", ".join(f"`{url}`" for url in sorted(known)) or "none"


def release_for(source: Source, record: Lock, wish: Manifest, to: str) -> Release:
    """The version that a project goes to: the one named, else the newest within its bound.

    Raises HoldError for one beyond its bound, ProjectError for one that it cannot go to.
    """
    version = _allowed(to, wish.version) if to else ""
    found = _opened(source, version, wish.version if not to else "")
    _refuse(record, found.factory)
    return found


def _allowed(to: str, bound: str) -> str:
    """The version, if the project's bound lets it go there."""
    if bound and versions.newest([to], bound) is None:
        raise HoldError(f"its team's bound `{bound}` ends before {to}", "its team has decided it")
    return to


def beyond(source: Source, release: Release, bound: str) -> str:
    """The newest release that a team's bound keeps from its project; empty where there is none."""
    newest = _newest(source, "") if bound else ""
    return newest if newest and versions.is_older(release.factory.origin.version, newest) else ""


def _refuse(record: Lock, factory: Factory) -> None:
    old, new = record.factory, factory.origin
    if (new.kind, new.version) == (old.kind, old.version) and new.commit != old.commit and is_tag(new):
        raise ProjectError(
            f"the tag `{new.version}` of the factory has moved: it was {old.commit[:12]}, and is {new.commit[:12]}",
            "ask for a new release",
        )
    if goes_back(old, new):
        raise ProjectError(f"it is at {old.version}, newer than {new.version}", "a sync never goes back")


@lru_cache(maxsize=64)
def _opened(source: Source, version: str, bound: str) -> Release:
    """A network is asked only where the copy here is another one than the run began with, as on another machine."""
    if source.seen and _state(source.url) != source.seen:
        refreshed(source)
    wanted = version or _newest(source, bound)
    factory = open_factory(
        source.url, Wanted(wanted, bound if not wanted else "", refresh=False, signers=source.signers)
    )
    return Release(factory._replace(listed=True, trusted=source.trust), _times(source).get(factory.origin.version, 0))


def _newest(source: Source, bound: str) -> str:
    """The newest release within the bound; empty where the factory has none to choose from."""
    return versions.newest([release.tag for release in _tags(source)], bound) or ""


@lru_cache(maxsize=64)
def _tags(source: Source) -> Sequence[git.Release]:
    return () if source.url == EMBEDDED else tuple(git.releases(repository_at(source.url)))


@lru_cache(maxsize=64)
def _times(source: Source) -> dict[str, int]:
    return {} if source.url == EMBEDDED else git.tag_times(repository_at(source.url))


@lru_cache(maxsize=256)
def _looked_up(source: Source, version: str, choice: tuple[str, tuple[str, ...], tuple[str, ...]]) -> Recipe:
    return recipe(_opened(source, version, "").factory, Choice(*choice))


def recipe_for(source: Source, release: Release, wish: Manifest) -> Recipe:
    """What a project wants of that release, looked up once for all who want the same."""
    version = release.factory.origin.version
    return _looked_up(source, version, (wish.blueprint, wish.with_, wish.without))


def rendering(made: Recipe, answers: Mapping[str, Any]) -> Target:
    """The rendering of a recipe that was looked up here; made once for all projects with the same answers."""
    return _rendering(_Once(made), json.dumps(answers, sort_keys=True))._replace(answers=answers)


class _Once:
    """A recipe, told from others by being that very one: it is looked up once."""

    def __init__(self, made: Recipe) -> None:
        self.made = made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and self.made is other.made

    def __hash__(self) -> int:
        return id(self.made)


@lru_cache(maxsize=32)
def _rendering(once: _Once, answers: str) -> Target:
    return rendered(once.made, json.loads(answers))


@lru_cache(maxsize=32)
def archive(rows: tuple[tuple[str, str, bytes], ...], theirs: tuple[tuple[str, str, bytes], ...]) -> bytes:
    """The base that holds these files (path, mode, content), and those of open conflicts; packed once."""
    files, waiting = ({path: File(content, mode) for path, mode, content in some} for some in (rows, theirs))
    return base.write(Base(files, waiting))


def packed(made: Base) -> bytes:
    """The bytes of a base; many projects of a fleet have the same one."""
    return archive(*(_rows(some) for some in (made.files, made.theirs)))


def _rows(files: Tree) -> tuple[tuple[str, str, bytes], ...]:
    return tuple((path, file.mode, file.content) for path, file in sorted(files.items()))
