"""Takes over a project of Copier or cruft: the version that it has is rendered once, and becomes its base.

Nothing of the project's is written, deleted or moved. What it has otherwise than the rendering is the team's edit from
now on, and the next sync is an ordinary one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache as once
from functools import partial
from typing import Any, NamedTuple

from ai_factory import base, foreign, git, journal, lock, manifest, versions
from ai_factory.base import Base
from ai_factory.engines import MARKS, TITLES
from ai_factory.errors import AnswersError, FactoryError, MachineError, ProjectError, UnreachableError, UsageError
from ai_factory.factory import Factory, Wanted, open_factory
from ai_factory.git import Status
from ai_factory.lock import Lock
from ai_factory.manifest import Manifest
from ai_factory.merge import Declared
from ai_factory.newest import repository_at
from ai_factory.plan import Plan, Target, births
from ai_factory.project import refusals, states, steps
from ai_factory.project.foreign import engine
from ai_factory.project.foreign.traces import CRUFT, Trace, trace_in
from ai_factory.project.new import ATTRIBUTES, effective_answers
from ai_factory.project.opening import Project
from ai_factory.project.states import Seen
from ai_factory.project.target import Choice, Recipe, recipe, rendered
from ai_factory.questions import Asked, Check
from ai_factory.steady import steadied
from ai_factory.tree import Tree, blob_id, word
from ai_factory.workspace import Folder, find_repository, is_project

OURS = (lock.ATTRIBUTES, *steps.OURS)


class Wish(NamedTuple):
    """What a person says: another address than the project's own, whether code may run and the network be asked."""

    factory: str = ""
    trust: bool = False
    refresh: bool = True
    trusted_only: bool = False  # in CI, an origin never comes from the project


class Proof(NamedTuple):
    """How the rendering is borne out: files that are as it has them, edited ones, and those the team deleted.

    `held` are the edited ones that the repository has once held as rendered.
    """

    same: tuple[str, ...]
    edited: tuple[str, ...]
    held: tuple[str, ...]
    deleted: tuple[str, ...]


class Adoption(NamedTuple):
    """A project about to be taken over."""

    project: Project
    trace: Trace
    plan: Plan
    proof: Proof
    manifest: Manifest
    status: Status


def prepare(place: str, wish: Wish) -> Adoption:
    """Compute the adoption; nothing is written.

    Raises ProjectError for what cannot be adopted and for a base that the project does not bear out, UnreachableError,
    ConsentError for a template that runs code.
    """
    root = _root(place)
    trace = _trace(root)
    made = recipe(_opened(trace, wish), Choice(foreign.NAME))
    answers = _answers(made, trace, os.path.basename(root))
    target = _as_there(rendered(made, answers), Folder(root))
    status = git.status(root)
    project = Project(Folder(root), births(target).new_lock(b"", b""))
    plan = _plan(Seen(project, status, partial(git.ignored, root)), target)
    proof = _proved(project, plan, target.rendered.tree)
    if not (proof.same or proof.held):
        raise ProjectError(
            f"no file of the project is, or was, as `{made.factory.origin.url}` {trace.version} stamps it",
            f"look whether `{trace.file}` names the right template and version",
        )
    chosen = Manifest(made.factory.origin.url, foreign.NAME, answers=_chosen(made, trace, root))
    return Adoption(project, trace, plan, proof, chosen, status)


def apply(adoption: Adoption) -> None:
    """Write our own files and stage them; on failure all is as before."""
    project, plan = adoption.project, adoption.plan
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        journal.require_finished(place)
        archive, wanted = base.write(plan.new_base()), manifest.write(adoption.manifest)
        record = lock.write(plan.new_lock(archive, wanted))
        ours = dict(zip(OURS, (ATTRIBUTES, wanted, archive, record), strict=True))
        todo = steps.steps_of(project, plan._replace(changes=()), project.folder.read_all(OURS), ours)
        stages = steps.stages_of(project, plan, todo, adoption.status)
        journal.apply(place, adoption.status.head, todo, stages, more={"what": journal.ADOPTION})


def commit(adoption: Adoption) -> None:
    """Commit what the adoption wrote, and nothing else. Raises ProjectError."""
    project, origin = adoption.project, adoption.plan.target.origin
    try:
        with journal.exclusive(journal.journal_of(project.root)):
            git.commit(project.root, f"Adopt {origin.url} {origin.version}", OURS)
    except MachineError as error:
        hint = "mend what stops `git commit`, then commit; or go back with `ai-factory sync --abort`"
        raise ProjectError(f"the adoption is staged, but not committed: {error.message}", hint) from None


# ---- the project as it is ------------------------------------------------------------------------


def _root(place: str) -> str:
    root = os.path.realpath(place)
    if not os.path.isdir(root):
        raise UsageError(f"`{place}` is no folder", "name the root of a project")
    if find_repository(root) is None:
        raise ProjectError(
            f"`{place}` lies in no git work tree", f"`git -C {word(place)} init`, and commit what is there"
        )
    refusals.refuse_unfinished(Project(Folder(root), Lock(lock.Origin("git", "", "", "", ""), "", {}, {}, "", {})))
    if is_project(root):
        raise ProjectError(f"`{place}` is a project of the factory already", f"`ai-factory sync {word(place)}`")
    if there := [path for path in OURS if os.path.lexists(os.path.join(root, path))]:
        raise ProjectError(f"`{there[0]}` is there, and no lock", f"move `{lock.FOLDER}` away")
    return root


