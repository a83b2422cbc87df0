"""How long a change of law takes: from the release that knows it to the project whose record covers it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ai_factory import cache, git, versions
from ai_factory.errors import FactoryError
from ai_factory.factory import EMBEDDED
from ai_factory.fleet.releases import Source
from ai_factory.fleet.scaling.samples import Sample, Value, days, sample
from ai_factory.fleet.scaling.story import Story
from ai_factory.newest import repository_at
from ai_factory.tree import digest

REQUIREMENTS = "controls/requirements.yaml"
SIZE_LIMIT = 64 * 1024 * 1024  # bytes of a factory's controls
WAITS = "does not cover it yet"


class Edition(NamedTuple):
    """The requirements of a release: the day of its map, and a digest of each row by its id."""

    release: str
    when: int
    map: str
    rows: Mapping[str, str]


class Amendment(NamedTuple):
    """A change of law as a release brings it: the requirements that are new in it, or differ."""

    factory: str
    release: str
    when: int
    map: str
    requirements: tuple[str, ...]


class Lead(NamedTuple):
    """How long an amendment takes to reach the projects that were there before it, in days."""

    amendment: Amendment
    days: Sample


def amendments(factory: str, editions: Sequence[Edition]) -> list[Amendment]:
    """What each edition changes against the one before; the first has nothing to be compared with."""
    found = []
    for before, now in pairwise(editions):
        rows = tuple(sorted(name for name, row in now.rows.items() if before.rows.get(name) != row))
        if rows:
            found.append(Amendment(factory, now.release, now.when, now.map, rows))
    return found


def lead(one: Amendment, story: Story) -> Value | None:
    """The days until a project has the release and its record covers the amendment; None for a project born with it."""
    if not story.applied or not versions.is_older(story.applied[0].version, one.release):
        return None
    wanted = frozenset(one.requirements)
    has = [at.time for at in story.applied if not versions.is_older(at.version, one.release)]
    covers = [at.time for at in story.covered if at.map >= one.map and wanted <= at.requirements]
    if not has or not covers:
        return Value(why=WAITS)
    return Value(max(0.0, days(one.when, max(has[0], covers[0]))))


def leads(found: Iterable[Amendment], stories: Iterable[tuple[str, Story]]) -> list[Lead]:
    """Each amendment with the projects that it concerns, each story given with its factory; the newest first."""
    told = list(stories)
    rows = []
    for one in sorted(found, key=lambda row: (-row.when, row.factory, row.release)):
        values = [value for url, story in told if url == one.factory and (value := lead(one, story))]
        rows.append(Lead(one, sample(values)))
    return rows


# ---- what the releases of a factory say ----------------------------------------------------------


def read(sources: Sequence[Source]) -> list[Amendment]:
    """The amendments that the releases of each factory brought, as the copy on this machine has them."""
    return [row for one in sources for row in amendments(one.url, list(editions(one.url)))]


def editions(url: str) -> Iterator[Edition]:
    """The requirements of each release of a factory in a repository, the oldest first; none of those without any."""
    repository = "" if url == EMBEDDED else repository_at(url)
    if not repository or not os.path.exists(os.path.join(repository, "HEAD")):
        return
    times = git.tag_times(repository)
    known = {one.tag: one.commit for one in git.releases(repository) if versions.newest([one.tag])}
    tags = list(known)
    for _, tag in sorted(zip(versions.ranks(tags), tags, strict=True)):
        listed = git.list_tree(repository, known[tag], [REQUIREMENTS], SIZE_LIMIT)
        if REQUIREMENTS in listed:
            blob = listed[REQUIREMENTS].id
            data = _document(git.read_blobs(repository, [blob])[blob])
            yield Edition(tag, times.get(tag, 0), str(data.get("as_of", "")), _rows(data))


def _document(content: bytes) -> Mapping[str, Any]:
    try:
        data = cache.document(content, REQUIREMENTS, FactoryError)
    except FactoryError:
        return {}
    return data if isinstance(data, dict) else {}


def _rows(data: Mapping[str, Any]) -> dict[str, str]:
    rows = data.get("requirements")
    found = rows if isinstance(rows, dict) else {}
    return {str(name): digest(json.dumps(row, sort_keys=True, default=str).encode()) for name, row in found.items()}
