"""How old the version of a project is, and how many releases it lacks, by the releases of the fleet's factories."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory import git, versions
from ai_factory.errors import UsageError
from ai_factory.factory import EMBEDDED
from ai_factory.fleet.releases import Source
from ai_factory.fleet.scaling.samples import Value, days
from ai_factory.lock import Origin
from ai_factory.newest import repository_at

STRANGE = "the fleet does not take from its factory"
UNDATED = "its factory has no dated releases"


class Releases(NamedTuple):
    """When each release of a factory was made (Unix time), by its tag; `tags` name those that are versions."""

    times: Mapping[str, int]

    @property
    def newest(self) -> str:
        """The newest release; empty where there is none."""
        return versions.newest(list(self.times)) or ""

    def age(self, version: str, now: int) -> Value:
        """The days since a version was released."""
        return Value(days(self.times[version], now)) if version in self.times else Value(why=UNDATED)

    def behind(self, version: str, bound: str) -> Value:
        """How many releases within the bound are newer than a version."""
        if version not in self.times:
            return Value(why=UNDATED)
        try:
            return Value(sum(versions.is_older(version, tag) for tag in self.times if versions.newest([tag], bound)))
        except UsageError:
            return self.behind(version, "")  # what is no bound: the sync says so


def releases(sources: Sequence[Source]) -> dict[str, Releases]:
    """The releases of each factory, by its address, as the copy on this machine has them."""
    return {one.url: Releases(_times(one.url)) for one in sources}


def _times(url: str) -> dict[str, int]:
    repository = "" if url == EMBEDDED else repository_at(url)
    if not repository or not os.path.exists(os.path.join(repository, "HEAD")):
        return {}
    return {tag: when for tag, when in git.tag_times(repository).items() if versions.newest([tag])}


def standing(origin: Origin, bound: str, known: Mapping[str, Releases], now: int) -> tuple[Value, Value]:
    """The age of the version that a project has in days, and how many releases it lacks."""
    found = known.get(origin.url)
    if found is None:
        return Value(why=STRANGE), Value(why=STRANGE)
    return found.age(origin.version, now), found.behind(origin.version, bound)
