"""Brings a project to a version of its factory: plan, apply, continue, abort, take.

The base comes from the project, never from rendering an old version; what both sides changed is merged by
git in a scratch repository; a conflict lives in the lock until a person has decided.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory import __version__, base, cache, catalog, check, edits, evolve, git, journal, lock, manifest, questions
from ai_factory.base import Base
from ai_factory.catalog import RELEASE
from ai_factory.check import Finding
from ai_factory.errors import MachineError, ProjectError
from ai_factory.evolve import Evolved
from ai_factory.factory import Factory
from ai_factory.git import UNKNOWN, Status
from ai_factory.lock import Lock
from ai_factory.manifest import Manifest
from ai_factory.plan import Plan, Target
from ai_factory.project import refusals, states, steps
from ai_factory.project.opening import Project
from ai_factory.project.release import Request, opened
from ai_factory.project.states import Seen
from ai_factory.project.target import Choice, Recipe, declared, recipe, rendered, settle_again
from ai_factory.tree import File, Tree

if TYPE_CHECKING:  # at run time it comes with all of governance, which most syncs do not ask for
    from ai_factory.project.foreseen import Foreseen


Render = Callable[[Recipe, Mapping[str, Any]], Target]


class Sync(NamedTuple):
    """A sync about to happen: the plan, the drift that stays, what the components' releases say."""

    project: Project
    plan: Plan
    status: Status
    drift: tuple[Finding, ...]
    releases: tuple[tuple[str, str, str], ...]  # component, version before, version after
    changelogs: Mapping[str, str]
    manifest: bytes
    before: Tree  # the files that it will touch, as they were when the plan was made
    nothing_to_do: bool  # whether lock, files and manifest would stay as they are
    given: frozenset[str] = frozenset()  # the answers that somebody gave; the others are defaults
    signed_by: str = ""  # who signed the release, where that was asked
    approvals: tuple[Foreseen, ...] = ()  # those that it voids, or that will wait for a confirmation

    @property
    def still_open(self) -> bool:
        """Whether a conflict of an earlier sync waits for a person."""
        return any(change.entry and change.entry.state == "open" for change in self.plan.changes)


# ---- plan ----------------------------------------------------------------------------------------


def prepare(project: Project, request: Request) -> Sync:
    """Compute a sync; nothing is written.

    Raises ProjectError, everything that stands in the way listed, when the project is not in a state to be
    synced; ConsentError for an origin that nobody accepted; UsageError for a version that does not exist.
    """
    refusals.refuse_unfinished(project)
    wished = project.manifest_bytes()
    wish = manifest.parse(wished, cache.document)
    refusals.refuse_hold(wish, request)
    return towards(project, opened(project, wish, request), request)


def towards(project: Project, factory: Factory, request: Request) -> Sync:
    """Compute a sync to that factory as it is, whatever the project's lock and wish say of origins and versions.

    Nothing is written. Raises ProjectError as `prepare` does.
    """
    wished = project.manifest_bytes()
    wish = manifest.parse(wished, cache.document)
    if not (request.asks or request.accept) and states.is_current(project, factory.origin):
        return _idle(project, factory)
    status = git.status(project.root)
    refusals.refuse_sparse(project, status, project.lock.paths)
    found = _recipe(factory, wish, request)
    made, looked_at = computed(Seen(project, status, partial(git.ignored, project.root)), found, request)
    touched = steps.touched(made.plan)
    refusals.refuse_moving(
        project, wished, {path: looked_at[path] for path in touched if path in looked_at}, made.before
    )
    refusals.refuse_dirty(project, made.plan, status, made.before)
    refusals.refuse_stored_otherwise(project, steps.staged(made.plan), status, made.before)
    return made


def _recipe(factory: Factory, wish: Manifest, request: Request) -> Recipe:
    """What the project wants of the factory, with the components that the request takes, and without those it drops."""
    if request.takes or request.drops:
        offered = catalog.blueprint(wish.blueprint, factory.read, cache.document)
        wish = manifest.chosen(wish, offered, request.takes, request.drops)
    return recipe(factory, Choice(wish.blueprint, wish.with_, wish.without))


