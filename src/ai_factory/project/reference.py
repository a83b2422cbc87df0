"""What a project has on record at a git reference, such as the branch that a pull request is to be merged into."""

from __future__ import annotations

import os
from typing import NamedTuple

from ai_factory import base, git, lock
from ai_factory.errors import LockError, MachineError, UsageError
from ai_factory.lock import Lock
from ai_factory.tree import word
from ai_factory.workspace import find_repository, is_project


class There(NamedTuple):
    """The record at a reference; `lock` is None where there was no project yet, other parts are empty where missing.

    `broken` says why a lock that is there cannot be read; it is None then too.
    """

    name: str
    commit: str
    lock: Lock | None
    archive: bytes
    waivers: bytes
    project: bytes
    broken: str = ""

    def pristine(self) -> dict[str, bytes]:
        """The content of the base, as far as it is what the lock says."""
        rows = self.lock.paths if self.lock else {}
        return base.pristine(self.archive, {path: entry.base for path, entry in rows.items() if entry.base})


def record_at(root: str, name: str) -> There:
    """The record of the project that lies at `root`, as it was at the reference.

    Raises UsageError where there is no such reference, or the clone lacks what it holds.
    """
    return _record(root, name, commit_at(root, name))


def beginning(root: str, there: There) -> There | None:
    """The record where this branch and the reference part; None where the clone does not reach as far."""
    commit = git.common_ancestor(root, "HEAD", there.commit)
    if commit == there.commit:
        return there
    return _record(root, there.name, commit) if commit else None


def _record(root: str, name: str, commit: str) -> There:
    found = _files(root, name, commit, [lock.LOCK, lock.BASE, lock.WAIVERS, lock.PROJECT])
    own, broken = _parsed(found[lock.LOCK]) if lock.LOCK in found else (None, "")
    archive, waivers, project = (found.get(path, b"") for path in (lock.BASE, lock.WAIVERS, lock.PROJECT))
    return There(name, commit, own, archive, waivers, project, broken)


def _parsed(content: bytes) -> tuple[Lock | None, str]:
    try:
        return lock.parse(content), ""
    except LockError as error:
        return None, error.message


def commit_at(root: str, name: str) -> str:
    """The commit of that name. Raises UsageError, with the command that brings it, where there is none."""
    if find_repository(root) is None:
        raise UsageError(f"`{root}` lies in no git repository, so there is no `{name}`", "leave out `--against`")
    commit = git.commit_of(root, name)
    if not commit:
        branch = name.removeprefix("origin/")
        command = f"git fetch --depth 1 origin {word(f'{branch}:refs/remotes/origin/{branch}')}"
        raise UsageError(f"the clone has no `{name}` to check against", f"bring it: `{command}`")
    return commit


def content_at(top: str, path: str, name: str) -> bytes | None:
    """The content that a file of the repository has at the reference; None where it has none there."""
    return _files(top, name, commit_at(top, name), [path]).get(path)


def _files(root: str, name: str, commit: str, paths: list[str]) -> dict[str, bytes]:
    """The content of those of the paths that are files in the commit. Raises UsageError where the clone lacks it."""
    try:
        return git.files_in(root, commit, paths)
    except MachineError as error:
        if "promisor" not in error.message and "is not in" not in error.message:
            raise
        hint = "bring what it left out: `git fetch --refetch --no-filter origin`, or clone without `--filter`"
        raise UsageError(f"the clone has `{name}` without the content of its files", hint) from None


def refuse_lost(start: str, name: str) -> None:
    """Raise LockError where the reference has a project at `start`, or above it, and nearer than any that is there.

    Who takes the record of a project away is not judged by that of the one above.
    """
    here, found = os.path.realpath(start), find_repository(start)
    while found and os.path.isdir(here) and not is_project(here) and f"{here}/".startswith(f"{found.top}/"):
        if _files(here, name, commit_at(here, name), [lock.LOCK]):
            place = os.path.relpath(here)
            raise LockError(
                f"`{place}` is no project any more: `{name}` has `{lock.LOCK}` there, and this branch has none",
                f"bring it back: `git checkout {word(name)} -- {word(os.path.join(place, lock.FOLDER))}`",
            )
        here = os.path.dirname(here)


def left_alone(there: There, began: There | None, own: Lock) -> bool:
    """Whether the lock is that of the reference, or the one with which this branch began: it has not been changed."""
    return own == there.lock or (began is not None and began.lock == own)
