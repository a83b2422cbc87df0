"""Mends a project in which two branches both synced: lock and base anew from both sides, and what git could not merge.

Git merges the files line by line from their common ancestor, and cannot know that one branch's version of the
factory comes after the other's. Here the older branch's file is brought to the newer branch's as a sync would do it:
from the pristine content that it descends from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ai_factory import __version__, base, git, journal, lock, markers, reconcile
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
    kept: Mapping[str, Blob]


def repair(root: str) -> Repaired:
    """Rebuild lock and base from the index stages of a merge under way, else from the two parents of the last commit.

    Raises ProjectError when neither tells of two branches, or when project.yaml is still in conflict.
    """
    place = journal.journal_of(root)
    with journal.exclusive(place):
        journal.require_finished(place)
        folder, unmerged = Folder(root), git.unmerged(root)
        _refuse_open_manifest(folder)
        meeting = _meeting(root, unmerged)
        branches = _branches(root, meeting)
        decisions = reconcile.decided(branches.sides, folder.read_all(_known(branches)))
        both = _merged_by_git(root, meeting, branches) | unmerged
        mended = _mended(folder, branches, decisions, both)
        files = {path: file for path, file in mended if path in unmerged or file != folder.read(path)}
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
    if file is None or markers.has_markers(file.content):
        raise ProjectError(
            f"`{lock.PROJECT}` is {'missing' if file is None else 'in conflict'}: it says what the project wants",
            "keep the lines that are right, remove the markers, then `ai-factory sync --repair`",
        )


# ---- where the two sides are read from -----------------------------------------------------------


def _meeting(root: str, unmerged: Mapping[str, object]) -> git.Meeting:
    """The branches of what is under way, else the two parents of the last commit."""
    found = git.meeting(root, git.repository_of(root).private)
    if found is None and not unmerged:
        found = git.parents(root)
    if found is None:
        raise ProjectError(
            "nothing to repair: git holds no two versions of the lock, neither in a merge under way nor as parents",
            "a lock that is merely broken comes back with `git checkout -- .ai-factory`",
        )
    return found


def _branches(root: str, meeting: git.Meeting) -> Branches:
    ancestor, ours, theirs = (_branch(root, commit) for commit in meeting)
    if ours is None or theirs is None:
        raise ProjectError(
            f"one of the branches has no `{lock.LOCK}`", "take the other's: `git checkout BRANCH -- .ai-factory`"
        )
    return Branches(ancestor, ours, theirs)


def _branch(root: str, commit: str) -> Branch | None:
    """The record of one side; a base that is not the lock's is as good as none: the objects may know its files."""
    content = git.content_of(root, f"{commit}:./{lock.LOCK}")
    if content is None:
        return None
    record = lock.parse(content)
    archive = git.content_of(root, f"{commit}:./{lock.BASE}") or b""
    return Branch(record, base.read(archive) if digest(archive) == record.base_file else Base({}, {}))


def _known(branches: Branches) -> list[str]:
    return sorted({*branches.ours.lock.paths, *branches.theirs.lock.paths})


# ---- files that git could not merge --------------------------------------------------------------


def _merged_by_git(root: str, meeting: git.Meeting, branches: Branches) -> dict[str, dict[int, Blob]]:
    """The files that descend from another version on either branch, as both have them: git merged them by lines.

    What one version had brought and the next took back would stay.
    """
    rows, others = branches.ours.lock.paths, branches.theirs.lock.paths
    apart = [path for path in rows.keys() & others.keys() if rows[path].base != others[path].base]
    if not apart:
        return {}
    trees = [git.files_at(root, commit) for commit in meeting]
    found = {path: {number: tree[path] for number, tree in enumerate(trees, 1) if path in tree} for path in apart}
    return {path: stages for path, stages in found.items() if {2, 3} <= stages.keys()}


