"""Takes a project out of the factory: its record goes, and what only serves that; every file of the system stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from ai_factory import git, journal, lock, regions
from ai_factory.errors import FactoryError, ProjectError
from ai_factory.git import Stage, Status
from ai_factory.journal import Step
from ai_factory.project import refusals, states
from ai_factory.project.new import ROOT_ONLY
from ai_factory.project.opening import Project
from ai_factory.tree import LINK, Blob, File, blob_id, is_binary
from ai_factory.workspace import find_repository

NAME = b"ai-factory"


class Mention(NamedTuple):
    """A line that names the factory and stays."""

    path: str
    line: int


class Ejection(NamedTuple):
    """A project about to leave: what goes and changes, step by step, and what is left to a person."""

    project: Project
    status: Status
    steps: tuple[Step, ...]
    mentions: tuple[Mention, ...]
    unpaired: tuple[str, ...]  # files in which a mark has no partner: they stay as they are
    copies: tuple[str, ...]  # what was copied to the root of the repository, and stays there


def prepare(project: Project) -> Ejection:
    """Compute an ejection; nothing is written. Raises ProjectError for a project that is not in a state to leave."""
    refusals.refuse_unfinished(project)
    _refuse_open(project)
    status = git.status(project.root)
    files = dict(_named(project, status))
    after = {path: regions.without(file.content) for path, file in files.items()}
    left = {
        path: file if (fewer := after[path]) is None else file._replace(content=fewer) for path, file in files.items()
    }
    steps = [Step(path, files[path], file) for path, file in left.items() if file != files[path]]
    edited = [step.path for step in steps]
    steps += [Step(path, project.folder.read(path), None) for path in _going(project)]
    _refuse_unsaved(project, status, [step.path for step in steps])
    refusals.refuse_stored_otherwise(project, edited, status, files)
    mentions = tuple(one for path, file in left.items() for one in _mentions(path, file.content))
    unpaired = tuple(path for path, content in after.items() if content is None)
    return Ejection(project, status, tuple(steps), mentions, unpaired, _copies(project))


def apply(ejection: Ejection) -> None:
    """Write it, the lock last, and stage it; on failure all is as before.

    Raises ProjectError when the project is no longer what the plan saw.
    """
    project, steps, status = ejection.project, ejection.steps, ejection.status
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        journal.require_finished(place)
        refusals.refuse_changed([step.path for step in steps if project.folder.read(step.path) != step.before])
        if not git.still(project.root, status):
            raise ProjectError("something was staged or committed while this was under way", "run it again")
        hidden = journal.hidden(place, [f"{path}.incoming" for path in project.lock.paths])
        more = {"what": journal.EJECTION, "shown": hidden}
        journal.apply(place, status.head, steps, _stages(ejection), more=more)


def _refuse_open(project: Project) -> None:
    open_ = sorted(path for path, entry in project.lock.paths.items() if entry.state == "open")
    if open_:
        raise ProjectError(
            f"{len(open_)} {'conflict is' if len(open_) == 1 else 'conflicts are'} open",
            "resolve first: `ai-factory sync --take ours|theirs FILE`, or by hand and `ai-factory sync --continue`",
            tuple(f"`{path}`" for path in open_),
        )


def _named(project: Project, status: Status) -> Iterator[tuple[str, File]]:
    """The project's own text files that git holds and that name the factory."""
    aside = (f"{lock.FOLDER}/", *states.other_projects(status))
    for path, blob in sorted(status.tracked.items()):
        if blob.mode in (LINK, git.SUBMODULE) or path.startswith(aside):
            continue
        try:
            file = project.folder.read(path)
        except FactoryError:  # too large, or not to be read: no text of ours
            continue
        if file and file.mode != LINK and NAME in file.content.lower() and not is_binary(file.content):
            yield path, file


def _going(project: Project) -> list[str]:
    """The record, the lock last, and proposals that are as a sync left them."""
    found = [f"{path}.incoming" for path in sorted(project.lock.paths) if _is_proposal(project, path)]
    return found + sorted(project.disk.walk(lock.FOLDER), key=lambda path: (path == lock.LOCK, path))


def _is_proposal(project: Project, path: str) -> bool:
    file, entry = project.folder.read(f"{path}.incoming"), project.lock.paths[path]
    return file is not None and blob_id(file.content) in (entry.base, entry.theirs)


def _refuse_unsaved(project: Project, status: Status, paths: list[str]) -> None:
    """What goes or changes has to be in git, so that one command brings it back; proposals are copies."""
    dirty = [path for path in paths if path in status.dirty]
    dirty += [path for path in paths if path.startswith(f"{lock.FOLDER}/") and path not in status.tracked]
    if dirty:
        raise ProjectError(
            f"{len(dirty)} uncommitted {'change is' if len(dirty) == 1 else 'changes are'} in the way",
            "commit or move them first: git is to hold what goes",
            tuple(f"`{path}`" for path in dirty),
        )
    refusals.refuse_sparse(project, status, paths)


def _mentions(path: str, content: bytes) -> Iterator[Mention]:
    for number, line in enumerate(content.lower().splitlines(), 1):
        if NAME in line:
            yield Mention(path, number)


def _copies(project: Project) -> tuple[str, ...]:
    """What works only at the root of the repository, and lies there besides the project."""
    found = find_repository(project.root)
    if found is None or os.path.realpath(project.root) == os.path.realpath(found.top):
        return ()
    names = sorted({path.split("/")[0] for path in project.lock.paths}.intersection(ROOT_ONLY))
    return tuple(name for name in names if os.path.lexists(os.path.join(found.top, name)))


def _stages(ejection: Ejection) -> list[Stage]:
    """What the index shall hold: the changed files, and nothing of what goes."""
    project, status = ejection.project, ejection.status
    changed = {step.path: step.after for step in ejection.steps if step.after}
    contents = {path: states.as_git_stores(project, status, path, file) for path, file in changed.items()}
    ids = git.store(project.root, contents.values())
    gone = [step.path for step in ejection.steps if step.after is None and step.path in status.tracked]
    stages = [Stage(path, Blob(file.mode, ids[contents[path]])) for path, file in changed.items()]
    return stages + [Stage(path) for path in gone]
