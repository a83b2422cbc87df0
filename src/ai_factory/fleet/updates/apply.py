"""Brings a saved plan to the repositories, ring after ring; may be killed at any moment and run again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import lock, versions
from ai_factory.errors import ForgeError, UsageError
from ai_factory.fleet.each import failure, in_order
from ai_factory.fleet.registry import Member, Registry, Ring
from ai_factory.fleet.releases import Source
from ai_factory.fleet.run import Call, Shard, Where
from ai_factory.fleet.system import located, opened
from ai_factory.fleet.updates import propose, rings
from ai_factory.fleet.updates.carry import Job, Pushed, Reach, carry, has
from ai_factory.fleet.updates.draft import Body, held
from ai_factory.fleet.updates.journal import Journal, Row
from ai_factory.fleet.updates.plan import Entry, Plan
from ai_factory.fleet.updates.rings import Progress
from ai_factory.forge import Forge, PullRequest
from ai_factory.tree import word

STATES = {  # of a project in a rollout, and what a platform lead does about it
    "open": "its team reviews the pull request",
    "pushed": "its team looks at the branch, and merges it",
    "conflicted": "its team resolves what the pull request names",
    "merged": "",
    "current": "",
    "held": "",
    "declined": "ask the team why; `ai-factory fleet hold` leaves it alone for longer",
    "edited": "its team merges its branch, or deletes it",
    "waiting": "run it again later",
    "moved": "plan again, or apply with `--refresh`",
    "failed": "see the reason",
}
DONE = ("open", "pushed", "conflicted", "merged", "current", "held", "declined", "edited")  # for this run
BAD = ("failed", "moved")
AGAIN = "mend that, then plan again"  # of what failed while it was planned: nothing was decided on it


class Tools(NamedTuple):
    """What a run works with: clocks and hosts are handed in."""

    registry: Registry
    members: Mapping[str, Member]  # by their keys
    sources: tuple[Source, ...]
    journal: Journal
    forge_of: Callable[[str], tuple[Forge, str] | None]  # for an address: its host, and the repository's name there
    reach: Reach
    body: Body
    elsewhere: Callable[[Call], Call]
    now: Callable[[], dt.datetime]


class Wish(NamedTuple):
    """How a plan is to be applied."""

    refresh: bool = False
    automerge: bool = False
    quiet_too: bool = False  # also in the hours in which nothing should be brought
    limit: int = 0  # projects, 0 for all
    ring: str = ""
    only: tuple[str, ...] = ()  # states, or kinds of failure as `failed:transient`, that the last run left
    part: Shard = Shard()
    where: Where = Where()


def apply(plan: Plan, tools: Tools, wish: Wish) -> Iterator[Row]:
    """What becomes of each project, as it happens, in the order of the rings.

    Raises UsageError for a ring that the fleet has not.
    """
    _refuse_unknown(wish.ring, tools.registry)
    name, now = plan.digest, tools.now().timestamp()
    resumed = tools.journal.begin(name, now)
    known = tools.journal.rows(name)
    left, why = wish.limit or len(plan.entries), ""
    found = rings.in_rings(tools.registry.rings, plan.entries, tools.members)
    for number, (ring, entries) in enumerate(found, 1):
        mine = [one for one in entries if wish.part.holds(one.key) and _is_meant(ring, known.get(one.key), wish)]
        run = Run(name, plan.head.to, tools, wish, known if resumed else {}, why)
        mine = mine[:left]
        yield from in_order(partial(_one, run=run), mine, wish.where.width)
        left -= len(mine)
        if not why and any(rest for _, rest in found[number:]) and not rings.lets_all_pass(ring):
            fresh = frozenset(one.key for one in mine)
            why = rings.pause(ring, _progress(ring, plan, fresh, run), tools.now().timestamp())
    tools.journal.end(name, tools.now().timestamp())


class Run(NamedTuple):
    """One run: the plan's name and the version it was asked for, what is done already, and why the rest waits."""

    name: str
    to: str
    tools: Tools
    wish: Wish
    done: Mapping[str, Row]
    paused: str


def _refuse_unknown(ring: str, registry: Registry) -> None:
    known = [one.name for one in registry.rings]
    if ring and ring not in known:
        raise UsageError(f"the fleet has no ring `{ring}`", f"it has {', '.join(known) or 'none'}")


def _is_meant(ring: Ring, known: Row | None, wish: Wish) -> bool:
    if wish.ring and ring.name != wish.ring:
        return False
    state = known.state if known else ""
    return not wish.only or state in wish.only or f"{state}:{known.failure if known else ''}" in wish.only


# ---- how far a ring has come ---------------------------------------------------------------------


class _Stand(NamedTuple):
    """How one project of a ring counts: whether it has the update, and since when; or fails, or is aside."""

    merged: bool = False
    failing: bool = False
    aside: bool = False
    since: float = 0


def _progress(ring: Ring, plan: Plan, fresh: frozenset[str], run: Run) -> Progress:
    """All projects that the fleet has in the ring count, be they in this plan and in this part of it or not.

    `fresh` are those that this run has dealt with.
    """
    rows = run.tools.journal.rows(run.name)
    goal = versions.newest([one.after for one in plan.entries if one.after]) or plan.head.to
    members = [one for one in run.tools.registry.members if one.ring == ring.name]
    stand = partial(_stand, rows=rows, fresh=fresh, goal=goal, run=run)
    found = [one for one in in_order(stand, members, run.wish.where.width) if not one.aside]
    since = max((one.since for one in found if one.merged), default=0)
    return Progress(len(found), sum(one.merged for one in found), sum(one.failing for one in found), since)


