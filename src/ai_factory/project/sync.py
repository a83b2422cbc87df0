"""Brings a project to a version of its factory: plan, apply, continue, abort, take.

The base comes from the project, never from rendering an old version; what both sides changed is merged by
git in a scratch repository; a conflict lives in the lock until a person has decided.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import __version__, base, cache, check, edits, evolve, git, journal, lock, manifest, questions
from ai_factory.base import Base
from ai_factory.catalog import RELEASE
from ai_factory.check import Finding
from ai_factory.errors import MachineError, ProjectError, UsageError
from ai_factory.evolve import Evolved
from ai_factory.factory import Factory, Wanted, goes_back, is_tag, open_factory
from ai_factory.git import UNKNOWN, Stage, Status
from ai_factory.lock import Lock, Origin
from ai_factory.manifest import Manifest
from ai_factory.plan import Change, Plan, Target
from ai_factory.project import origins, states
from ai_factory.project.opening import Project
from ai_factory.project.target import Choice, Recipe, declared, recipe, rendered, settle_again
from ai_factory.tree import Blob, File, Tree, blob_id, digest, normalized
from ai_factory.workspace import keeps_modes

OURS = (lock.PROJECT, lock.BASE, lock.LOCK)  # written last, and the lock last of all


class Request(NamedTuple):
    """What was asked of a sync."""

    to: str = ""
    factory: str = ""
    accept: str = ""  # an origin that a person accepts although the lock names another
    answers: Mapping[str, Any] = {}
    refresh: bool = True
    today: str = ""  # an ISO date, for a hold
    trusted_only: bool = False  # in CI, an origin never comes from the project
    signers: str = ""  # a file of those of whom one must have signed the release


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
    _refuse_unfinished(project)
    wished = project.manifest_bytes()
    wish = manifest.parse(wished, cache.document)
    _refuse_hold(wish, request)
    factory = _open(project, wish, request)
    _refuse_downgrade(project.lock, factory, request)
    if _is_current(project, factory.origin, request):
        return _idle(project, factory)
    made = recipe(factory, Choice(wish.blueprint, wish.with_, wish.without))
    pending = evolve.pending(made.components, project.lock.components)
    evolved, answers = settle_again(made, wish.answers, pending, request.answers)
    status = git.status(project.root)
    _refuse_sparse(project.lock, status)
    known, notes = states.known_base(project)
    seen: Mapping[str, File | None] = {}
    if not notes and _is_applied(project.lock, made, answers):
        plan = states.as_locked(project, made.factory.origin, known)
    else:
        past = declared(made, pending, project.lock.answers, answers)
        plan, seen = states.merged(project, rendered(made, answers), known, status, past)
    plan = plan._replace(manual=evolve.manual(pending), notes=notes)
    touched = _touched(plan)
    before = project.folder.read_all(touched)
    _refuse_moving(project, wished, {path: seen[path] for path in touched if path in seen}, before)
    _refuse_dirty(project, plan, status, before)
    wanted = _new_manifest(wished, wish, request, evolved)
    return Sync(
        project,
        plan,
        status,
        tuple(_silent_drift(project, plan)),
        _releases(project.lock, plan.target),
        {component.name: _changelog(component.tree) for component in made.components},
        wanted,
        before,
        _changes_nothing(project, plan, wanted != wished),
        frozenset(evolved.answers),
        factory.signed_by,
    )


def _is_current(project: Project, origin: Origin, request: Request) -> bool:
    """Whether the lock tells that all has been applied that is wanted, and nobody waits for a decision."""
    record = project.lock
    return (
        (origin.tree, __version__) == (record.factory.tree, record.engine)
        and not (request.answers or request.accept)
        and digest(project.manifest_bytes()) == record.project_file
        and not any(entry.state == "open" for entry in record.paths.values())
        and project.has_base()
    )


def _idle(project: Project, factory: Factory) -> Sync:
    """The sync that changes nothing: it reads no base, no index and no template."""
    plan = states.as_locked(project, factory.origin, Base({}, {}))
    drift = tuple(_silent_drift(project, plan))
    made = Sync(project, plan, UNKNOWN, drift, (), {}, project.manifest_bytes(), {}, nothing_to_do=True)
    return made._replace(signed_by=factory.signed_by)


def _refuse_unfinished(project: Project) -> None:
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


def _refuse_sparse(record: Lock, status: Status) -> None:
    absent = sorted(status.sparse & record.paths.keys())
    if absent:
        raise ProjectError(
            f"a sparse checkout leaves out {len(absent)} of the project's files",
            "`git sparse-checkout disable` brings them here",
            tuple(f"`{path}`" for path in absent),
        )


def _refuse_hold(wish: Manifest, request: Request) -> None:
    """A project on hold is left alone until the day, unless a version or an answer is asked for by name."""
    until = wish.hold.get("until", "")
    if until and request.today <= until and not request.to and not request.answers:
        raise ProjectError(
            f"the project is on hold until {until}: {wish.hold['reason']}",
            "take `hold` out of `.ai-factory/project.yaml`, or name a version: `ai-factory sync --to VERSION`",
        )


def _open(project: Project, wish: Manifest, request: Request) -> Factory:
    origin = origins.origin(project.lock, wish, request.factory, request.accept, request.trusted_only)
    origins.refuse_own_signers(project.root, request.signers)
    if request.answers and not request.to:
        return _open_as_applied(project.lock.factory, origin, request)
    bound = wish.version if not request.to else ""
    version = request.to or states.reference(project.lock, origin, wish)
    factory = open_factory(origin, Wanted(version, bound, request.refresh, request.signers), project.lock.factory)
    _refuse_moved_tag(project.lock.factory, factory)
    return factory


def _open_as_applied(applied: Origin, origin: str, request: Request) -> Factory:
    """The factory at the version that the project has, be its tag gone or moved: an answer alone changes no version.

    A folder has one version, the one that lies there.
    """
    reference = {"git": applied.commit, "embedded": applied.version}.get(applied.kind, "")
    if request.signers and applied.kind == "git":
        reference = applied.version  # only a tag can be signed
    try:
        factory = open_factory(origin, Wanted(reference, refresh=request.refresh, signers=request.signers), applied)
    except UsageError as error:
        hint = "answer together with a version: `ai-factory sync --to VERSION --data KEY=VALUE`"
        raise ProjectError(f"the factory does not hold the project's version any more: {error.message}", hint) from None
    if request.signers:
        _refuse_moved_tag(applied, factory)
    if applied.kind == "git":
        factory = factory._replace(origin=factory.origin._replace(version=applied.version))
    return factory


def _refuse_moved_tag(old: Origin, factory: Factory) -> None:
    """A tag names one content for ever: the same tag with another one is no version to bring anybody to."""
    new = factory.origin
    if (new.kind, new.version) == (old.kind, old.version) and new.commit != old.commit and is_tag(new):
        raise ProjectError(
            f"the tag `{new.version}` of the factory has moved: it was {old.commit[:12]}, and is {new.commit[:12]}",
            "ask for a new release, and sync to that one: `ai-factory sync --to VERSION`",
        )


def _refuse_downgrade(record: Lock, factory: Factory, request: Request) -> None:
    if goes_back(record.factory, factory.origin):
        named = "a sync never goes back: revert the commit of the sync instead"
        raise ProjectError(
            f"the project is at version {record.factory.version}, newer than {factory.origin.version}",
            named if request.to else "name the version, branch or commit to go to: `ai-factory sync --to REF`",
        )


def _changes_nothing(project: Project, plan: Plan, wishes_more: bool) -> bool:
    record, target = project.lock, plan.target
    return (
        all(change.action == "same" or (change.action == "keep" and change.sides) for change in plan.changes)
        and target.origin.tree == record.factory.tree
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


def _refuse_moving(project: Project, wished: bytes, seen: Mapping[str, File | None], before: Tree) -> None:
    """What a sync may replace is what its plan saw: nobody may have written in between."""
    modes = keeps_modes(project.root)
    moved = [path for path, file in seen.items() if not _is_still(before.get(path), file, modes)]
    record, wish = before.get(lock.LOCK), before.get(lock.PROJECT)
    if record is None or lock.parse(record.content) != project.lock:
        moved.append(lock.LOCK)
    if wish is None or wish.content != wished:
        moved.append(lock.PROJECT)
    _refuse_changed(moved)


def _is_still(now: File | None, seen: File | None, modes: bool) -> bool:
    return now == seen or (not modes and now is not None and seen is not None and now.content == seen.content)


def _refuse_changed(paths: Sequence[str]) -> None:
    if paths:
        raise ProjectError(
            f"{len(paths)} {'file was' if len(paths) == 1 else 'files were'} changed while the sync was under way",
            "run it again",
            tuple(f"`{path}`" for path in sorted(paths)),
        )


def _refuse_dirty(project: Project, plan: Plan, status: Status, before: Tree) -> None:
    touched = {path for change in plan.changes for path in (change.path, change.source) if path and _writes(change)}
    dirty = [path for path in status.dirty if path in touched or path.startswith(lock.FOLDER + "/")]
    dirty += [path for path in sorted(status.untracked) if path in touched]
    dirty += _in_place_of_proposals(project, plan, before)
    dirty += _unseen(project, plan, status, before)
    dirty += _in_the_way(project, plan)
    if dirty:
        raise ProjectError(
            f"{len(dirty)} uncommitted {'change is' if len(dirty) == 1 else 'changes are'} in the way",
            "commit or move them, or `git stash --include-untracked`, sync, `git stash pop`",
            tuple(f"`{path}`" for path in dirty),
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


def _unseen(project: Project, plan: Plan, status: Status, before: Tree) -> list[str]:
    """Files of the team that a change follows and whose content on disk is not the one that git told."""
    followed = [change.path for change in plan.changes if change.file and not change.entry]
    objects = git.project_objects(project.root) if followed else ""
    files = {path: before[path] for path in followed if path in before}
    ids = {
        path: {git.object_id(content, objects) for content in (file.content, normalized(file.content))}
        for path, file in files.items()
    }
    return [path for path in followed if path not in ids or status.tracked[path].id not in ids[path]]


def _in_the_way(project: Project, plan: Plan) -> list[str]:
    """Folders with files where a file is to come, and files where a folder is to come."""
    gone = {change.path for change in plan.changes if change.action == "delete"}
    gone |= {change.source for change in plan.changes if change.source}
    written = {path: file for path, file in _wanted(plan).items() if file}
    found = [f"{path} (in another repository)" for path in written if not project.folder.is_ours(path)]
    for change in plan.changes:
        if change.file is None:
            continue
        if project.folder.is_folder(change.path) and set(project.folder.walk(change.path)) - gone:
            found.append(f"{change.path}/")
        parts = change.path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        found += [path for path in above if path not in gone and project.folder.read(path) is not None]
    return sorted(set(found))


def _writes(change: Change) -> bool:
    return change.action not in ("same", "keep", "forget")


def _silent_drift(project: Project, plan: Plan) -> list[Finding]:
    """The drift that this sync leaves as it is: every sync names it."""
    untouched = {change.path: change for change in plan.changes if change.file is None and change.entry}
    record = plan.new_lock(b"", b"")._replace(
        paths={path: change.entry for path, change in untouched.items() if change.entry}
    )
    promised = [path for path, entry in record.paths.items() if entry.ownership == "managed"]
    files = project.folder.read_all(promised)
    found = check.compare(record, files, modes=keeps_modes(project.root))
    return [finding for finding in found if finding.rule in ("AF002", "AF003")]


def _releases(record: Lock, target: Target) -> tuple[tuple[str, str, str], ...]:
    names = sorted({*record.components, *target.components})
    rows = ((name, record.components.get(name, ""), target.components.get(name, "")) for name in names)
    return tuple(row for row in rows if row[1] != row[2])


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


def apply(sync: Sync) -> None:
    """Write the files, then the base, then the lock, and stage them; on failure all is as before.

    Raises ProjectError when the project is no longer what the plan saw.
    """
    project, plan = sync.project, sync.plan
    place = journal.journal_of(project.root)
    with journal.exclusive(place):
        journal.require_finished(place)
        _refuse_outdated(sync)
        archive = base.write(plan.new_base())
        record = lock.write(plan.new_lock(archive, sync.manifest))
        steps = _steps(sync, {lock.PROJECT: sync.manifest, lock.BASE: archive, lock.LOCK: record})
        stages = _stages(project, plan, steps, sync.status)
        incoming = [f"{change.path}.incoming" for change in plan.changes if change.incoming]
        journal.apply(place, sync.status.head, steps, stages, incoming, _watched(sync, steps))


def _refuse_outdated(sync: Sync) -> None:
    """Another sync may have ended since the plan was made, a person may have saved, staged or committed something."""
    touched = _touched(sync.plan)
    now = sync.project.folder.read_all(touched)
    _refuse_changed([path for path in touched if now.get(path) != sync.before.get(path)])
    if not git.still(sync.project.root, sync.status):
        raise ProjectError("something was staged or committed while the sync was under way", "run it again")


def _watched(sync: Sync, steps: Sequence[journal.Step]) -> dict[str, str]:
    """The open files, and their ids as the sync leaves them."""
    written = {step.path: step.after for step in steps}
    open_ = [change.path for change in sync.plan.changes if change.entry and change.entry.state == "open"]
    files = {path: written.get(path) or sync.project.folder.read(path) for path in open_}
    return {path: blob_id(file.content) if file else "" for path, file in files.items()}


def _touched(plan: Plan) -> list[str]:
    """Every path that the sync may write or delete."""
    paths = {path for change in plan.changes for path in (change.path, change.source) if path}
    return sorted(paths | {f"{change.path}.incoming" for change in plan.changes if change.incoming} | set(OURS))


def _wanted(plan: Plan) -> dict[str, File | None]:
    """What will lie at each path that the plan changes; None: nothing."""
    wanted: dict[str, File | None] = {change.source: None for change in plan.changes if change.source}
    for change in plan.changes:
        if change.file is not None or change.action == "delete":
            wanted[change.path] = change.file
        if change.incoming:
            wanted[f"{change.path}.incoming"] = change.incoming
    return wanted


def _steps(sync: Sync, ours: Mapping[str, bytes]) -> list[journal.Step]:
    wanted = _wanted(sync.plan) | {path: File(content) for path, content in ours.items()}
    # a path that goes makes room for one that comes: a file may become a folder
    order = sorted(wanted, key=lambda path: (path.startswith(lock.FOLDER), wanted[path] is not None))
    steps = [journal.Step(path, sync.before.get(path), wanted[path]) for path in order]
    # an open file that stays as it is: an abort takes back what a person does to it meanwhile
    paths = [change.path for change in sync.plan.conflicts if change.path not in wanted]
    open_ = [path for path in paths if sync.project.folder.is_ours(path)]  # nothing is done in another repository
    kept = [journal.Step(path, sync.before.get(path), sync.before.get(path)) for path in open_]
    return kept + [step for step in steps if step.before != step.after]


def _stages(project: Project, plan: Plan, steps: Sequence[journal.Step], status: Status) -> list[Stage]:
    """What the index shall hold: every written file, and base, ours and theirs of each marked conflict."""
    marked = {change.path: change for change in plan.conflicts if change.file is not None and change.incoming is None}
    proposals = {f"{change.path}.incoming" for change in plan.changes if change.incoming}
    local = {change.path for change in plan.changes if change.entry and change.entry.state == "local"}
    others = proposals | local | marked.keys()
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


def commit(sync: Sync) -> None:
    """Commit what the sync wrote, and nothing else. Raises ProjectError while a conflict is open."""
    if sync.plan.conflicts:
        raise ProjectError("conflicts are open: there is nothing whole to commit", "resolve them, then `git commit`")
    origin = sync.plan.target.origin
    try:
        with journal.exclusive(journal.journal_of(sync.project.root)):
            git.commit(sync.project.root, f"Sync with {origin.url} {origin.version}", written(sync))
    except MachineError as error:
        hint = "mend what stops `git commit`, then commit; or go back with `ai-factory sync --abort`"
        raise ProjectError(f"the sync is staged, but not committed: {error.message}", hint) from None


def written(sync: Sync) -> list[str]:
    """The paths whose content or presence the sync changed in the work tree, without proposals."""
    local = {change.path for change in sync.plan.changes if change.entry and change.entry.state == "local"}
    known = {change.path for change in sync.plan.changes if _writes(change) and change.action != "decline"} - local
    moved = {change.source for change in sync.plan.changes if change.source}
    return sorted(known | moved | {lock.PROJECT, lock.BASE, lock.LOCK})
