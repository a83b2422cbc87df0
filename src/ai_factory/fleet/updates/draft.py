"""The sync of one project of a fleet as a commit: pure but for git, and the same wherever it is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ai_factory import git, lock
from ai_factory.errors import HoldError
from ai_factory.fleet.registry import Member
from ai_factory.fleet.releases import Source, beyond, packed, recipe_for, release_for, rendering, source_for
from ai_factory.fleet.system import OURS, System
from ai_factory.git import Proposed
from ai_factory.lock import Origin
from ai_factory.manifest import Manifest
from ai_factory.plan import Change, Plan
from ai_factory.project.opening import Project
from ai_factory.project.release import Request
from ai_factory.project.states import Seen
from ai_factory.project.sync import Sync, computed, controls
from ai_factory.project.target import Recipe
from ai_factory.tree import File

Body = Callable[[Sync, str], str]  # the text of a pull request on that branch
FROM, TO, ON = "Ai-Factory-From", "Ai-Factory-To", "Ai-Factory-Base"  # trailers of our commits


class Decision(NamedTuple):
    """What happens to one path, and why."""

    path: str
    action: str
    why: str
    component: str
    ownership: str
    source: str = ""


class Draft(NamedTuple):
    """A sync of one project as it was computed: from which commit, to what, and what a reviewer has to know.

    `commit` and `tree` are empty where there is nothing to do; `body` is the text of the pull request.
    """

    member: Member
    branch: str
    target: str
    base: str
    before: Origin
    after: Origin
    commit: str = ""
    tree: str = ""
    decisions: tuple[Decision, ...] = ()
    conflicts: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    weakened: tuple[str, ...] = ()
    managed_only: bool = False
    when: int = 0  # when the commit was made that the project's branch has now (Unix time)
    body: str = ""

    @property
    def workflows(self) -> bool:
        """Whether it touches what code hosts run, for which they ask another right."""
        return any(one.path.startswith(".github/workflows/") for one in self.decisions)


@contextmanager
def drafted(
    system: System, sources: Sequence[Source], to: str, today: str, body: Body
) -> Iterator[tuple[Draft, Proposed | None]]:
    """The sync of that project, and its commit, which can be pushed as long as the block lasts.

    Raises ProjectError for a project that is on hold or cannot go there, LockError (AF005) for one that is not to be
    trusted, AuthorError where the factory is broken.
    """
    project = system.project()
    wish = project.manifest()
    _refuse_hold(wish, system.member, today)
    source = source_for(sources, project.lock, wish)
    release = release_for(source, project.lock, wish, to)
    sync = _computed(system, project, recipe_for(source, release, wish), today)
    found = _draft(system, sync, branch_of(system.member, wish.blueprint))
    if sync.nothing_to_do:
        if newer := beyond(source, release, wish.version):
            raise HoldError(f"its team's bound `{wish.version}` ends before {newer}", "its team has decided it")
        yield found, None
        return
    when = max(system.files.commit.time, release.when)
    files = {f"{system.files.inside}{path}": file for path, file in tree_changes(sync).items()}
    message = _message(sync, system.here.commit)
    with git.proposed(system.files.root, system.files.commit, files, message, when) as made:
        yield found._replace(commit=made.commit, tree=made.tree, body=body(sync, found.branch)), made


def branch_of(member: Member, blueprint: str) -> str:
    """The one branch on which a project's updates are proposed."""
    return f"{OURS}{member.slug}--{blueprint}"


def _refuse_hold(wish: Manifest, member: Member, today: str) -> None:
    """A team that wants to be left alone is: by its own word, or by that of the fleet."""
    for hold, whose in ((wish.hold, "its team"), (member.hold, "the fleet")):
        if held(hold, today):
            raise HoldError(f"on hold until {hold['until']}: {hold['reason']}", f"{whose} has decided it")


def held(hold: Mapping[str, str], today: str) -> bool:
    """Whether a hold counts on that day (ISO dates)."""
    return bool(hold) and today <= hold["until"]


def _computed(system: System, project: Project, made: Recipe, today: str) -> Sync:
    seen = Seen(project, system.files.status, system.files.ignored)
    return computed(seen, made, Request(today=today), rendering)[0]


def tree_changes(sync: Sync) -> dict[str, File | None]:
    """The files that the commit changes: the clean part of the plan, with base, lock and manifest.

    Of a conflict the project's own version stays, without markers; what git ignores there, and what shows a secret, is
    nobody's to commit.
    """
    wanted = dict(_changed(sync.plan))
    archive = packed(sync.plan.new_base())
    record = lock.write(sync.plan.new_lock(archive, sync.manifest))
    ours = {lock.PROJECT: sync.manifest, lock.BASE: archive, lock.LOCK: record}
    return wanted | {path: File(content) for path, content in ours.items()}


def _changed(plan: Plan) -> Iterator[tuple[str, File | None]]:
    apart = plan.apart
    for change in plan.changes:
        if change.path in apart:
            continue
        file = _own(change) if change.action == "conflict" else change.file
        if change.source and (file or change.action != "conflict"):
            yield change.source, None
        if file is not None or change.action == "delete":
            yield change.path, file


def _own(change: Change) -> File | None:
    """What of a conflict is committed: the project's version, where it moves with a declared rename."""
    return change.sides[1] if change.sides and change.source else None


def _draft(system: System, sync: Sync, branch: str) -> Draft:
    plan, found = sync.plan, controls(sync)
    rows = tuple(
        Decision(one.path, one.action, one.why, one.component, one.ownership, one.source) for one in plan.visible
    )
    return Draft(
        system.member,
        branch,
        system.here.branch,
        system.here.commit,
        sync.project.lock.factory,
        plan.origin,
        decisions=rows,
        conflicts=tuple(change.path for change in plan.conflicts),
        gained=tuple(found["gained"]),
        lost=tuple(found["lost"]),
        weakened=tuple(found["weakened"]),
        managed_only=all(one.ownership == "managed" for one in rows),
        when=system.files.commit.time,
    )


def _message(sync: Sync, commit: str) -> str:
    before, after = sync.project.lock.factory, sync.plan.target.origin
    trailers: Mapping[str, str] = {FROM: before.version, TO: after.version, ON: commit}
    rows = "\n".join(f"{name}: {value}" for name, value in trailers.items())
    return f"Sync with {after.url} {after.version}\n\n{rows}\n"
