"""Makes an existing repository a project: what the blueprint has and the repository lacks is added, the rest stays.

A file that is there already keeps every byte, and descends from the factory's one from now on: as if the team had
edited that. So `check` says what differs, and the next sync is an ordinary one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import catalog, git, journal, lock, manifest, questions, structured
from ai_factory.base import Base
from ai_factory.errors import LockError, ProjectError, UsageError
from ai_factory.git import Status
from ai_factory.lock import Lock, Origin
from ai_factory.manifest import Manifest
from ai_factory.merge import Declared
from ai_factory.merge.path import same
from ai_factory.plan import Change, Plan, Target, entry_of
from ai_factory.project import refusals, states, steps, sync
from ai_factory.project.new import ATTRIBUTES, effective_answers, install_command
from ai_factory.project.opening import Project, open_project
from ai_factory.project.states import Seen
from ai_factory.project.sync import Sync
from ai_factory.project.target import Recipe, rendered
from ai_factory.questions import Ask
from ai_factory.render import Owned
from ai_factory.tree import LINK, File, Tree, case_twins, word
from ai_factory.workspace import Folder, find_repository

BESIDE = {lock.ATTRIBUTES: ATTRIBUTES}
NOTHING = Lock(Origin("embedded", "embedded", "", "", ""), "", {}, {}, "", {})  # the lock of what is no project yet


class Adoption(NamedTuple):
    """A repository about to become a project.

    `install` copies what only works at the root of a repository there; `joinable` are files of the team's that would
    get entries of the factory's.
    """

    sync: Sync
    wish: Manifest
    install: str
    joinable: tuple[str, ...]


def prepare(made: Recipe, wish: Manifest, place: str, joined: Sequence[str] = (), ask: Ask | None = None) -> Adoption:
    """Compute an adoption; nothing is written. The team's files at `joined` get the factory's entries as well.

    Raises ProjectError for a repository that is not in a state to be adopted, UsageError for a file to be joined
    that the factory does not have or that need not be, AnswersError.
    """
    project = _candidate(place)
    status = git.status(project.root)
    answers, given = effective_answers(made, wish.answers, project.root, ask)
    target = rendered(made, answers)
    wish = wish._replace(answers=questions.typed(catalog.all_questions(made.components), given, answers))
    _refuse_unfit(project, target, status)
    plan, looked_at = states.merged(
        Seen(project, status, partial(git.ignored, project.root)), target, Base({}, {}), Declared()
    )
    plan = plan._replace(changes=tuple(_kept(plan, looked_at, {project.relative(file) for file in joined})))
    before = project.folder.read_all(steps.touched(plan))
    refusals.refuse_changed(refusals.moved_since(project, looked_at, before))
    refusals.refuse_dirty(project, plan, status, before)
    refusals.refuse_stored_otherwise(project, steps.staged(plan), status, before)
    found = _as_sync(project, plan, status, before, wish, made)
    return Adoption(found, wish, _install(project, plan), tuple(_joinable(plan, looked_at)))


def apply(adoption: Adoption) -> None:
    """Write what is added, then base and lock, and stage them; on failure all is as before."""
    sync.apply(adoption.sync, journal.ADOPTION, BESIDE)


def commit(adoption: Adoption) -> None:
    """Commit what the adoption wrote, and nothing else. Raises ProjectError while a conflict is open."""
    sync.commit(adoption.sync, f"Adopt {adoption.wish.blueprint} of", list(BESIDE))


# ---- what can be adopted -------------------------------------------------------------------------


def _candidate(place: str) -> Project:
    """The folder as a project of which nothing is known. Raises ProjectError where it is one, or cannot be one."""
    root = os.path.realpath(place)
    if not os.path.isdir(root) or ".git" in root.split(os.sep):
        raise UsageError(f"`{place}` is no folder", "name the root of a repository, or a folder in one")
    if find_repository(root) is None:
        raise ProjectError(
            f"`{place}` lies in no git work tree: nothing would keep what is there",
            f"`git -C {word(place)} init && git -C {word(place)} add -A && git -C {word(place)} commit -m Begin`",
        )
    project = Project(Folder(root), NOTHING)
    refusals.refuse_unfinished(project)
    if known := _project_at(root):
        raise ProjectError(
            f"`{place}` is a project of the factory already", f"bring it up to date: `ai-factory sync {word(known)}`"
        )
    if os.path.lexists(os.path.join(root, lock.FOLDER)):
        raise ProjectError(
            f"`{os.path.join(place, lock.FOLDER)}` is there, and holds no lock",
            f"bring the lock back with `git checkout -- {lock.LOCK}`, or move the folder away",
        )
    return project


def _project_at(root: str) -> str:
    """The project that the folder is, or is a part of; a folder beside the files of a project may be another one."""
    try:
        found = open_project(root)
    except LockError as error:
        if os.path.lexists(os.path.join(root, lock.LOCK)):
            raise ProjectError(f"the folder is a project already: {error.message}", error.hint) from None
        return ""
    part = os.path.relpath(root, found.root)
    inside = part == "." or any(path.startswith(f"{part}/") for path in found.lock.paths)
    return found.root if inside else ""


def _refuse_unfit(project: Project, target: Target, status: Status) -> None:
    """All that keeps a stamped file from being one of the repository's, at once."""
    paths = list(target.rendered.tree)
    refusals.refuse_sparse(project, status, paths)
    twins = case_twins([*paths, lock.LOCK], [*status.tracked, *status.untracked])
    found = [f"`{path}` differs from your `{other}` only in how it is spelled" for path, other in twins.items()]
    found += [f"`{path}` lies beyond a folder that is a link" for path in paths if not project.folder.reaches(path)]
    found += [
        f"`{path}` is ignored by git, which would not keep it" for path in sorted(_ignored(project, paths, status))
    ]
    found += [f"`{path}` is there, and git does not hold it" for path in paths if path in status.untracked]
    if found:
        raise ProjectError(
            f"{len(found)} of the blueprint's files cannot lie in this repository",
            "rename or commit what is there, mend `.gitignore`, or leave a component out with `--without COMPONENT`",
            tuple(found),
        )


