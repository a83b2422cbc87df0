"""How far a project is behind the factories that its fleet trusts: each of them is asked once a run.

Where a project came from is its own word, and anybody may change that in a pull request. So only a factory that
`fleet.yaml` names counts, and a version only where that factory has released it, as that very commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache

from ai_factory import git, versions
from ai_factory.errors import FactoryError, LockError, UnreachableError, UsageError
from ai_factory.factory import EMBEDDED, is_remote
from ai_factory.fleet.registry import Registry
from ai_factory.lock import Origin
from ai_factory.newest import repository_at
from ai_factory.project import behind
from ai_factory.project.behind import Distance
from ai_factory.tree import word

Measure = Callable[[Origin, str], Distance | None]  # from an origin and a bound on its versions


def measured(registry: Registry, refresh: bool, now: float) -> Measure:
    """What says how far an origin is behind, within a bound; None where nothing newer is known.

    With `refresh` the copies of factories elsewhere are brought up to date first. `now` is Unix time. What it gives
    raises LockError (AF005) for an origin that the fleet does not trust, and UnreachableError (AF006) for a factory
    that cannot be read.
    """
    unreachable = _refreshed(registry) if refresh else {}
    released = cache(_released)

    @cache
    def distance(origin: Origin, bound: str) -> Distance | None:
        _require_trust(registry, origin)
        if error := unreachable.get(origin.url):
            raise UnreachableError(error.message, error.hint)
        if origin.kind == "git":
            _require_release(origin, released(origin.url))
        elif origin.kind == "folder" and not os.path.isdir(origin.url):
            raise UnreachableError(f"there is no factory at `{origin.url}`", "bring the folder back")
        return behind.distance(origin, bound, now)

    return distance


def _refreshed(registry: Registry) -> dict[str, FactoryError]:
    """Bring each factory's copy up to date; what kept one from it, by its address."""
    failed: dict[str, FactoryError] = {}
    for trusted in registry.factories:
        try:
            if trusted.url != EMBEDDED and is_remote(trusted.url):
                behind.refresh(Origin("git", trusted.url, "", "", ""))
        except FactoryError as error:
            failed[trusted.url] = error
    return failed


def _require_trust(registry: Registry, origin: Origin) -> None:
    if registry.trusts(origin.url) is None:
        raise LockError(
            f"comes from `{origin.url}`, which the fleet does not trust",
            f"if that is right, add it to `factories` in the fleet's file: `- url: {word(origin.url)}`",
        )
    kinds = ("embedded",) if origin.url == EMBEDDED else ("git",) if is_remote(origin.url) else ("git", "folder")
    if origin.kind not in kinds:
        raise LockError(
            f"calls the factory `{origin.url}` a factory of kind `{origin.kind}`, which it is not", _RESTORE
        )


_RESTORE = "look at the last change of its `.ai-factory/lock.json`, and take it back"


def _released(url: str) -> Mapping[str, str]:
    """The releases of a factory, with their commits."""
    repository = repository_at(url)
    if not os.path.isdir(repository):
        raise UnreachableError(f"there is no copy of the factory `{url}` here", "ask it once without `--offline`")
    return {release.tag: release.commit for release in git.releases(repository)}


def _require_release(origin: Origin, released: Mapping[str, str]) -> None:
    """A version number that the factory never gave, or gave to another commit, would hide that a project is behind."""
    if commit := released.get(origin.version):
        if commit != origin.commit:
            what = f"says that it is at {origin.version}, but not at the commit of that release"
            raise LockError(what, f"{_RESTORE}; or the tag has moved, and the factory's owner must act")
    elif versions.numbers([origin.version]) != [None]:
        try:
            git.resolve(repository_at(origin.url), origin.version)  # a branch may be called so
        except UsageError:
            message = f"says that it is at {origin.version}, which `{origin.url}` has not released"
            raise LockError(message, _RESTORE) from None
