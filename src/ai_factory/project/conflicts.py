"""The life of a conflict: it lives in the lock until a person has decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory import base, git, journal, lock, markers, structured
from ai_factory.errors import FactoryError, LockError, ProjectError, UsageError
from ai_factory.git import Stage
from ai_factory.lock import Entry
from ai_factory.project.opening import Project, open_project
from ai_factory.project.states import as_git_stores
from ai_factory.tree import LINK, Blob, File, blob_id, digest, is_binary, with_endings_of
from ai_factory.workspace import Folder, is_project


class Progress(NamedTuple):
    """What `--continue` or `--take` did: the paths it resolved, those still open, and objects with replaced content.

    `left` are files named like a proposal that hold something else: they stay.
    """

    resolved: tuple[str, ...]
    open: tuple[str, ...]
    kept: Mapping[str, Blob] = {}
    left: tuple[str, ...] = ()


def resume(root: str) -> Progress:
    """Finish what was cut off; else take every open file that a person has dealt with as resolved.

    Raises ProjectError while a marker is left in one.
    """
    place = journal.journal_of(root)
    with journal.exclusive(place):
        if journal.cut_off(place):
            return _completed(root, place)
        project = open_project(root)
        open_ = _open_paths(project.lock)
        if not open_ and place.wrote(lock.LOCK) != project.folder.read(lock.LOCK):
            raise ProjectError("there is nothing to continue: no conflict is open, and no sync is under way")
        dirty = git.status(root).dirty
        _refuse_markers(project, open_, dirty)
        done = [path for path in open_ if _dealt_with(project, path, place.watched(), dirty)]
        return _settle_open(project, place, dict.fromkeys(done, "ours"))


def _completed(root: str, place: journal.Journal) -> Progress:
    try:
        before = _open_at(root)
    except LockError:  # two branches both synced, and it was their repair that was cut off
        before = []
    kept = journal.complete(place)
    still_open = _open_at(root)
    return Progress(tuple(sorted({*before} - {*still_open})), tuple(still_open), kept)


def _open_at(root: str) -> list[str]:
    """The open paths of a project; none where its lock is about to come, or gone."""
    return _open_paths(open_project(root).lock) if is_project(root) else []


def _dealt_with(project: Project, path: str, watched: Mapping[str, str], dirty: Sequence[str]) -> bool:
    """Whether a person has worked on an open file: its markers are gone, or it is not what the sync left."""
    entry, file = project.lock.paths[path], project.folder.read(path)
    if path in watched:
        return watched[path] != (blob_id(file.content) if file else "")
    if path in dirty or file is None or not entry.theirs or file.mode == LINK:
        return path in dirty
    # in a clone nothing tells what the sync left: that there are no marks says something only where it would put some
    kept = structured.format_of(path) or is_binary(file.content) or markers.could_be_markers(file.content)
    return not kept and project.folder.read(f"{path}.incoming") is None


def _open_paths(record: lock.Lock) -> list[str]:
    return sorted(path for path, entry in record.paths.items() if entry.state == "open")


def _refuse_markers(project: Project, open_: Sequence[str], dirty: Sequence[str]) -> None:
    """No mark is left in an open file, nor in one to which a person may have moved it."""
    files = project.folder.read_all(open_)
    marked = [path for path, file in files.items() if markers.is_marked(file.content)]
    if len(files) < len(open_):
        marked += [path for path in dirty if path not in open_ and _holds_markers(project, path)]
    if marked:
        error = ProjectError(
            f"conflict markers are left in {len(marked)} {'file' if len(marked) == 1 else 'files'}",
            "keep the lines that are right, remove the markers, then `ai-factory sync --continue`",
            tuple(f"`{path}`" for path in marked),
        )
        error.exit_code = 1
        raise error


def _holds_markers(project: Project, path: str) -> bool:
    """Whether a changed file of the team's does; one that cannot be read, or is too large, is no text of ours."""
    try:
        file = project.folder.read(path)
    except FactoryError:
        return False
    return file is not None and markers.has_markers(file.content)


def take(project: Project, side: str, paths: Sequence[str]) -> Progress:
    """Decide open files for one side: `ours` declines the new version, `theirs` puts it there.

    Raises UsageError for a path that is not open.
    """
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        journal.require_finished(place)
        project = project.reopened()
        open_ = _open_paths(project.lock)
        for path in paths:
            if path not in open_:
                raise UsageError(f"`{path}` has no open conflict", "`ai-factory status` lists those that do")
        if side == "theirs":
            _refuse_obstacles(project, paths)
        return _settle_open(project, place, dict.fromkeys(paths, side))


def _refuse_obstacles(project: Project, paths: Sequence[str]) -> None:
    """A file can only be put where there is room for it."""
    incoming_files = project.base().theirs
    found = {path: project.disk.obstacle(path) for path in paths if path in incoming_files}
    if blocked := {path: there for path, there in found.items() if there}:
        first = next(iter(blocked.values()))
        files = "1 file" if len(blocked) == 1 else f"{len(blocked)} files"
        raise ProjectError(
            f"there is no room for {files}: something of yours is there",
            f"move that elsewhere (`git mv {first} …`), or decline with `--take ours`",
            tuple(f"`{path}`: `{there}` is in the way" for path, there in blocked.items()),
        )


def incoming(project: Project, path: str) -> File | None:
    """The incoming version of an open file, or None when the new version has deleted it."""
    entry = project.lock.paths.get(path)
    if entry is None or entry.state != "open":
        raise UsageError(f"`{path}` has no open conflict", "`ai-factory status` lists those that do")
    return project.base().theirs.get(path)


