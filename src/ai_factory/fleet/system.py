"""One project of a fleet, read at the commit that its branch has now: never checked out, nothing in it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from ai_factory import cache, git, lock
from ai_factory.errors import ForgeError, LockError
from ai_factory.fleet.registry import Member
from ai_factory.git import Committed, remote
from ai_factory.git.committed import Bring
from ai_factory.git.remote import NO_ACCESS, Access
from ai_factory.project.opening import Project
from ai_factory.tree import File

OURS = "ai-factory/"  # how our branches begin
NAME_IT = "name the branch that updates go to: `branch: main` in the fleet's file"
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
    if branch.startswith(OURS):
        raise ForgeError(f"`{member.url}` stands at `{branch}`, which is ours", "policy", NAME_IT)
    if not commit:
        what = f"no branch `{branch}`" if branch else "no branch checked out, or no commit yet"
        raise ForgeError(f"`{member.url}` has {what}", "policy", NAME_IT)
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
        """The files at those paths that exist; what is not here yet is brought."""
        return self.files.read_all(paths)


@contextmanager
def opened(
    here: Here,
    wanted: Sequence[str] = ALWAYS,
    reach: Access = NO_ACCESS,
    *,
    whole: bool = False,
    read: git.Reading = git.reading,
) -> Iterator[System]:
    """The project, as long as the block lasts.

    `read` opens a repository on this machine. Of one elsewhere the trees are brought, and the contents of the wanted
    paths at once, others when they are read; `whole` brings all contents that a template may have written. Raises
    ForgeError.
    """
    local = remote.local_repository(here.member.url)
    if local:
        with read(local) as reader:
            yield _system(here, reader)
        return
    with remote.claimed(cache.folder("fleet")) as repository, git.reading(repository) as reader:
        if whole:
            yield _whole(here, reader, reach)
        else:
            yield _with(here, reader, wanted, reach)


def _with(here: Here, reader: git.Reader, wanted: Sequence[str], reach: Access) -> System:
    """The project with its trees and the contents of those paths; only what is missing is asked for."""
    bring = partial(_bring, here.member.url, reader.repository, reach)
    if reader.commit(here.commit) is None:
        remote.fetch(here.member.url, reader.repository, [here.commit], remote.TREES, reach)
    found = _system(here, reader, bring)
    found.read_all(wanted)
    return found


def _bring(url: str, repository: str, reach: Access, ids: Sequence[str]) -> None:
    remote.fetch(url, repository, ids, remote.TREES, reach)


def _whole(here: Here, reader: git.Reader, reach: Access) -> System:
    """The project with all that a template may have written; larger files of the team's are known by id alone."""
    if reader.commit(here.commit) is None or _absent(_system(here, reader)):
        remote.fetch(here.member.url, reader.repository, [here.commit], remote.SMALL, reach)
    found = _system(here, reader)
    return found._replace(files=found.files.without(_absent(found)))


def _absent(system: System) -> frozenset[str]:
    """The files whose content is not there."""
    listing = system.files.listing
    have = set(git.existing(system.files.root, sorted({blob.id for blob in listing.values()})))
    return frozenset(path for path, blob in listing.items() if blob.id not in have and blob.mode != git.SUBMODULE)


def _system(here: Here, reader: git.Reader, bring: Bring | None = None) -> System:
    commit = reader.commit(here.commit)
    if commit is None:
        raise ForgeError(f"`{here.member.url}` did not give the commit {here.commit[:12]}", "transient", "run it again")
    return System(here, Committed(reader, commit, here.member.path, bring))
