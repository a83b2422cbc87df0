"""What a plan writes: step by step for the journal, and what the index shall hold afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_factory import git, lock
from ai_factory.git import Stage, Status
from ai_factory.journal import Step
from ai_factory.plan import Plan
from ai_factory.project import states
from ai_factory.project.opening import Project
from ai_factory.tree import Blob, File, Tree, blob_id

OURS = (lock.PROJECT, lock.BASE, lock.LOCK)  # written last, and the lock last of all


def touched(plan: Plan) -> list[str]:
    """Every path that the sync may write or delete."""
    paths = {path for change in plan.changes for path in (change.path, change.source) if path}
    return sorted(paths | {f"{change.path}.incoming" for change in plan.changes if change.incoming} | set(OURS))


def staged(plan: Plan) -> list[str]:
    """The paths at which the index will hold a file that the sync wrote."""
    aside = {f"{change.path}.incoming" for change in plan.changes if change.incoming}
    aside |= plan.apart
    return sorted(path for path, file in plan.files.items() if file and path not in aside)


def watched(project: Project, plan: Plan, steps: Sequence[Step]) -> dict[str, str]:
    """The open files, and their ids as the sync leaves them."""
    written = {step.path: step.after for step in steps}
    open_ = [change.path for change in plan.changes if change.entry and change.entry.state == "open"]
    files = {path: written.get(path) or project.folder.read(path) for path in open_}
    return {path: blob_id(file.content) if file else "" for path, file in files.items()}


def steps_of(project: Project, plan: Plan, before: Tree, ours: Mapping[str, bytes]) -> list[Step]:
    """The steps in their order: what goes, what comes, the lock last of all; `ours` are base, lock and manifest."""
    wanted = plan.files | {path: File(content) for path, content in ours.items()}
    # a path that goes makes room for one that comes: a file may become a folder
    order = sorted(wanted, key=lambda path: (path.startswith(lock.FOLDER), wanted[path] is not None))
    steps = [Step(path, before.get(path), wanted[path]) for path in order]
    # an open file that stays as it is: an abort takes back what a person does to it meanwhile
    paths = [change.path for change in plan.conflicts if change.path not in wanted]
    open_ = [path for path in paths if not project.folder.is_elsewhere(path)]  # but not in another repository
    kept = [Step(path, before.get(path), before.get(path)) for path in open_]
    return kept + [step for step in steps if step.before != step.after]


def stages_of(project: Project, plan: Plan, steps: Sequence[Step], status: Status) -> list[Stage]:
    """What the index shall hold: every written file, and base, ours and theirs of each marked conflict."""
    marked = {change.path: change for change in plan.conflicts if change.file is not None and change.incoming is None}
    proposals = {f"{change.path}.incoming" for change in plan.changes if change.incoming}
    others = proposals | plan.apart | marked.keys()
    staged = {step.path: step.after for step in steps if step.path not in others and step.before != step.after}
    contents = [states.as_git_stores(project, status, path, file) for path, file in staged.items() if file]
    sides = {path: [side for side in change.sides or () if side] for path, change in marked.items()}
    ids = git.store(project.root, [*contents, *(side.content for files in sides.values() for side in files)])
    clean = iter(contents)
    stages = [Stage(path, Blob(file.mode, ids[next(clean)]) if file else None) for path, file in staged.items()]
    return stages + [Stage(path, sides=_three(change.sides, ids)) for path, change in marked.items() if change.sides]


def _three(
    sides: tuple[File | None, File | None, File | None], ids: Mapping[bytes, str]
) -> tuple[Blob | None, Blob | None, Blob | None]:
    base_, ours, theirs = (Blob(side.mode, ids[side.content]) if side else None for side in sides)
    return base_, ours, theirs
