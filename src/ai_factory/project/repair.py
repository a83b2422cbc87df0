"""Mends a project in which two branches both synced: lock and base anew from both sides, and what git could not merge.

Git merges the files line by line from their common ancestor, and cannot know that one branch's version of the
factory comes after the other's. Here the older branch's file is brought to the newer branch's as a sync would do it:
from the pristine content that it descends from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ai_factory import __version__, base, check, git, journal, lock, reconcile
from ai_factory.base import Base
from ai_factory.errors import ProjectError
from ai_factory.git import Stage
from ai_factory.journal import Step
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.merge import Declared, Ours, merge
from ai_factory.plan import Target
from ai_factory.reconcile import Decision, Sides
from ai_factory.render import Owned, Rendered
from ai_factory.tree import Blob, File, blob_id, digest
from ai_factory.workspace import Folder

RECORD = (lock.LOCK, lock.BASE)


class Branch(NamedTuple):
    """What one side of a merge has on record."""

    lock: Lock
    base: Base


class Branches(NamedTuple):
    """Both sides and their common ancestor, which may have no record."""

    ancestor: Branch | None
    ours: Branch
    theirs: Branch

    @property
    def sides(self) -> Sides:
        return Sides(self.ancestor.lock if self.ancestor else None, self.ours.lock, self.theirs.lock)


class Repaired(NamedTuple):
    """What a repair did: what became of each path that the branches differ in, and what is left to a person.

    `mended` are files that git had left in conflict, `unmerged` those that still are; `kept` are objects with
    what was replaced.
    """

    version: str
    decisions: Mapping[str, Decision]
    mended: tuple[str, ...]
    open: tuple[str, ...]
    unmerged: tuple[str, ...]
    kept: Mapping[str, str]


def repair(root: str) -> Repaired:
    """Rebuild lock and base from the index stages of a merge under way, else from the two parents of the last commit.

    Raises ProjectError when neither tells of two branches, or when project.yaml is still in conflict.
    """
    place = journal.journal_of(root)
    with journal.exclusive(place):
        journal.require_finished(place)
        folder, unmerged = Folder(root), git.unmerged(root)
        _refuse_open_manifest(folder)
        branches = _branches(root, unmerged)
        decisions = reconcile.decided(branches.sides, folder.read_all(_known(branches)))
        files = dict(_mended(folder, branches, decisions, unmerged))
        present = {path for path in _known(branches) if (files[path] if path in files else folder.read(path))}
        decisions = reconcile.decided(branches.sides, present)
        record, rebuilt = _record(root, branches, decisions)
        steps = [Step(path, folder.read(path), file) for path, file in (files | rebuilt).items()]
        if not steps:
            raise ProjectError(
                "nothing to repair: both branches have the same lock, and the same lines are edited on both",
                "resolve the conflicts as after any merge, then `git add` them",
            )
        kept = _carry_out(root, place, steps, record)
        left = sorted(unmerged.keys() - files.keys() - set(RECORD))
        told = _told(decisions)
        return Repaired(record.factory.version, told, tuple(sorted(files)), _open(record), tuple(left), kept)


def _refuse_open_manifest(folder: Folder) -> None:
    file = folder.read(lock.PROJECT)
    if file is None or check.has_markers(file.content):
        raise ProjectError(
            f"`{lock.PROJECT}` is {'missing' if file is None else 'in conflict'}: it says what the project wants",
            "keep the lines that are right, remove the markers, then `ai-factory sync --repair`",
        )


# ---- where the two sides are read from -----------------------------------------------------------


def _branches(root: str, unmerged: Mapping[str, object]) -> Branches:
    if unmerged:  # where the lock is not in conflict, both branches have the same one
        names = [(lambda path, number=number: _staged(unmerged, path, number)) for number in (1, 2, 3)]
    elif parents := git.parents(root):
        names = [(lambda path, commit=commit: f"{commit}:./{path}") for commit in parents]
    else:
        raise ProjectError(
            "nothing to repair: git holds no two versions of the lock, neither in a merge under way nor as parents",
            "a lock that is merely broken comes back with `git checkout -- .ai-factory`",
        )
    ancestor, ours, theirs = (_branch(root, name) for name in names)
    if ours is None or theirs is None:
        raise ProjectError(
            f"one of the branches has no `{lock.LOCK}`", "take the other's: `git checkout BRANCH -- .ai-factory`"
        )
    return Branches(ancestor, ours, theirs)


def _staged(unmerged: Mapping[str, object], path: str, number: int) -> str:
    return f":{number}:./{path}" if path in unmerged else f":./{path}"


def _branch(root: str, name: Callable[[str], str]) -> Branch | None:
    """The record of one side; a base that is not the lock's is as good as none: the objects may know its files."""
    content = git.content_of(root, name(lock.LOCK))
    if content is None:
        return None
    record = lock.parse(content)
    archive = git.content_of(root, name(lock.BASE)) or b""
    return Branch(record, base.read(archive) if digest(archive) == record.base_file else Base({}, {}))


def _known(branches: Branches) -> list[str]:
    return sorted({*branches.ours.lock.paths, *branches.theirs.lock.paths})


# ---- files that git could not merge --------------------------------------------------------------


