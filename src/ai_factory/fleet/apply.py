"""Brings a saved plan to the repositories, ring after ring; may be killed at any moment and run again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import lock
from ai_factory.errors import ForgeError
from ai_factory.fleet import propose, rings
from ai_factory.fleet.carry import Job, Pushed, Reach, carry
from ai_factory.fleet.draft import Body
from ai_factory.fleet.each import failure
from ai_factory.fleet.journal import Journal, Row
from ai_factory.fleet.plan import Entry, Plan
from ai_factory.fleet.registry import Member, Registry
from ai_factory.fleet.releases import Source
from ai_factory.fleet.rings import Progress
from ai_factory.fleet.run import Call, Shard, Where, in_order
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
    """What becomes of each project, as it happens, in the order of the rings."""
    name, now = plan.digest, tools.now().timestamp()
    resumed = tools.journal.begin(name, now)
    known = tools.journal.rows(name)
    left = wish.limit or len(plan.entries)
    why = ""
    for ring, entries in rings.in_rings(tools.registry.rings, plan.entries):
        mine = [one for one in entries if wish.part.holds(one.key) and _is_meant(one, known.get(one.key), wish)]
        work = partial(
            _one, name=name, to=plan.head.to, tools=tools, wish=wish, done=known if resumed else {}, paused=why
        )
        yield from in_order(work, mine[:left], wish.where.width)
        left -= len(mine[:left])
        why = why or rings.pause(ring, _progress(entries, tools.journal.rows(name)), tools.now().timestamp())
    tools.journal.end(name, tools.now().timestamp())


def _is_meant(entry: Entry, known: Row | None, wish: Wish) -> bool:
    if wish.ring and entry.ring != wish.ring:
        return False
    state = known.state if known else ""
    return not wish.only or state in wish.only or f"{state}:{known.failure if known else ''}" in wish.only


def _progress(entries: Sequence[Entry], rows: Mapping[str, Row]) -> Progress:
    found = [rows[one.key] for one in entries if one.key in rows and rows[one.key].state not in rings.ASIDE]
    merged = [row for row in found if row.state in rings.THROUGH]
    failing = sum(row.state in BAD for row in found)
    aside = sum(one.key in rows and rows[one.key].state in rings.ASIDE for one in entries)
    return Progress(len(entries) - aside, len(merged), failing, max((row.since for row in merged), default=0))


# ---- one project ---------------------------------------------------------------------------------


def _one(entry: Entry, name: str, to: str, tools: Tools, wish: Wish, done: Mapping[str, Row], paused: str) -> Row:
    """What becomes of one project; it is written down before it is told."""
    if (before := done.get(entry.key)) and before.state in DONE:
        return before
    moment = tools.now()
    try:
        row = _settled(entry, paused) or _quiet(entry, tools, wish, moment) or _brought(entry, tools, wish, to)
    except Exception as error:  # one project's failure stops no other one
        told = failure(error)
        row = Row(entry.key, "failed", told.message, told.kind, told.hint)
    row = row._replace(since=moment.timestamp())
    tools.journal.record(name, row)
    return row


def _settled(entry: Entry, paused: str) -> Row | None:
    """What the plan has decided already."""
    if entry.outcome != "update":
        return Row(entry.key, entry.outcome, entry.reason, entry.failure, entry.hint)
    if entry.missing:
        return Row(entry.key, "failed", "; ".join(entry.missing), "permission", "give the identity these rights")
    return Row(entry.key, "waiting", paused) if paused else None


def _quiet(entry: Entry, tools: Tools, wish: Wish, moment: dt.datetime) -> Row | None:
    if wish.quiet_too or not any(hours.holds(moment) for hours in tools.registry.quiet):
        return None
    return Row(entry.key, "waiting", "these are quiet hours")


def _brought(entry: Entry, tools: Tools, wish: Wish, to: str) -> Row:
    host = tools.forge_of(entry.url)
    known = host[0].pull_requests(host[1], entry.branch) if host else ()
    if refused := propose.declined(known, entry.after, tools.now().timestamp()):
        until = dt.datetime.fromtimestamp(refused.until, dt.UTC).date().isoformat()
        why = f"its team declined {entry.after}; left alone until {until}"
        return Row(entry.key, "declined", why, "", _waive(entry, until), url=refused.url)
    today = tools.now().date().isoformat()
    job = Job(_member(entry, tools), tools.sources, to, today)
    pushed: Pushed = tools.elsewhere(carry)(job, entry, wish.refresh, tools.reach, tools.body)
    row = Row(entry.key, pushed.state, pushed.reason, pushed.failure, pushed.hint, pushed.branch, pushed.commit)
    if host:
        return _proposed(row, pushed, host, known, entry, wish)
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
    return tuple(Source(one.url, one.signers) for one in registry.factories)