def _settle_open(project: Project, place: journal.Journal, decisions: Mapping[str, str]) -> Progress:
    archive = project.base()
    files, theirs, rows = dict(archive.files), dict(archive.theirs), dict(project.lock.paths)
    steps: list[journal.Step] = []
    for path, side in decisions.items():
        entry, new = rows.pop(path), theirs.pop(path, None)
        if entry.theirs and new is None:
            raise LockError(
                f"the incoming version of `{path}` is not in the base", "mend the base: `git checkout -- .ai-factory`"
            )
        files.pop(path, None)
        if new is not None:
            files |= {path: new} if entry.ownership in ("managed", "merged") else {}
            declined = side == "ours" and project.folder.read(path) is None
            version = entry.theirs_version or project.lock.factory.version
            rows[path] = _decided(entry, new, version, "declined" if declined else "")
        steps += _decision_steps(project, path, side, new)
    content = base.write(base.Base(files, theirs))
    record = project.lock._replace(paths=rows, base_file=digest(content))
    for path, data in ((lock.BASE, content), (lock.LOCK, lock.write(record))):
        steps.append(journal.Step(path, project.folder.read(path), File(data)))
    kept = _carry_out(project, place, steps, decisions) if decisions else {}
    left = [f"{path}.incoming" for path in sorted(decisions) if project.folder.read(f"{path}.incoming")]
    return Progress(tuple(sorted(decisions)), tuple(_open_paths(record)), kept, tuple(left))


def _decided(entry: Entry, new: File, version: str, state: str) -> Entry:
    settled = entry._replace(base=blob_id(new.content), base_version=version, mode=new.mode)
    return settled._replace(state=state, theirs="", theirs_version="")


def _decision_steps(project: Project, path: str, side: str, new: File | None) -> list[journal.Step]:
    now, beside = project.folder.read(path), f"{path}.incoming"
    found = project.folder.read(beside)
    steps = [journal.Step(beside, found, None)] if _is_proposal(found, new) else []
    if side == "theirs":
        steps.append(journal.Step(path, now, new if now is None or new is None else _ended(new, now)))
    elif now and markers.are_of(markers.OURS, now.content):
        steps.append(journal.Step(path, now, now._replace(content=markers.ours(now.content))))
    return steps


def _is_proposal(found: File | None, new: File | None) -> bool:
    """Whether the file beside an open one is what the sync put there, and not a person's own or edited one."""
    return found is not None and new is not None and blob_id(found.content) == blob_id(new.content)


def _ended(new: File, now: File) -> File:
    return new._replace(content=with_endings_of(new.content, now.content))


def _carry_out(
    project: Project, place: journal.Journal, steps: Sequence[journal.Step], decisions: Mapping[str, str]
) -> dict[str, Blob]:
    """Write the steps, stage them and the decided paths, count them to the sync; what was replaced, as objects."""
    status = git.status(project.root)
    replaced = {step.path: step.before for step in steps if decisions.get(step.path) == "theirs" and step.before}
    written = {step.path: step.after for step in steps}
    # where a folder or another repository lies instead, what the index has there is the team's
    decided = [path for path in decisions if path in written or not project.disk.obstacle(path)]
    wanted = {path: written.get(path, project.folder.read(path)) for path in [*decided, lock.BASE, lock.LOCK]}
    contents = {path: as_git_stores(project, status, path, file) for path, file in wanted.items() if file}
    objects = git.store(project.root, [*(file.content for file in replaced.values()), *contents.values()])
    stages = [Stage(path, Blob(file.mode, objects[contents[path]]) if file else None) for path, file in wanted.items()]
    kept = {path: Blob(file.mode, objects[file.content]) for path, file in replaced.items()}
    counts = under_way(project, place, status.head)
    journal.carry_out(place, journal.DECISION, status.head, steps, stages, replaced=kept, counts=counts)
    return kept


def under_way(project: Project, place: journal.Journal, head: str) -> bool:
    """Whether the last sync of this project is neither committed nor thrown away."""
    return place.head() == head and place.wrote(lock.LOCK) == project.folder.read(lock.LOCK)


def abort(project_root: str) -> dict[str, Blob]:
    """Bring the project back to the byte, index included, to where it was before the sync that is not committed yet.

    What somebody wrote into the sync's files since is kept as git objects, by path. Raises ProjectError when there is
    no such sync.
    """
    place = journal.journal_of(project_root)
    with journal.exclusive(place):
        if journal.overtaken(place, git.status(project_root).head):
            raise ProjectError(
                "the release was committed already", "`ai-factory factory release` tags it; `git revert` takes it back"
            )
        act = place.act.load()
        if act and act["counts"] and act["state"] == journal.APPLIED:
            journal.complete(place)  # it may be counted to the sync already
            act = {}
        kept = journal.undo(place.act) if act else {}
        return kept if act and not act["counts"] else kept | _abort_sync(project_root, place)


def _abort_sync(root: str, place: journal.Journal) -> dict[str, Blob]:
    state = place.state()
    whole = state == journal.APPLIED  # one that was cut off can be undone whatever was committed since
    if whole and place.head() != git.status(root).head:
        raise ProjectError("the sync was committed already", "undo it with `git revert`")
    if not state or (whole and place.wrote(lock.LOCK) != Folder(root).read(lock.LOCK)):
        raise ProjectError("no sync is under way here", "a committed one is undone with `git revert`")
    return journal.undo(place)
