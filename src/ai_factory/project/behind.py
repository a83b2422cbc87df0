"""How far a project lies behind its factory, by releases and days; and whether its version was taken back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory import cache, catalog, formats, git, versions
from ai_factory.check import Finding
from ai_factory.errors import AuthorError, FactoryError, UnreachableError
from ai_factory.factory import embedded_folder, is_remote, mirror_of
from ai_factory.lock import LOCK, Origin
from ai_factory.newest import newer, repository_at
from ai_factory.workspace import Folder

RELEASES = "releases.yaml"
SIZE_LIMIT = 1024 * 1024  # bytes of that file
PATIENCE = 60  # seconds for a host to bring what is new: a job that waits longer is ended without a word
DAY = 24 * 60 * 60
MENDS = "`ai-factory sync --plan` shows what it brings"
WORDS = {"yanked": "was taken back", "security": "has a security flaw"}


class Limit(NamedTuple):
    """How far behind a project may be: so many releases, or so many days since the first that it lacks."""

    number: int
    days: bool = False

    def __str__(self) -> str:
        return _count(self.number, "day" if self.days else "release")


class Distance(NamedTuple):
    """How many releases a project lacks, and for how many days the first of them has been there; None: not known."""

    version: str
    releases: int | None = None
    days: int | None = None

    def exceeds(self, limit: Limit) -> bool | None:
        """Whether that is more than is allowed; None where nobody can tell."""
        known = self.days if limit.days else self.releases
        if known is None:
            return True if limit == Limit(0) else None  # one at least
        return known > limit.number


def refresh(origin: Origin) -> None:
    """Bring the copy of the factory up to date. Raises UnreachableError when it cannot be reached."""
    if is_remote(origin.url) and origin.kind == "git":
        git.update_mirror(origin.url, mirror_of(origin.url), PATIENCE)
    elif origin.kind != "embedded" and not os.path.isdir(origin.url):
        raise UnreachableError(f"there is no factory at `{origin.url}`", "bring the folder back, or move the project")


def findings(origin: Origin, bound: str, limit: Limit | None, now: float, back: bool = False) -> Iterator[Finding]:
    """AF001 where the project is behind, or its version was taken back; AF006 where that cannot be told.

    `now` is Unix time; `back` says that somebody goes back to this version. Raises AuthorError for a file of the
    factory that cannot be read.
    """
    if limit and origin.kind == "git" and not os.path.isdir(repository_at(origin.url)):
        message = f"there is no copy of the factory `{origin.url}` here: how far behind the project is, nobody can tell"
        yield Finding("AF006", LOCK, message, hint="`--remote` asks the factory")
        return
    found = distance(origin, bound, now)
    flags = [*_flags(origin)]
    if found or flags:
        yield _finding(found, flags, limit, back)


def distance(origin: Origin, bound: str, now: float) -> Distance | None:
    """How far the project is behind; None where no newer version is known within the bound."""
    version = _newest(origin, bound)
    if not version or origin.kind != "git":
        return Distance(version) if version else None
    times = git.tag_times(repository_at(origin.url))
    lacking = [tag for tag in times if versions.newest([tag], bound) and versions.is_older(origin.version, tag)]
    if not lacking:
        return Distance(version)  # the project is at a branch or a commit, which has no place among releases
    return Distance(version, len(lacking), max(0, int(now - min(times[tag] for tag in lacking)) // DAY))


def _newest(origin: Origin, bound: str) -> str:
    try:
        return newer(origin, bound)
    except FactoryError:  # what is no bound: the sync will say so
        return newer(origin)


def _finding(found: Distance | None, flags: Sequence[str], limit: Limit | None, back: bool) -> Finding:
    parts = [f"is behind: {found.version} is there{_measure(found)}"] if found else []
    weight = "warning" if flags else ""
    exceeds = found.exceeds(limit) if found and limit else False
    if exceeds:
        weight, parts = "error", [*parts, f"more than the {limit} that may be"]
    elif exceeds is None:
        weight, parts = "undetermined", [*parts, f"whether that is more than the {limit} that may be, nobody can tell"]
    if flags and back:
        weight, flags = "error", [*flags, "and this branch goes back to it"]
    if flags and not found:
        flags = [*flags, "and no newer version is known within the bound"]
    hint = MENDS if found else "widen `version` in `.ai-factory/project.yaml`, or ask the factory for a release"
    return Finding("AF001", LOCK, "; ".join([*parts, *flags]), hint=hint, weight=weight)


def _measure(found: Distance) -> str:
    if found.releases is None or found.days is None:
        return ""
    return f", {_count(found.releases, 'release')} more, the first of them {_count(found.days, 'day')} old"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# ---- what the factory says of its releases -------------------------------------------------------


def _flags(origin: Origin) -> Iterator[str]:
    """What the newest version of the factory says of the one that was applied, in sentences."""
    content = _told(origin)
    data = flagged(content) if content else {}
    for kind, words in WORDS.items():
        for version, reason in sorted(data.get(kind, {}).items()):
            if version == origin.version or versions.are_equal(version, origin.version):
                yield f"{origin.version} {words}: {reason}"


def flagged(content: bytes) -> Mapping[str, Mapping[str, str]]:
    """The versions that a factory has taken back (`yanked`), or knows to be unsafe (`security`), with the reasons.

    Raises AuthorError with file and line.
    """
    data = cache.document(content, RELEASES, AuthorError) or {}
    catalog.validate(data, formats.RELEASES, content, RELEASES, AuthorError)
    return dict(data)


def _told(origin: Origin) -> bytes:
    if origin.kind != "git":
        folder = embedded_folder() if origin.kind == "embedded" else origin.url
        file = Folder(folder).read(RELEASES) if os.path.isdir(folder) else None
        return file.content if file else b""
    repository = repository_at(origin.url)
    newest = _latest(git.releases(repository)) if os.path.isdir(repository) else ""
    if not newest:
        return b""
    listed = git.list_tree(repository, newest, [RELEASES], SIZE_LIMIT)
    return git.read_blobs(repository, [listed[RELEASES].id])[listed[RELEASES].id] if RELEASES in listed else b""


def _latest(releases: Iterable[git.Release]) -> str:
    """The commit of the newest release of all, whatever the bound of a project: it knows most."""
    commits = {release.tag: release.commit for release in releases}
    return commits.get(versions.newest(list(commits)) or "", "")
