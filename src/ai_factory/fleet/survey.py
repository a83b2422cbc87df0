"""The same question put to every system of a fleet: what each says, or why it could not be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from ai_factory.fleet import each
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Member
from ai_factory.fleet.system import Here, System, located, opened
from ai_factory.git.remote import NO_ACCESS, Access

Said = TypeVar("Said")
Reach = Callable[[str], Access]  # how the host of an address may be reached
NOWHERE: Mapping[str, str] = {}


class Answer(NamedTuple, Generic[Said]):
    """What one system says at a commit; or `why` it could not be asked, and of which kind that failure is."""

    member: Member
    commit: str = ""
    said: Said | None = None
    why: str = ""
    failure: str = ""


def nobody(_: str) -> Access:
    """The reach of those to whom no host gives more than to everybody."""
    return NO_ACCESS


class Way(NamedTuple):
    """How systems are asked: how hosts are reached, who hears how many were asked, and at which commits some are read.

    `commits` are by key; any other system is read as its branch has it now.
    """

    reach: Reach = nobody
    told: Callable[[int], None] | None = None
    commits: Mapping[str, str] = NOWHERE


PLAIN = Way()


def survey(members: Sequence[Member], ask: Callable[[System], Said], way: Way = PLAIN) -> list[Answer[Said]]:
    """Ask each system, several at a time; the answers stand in the order of the members.

    One that cannot be read, or at which our own code fails, stops no other.
    """
    found = each.over(members, lambda member: _answer(member, ask, way), told=way.told)
    return [_failed(member, one) for member, one in zip(members, found, strict=True)]


def _answer(member: Member, ask: Callable[[System], Said], way: Way) -> Answer[Said]:
    access, commit = way.reach(member.url), way.commits.get(member.key, "")
    here = Here(member, "", commit, {}) if commit else located(member, access)
    with opened(here, reach=access) as system:
        return Answer(member, here.commit, ask(system))


def _failed(member: Member, found: Answer[Said] | Failure) -> Answer[Said]:
    return Answer(member, why=found.message, failure=found.kind) if isinstance(found, Failure) else found


def unread(answers: Sequence[Answer[Said]]) -> list[Answer[Said]]:
    """Those that could not be asked."""
    return [one for one in answers if one.said is None]