def _stand(member: Member, rows: Mapping[str, Row], fresh: frozenset[str], goal: str, run: Run) -> _Stand:
    """By what this run has seen of the project, else by a look at it; what cannot be told counts as failing."""
    row = rows.get(member.key)
    if held(member.hold, run.tools.now().date().isoformat()) or (row and row.state in rings.ASIDE):
        return _Stand(aside=True)
    try:
        return _judged(member, row, fresh, goal, run)
    except Exception:
        return _Stand(failing=True)


def _judged(member: Member, row: Row | None, fresh: frozenset[str], goal: str, run: Run) -> _Stand:
    """Whether a project has what is wanted; what an earlier run has left of it may be true no more."""
    red = row is not None and (row.state in BAD or _is_red(member, row, run.tools))
    if row and member.key in fresh:
        return _Stand(row.state in rings.THROUGH, red, since=row.since)
    access = run.tools.reach(member.url)
    with opened(located(member, access), reach=access) as system:
        version, when = system.project().lock.factory.version, system.files.commit.time
    if not has(version, goal):
        return _Stand(failing=red)
    return _Stand(merged=True, since=run.tools.journal.arrived(member.key, version, when))


def _is_red(member: Member, row: Row, tools: Tools) -> bool:
    """Whether the project's own checks of what was proposed fail."""
    host = tools.forge_of(member.url) if row.state in ("open", "conflicted") else None
    return host is not None and host[0].checks(host[1], row.commit) == "failing"


# ---- one project ---------------------------------------------------------------------------------


def _one(entry: Entry, run: Run) -> Row:
    """What becomes of one project; it is written down before it is told."""
    tools, moment = run.tools, run.tools.now()
    if (before := run.done.get(entry.key)) and before.state in DONE:
        return before
    try:
        row = _settled(entry, run.paused) or _quiet(entry, tools, run.wish, moment) or _brought(entry, run)
    except Exception as error:
        told = failure(error)
        row = Row(entry.key, "failed", told.message, told.kind, told.hint)
    if row.state in rings.THROUGH:
        row = row._replace(since=tools.journal.arrived(entry.key, entry.after, row.since or entry.when))
    else:
        row = row._replace(since=moment.timestamp())
    tools.journal.record(run.name, row)
    return row


def _settled(entry: Entry, paused: str) -> Row | None:
    """What the plan has decided already."""
    if entry.outcome == "failed":
        return Row(entry.key, "failed", entry.reason, entry.failure, AGAIN)
    if entry.outcome != "update":
        return Row(entry.key, entry.outcome, entry.reason, hint=entry.hint)
    if entry.missing:
        return Row(entry.key, "failed", "; ".join(entry.missing), "permission", AGAIN)
    return Row(entry.key, "waiting", paused) if paused else None


def _quiet(entry: Entry, tools: Tools, wish: Wish, moment: dt.datetime) -> Row | None:
    if wish.quiet_too or not any(hours.holds(moment) for hours in tools.registry.quiet):
        return None
    return Row(entry.key, "waiting", "these are quiet hours")


def _brought(entry: Entry, run: Run) -> Row:
    tools = run.tools
    host = tools.forge_of(entry.url)
    known = host[0].pull_requests(host[1], entry.branch) if host else ()
    if refused := propose.declined(known, entry.after, tools.now().timestamp()):
        until = dt.datetime.fromtimestamp(refused.until, dt.UTC).date().isoformat()
        why = f"its team declined {entry.after}; left alone until {until}"
        return Row(entry.key, "declined", why, "", _waive(entry, until), url=refused.url)
    job = Job(_member(entry, tools), tools.sources, run.to, tools.now().date().isoformat())
    pushed: Pushed = tools.elsewhere(carry)(job, entry, run.wish.refresh, tools.reach, tools.body)
    row = Row(entry.key, pushed.state, pushed.reason, pushed.failure, pushed.hint, pushed.branch, pushed.commit)
    row = row._replace(since=pushed.when)
    if host:
        return _proposed(row, pushed, host, known, entry, run.wish)
    return row._replace(state="conflicted") if pushed.state == "pushed" and pushed.conflicts else row


def _waive(entry: Entry, until: str) -> str:
    """The command with which its team puts the decision on record; who approves it is for them to say."""
    who = f"--owner {word(entry.owner or 'OWNER')} --approver APPROVER"
    place, reason = word(lock.LOCK), word(f"declined {entry.after}")
    return f"on record in the project: `ai-factory waive AF001 {place} --reason {reason} {who} --until {until}`"


def _proposed(
    row: Row,
    pushed: Pushed,
    host: tuple[Forge, str],
    known: Sequence[PullRequest],
    entry: Entry,
    wish: Wish,
) -> Row:
    """What the forge has to show for it."""
    forge, name = host
    if pushed.state == "edited":
        return row._replace(url=propose.leave(forge, name, pushed, known).url)
    if pushed.state != "pushed":
        return row
    request = propose.propose(forge, name, pushed, known, entry.after)
    if wish.automerge:
        request = propose.merge_if_allowed(forge, name, request, pushed)
    return row._replace(state=request.state, url=request.url)


def _member(entry: Entry, tools: Tools) -> Member:
    """The project as the fleet has it now: who was taken out of it gets nothing."""
    found = tools.members.get(entry.key)
    if found is None:
        raise ForgeError(f"`{entry.key}` is not in the fleet any more", "policy", "plan again")
    return found


def sources_of(registry: Registry) -> tuple[Source, ...]:
    """The factories that the fleet takes from."""
    return tuple(Source(one.url, one.signers, trust=one.trust) for one in registry.factories)
