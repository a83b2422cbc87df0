"""The life of a conflict: it lives in the lock until a person has decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ai_factory import base, check, git, journal, lock
from ai_factory.errors import ProjectError, UsageError
from ai_factory.git import Stage
from ai_factory.lock import Lock
from ai_factory.project.opening import Project
from ai_factory.project.states import as_git_stores
from ai_factory.tree import Blob, File, blob_id


@dataclass(frozen=True, slots=True)
class Progress:
    """What `--continue` or `--take` did: the paths it resolved, and those that are still open."""

    resolved: tuple[str, ...]
    open: tuple[str, ...]


def resume(project: Project) -> Progress:
    """Finish a sync that was cut off, then take every open file that a person has dealt with as resolved.

    Raises ProjectError while a marker is left in one.
    """
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        if place.state() == journal.APPLYING:
            journal.finish(place)
            project = replace(project, lock=_reread(project))
        open_ = _open_paths(project.lock)
        _refuse_markers(project, open_)
        status = git.status(project.root)
        touched = [path for path in open_ if path in status.dirty]
        done = [path for path in touched if place.wrote(path) != project.folder.read(path)]
        return _settle_open(project, dict.fromkeys(done, "ours"))


def _reread(project: Project) -> Lock:
    file = project.folder.read(lock.LOCK)
    return lock.parse(file.content if file else b"")


def _open_paths(record: Lock) -> list[str]:
    return sorted(path for path, entry in record.paths.items() if entry.state == "open")


def _refuse_markers(project: Project, paths: Sequence[str]) -> None:
    files = project.folder.read_all(paths)
    marked = [path for path, file in files.items() if check.has_markers(file.content)]
    if marked:
        error = ProjectError(
            f"conflict markers are left in {len(marked)} {'file' if len(marked) == 1 else 'files'}",
            "keep the lines that are right, remove the markers, then `ai-factory sync --continue`",
            tuple(f"`{path}`" for path in marked),
        )
        error.exit_code = 1
        raise error


def take(project: Project, side: str, paths: Sequence[str]) -> Progress:
    """Decide open files for one side: `ours` declines the new version, `theirs` puts it there.

    Raises UsageError for a path that is not open.
    """
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        open_ = _open_paths(project.lock)
        for path in paths:
            if path not in open_:
                raise UsageError(f"`{path}` has no open conflict", "`ai-factory status` lists those that do")
        return _settle_open(project, dict.fromkeys(paths, side))


def incoming(project: Project, path: str) -> File | None:
    """The incoming version of an open file, or None when the new version has deleted it."""
    entry = project.lock.paths.get(path)
    if entry is None or entry.state != "open":
        raise UsageError(f"`{path}` has no open conflict", "`ai-factory status` lists those that do")
    return project.base().theirs.get(path)


def _settle_open(project: Project, decisions: Mapping[str, str]) -> Progress:
    archive = project.base()
    files, theirs, rows = dict(archive.files), dict(archive.theirs), dict(project.lock.paths)
    steps: list[journal.Step] = []
    for path, side in decisions.items():
        entry, new = rows.pop(path), theirs.pop(path, None)
        files.pop(path, None)
        if new is not None:
            files[path] = new
            rows[path] = entry._replace(
                base=blob_id(new.content),
                base_version=project.lock.factory.version,
                mode=new.mode,
                state="",
                theirs="",
            )
        steps += _decision_steps(project, path, side, new)
    content = base.write(base.Base(files, theirs))
    record = project.lock._replace(paths=rows, base_file=base.digest(content))
    for path, data in ((lock.BASE, content), (lock.LOCK, lock.write(record))):
        steps.append(journal.Step(path, project.folder.read(path), File(data)))
    if decisions:
        _carry_out(project, steps, list(decisions))
    return Progress(tuple(sorted(decisions)), tuple(_open_paths(record)))


def _decision_steps(project: Project, path: str, side: str, new: File | None) -> list[journal.Step]:
    now = project.folder.read(path)
    beside = f"{path}.incoming"
    steps = [journal.Step(beside, found, None)] if (found := project.folder.read(beside)) else []
    if side == "theirs":
        steps.append(journal.Step(path, now, new))
    elif now and check.has_markers(now.content):
        steps.append(journal.Step(path, now, File(_without_markers(project, path), now.mode)))
    return steps


def _without_markers(project: Project, path: str) -> bytes:
    """The team's version of a marked file, from the index or the last commit."""
    for place in (f":2:./{path}", f"HEAD:./{path}"):
        content = git.content_of(project.root, place)
        if content is not None and not check.has_markers(content):
            return content
    raise ProjectError(
        f"the team's version of `{path}` is not known any more: the markers were committed",
        "mend the file by hand, then `ai-factory sync --continue`",
    )


def _carry_out(project: Project, steps: Sequence[journal.Step], paths: Sequence[str]) -> None:
    """Write the steps and stage them and the decided paths; the journal of the sync itself stays as it was."""
    status = git.status(project.root)
    for step in steps:
        if step.after is None:
            project.folder.delete(step.path)
        else:
            project.folder.write(step.path, step.after)
    wanted = [*paths, lock.BASE, lock.LOCK]
    files = project.folder.read_all(wanted)
    contents = {path: as_git_stores(project, status, path, file) for path, file in files.items()}
    ids = git.store(project.root, contents.values())
    stages = [Stage(path, Blob(files[path].mode, ids[contents[path]]) if path in files else None) for path in wanted]
    git.stage(project.root, stages)


def abort(project_root: str) -> None:
    """Bring the project back to the byte, index included, to where it was before the sync that is not committed yet.

    Raises ProjectError when there is no such sync.
    """
    place = journal.journal_of(project_root)
    with journal.exclusive(place):
        if not place.state():
            raise ProjectError("no sync is under way here", "a committed one is undone with `git revert`")
        if place.head() != git.status(project_root).head:
            raise ProjectError("the sync was committed already", "undo it with `git revert`")
        journal.undo(place)