def computed(
    seen: Seen, made: Recipe, request: Request, render: Render = rendered
) -> tuple[Sync, Mapping[str, File | None]]:
    """The sync of a project to what it wants of its factory, and the files of lock and target as its plan saw them.

    It asks nothing but what the moment shows. Raises ProjectError where an open conflict has to be resolved first.
    """
    project, status = seen.project, seen.status
    wished = project.manifest_bytes()
    wish = manifest.parse(wished, cache.document)
    pending = evolve.pending(made.components, project.lock.components)
    evolved, answers = settle_again(made, wish.answers, pending, request.answers, applied=project.lock)
    known, notes = states.known_base(project)
    looked_at: Mapping[str, File | None] = {}
    if not notes and _is_applied(project.lock, made, made.kept(answers)):
        plan = states.as_locked(project, made.factory.origin, known)
    else:
        past = declared(made, pending, project.lock.answers, answers)
        refusals.refuse_moving_open(project, past)
        plan, looked_at = states.merged(seen, render(made, answers), known, past)
    notes = (*notes, *evolve.weakened(pending), *_stamped_with_defaults(plan, made.secrets - request.answers.keys()))
    plan = plan._replace(manual=evolve.manual(pending), notes=notes)
    chosen = manifest.chosen(wish, made.blueprint, request.takes, request.drops)
    wanted = _new_manifest(manifest.choosing(wished, wish, chosen), wish, request, evolved)
    found = Sync(
        project,
        plan,
        status,
        tuple(silent_drift(project, plan)),
        _releases(project.lock, plan.target),
        {component.name: _changelog(component.tree) for component in made.components},
        wanted,
        project.folder.read_all(steps.touched(plan)),
        _changes_nothing(project, plan, wanted != wished),
        frozenset(evolved.answers),
        made.factory.signed_by,
        _foreseen(project, made),
    )
    return found, looked_at


def _stamped_with_defaults(plan: Plan, secrets: Collection[str]) -> Iterator[str]:
    """New files that show the default of a secret question, since nobody's answer to one is kept."""
    owned = plan.target.rendered.owned
    paths = [f"`{one.path}`" for one in plan.changes if one.action == "add" and owned[one.path].secret]
    if paths and secrets:
        keys = ", ".join(f"`{key}`" for key in sorted(secrets))
        yield f"no answer to the secret {keys} is kept, the default shows: write yours in {', '.join(paths)}"


def _idle(project: Project, factory: Factory) -> Sync:
    """The sync that changes nothing: it reads no base, no index and no template."""
    plan = states.as_locked(project, factory.origin, Base({}, {}))
    drift = tuple(silent_drift(project, plan))
    made = Sync(project, plan, UNKNOWN, drift, (), {}, project.manifest_bytes(), {}, nothing_to_do=True)
    return made._replace(signed_by=factory.signed_by)


def _changes_nothing(project: Project, plan: Plan, wishes_more: bool) -> bool:
    record, target = project.lock, plan.target
    return (
        all(change.action == "same" or (change.action == "keep" and change.sides) for change in plan.changes)
        and plan.origin.tree == record.factory.tree
        and (target.answers, target.components) == (record.answers, record.components)
        and not wishes_more
    )


def _is_applied(record: Lock, made: Recipe, answers: Mapping[str, Any]) -> bool:
    """Whether the rendering would be the one applied last: then it is not made again."""
    return (
        made.factory.origin.tree == record.factory.tree
        and record.engine == __version__
        and answers == record.answers
        and made.versions == record.components
    )


def controls(sync: Sync) -> dict[str, list[str]]:
    """The controls for which the project gains or loses evidence, and those with evidence in conflict."""
    before = {control for entry in sync.project.lock.paths.values() for control in entry.controls}
    rows = [change.entry for change in sync.plan.changes if change.entry]
    after = {control for entry in rows for control in entry.controls}
    weakened = {control for entry in rows if entry.state in ("open", "declined") for control in entry.controls}
    return {"gained": sorted(after - before), "lost": sorted(before - after), "weakened": sorted(weakened)}


def silent_drift(project: Project, plan: Plan) -> list[Finding]:
    """The drift that this sync leaves as it is: every sync names it."""
    untouched = {change.path: change for change in plan.changes if change.file is None and change.entry}
    record = plan.new_lock(b"", b"")._replace(
        paths={path: change.entry for path, change in untouched.items() if change.entry}
    )
    promised = [path for path, entry in record.paths.items() if entry.ownership == "managed"]
    files = project.folder.read_all(promised)
    found = check.compare(record, files, modes=project.folder.modes)
    return [finding for finding in found if finding.rule in ("AF002", "AF003")]


def _releases(record: Lock, target: Target) -> tuple[tuple[str, str, str], ...]:
    names = sorted({*record.components, *target.components})
    rows = ((name, record.components.get(name, ""), target.components.get(name, "")) for name in names)
    return tuple(row for row in rows if row[1] != row[2])


