"""Where each project of a fleet stands, on three axes that are never mixed: sync, rollout, health.

*Sync* is told from the trees of its branch and from its lock, *rollout* from our branch and its pull request, *health*
from what its code host's own checks say. What could not be seen is Unknown, and never one of the good words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from ai_factory import git
from ai_factory.check import RULES, Finding
from ai_factory.errors import FactoryError, ForgeError
from ai_factory.fleet import each
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Member
from ai_factory.fleet.standing import rollout
from ai_factory.fleet.standing.distance import Measure
from ai_factory.fleet.standing.rollout import Ask, Hosted
from ai_factory.fleet.standing.seen import Seen, seen
from ai_factory.fleet.system import Here, located
from ai_factory.fleet.updates.journal import Row
from ai_factory.git.remote import NO_ACCESS, Access, folder_of, local_repository
from ai_factory.project.behind import Distance

SYNC = ("Unknown", "Diverged", "Drifted", "Behind", "Unmanaged", "Synced")
ROLLOUT = ("Failed", "Conflicted", "Edited", "Open", "Planned", "Held", "Merged", "None", "Unknown")
HEALTH = ("Failing", "Pending", "Unknown", "Passing")
TOGETHER = 16  # repositories that one git reads
Known = TypeVar("Known")
AXES: Mapping[str, Sequence[str]] = {"sync": SYNC, "rollout": ROLLOUT, "health": HEALTH}


class Standing(NamedTuple):
    """Where one project stands: small, so that thousands can be kept.

    `releases` and `days` are how far it is behind, None where nobody can tell; `drifted` counts files, `controls` are
    those that they weaken; `until` is the last day of a hold; `why` says what kept an axis from being known.
    """

    member: Member
    sync: str = "Unknown"
    rollout: str = "Unknown"
    health: str = "Unknown"
    why: Failure | None = None
    blueprint: str = ""
    version: str = ""
    newest: str = ""
    releases: int | None = None
    days: int | None = None
    drifted: int = 0
    controls: tuple[str, ...] = ()
    conflicts: int = 0
    waived: int = 0
    until: str = ""
    reason: str = ""
    branch: str = ""
    commit: str = ""
    request: str = ""


class Around(NamedTuple):
    """What a look at a project needs besides it: the day, what measures, and how it may be reached and asked.

    `ask` is None where no code host is connected; `recorded` is what a run of ours has noted of a project.
    """

    today: str
    measure: Measure
    ask: Ask | None = None
    reach: Callable[[str], Access] = lambda _: NO_ACCESS
    recorded: Callable[[Member], str] = lambda _: ""
    offline: bool = False
    read: git.Reading = git.reading


_NOTED = {"failed": "Failed", "moved": "Failed", "waiting": "Planned"}  # by what a run has left of a project


def recorded(rows: Mapping[str, Row]) -> Callable[[Member], str]:
    """What the last run of ours has noted of a project, as a word of the rollout; empty for what can be seen anyway."""
    return lambda member: _NOTED.get(rows[member.key].state, "") if member.key in rows else ""


def status(
    members: Sequence[Member], around: Around, at_once: int = 0, told: Callable[[int], None] | None = None
) -> list[Standing]:
    """Where they stand, in their order; `told` hears how many have been looked at.

    One worker looks at the repositories on this machine, unless more are asked for: threads only wait for each other.
    """
    here = [member for member in members if folder_of(member.url)]
    elsewhere = [member for member in members if not folder_of(member.url)]
    groups = [here[start : start + TOGETHER] for start in range(0, len(here), TOGETHER)]
    found = each.in_groups(groups, partial(_together, around), at_once or 1, told)
    found += each.over(elsewhere, partial(look, around), at_once, told and (lambda done: told(len(here) + done)))
    stands = {member.key: _standing(member, one) for member, one in zip([*here, *elsewhere], found, strict=True)}
    return [stands[member.key] for member in members]


def _standing(member: Member, found: Standing | Failure) -> Standing:
    return Standing(member, why=found) if isinstance(found, Failure) else found


def _together(around: Around, members: Sequence[Member]) -> list[Standing | Failure]:
    """Where they stand: of several, one git reads the repositories, and each one's own what that one could not."""
    alone = partial(each.guarded, partial(look, around))
    folders = [each.guarded(local_repository, member.url) for member in members]
    with git.reading_together([one for one in folders if isinstance(one, str)]) as read:
        found = [each.guarded(partial(look, around._replace(read=read)), member) for member in members]
    pairs = zip(members, found, strict=True)
    return [one if isinstance(one, Standing) and is_known(one) else alone(member) for member, one in pairs]