def _trace(root: str) -> Trace:
    trace = trace_in(root)
    if trace is None:
        raise UsageError(
            f"`{root}` has no record of Copier's, such as `.copier-answers.yml`, and no `.cruft.json`: "
            "no template is known that it came from",
            "adopt it with a blueprint: `ai-factory adopt --blueprint NAME`",
        )
    return trace


# ---- the template as it was applied --------------------------------------------------------------


def _opened(trace: Trace, wish: Wish) -> Factory:
    """The template at the version that the project has."""
    if wish.trusted_only and not wish.factory:
        raise UsageError(
            f"in CI, the template `{trace.url}` is not taken from the project",
            f"name the one that you trust: `--factory {word(trace.url)}`",
        )
    url = wish.factory or trace.url
    try:
        found = open_factory(url, Wanted(trace.version, refresh=wish.refresh))
    except UsageError as error:
        raise ProjectError(
            f"`{trace.file}` names version `{trace.version}` of `{url}`: {error.message}",
            "where the template has moved: `--factory URL`; else update the project with its own tool first",
        ) from None
    except UnreachableError as error:
        hint = f"it is where `{trace.file}` says; where the template has moved: `--factory URL`"
        raise UnreachableError(error.message, hint) from None
    found = _read_by(found, trace.engine)
    if not found.engine:
        raise ProjectError(f"`{url}` at `{trace.version}` is no template of {TITLES[trace.engine]}")
    return _named(found)._replace(trusted=wish.trust)


def _read_by(factory: Factory, engine: str) -> Factory:
    """The template as that engine reads it: some can be read by both, and a sync takes the one that counts first."""

    @once
    def files() -> Tree:
        return {path: file for path, file in factory.files().items() if MARKS.get(path, engine) == engine}

    return factory._replace(files=files)


def _named(factory: Factory) -> Factory:
    """The factory, its commit called by its tag, or by the branch that a template without releases is followed on.

    cruft notes commits, and Copier does where there is no tag.
    """
    origin = factory.origin
    repository = repository_at(origin.url)
    releases = git.releases(repository)
    tags = [one.tag for one in releases if one.commit == origin.commit]
    if origin.kind != "git" or origin.version in tags:
        return factory
    name = versions.newest(tags) or next(iter(tags), "")
    if not name and not versions.newest([one.tag for one in releases]):
        branch = git.main_branch(repository)
        name = branch if branch and git.is_ancestor(repository, origin.commit, branch) else ""
    return factory._replace(origin=origin._replace(version=name or origin.version))


def _answers(made: Recipe, trace: Trace, name: str) -> dict[str, Any]:
    """The recorded answers, settled for a folder of that name. Raises ProjectError where the engine makes others."""
    try:
        answers = engine.settle(made.factory, trace.answers, {foreign.FOLDER: name, **_record(made.factory, trace)})
    except AnswersError as error:
        raise _other_answers(trace, error.problems) from None
    other = {
        key: f"it makes {answers[key]!r} of it"
        for key, value in trace.answers.items()
        if answers.get(key, value) != value
    }
    if other:
        raise _other_answers(trace, other)
    return answers


def _record(factory: Factory, trace: Trace) -> dict[str, str]:
    """Where the project has Copier's record, if that is elsewhere than the template puts it."""
    theirs = trace.file == CRUFT or trace.file == foreign.record_of(factory.tree)
    return {} if theirs else {foreign.RECORD: trace.file}


def _chosen(made: Recipe, trace: Trace, root: str) -> dict[str, Any]:
    """Of the recorded answers those that somebody chose: both tools note the template's defaults as well."""

    def recorded(shown: Asked, _: Check) -> Any:
        return trace.answers.get(shown.question.key, shown.default)

    _, spoken = effective_answers(made, {}, root, recorded)
    return {key: value for key, value in trace.answers.items() if key in spoken}


def _as_there(target: Target, folder: Folder) -> Target:
    """The rendering, with what the template makes up at random as it was made up for the project."""
    there = folder.read_all(path for path in target.rendered.again if folder.reaches(path))
    return target._replace(rendered=steadied(target.rendered, there))


def _other_answers(trace: Trace, problems: Mapping[str, str]) -> FactoryError:
    return ProjectError(
        f"the template at `{trace.version}` does not take the answers in `{trace.file}`",
        "the project was not made with these: mend that file",
        tuple(f"`{key}`: {problem}" for key, problem in problems.items()),
    )


# ---- base and rows -------------------------------------------------------------------------------


def _plan(seen: Seen, target: Target) -> Plan:
    """The sync from the rendering to itself: each row as it stands, and no file written."""
    pristine = {path: file for path, file in target.rendered.tree.items() if _is_ours(target, path)}
    plan, _ = states.merged(seen, target, Base(pristine, {}), Declared({}, frozenset(), {}))
    return plan._replace(changes=tuple(change._replace(incoming=None) for change in plan.changes))


def _is_ours(target: Target, path: str) -> bool:
    return target.rendered.owned[path].ownership == "merged"


def _proved(project: Project, plan: Plan, tree: Tree) -> Proof:
    local = plan.local
    files = project.folder.read_all(path for path in tree if project.folder.reaches(path))
    ids = {path: blob_id(file.content) for path, file in tree.items() if path not in local}
    same = {path for path, identity in ids.items() if path in files and blob_id(files[path].content) == identity}
    edited = [path for path in sorted(ids) if path in files and path not in same]
    known = set(git.existing(project.root, sorted({ids[path] for path in edited})))
    deleted = [path for path in sorted(ids) if path not in files]
    return Proof(
        tuple(sorted(same)), tuple(edited), tuple(path for path in edited if ids[path] in known), tuple(deleted)
    )
