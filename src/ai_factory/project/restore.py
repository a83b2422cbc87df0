"""Puts the factory's bytes back; the replaced ones are kept as git objects first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ai_factory import git, journal
from ai_factory.errors import LockError, UsageError
from ai_factory.project.opening import Project
from ai_factory.tree import Blob, File, blob_id, with_endings_of, word
from ai_factory.workspace import keeps_modes


class Restored(NamedTuple):
    """A file that was put back, and the git object that holds what was there (None: it was missing)."""

    path: str
    before: Blob | None


def restore(project: Project, paths: Sequence[str], force: bool = False) -> list[Restored]:
    """Put back those managed files and any missing ones; merged files with `force`. No path: all that drifted.

    Raises UsageError for a path that is not the factory's to restore, LockError when the base cannot be used.
    """
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        journal.require_finished(place)
        return _restored(project.reopened(), place, paths, force)


def _restored(project: Project, place: journal.Journal, paths: Sequence[str], force: bool) -> list[Restored]:
    pristine = project.base().files
    chosen = [_checked(project, path, force) for path in paths] if paths else drifted(project)
    wanted = {path: pristine[path] for path in chosen if path in pristine}
    if missing := sorted(set(chosen) - wanted.keys()):
        raise LockError(f"the base holds no `{missing[0]}`", "bring it back with `git checkout -- .ai-factory`")
    now = project.folder.read_all(wanted)
    changed = {path: file for path, file in wanted.items() if not _equal(project, now.get(path), file)}
    kept = git.store(project.root, (now[path].content for path in changed if path in now))
    steps = [
        journal.Step(path, now.get(path), _with_endings(file, now[path]) if path in now else file)
        for path, file in sorted(changed.items())
    ]
    restored = [
        Restored(step.path, Blob(step.before.mode, kept[step.before.content]) if step.before else None)
        for step in steps
    ]
    if steps:
        replaced = {item.path: item.before for item in restored if item.before}
        journal.carry_out(place, journal.RESTORE, "", steps, replaced=replaced)
    return restored


def drifted(project: Project) -> list[str]:
    """The managed files that were edited or are missing."""
    owned = [
        path for path, entry in project.lock.paths.items() if entry.ownership == "managed" and entry.state != "local"
    ]
    files = project.folder.read_all(owned)
    modes = keeps_modes(project.root)
    return [
        path
        for path in owned
        if project.lock.paths[path].state != "open" and not _pristine(project, path, files, modes)
    ]


def _pristine(project: Project, path: str, files: dict[str, File], modes: bool) -> bool:
    entry, file = project.lock.paths[path], files.get(path)
    return file is not None and blob_id(file.content) == entry.base and (not modes or file.mode == entry.mode)


def _checked(project: Project, path: str, force: bool) -> str:
    entry = project.lock.paths.get(path)
    if entry is None or entry.ownership in ("seeded", "produced"):
        owner = (
            "is the team's own" if entry is None or entry.ownership == "seeded" else "is written by the project's run"
        )
        raise UsageError(
            f"`{path}` {owner}: there is nothing to restore", "`ai-factory status` lists the managed files"
        )
    if entry.state == "open":
        raise UsageError(f"`{path}` has an open conflict", f"decide it: `ai-factory sync --take theirs {word(path)}`")
    exists = project.folder.read(path) is not None
    if entry.ownership == "merged" and exists and not force:
        raise UsageError(
            f"`{path}` is merged: the team may edit it",
            f"to lose its edits: `ai-factory restore --force {word(path)}`",
        )
    return path


def _equal(project: Project, before: File | None, wanted: File) -> bool:
    if before is None or blob_id(before.content) != blob_id(wanted.content):
        return False
    return before.mode == wanted.mode or not keeps_modes(project.root)


def _with_endings(file: File, before: File) -> File:
    return file._replace(content=with_endings_of(file.content, before.content))
