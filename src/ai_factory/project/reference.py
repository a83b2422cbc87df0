"""What a project has on record at a git reference, such as the branch that a pull request is to be merged into."""

from __future__ import annotations

from typing import NamedTuple

from ai_factory import base, git, lock
from ai_factory.errors import FactoryError, LockError, UsageError
from ai_factory.lock import Lock
from ai_factory.tree import word
from ai_factory.workspace import find_repository


class There(NamedTuple):
    """The record at a reference; `lock` is None where there was no project yet, other parts are empty where missing."""

    name: str
    commit: str
    lock: Lock | None
    archive: bytes
    waivers: bytes
    project: bytes

    def pristine(self) -> dict[str, bytes]:
        """The content of the base, as far as it is what the lock says."""
        rows = self.lock.paths if self.lock else {}
        return base.pristine(self.archive, {path: entry.base for path, entry in rows.items() if entry.base})


def record_at(root: str, name: str) -> There:
    """The record of the project that lies at `root`, as it was at the reference.

    Raises UsageError where there is no such reference, LockError where the lock there is broken.
    """
    commit = commit_at(root, name)
    found = git.files_in(root, commit, [lock.LOCK, lock.BASE, lock.WAIVERS, lock.PROJECT])
    own = _parsed(found[lock.LOCK], name) if lock.LOCK in found else None
    rest = (found.get(path, b"") for path in (lock.BASE, lock.WAIVERS, lock.PROJECT))
    return There(name, commit, own, *rest)


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
    return git.files_in(top, commit_at(top, name), [path]).get(path)


def left_alone(root: str, there: There, own: Lock) -> bool:
    """Whether the lock is that of the reference, or the one with which this branch began: it has not been changed."""
    if own == there.lock:
        return True
    began = git.common_ancestor(root, "HEAD", there.commit)
    before = git.files_in(root, began, [lock.LOCK]).get(lock.LOCK) if began else None
    try:
        return before is not None and lock.parse(before) == own
    except FactoryError:
        return False


def _parsed(content: bytes, name: str) -> Lock:
    try:
        return lock.parse(content, f"{lock.LOCK} at {name}")
    except LockError as error:
        raise LockError(error.message, f"mend the lock of `{name}` first") from None
