"""What stands in the way of a sync: each is told, all of it at once, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from ai_factory import git, journal, lock
from ai_factory.errors import ProjectError
from ai_factory.git import Status
from ai_factory.manifest import Manifest
from ai_factory.merge import Declared
from ai_factory.plan import Plan
from ai_factory.project.conflicts import under_way
from ai_factory.project.opening import Project
from ai_factory.project.release import Request
from ai_factory.tree import File, Tree, above, blob_id, normalized, word
from ai_factory.workspace import keeps_modes

STASH = "`git stash --include-untracked`, sync, `git stash pop`"


def refuse_unfinished(project: Project) -> None:
    """A merge of git's own, and a sync that was cut off, come to an end before another sync begins."""
    record = journal.journal_of(project.root)
    _refuse_merge(record)
    journal.require_finished(record)


def _refuse_merge(record: journal.Journal) -> None:
    """Git's own merges, rebases and picks come to an end before a sync begins."""
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"):
        if os.path.exists(os.path.join(record.repository.private, name)):
            raise ProjectError(
                f"git is in the middle of something of its own (`{name}`)",
                "finish or abort that first; where `.ai-factory` is in conflict, `ai-factory sync --repair` mends it",
            )


def refuse_hold(wish: Manifest, request: Request) -> None:
    """A project on hold is left alone until the day, unless a version or an answer is asked for by name."""
    until = wish.hold.get("until", "")
    if until and request.today <= until and not request.to and not request.asks:
        raise ProjectError(
            f"the project is on hold until {until}: {wish.hold['reason']}",
            "take `hold` out of `.ai-factory/project.yaml`, or name a version: `ai-factory sync --to VERSION`",
        )


def refuse_sparse(project: Project, status: Status, paths: Iterable[str]) -> None:
    """Files of the factory's that git leaves out of the work tree, or was told to look away from, cannot be merged."""
    skipped = sorted(status.sparse.intersection(paths))
    there = project.folder.read_all(skipped)
    if absent := [path for path in skipped if path not in there]:
        raise ProjectError(
            f"a sparse checkout leaves out {len(absent)} of the project's files",
            "`git sparse-checkout disable` brings them here",
            tuple(f"`{path}`" for path in absent),
        )
    if there:
        raise ProjectError(
            f"git was told not to look at {len(there)} of the project's files (`skip-worktree`)",
            f"`git update-index --no-skip-worktree {' '.join(map(word, there))}`",
            tuple(f"`{path}`" for path in there),
        )


def refuse_moving_open(project: Project, declared: Declared) -> None:
    """A file that waits for a person stays where it is: the version that moves it has to wait too."""
    rows = project.lock.paths
    waiting = sorted(old for old in declared.renames if (entry := rows.get(old)) and entry.state == "open")
    if waiting:
        raise ProjectError(
            f"{len(waiting)} open {'conflict is' if len(waiting) == 1 else 'conflicts are'} in the way: "
            "the new version moves what is in conflict",
            "resolve first: `ai-factory sync --take ours|theirs FILE`, or by hand and `ai-factory sync --continue`",
            tuple(f"`{old}` → `{declared.renames[old]}`" for old in waiting),
        )


def refuse_stored_otherwise(project: Project, paths: Sequence[str], status: Status, before: Tree) -> None:
    """What git stores in another form (Git LFS, encryption, an encoding) would be staged as it lies on the disk."""
    rows = [path for path in paths if path in status.tracked and path in before]
    ids = _ids(project, {path: before[path] for path in rows})
    if found := [path for path in rows if status.tracked[path].id not in ids[path]]:
        raise ProjectError(
            f"git stores {len(found)} of the files in another form, by a filter or encoding, and none runs in a sync",
            "take them out of it in `.gitattributes`: `PATH -filter -working-tree-encoding`",
            tuple(f"`{path}`" for path in found),
        )


def refuse_moving(project: Project, wished: bytes, seen: Mapping[str, File | None], before: Tree) -> None:
    """What a sync may replace is what its plan saw: nobody may have written in between."""
    moved = moved_since(project, seen, before)
    record, wish = before.get(lock.LOCK), before.get(lock.PROJECT)
    if record is None or lock.parse(record.content) != project.lock:
        moved.append(lock.LOCK)
    if wish is None or wish.content != wished:
        moved.append(lock.PROJECT)
    refuse_changed(moved)


def moved_since(project: Project, seen: Mapping[str, File | None], before: Tree) -> list[str]:
    """The paths at which another file lies now than a plan saw."""
    modes = keeps_modes(project.root)
    return [path for path, file in seen.items() if not _is_still(before.get(path), file, modes)]


def _is_still(now: File | None, seen: File | None, modes: bool) -> bool:
    return now == seen or (not modes and now is not None and seen is not None and now.content == seen.content)


def refuse_changed(paths: Sequence[str]) -> None:
    """Nobody may have written in these since the plan was made."""
    if paths:
        raise ProjectError(
            f"{len(paths)} {'file was' if len(paths) == 1 else 'files were'} changed while the sync was under way",
            "run it again",
            tuple(f"`{path}`" for path in sorted(paths)),
        )


