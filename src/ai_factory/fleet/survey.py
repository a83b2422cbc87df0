"""The same question put to every system of a fleet: what each says, or why it could not be asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from ai_factory.errors import FactoryError, unexpected
from ai_factory.fleet.registry import Member
from ai_factory.fleet.system import ALWAYS, Here, System, located, opened
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


class Question(NamedTuple, Generic[Said]):
    """What to ask a system, and the files (names or patterns) that it takes to answer."""

    ask: Callable[[System], Said]
    wanted: Sequence[str] = ALWAYS


def nobody(_: str) -> Access:
    """The reach of those to whom no host gives more than to everybody."""
    return NO_ACCESS


def survey(
    members: Sequence[Member],
    question: Question[Said],
    reach: Reach = nobody,
    commits: Mapping[str, str] = NOWHERE,
) -> list[Answer[Said]]:
    """Ask each system, several at a time; the answers stand in the order of the members.

    `commits` are those at which systems are read, by key; any other is read as its branch has it now. One that cannot
    be read, or at which our own code fails, stops no other.
    """
    workers = min(8, 2 * (os.cpu_count() or 1))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda one: answer(one, question, reach, commits.get(one.key, "")), members))


def answer(member: Member, question: Question[Said], reach: Reach, commit: str = "") -> Answer[Said]:
    """What one system says as its branch has it now, or as it was at a commit."""
    there = commit
    try:
        access = reach(member.url)
        here = Here(member, "", commit, {}) if commit else located(member, access)
        there = here.commit
        with opened(here, question.wanted, access) as system:
            return Answer(member, there, question.ask(system))
    except FactoryError as error:
        return Answer(member, there, why=error.message, failure=getattr(error, "failure", "policy"))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is that system's failure and no other's
        return Answer(member, there, why=unexpected(error).message, failure="bug")


def unread(answers: Sequence[Answer[Said]]) -> list[Answer[Said]]:
    """Those that could not be asked."""
    return [one for one in answers if one.said is None]