def _ignored(project: Project, paths: Sequence[str], status: Status) -> set[str]:
    new = [path for path in paths if path not in status.tracked and project.folder.reaches(path)]
    return git.ignored(project.root, [path for path in new if not project.folder.is_elsewhere(path)])


# ---- what becomes of what is there ---------------------------------------------------------------


def _kept(plan: Plan, there: Mapping[str, File | None], joined: set[str]) -> Iterator[Change]:
    """The changes of a sync from nothing, but for those to files that are there: these stay, unless they are joined."""
    rendering = plan.target.rendered
    apart = {path for path, file in rendering.tree.items() if (mine := there.get(path)) and not same(mine, file)}
    _refuse_unjoinable(joined, apart, rendering.owned)
    for change in plan.changes:
        file, owner = rendering.tree.get(change.path), rendering.owned.get(change.path)
        mine = there.get(change.path)
        if change.action == "conflict" and change.path not in apart:
            raise ProjectError(
                f"there is no room for `{change.path}`: {change.why}",
                "move that elsewhere, or leave the component out with `--without COMPONENT`",
            )
        if file is None or owner is None or mine is None:
            yield change
        elif change.path in joined:
            yield _joined(change, owner, mine, file, plan.target.origin.version)
        elif change.path in apart:
            yield _held(change.path, owner, file, plan.target.origin.version)
        else:
            yield change._replace(action="adopt", why="is there already, the same")


def _joined(change: Change, owner: Owned, mine: File, file: File, version: str) -> Change:
    """The team's file with the entries that it lacks; the conflict as it is where it has no entries to tell apart."""
    content = _with_entries(change.path, mine, file)
    if content is None and change.action == "conflict":
        return change._replace(why="its entries and the factory's do not go together: a person puts it together")
    if content is None:
        return change
    held = _held(change.path, owner, file, version)
    if content == mine.content:
        return held._replace(why="has every entry of the factory's already")
    why = "gets the entries that it lacks; where both have one, yours stays"
    return held._replace(action="merge", why=why, file=mine._replace(content=content))


def _with_entries(path: str, mine: File, file: File) -> bytes | None:
    """The team's file with the entries of the factory's that it lacks; None where they cannot be joined."""
    return None if LINK in (mine.mode, file.mode) else structured.joined(path, mine.content, file.content)


def _joinable(plan: Plan, there: Mapping[str, File | None]) -> Iterator[str]:
    for change in plan.changes:
        mine = there.get(change.path)
        if change.action == "keep" and change.ownership == "merged" and mine:
            content = _with_entries(change.path, mine, plan.target.rendered.tree[change.path])
            if content not in (None, mine.content):
                yield change.path


def _held(path: str, owner: Owned, file: File, version: str) -> Change:
    """The team's file as it is, descending from the factory's."""
    why = {
        "managed": "differs from the factory's, which promises this file: `check` says so",
        "merged": "differs from the factory's, and later changes are merged into it",
        "seeded": "differs from the factory's, and is the team's own",
    }[owner.ownership]
    base = file if owner.ownership in ("managed", "merged") else None
    return Change(path, "keep", why, owner.component, owner.ownership, entry=entry_of(owner, file, version), base=base)


def _refuse_unjoinable(joined: set[str], apart: set[str], owned: Mapping[str, Owned]) -> None:
    for path in sorted(joined):
        if path not in apart:
            raise UsageError(
                f"`--merge {path}`: no file of yours there differs from one of the blueprint",
                "`--plan` shows those that do",
            )
        if owned[path].ownership == "seeded":
            raise UsageError(f"`--merge {path}`: the file is the team's own from birth, and nothing is merged into it")


def _as_sync(project: Project, plan: Plan, status: Status, before: Tree, wish: Manifest, made: Recipe) -> Sync:
    """The adoption as a sync from nothing."""
    drift = tuple(sync.silent_drift(project, plan))
    content = manifest.write(wish)
    return Sync(
        project, plan, status, drift, (), {}, content, before, False, frozenset(wish.answers), made.factory.signed_by
    )


def _install(project: Project, plan: Plan) -> str:
    found = find_repository(project.root)
    return install_command(project.root, found.top if found else project.root, plan.changes)