def _mended(
    folder: Folder, branches: Branches, decisions: Mapping[str, Decision], unmerged: Mapping[str, Mapping[int, Blob]]
) -> Iterator[tuple[str, File | None]]:
    """The files in conflict that come out clean when the older branch's is synced to the newer's."""
    contents = git.read_blobs(folder.root, (blob.id for stages in unmerged.values() for blob in stages.values()))
    olds: dict[str, File] = {}
    news: dict[str, File] = {}
    pristine: dict[str, File] = {}
    for path, stages in unmerged.items():
        decision = decisions.get(path)
        if (decision and decision.side == "open") or not _as_git_left_it(folder, path, stages, contents):
            continue
        if decision is None:  # neither lock knows it: where neither branch has it, both have moved it on
            if not stages.keys() & {2, 3}:
                yield path, None
            continue
        old, new = (2, 3) if decision.side == "theirs" else (3, 2)
        known = (branches.ours if old == 2 else branches.theirs).base.files.get(path)
        if old in stages and known:
            pristine[path], olds[path] = known, _file(stages[old], contents)
        if new in stages and (known or old not in stages):
            news[path] = _file(stages[new], contents)
    yield from _synced(folder.root, pristine, olds, news)


def _file(blob: Blob, contents: Mapping[str, bytes]) -> File:
    return File(contents[blob.id], blob.mode)


def _as_git_left_it(folder: Folder, path: str, stages: Mapping[int, Blob], contents: Mapping[str, bytes]) -> bool:
    """Whether nobody has worked on the file since: it holds markers, or one of the sides."""
    file = folder.read(path)
    sides = {blob_id(contents[blob.id]) for blob in stages.values()}
    return file is None or check.has_markers(file.content) or blob_id(file.content) in sides


def _synced(
    root: str, pristine: Mapping[str, File], olds: Mapping[str, File], news: Mapping[str, File]
) -> Iterator[tuple[str, File | None]]:
    """The merge of a sync, in which the newer branch's files stand for the new version."""
    rows = {path: Entry("", "merged", file.mode, blob_id(file.content)) for path, file in pristine.items()}
    record = Lock(Origin("", "", "", "", ""), __version__, {}, {"": ""}, "", rows)
    owned = {path: Owned("", "merged", (), path) for path in news}
    target = Target(record.factory, {}, record.components, Rendered(news, owned, ()))
    combine = partial(git.merge_trees, names=git.Names("yours", "theirs"), objects=git.project_objects(root))
    for change in merge(record, pristine, Ours(olds, {}, frozenset()), target, Declared(), combine):
        if change.action != "conflict":
            yield change.path, None if change.action == "delete" else change.file or olds[change.path]


# ---- lock and base -------------------------------------------------------------------------------


def _record(root: str, branches: Branches, decisions: Mapping[str, Decision]) -> tuple[Lock, dict[str, File]]:
    """The lock of the merged project; lock and base as files, where the branches have different ones."""
    if branches.ours.lock == branches.theirs.lock:
        return branches.ours.lock, {}
    record = reconcile.merged(branches.sides, decisions)
    rows = {path: entry for path, entry in record.paths.items() if entry.ownership in ("managed", "merged")}
    known = _pool(branches)
    wanted = {name for entry in rows.values() for name in (entry.base, entry.theirs)} - {""} - known.keys()
    known |= {name: File(content) for name, content in git.read_blobs(root, git.existing(root, sorted(wanted))).items()}
    files = {path: known[entry.base] for path, entry in rows.items() if entry.base in known}
    theirs = {path: known[entry.theirs] for path, entry in rows.items() if entry.theirs in known}
    archive = base.write(Base(_in_mode(files, rows), _in_mode(theirs, rows)))
    record = record._replace(base_file=digest(archive))
    return record, {lock.BASE: File(archive), lock.LOCK: File(lock.write(record))}


def _pool(branches: Branches) -> dict[str, File]:
    """Every pristine and every incoming file of the branches, by id."""
    found = (branch for branch in branches if branch)
    return {blob_id(file.content): file for branch in found for part in branch.base for file in part.values()}


def _in_mode(files: Mapping[str, File], rows: Mapping[str, Entry]) -> dict[str, File]:
    return {path: file._replace(mode=rows[path].mode) for path, file in files.items()}


def _carry_out(root: str, place: journal.Journal, steps: list[Step], record: Lock) -> dict[str, str]:
    """Write and stage; what stood in a file that git had marked is kept as an object."""
    replaced = {step.path: step.before.content for step in steps if step.before and step.path not in RECORD}
    files = {step.path: step.after for step in steps}
    ids = git.store(root, [*replaced.values(), *(file.content for file in files.values() if file)])
    stages = [Stage(path, Blob(file.mode, ids[file.content]) if file else None) for path, file in files.items()]
    watched = {path: blob_id(file.content) for path, file in Folder(root).read_all(_open(record)).items()}
    kept = {path: ids[content] for path, content in replaced.items()}
    more = {"what": journal.REPAIR, "replaced": kept}
    journal.apply(place, git.status(root).head, steps, stages, watched=watched, more=more)
    return kept


def _open(record: Lock) -> tuple[str, ...]:
    return tuple(path for path, entry in sorted(record.paths.items()) if entry.state == "open")


def _told(decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """The decisions worth telling: not those on which both branches agree."""
    return {path: item for path, item in decisions.items() if item.why != reconcile.AGREED}