def refuse_dirty(project: Project, plan: Plan, status: Status, before: Tree) -> None:
    """What the sync would write over and git does not hold, and what lies where a file is to come."""
    _refuse_uncommitted(project, status)
    touched = {path for change in plan.changes for path in (change.path, change.source) if path and change.writes}
    dirty = [path for path in status.dirty if path in touched or path.startswith(lock.FOLDER + "/")]
    dirty += [path for path in sorted(status.untracked) if path in touched]
    dirty += _unseen(project, plan, status, before)
    blocking = [*_in_place_of_proposals(project, plan, before), *_hidden(plan, status, before)]
    blocking += _in_the_way(project, plan)
    dirty += [path for path in blocking if _is_loose(path, status)]
    unheld = [path for path in blocking if not _is_loose(path, status)]
    if unheld:
        raise _unheld(dirty, unheld)
    if dirty:
        raise ProjectError(
            f"{len(dirty)} uncommitted {'change is' if len(dirty) == 1 else 'changes are'} in the way",
            f"commit or move them, or {STASH}",
            tuple(f"`{path}`" for path in dirty),
        )


def _is_loose(path: str, status: Status) -> bool:
    """Whether git tells of the file, or of files in a folder that has no others, as new ones."""
    inside = path.endswith("/") and not any(one.startswith(path) for one in status.tracked)
    return path in status.untracked or (inside and any(one.startswith(path) for one in status.untracked))


def _unheld(dirty: Sequence[str], unheld: Sequence[str]) -> ProjectError:
    """Files in the way of which some are nothing that git could put aside."""
    number = len(dirty) + len(unheld)
    rest = f"; commit the others, or {STASH}" if dirty else ""
    return ProjectError(
        f"{number} {'file is' if number == 1 else 'files are'} in the way",
        f"move elsewhere what a stash would leave{rest}",
        (*(f"`{path}`" for path in dirty), *(f"`{path}` (a stash would leave it)" for path in unheld)),
    )


def _refuse_uncommitted(project: Project, status: Status) -> None:
    """What a sync has staged is committed, or taken back, before another one begins."""
    place = journal.journal_of(project.root)
    if lock.LOCK not in status.dirty or not under_way(project, place, status.head):
        return
    decide = "`ai-factory sync --take ours|theirs FILE`, or by hand and `ai-factory sync --continue`; then "
    is_open = any(entry.state == "open" for entry in project.lock.paths.values())
    raise ProjectError(
        f"{place.load().get('what', journal.SYNC)} is staged, and not committed",
        f"{decide if is_open else ''}`git commit`; or go back with `ai-factory sync --abort`",
    )


def _in_place_of_proposals(project: Project, plan: Plan, before: Tree) -> list[str]:
    """Files where a proposal is to come, unless they are an earlier one as a sync left it."""
    found: list[str] = []
    for change in plan.changes:
        there = before.get(f"{change.path}.incoming") if change.incoming else None
        entry = project.lock.paths.get(change.path)
        known = (entry.base, entry.theirs) if entry else ()
        if there and there != change.incoming and blob_id(there.content) not in known:
            found.append(f"{change.path}.incoming")
    return found


def _hidden(plan: Plan, status: Status, before: Tree) -> list[str]:
    """Files that would be written over, and that git neither holds nor tells of: this clone alone ignores them."""
    known = {*status.tracked, *status.untracked}
    known |= plan.local
    known |= {f"{change.path}.incoming" for change in plan.changes}
    return sorted(path for path in plan.files if path in before and path not in known)


def _unseen(project: Project, plan: Plan, status: Status, before: Tree) -> list[str]:
    """Files whose content on disk is not the one that git told.

    Those of the team that a change follows, and those that git was told not to look at.
    """
    followed = [change.path for change in plan.changes if change.file and not change.entry]
    followed += sorted(status.unwatched & plan.files.keys() - {*followed})
    ids = _ids(project, {path: before[path] for path in followed if path in before})
    return [path for path in followed if path not in ids or status.tracked[path].id not in ids[path]]


def _ids(project: Project, files: Tree) -> dict[str, set[str]]:
    """The git objects that each file may be stored as: as it is, or with LF."""
    objects = git.project_objects(project.root) if files else ""
    return {
        path: {git.object_id(content, objects) for content in (file.content, normalized(file.content))}
        for path, file in files.items()
    }


def _in_the_way(project: Project, plan: Plan) -> list[str]:
    """Folders with files where a file is to come, and files where a folder is to come."""
    gone = {change.path for change in plan.changes if change.action == "delete"}
    gone |= {change.source for change in plan.changes if change.source}
    written = [path for path, file in plan.files.items() if file]
    found = [f"{path} (in another repository)" for path in written if project.folder.is_elsewhere(path)]
    for change in plan.changes:
        if change.file is None:
            continue
        if project.folder.is_folder(change.path) and set(project.folder.walk(change.path)) - gone:
            found.append(f"{change.path}/")
        found += [path for path in above(change.path) if path not in gone and project.folder.read(path) is not None]
    return sorted(set(found))