def look(around: Around, member: Member) -> Standing:
    """Where one project stands. Raises ForgeError where its repository cannot be asked."""
    if around.offline and not local_repository(member.url):
        raise ForgeError(f"`{member.url}` was not asked", "transient", "ask it without `--offline`")
    here = located(member, around.reach(member.url))
    place = Standing(member, branch=here.branch, commit=here.commit)
    found, why = _tried(lambda: seen(here, around.reach(member.url), around.read))
    if found:
        return _rolled_out(_synced(place, found, around), here, around)
    return place._replace(why=why) if why else place._replace(sync="Unmanaged", rollout="None")


def _tried(call: Callable[[], Known]) -> tuple[Known | None, Failure | None]:
    """What the call gives, or why it gives nothing: one axis is not known then, and the others may be."""
    try:
        return call(), None
    except FactoryError as error:
        return None, each.failure(error)


def _synced(place: Standing, found: Seen, around: Around) -> Standing:
    """The axis of sync, and what it is told from."""
    findings = found.on(around.today)
    drift = [finding for finding in findings if RULES[finding.rule].group == "drift"]
    distance, why = _tried(lambda: around.measure(found.origin, found.bound))
    until, reason = _hold(found, place.member, around.today)
    made = place._replace(
        blueprint=found.blueprint,
        version=found.origin.version,
        drifted=len(drift),
        controls=tuple(sorted({name for finding in drift for name in finding.controls})),
        conflicts=_count(findings, "AF004"),
        waived=_count(findings, "AF010"),
        until=until,
        reason=reason,
        why=why,
    )
    return made if why else _measured(made, distance)


def _count(findings: Sequence[Finding], rule: str) -> int:
    return sum(finding.rule == rule for finding in findings)


def _measured(made: Standing, distance: Distance | None) -> Standing:
    """The word for it; where a conflict is open, a part of its own version has not arrived."""
    behind = distance is not None or made.conflicts > 0
    words = {(True, True): "Diverged", (True, False): "Behind", (False, True): "Drifted", (False, False): "Synced"}
    far = distance or Distance(made.version, 0, 0)
    sync = words[behind, made.drifted > 0]
    return made._replace(sync=sync, newest=far.version, releases=far.releases, days=far.days)


def _hold(found: Seen, member: Member, today: str) -> tuple[str, str]:
    """Until when, and why: the hold that lasts longest, of the team's in project.yaml and of the fleet's own."""
    own = (member.hold.get("until", ""), member.hold.get("reason", ""))
    longest = max(found.hold, own)
    return longest if longest[0] >= today else ("", "")


def _rolled_out(made: Standing, here: Here, around: Around) -> Standing:
    """The axes of rollout and health."""
    name = rollout.branch_name(here, made.blueprint)
    branch, why = _tried(lambda: rollout.looked_at(here, name, around.reach(here.member.url)))
    asked, refused = _tried(lambda: around.ask(here, name) if around.ask else Hosted())
    hosted = asked or Hosted()
    word = "Unknown" if why or refused else rollout.state(branch, hosted.request, around.recorded(here.member))
    return made._replace(
        rollout="Held" if made.until else word,
        health=checks if (checks := hosted.checks.capitalize()) in HEALTH else "Unknown",
        why=made.why or why or refused,
        request=hosted.request.url if hosted.request and hosted.request.state == "open" else "",
    )


def is_known(one: Standing) -> bool:
    """Whether all could be determined that was to be."""
    return one.why is None
