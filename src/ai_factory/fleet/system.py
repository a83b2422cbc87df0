"""One project of a fleet, read at the commit that its branch has now: never checked out, nothing in it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import NamedTuple

from ai_factory import cache, git, lock
from ai_factory.errors import ForgeError, LockError
from ai_factory.fleet.registry import Member
from ai_factory.git import Committed, remote
from ai_factory.git.remote import NO_ACCESS, Access
from ai_factory.project.opening import Project
from ai_factory.tree import File

OURS = "ai-factory/"  # how our branches begin
ALWAYS = (lock.LOCK, lock.PROJECT, lock.WAIVERS)


class Here(NamedTuple):
    """A project at a commit: `branch` is the one that updates go to, `commit` where it is.

    `branches` are those of ours that the repository has, with their commits.
    """

    member: Member
    branch: str
    commit: str
    branches: dict[str, str]


def located(member: Member, reach: Access = NO_ACCESS) -> Here:
    """Where the project is now: one question to its repository. Raises ForgeError."""
    wanted = [*([member.branch] if member.branch else []), f"{OURS}*"]
    found = remote.heads(member.url, wanted, reach)
    branch = member.branch or found.default
    commit = found.branches.get(branch, "")
    if not commit:
        what = f"no branch `{branch}`" if branch else "no commit yet"
        raise ForgeError(f"`{member.url}` has {what}", "policy", "name its branch in the fleet, or take it out")
    ours = {name: one for name, one in found.branches.items() if name.startswith(OURS)}
    return Here(member, branch, commit, ours)


class System(NamedTuple):
    """A project at a commit, open to be read."""

    here: Here
    files: Committed

    @property
    def member(self) -> Member:
        return self.here.member

    def project(self) -> Project:
        """The project. Raises LockError where there is none, or its lock is broken."""
        file = self.files.read(lock.LOCK)
        if file is None:
            raise LockError(f"there is no `{lock.LOCK}` at `{self.member.key}`", "stamp it, adopt it, or take it out")
        return Project(self.files, lock.parse(file.content))

    def read_all(self, paths: Iterable[str]) -> dict[str, File]:
        """The files at those paths that exist, however large they are not."""
        return self.files.read_all(paths)


@contextmanager
def opened(
    here: Here, wanted: Sequence[str] = ALWAYS, reach: Access = NO_ACCESS, whole: bool = False
) -> Iterator[System]:
    """The project, as long as the block lasts.

    Of a repository elsewhere the trees are brought, and the contents of the wanted paths, which may be patterns;
    `whole` brings all contents that a template may have written. Raises ForgeError.
    """
    local = remote.local_repository(here.member.url)
    if local:
        with git.reading(local) as reader:
            yield _system(here, reader)
        return
    with remote.claimed(cache.folder("fleet")) as repository:
        with git.reading(repository) as reader:
            there = reader.commit(here.commit) is not None
        if not there or whole:
            only = remote.SMALL if whole else remote.TREES
            remote.fetch(here.member.url, repository, [here.commit], only, reach)
        if not whole:
            _bring(here, repository, wanted, reach)
        with git.reading(repository) as reader:
            yield _system(here, reader)


def _bring(here: Here, repository: str, wanted: Sequence[str], reach: Access) -> None:
    """The contents of those paths, as far as they are not there yet."""
    with git.reading(repository) as reader:
        listing = _system(here, reader).files.listing
        ids = sorted({listing[path].id for path in matching(listing, wanted)})
        missing = [name for name in ids if name not in reader.blobs([name])]
    if missing:
        remote.fetch(here.member.url, repository, missing, remote.TREES, reach)


def matching(paths: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The paths that are wanted, by name or by pattern, sorted."""
    asked = list(wanted)
    patterns = [one for one in asked if "*" in one]
    names = {one for one in asked if "*" not in one}
    return sorted(path for path in paths if path in names or any(fnmatchcase(path, one) for one in patterns))


def _system(here: Here, reader: git.Reader) -> System:
    commit = reader.commit(here.commit)
    if commit is None:
        raise ForgeError(f"`{here.member.url}` did not give the commit {here.commit[:12]}", "transient", "run it again")
    return System(here, Committed(reader, commit, here.member.path))
