"""What one worker does for one project: look, draft, push. The same here, on a cluster and in a shard.

Each step is made so that doing it twice is doing it once: a commit is the same whenever it is made, and a push names
what it expects to find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ai_factory import cache, git, versions
from ai_factory.errors import HoldError
from ai_factory.fleet.each import failure
from ai_factory.fleet.registry import Member
from ai_factory.fleet.releases import Source
from ai_factory.fleet.system import Here, System, located, opened
from ai_factory.fleet.updates import plan
from ai_factory.fleet.updates.draft import ON, Body, Draft, drafted, held
from ai_factory.fleet.updates.plan import Entry
from ai_factory.git import Proposed, proposals, remote
from ai_factory.git.proposals import WHO
from ai_factory.git.remote import Access

Reach = Callable[[str], Access]  # how the host of an address may be reached; called where the work is done


class Job(NamedTuple):
    """What a worker is asked to do for a project."""

    member: Member
    sources: tuple[Source, ...]
    to: str
    today: str


class Pushed(NamedTuple):
    """What became of a project's branch: one of STATES, and why where that has to be said.

    `commit` is what the branch has now, `base` what that rests on; `body` is the text for a reviewer.
    """

    key: str
    state: str
    reason: str = ""
    failure: str = ""
    hint: str = ""
    branch: str = ""
    target: str = ""
    base: str = ""
    commit: str = ""
    conflicts: tuple[str, ...] = ()
    managed_only: bool = False
    title: str = ""
    body: str = ""
    when: int = 0  # when the commit was made that the project's branch has (Unix time)


KEPT = "proposals"  # the folder of the cache in which a plan keeps what it has made
STATES = {  # of a branch after a worker was there
    "pushed": "the branch has the update",
    "current": "nothing to do",
    "edited": "somebody else has committed to the branch: it is left alone",
    "held": "left alone: on hold",
    "merged": "the project has the update",
    "moved": "the project has moved on since the plan",
    "failed": "it failed",
}


# ---- plan ----------------------------------------------------------------------------------------


def entry(job: Job, reach: Reach, body: Body) -> Entry:
    """What a plan says of the project; whatever goes wrong is told in it."""
    try:
        access = reach(job.member.url)
        here = located(job.member, access)
        with (
            opened(here, reach=access, whole=True) as system,
            drafted(system, job.sources, job.to, job.today, body) as found,
        ):
            draft, made = found
            if made:
                proposals.keep(made, cache.folder(KEPT), _facts(plan.entry_of(draft)), draft.body)
            return plan.entry_of(draft)
    except HoldError as error:
        return plan.without_draft(job.member, "held", error.message, hint=error.hint)
    except Exception as error:
        told = failure(error)
        return plan.without_draft(job.member, "failed", told.message, told.kind, told.hint)


# ---- apply ---------------------------------------------------------------------------------------


def carry(job: Job, wanted: Entry, refresh: bool, reach: Reach, body: Body) -> Pushed:
    """Bring the planned update to the project's branch; whatever goes wrong is told in the result.

    Where the project has moved on since the plan, nothing is done, unless `refresh` says to go on from there.
    """
    try:
        access = reach(job.member.url)
        here = located(job.member, access)
        if here.commit != wanted.base and not refresh:
            return _moved(wanted, here, access)
        if not refresh and (pushed := _as_planned(job, wanted, here, access)):
            return pushed
        to = job.to if refresh else wanted.after
        with (
            opened(here, reach=access, whole=True) as system,
            drafted(system, job.sources, to, job.today, body) as found,
        ):
            return _brought(*found, wanted, refresh, system, access)
    except HoldError as error:
        return Pushed(wanted.key, "held", error.message, hint=error.hint)
    except Exception as error:
        told = failure(error)
        return Pushed(wanted.key, "failed", told.message, told.kind, told.hint)


def _as_planned(job: Job, wanted: Entry, here: Here, access: Access) -> Pushed | None:
    """What the plan has made already, brought as it is; None where it has to be made again, or looked at."""
    there = here.branches.get(wanted.branch, "")
    local = remote.local_repository(job.member.url)
    if there not in ("", wanted.commit) or not (there or local) or held(job.member.hold, job.today):
        return None
    trusted = any(source.url == wanted.source and not source.broken for source in job.sources)
    found = proposals.kept(cache.folder(KEPT), wanted.commit)
    if not trusted or found is None or found.facts != _facts(wanted):
        return None
    if not there:
        _place(local, found.packs, wanted, access)
    return _pushed(wanted, here.branch, found.text)


def _facts(wanted: Entry) -> str:
    """What a commit was made for: a plan that says anything else of it is not believed."""
    return f"{wanted.branch} {wanted.base} {wanted.commit} {wanted.tree} {wanted.source} {wanted.after}"


def _place(local: str, packs: Sequence[str], wanted: Entry, access: Access) -> None:
    if remote.may_place(local):
        remote.place(local, packs, wanted.branch, wanted.commit, "")
        return
    with proposals.pushing(packs, wanted.commit, local) as repository:
        remote.push(local, repository, wanted.branch, wanted.commit, "", access)


def _pushed(wanted: Entry, target: str, body: str) -> Pushed:
    title = f"Update to {wanted.after}"
    places = (wanted.branch, target, wanted.base, wanted.commit)
    return Pushed(wanted.key, "pushed", "", "", "", *places, wanted.conflicts, wanted.managed_only, title, body)


def _moved(wanted: Entry, here: Here, access: Access) -> Pushed:
    """Whether the project moved on because the update was merged."""
    with opened(here, reach=access) as system:
        version, when = system.project().lock.factory.version, system.files.commit.time
    if wanted.before != wanted.after and has(version, wanted.after):
        return Pushed(wanted.key, "merged", base=here.commit, branch=wanted.branch, when=when)
    why = f"`{here.branch}` was {wanted.base[:12]}, and is {here.commit[:12]}"
    return Pushed(wanted.key, "moved", why, "conflict", "plan again, or apply with `--refresh`")


def has(version: str, wanted: str) -> bool:
    """Whether a project at that version has what was wanted: the same, or something newer."""
    return version == wanted or versions.is_older(wanted, version)


def _brought(
    draft: Draft, made: Proposed | None, wanted: Entry, refresh: bool, system: System, access: Access
) -> Pushed:
    if made is None:
        return Pushed(wanted.key, "current", target=draft.target, base=draft.base, when=draft.when)
    if draft.tree != wanted.tree and not refresh:
        why = "it gives other files than were planned: the factory or the tool is another one"
        return Pushed(wanted.key, "failed", why, "policy", "plan again")
    result = _pushed(plan.entry_of(draft), draft.target, draft.body)
    there = system.here.branches.get(draft.branch, "")
    if there == draft.commit:
        return result
    if there and not _is_ours(system, there, access):
        why = f"somebody else has committed to `{draft.branch}` ({there[:12]})"
        hint = f"merge it as it is, or delete the branch: the next run proposes {draft.after.version} anew"
        return result._replace(state="edited", reason=why, hint=hint, commit=there)
    remote.push(draft.member.url, made.repository, draft.branch, draft.commit, there, access)
    return result


def _is_ours(system: System, commit: str, access: Access) -> bool:
    """Whether the branch holds one commit of ours on the project's own history, and nothing of anybody else."""
    reader = system.files.reader
    if reader.commit(commit) is None:
        remote.fetch(system.member.url, reader.repository, [commit], remote.TREES, access)
    found = reader.commit(commit)
    return found is not None and is_update(found)


def is_update(commit: git.Commit) -> bool:
    """Whether a commit is one that a fleet made, as it made it."""
    base = [line.partition(": ")[2] for line in commit.message.splitlines() if line.startswith(f"{ON}: ")]
    return (commit.author, commit.committer) == (WHO, WHO) and list(commit.parents) == base