def _mended(
    folder: Folder, branches: Branches, decisions: Mapping[str, Decision], both: Mapping[str, Mapping[int, Blob]]
) -> Iterator[tuple[str, File | None]]:
    """What the older branch's files are when they are synced to the newer's, as far as that comes out clean."""
    contents = git.read_blobs(folder.root, (blob.id for stages in both.values() for blob in stages.values()))
    sides = {path: {n: _file(blob, contents) for n, blob in stages.items()} for path, stages in both.items()}
    by_git = _merged_again(folder.root, sides)
    olds: dict[str, File] = {}
    news: dict[str, File] = {}
    pristine: dict[str, File] = {}
    for path, stages in sides.items():
        decision = decisions.get(path)
        if (decision and decision.side == "open") or not _as_git_left_it(folder.read(path), stages, by_git.get(path)):
            continue
        if decision is None:  # neither lock knows it: where neither branch has it, both have moved it on
            if not stages.keys() & {2, 3}:
                yield path, None
            continue
        old, new = (2, 3) if decision.side == "theirs" else (3, 2)
        known = (branches.ours if old == 2 else branches.theirs).base.files.get(path)
        if old in stages and known:
            pristine[path], olds[path] = known, stages[old]
        if new in stages and (known or old not in stages):
            news[path] = stages[new]
    yield from _synced(folder.root, pristine, olds, news)


def _merged_again(root: str, sides: Mapping[str, Mapping[int, File]]) -> dict[str, File]:
    """What git makes of each path by itself, with markers where it cannot."""
    whole = {path: stages for path, stages in sides.items() if {2, 3} <= stages.keys()}
    base, ours, theirs = ({path: row[n] for path, row in whole.items() if n in row} for n in (1, 2, 3))
    if not whole:
        return {}
    merged = git.merge_trees(base, ours, theirs, git.Names(markers.OURS, "theirs"), git.project_objects(root))
    return {path: file for path, file in merged.files.items() if isinstance(file, File)}


def _as_git_left_it(file: File | None, stages: Mapping[int, File], by_git: File | None) -> bool:
    """Whether nobody has worked on the file since git merged it: it is one of the sides, or what git makes of both.

    Markers are compared by what lies between them: how they look is a matter of the person's settings.
    """
    if file is None:
        return True
    if by_git is None or not markers.has_markers(by_git.content):
        known = [by_git] if by_git and {2, 3} <= stages.keys() else list(stages.values())
        return blob_id(file.content) in {blob_id(side.content) for side in known if side}
    if not markers.has_markers(file.content):
        return False
    pairs = ((side(file.content), side(by_git.content)) for side in (markers.ours, markers.theirs))
    return all(blob_id(one) == blob_id(other) for one, other in pairs)


def _file(blob: Blob, contents: Mapping[str, bytes]) -> File:
    return File(contents[blob.id], blob.mode)


def _synced(
    root: str, pristine: Mapping[str, File], olds: Mapping[str, File], news: Mapping[str, File]
) -> Iterator[tuple[str, File | None]]:
    """The merge of a sync, in which the newer branch's files stand for the new version."""
    rows = {path: Entry("", "merged", file.mode, blob_id(file.content)) for path, file in pristine.items()}
    record = Lock(Origin("", "", "", "", ""), __version__, {}, {"": ""}, "", rows)
    owned = {path: Owned("", "merged", (), path) for path in news}
    target = Target(record.factory, {}, record.components, Rendered(news, owned, ()))
    combine = partial(git.merge_trees, names=git.Names(markers.OURS, "theirs"), objects=git.project_objects(root))
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


def _carry_out(root: str, place: journal.Journal, steps: list[Step], record: Lock) -> dict[str, Blob]:
    """Write and stage; what stood in a file that git had marked is kept as an object."""
    replaced = {step.path: step.before for step in steps if step.before and step.path not in RECORD}
    files = {step.path: step.after for step in steps}
    ids = git.store(root, [file.content for file in (*replaced.values(), *files.values()) if file])
    stages = [Stage(path, Blob(file.mode, ids[file.content]) if file else None) for path, file in files.items()]
    watched = {path: blob_id(file.content) for path, file in Folder(root).read_all(_open(record)).items()}
    kept = {path: Blob(file.mode, ids[file.content]) for path, file in replaced.items()}
    more = {"what": journal.REPAIR, "replaced": kept}
    journal.apply(place, git.status(root).head, steps, stages, watched=watched, more=more)
    return kept


def _open(record: Lock) -> tuple[str, ...]:
    return tuple(path for path, entry in sorted(record.paths.items()) if entry.state == "open")


def _told(decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """The decisions worth telling: not those on which both branches agree."""
    return {path: item for path, item in decisions.items() if item.why != reconcile.AGREED}