def _foreseen(project: Project, made: Recipe) -> tuple[Foreseen, ...]:
    """What becomes of approvals, where a component moves."""
    if made.versions == project.lock.components:
        return ()
    from ai_factory.project.foreseen import foreseen

    return foreseen(project, made.components)


def _changelog(tree: Tree) -> str:
    file = tree.get("CHANGELOG.md")
    return file.content.decode(errors="replace") if file else ""


def release_notes(changelog: str, before: str, after: str) -> str:
    """The part of a changelog between two versions: after `before`, up to and with `after`."""
    heads = [(match[1], match.start()) for match in RELEASE.finditer(changelog)]
    starts = dict(heads)
    begin = starts.get(after)
    if begin is None:
        return ""
    end = starts.get(before, len(changelog))
    return changelog[begin:end].strip() if end > begin else ""


def _new_manifest(content: bytes, wish: Manifest, request: Request, evolved: Evolved) -> bytes:
    given = evolved.answers
    moved = {old: new for old, new in evolved.names.items() if new not in wish.answers and old not in given}
    before = {moved.get(key, key): value for key, value in wish.answers.items()}
    removed = {key: None for key in before if key not in given}
    changed = {key: value for key, value in given.items() if before.get(key, questions.MISSING) != value}
    if moved or removed or changed:
        content = manifest.answered(content, {**removed, **changed}, moved)
    if request.accept and request.accept != wish.factory:
        content = edits.edit(content, {("factory",): request.accept})
    return content


# ---- apply ---------------------------------------------------------------------------------------


def apply(sync: Sync, what: str = journal.SYNC, beside: Mapping[str, bytes] = {}) -> None:
    """Write the files, those `beside` lock and base, then the base, then the lock, and stage them.

    On failure all is as before. Raises ProjectError when the project is no longer what the plan saw.
    """
    project, plan = sync.project, sync.plan
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        journal.require_finished(place)
        _refuse_outdated(sync)
        archive = base.write(plan.new_base())
        record = lock.write(plan.new_lock(archive, sync.manifest))
        ours = {**beside, lock.PROJECT: sync.manifest, lock.BASE: archive, lock.LOCK: record}
        todo = steps.steps_of(project, plan, sync.before, ours)
        stages = steps.stages_of(project, plan, todo, sync.status)
        incoming = [f"{change.path}.incoming" for change in plan.changes if change.incoming]
        watched = steps.watched(project, plan, todo)
        journal.apply(place, sync.status.head, todo, stages, incoming, watched, {"what": what})


def _refuse_outdated(sync: Sync) -> None:
    """Another sync may have ended since the plan was made, a person may have saved, staged or committed something."""
    touched = steps.touched(sync.plan)
    now = sync.project.folder.read_all(touched)
    refusals.refuse_changed([path for path in touched if now.get(path) != sync.before.get(path)])
    if not git.still(sync.project.root, sync.status):
        raise ProjectError("something was staged or committed while the sync was under way", "run it again")


def refuse_uncommitted(sync: Sync) -> None:
    """A sync that was staged before is not committed by one with nothing to do. Raises ProjectError."""
    if {lock.LOCK, lock.BASE, lock.PROJECT}.intersection(git.status(sync.project.root).dirty):
        raise ProjectError("an earlier sync is staged, and not committed", "look at it, then `git commit`")


def commit(sync: Sync, did: str = "Sync with", beside: Sequence[str] = ()) -> None:
    """Commit what the sync wrote, and nothing else. Raises ProjectError while a conflict is open."""
    if sync.plan.conflicts:
        raise ProjectError("conflicts are open: there is nothing whole to commit", "resolve them, then `git commit`")
    origin = sync.plan.target.origin
    try:
        with journal.exclusive(journal.journal_of(sync.project.root)):
            git.commit(sync.project.root, f"{did} {origin.url} {origin.version}", [*written(sync), *beside])
    except MachineError as error:
        hint = "mend what stops `git commit`, then commit; or go back with `ai-factory sync --abort`"
        raise ProjectError(f"the sync is staged, but not committed: {error.message}", hint) from None


def written(sync: Sync) -> list[str]:
    """The paths whose content or presence the sync changed in the work tree, without proposals."""
    apart = sync.plan.apart
    known = {change.path for change in sync.plan.changes if change.writes and change.action != "decline"} - apart
    moved = {change.source for change in sync.plan.changes if change.source}
    return sorted(known | moved | set(steps.OURS))
