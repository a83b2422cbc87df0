"""Approvals: who signed off what, whether that still holds, and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, NamedTuple

from ai_factory.governance.checking import Gap
from ai_factory.people import is_address, person

REGISTER = "governance/approvals.yaml"
RECORD = "governance/applicability.json"  # a subject of every approval, once it is there
APPROVED = "approved"
LEAST = (  # what an approval covers at least, where it is there
    "governance/facts.yaml",
    "governance/system.yaml",
    "governance/scope.yaml",
    "governance/risk-assessment.yaml",
)
LONGEST = dt.timedelta(days=366)
WORDS, DAYS = ("role", "approver", "author", "decision"), ("approved_on", "expires")
WARNINGS = (60, 30, 7)  # days before an approval runs out on which people are told


class Approval(NamedTuple):
    """One role's decision on subjects as they were, by their digests."""

    role: str
    approver: str
    author: str
    decision: str
    approved_on: str
    expires: str
    covers: Mapping[str, str]
    conditions: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """What a project asks for, and what was given: roles, patterns of subjects, approvals, and rows that are none."""

    roles: tuple[str, ...]
    patterns: tuple[str, ...]
    approvals: tuple[Approval, ...]
    odd: tuple[str, ...]


class Situation(NamedTuple):
    """The subjects as they are (digests), who has changed each (None where unknown), the tier's roles, and the day."""

    subjects: Mapping[str, str]
    changed_by: Mapping[str, frozenset[str] | None]
    roles: tuple[str, ...]
    today: str


def register(document: Mapping[str, Any]) -> Register:
    """The register as a project keeps it; a row that is no approval is told, and counts for nothing."""
    rows = document.get("approvals") or []
    read = [_approval(row) for row in rows] if isinstance(rows, list) else [None]
    odd = tuple(f"approval {number} is none" for number, one in enumerate(read, 1) if one is None)
    sound = tuple(one for one in read if one)
    return Register(_names(document, "required_roles"), _names(document, "subjects"), sound, odd)


def subjects_of(found: Register, digests: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The digest of each file that an approval covers, and the patterns that match none."""
    patterns = (*found.patterns, *([RECORD] if RECORD in digests else []))
    named = {path: digests[path] for pattern in patterns for path in sorted(digests) if _matches(path, pattern)}
    return named, [pattern for pattern in found.patterns if not any(_matches(path, pattern) for path in digests)]


def too_few(found: Register, there: Iterable[str]) -> list[str]:
    """The files that every release rests on, and that this register lets nobody approve."""
    return [path for path in LEAST if path in there and not any(_matches(path, one) for one in found.patterns)]


def required(found: Register, of_tier: tuple[str, ...]) -> tuple[str, ...]:
    """The roles that have to approve: those of the tier, and what the project asks for besides."""
    return tuple(dict.fromkeys((*of_tier, *found.roles)))


def gaps(found: Register, now: Situation) -> Iterator[Gap]:
    """What stands in the way: for each role the fewest reasons, and one person who approved in two roles."""
    for message in found.odd:
        yield Gap(REGISTER, message, "the head of the file shows the form")
    for role in required(found, now.roles):
        of_role = [list(reasons(one, now)) for one in found.approvals if one.role == role]
        if [] not in of_role:
            for reason in min(of_role, key=len, default=["is missing"]):
                yield Gap(REGISTER, f"approval of the {role}: {reason}", _how(role))
    for one, roles in _roles_of(found.approvals).items():
        if len(roles) > 1:
            yield Gap(REGISTER, f"{one} approved as {' and as '.join(sorted(roles))}", "each role is another person")


def reasons(one: Approval, now: Situation) -> Iterator[str]:
    """Why an approval does not hold."""
    approver = person(one.approver)
    if one.decision != APPROVED:
        yield f"the decision is {one.decision}"
    if approver == person(one.author):
        yield "the approver is the author"
    for path, digest in now.subjects.items():
        changed_by = now.changed_by.get(path)
        if changed_by is None:
            yield f"nobody knows who changed {path}: commit it"
        elif approver in {person(who) for who in changed_by}:
            yield f"the approver has changed {path}"
        if one.covers.get(path) != digest:
            yield f"{path} is not covered" if path not in one.covers else f"{path} has changed since"
    yield from _date_reasons(one, now.today)


def warnings(found: Register, now: Situation) -> Iterator[str]:
    """Approvals that hold and soon run out."""
    for one in found.approvals:
        left = (_day(one.expires) - _day(now.today)).days
        if 0 <= left <= max(WARNINGS) and not list(reasons(one, now)):
            yield f"the approval of the {one.role} runs out in {left} days, on {one.expires}"


def _date_reasons(one: Approval, today: str) -> Iterator[str]:
    approved, expires, now = _day(one.approved_on), _day(one.expires), _day(today)
    if (approved - now).days > 1:  # it may be tomorrow already where the approver lives
        yield f"it was approved on {approved}, which is to come"
    if expires - approved > LONGEST:
        yield f"it runs until {expires}, more than a year after {approved}"
    if expires < now:
        yield f"it ran out on {expires}"


def _roles_of(approvals: Sequence[Approval]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in approvals:
        found.setdefault(person(one.approver), set()).add(one.role)
    return found


def _approval(row: object) -> Approval | None:
    if not isinstance(row, Mapping):
        return None
    told = {name: row.get(name) for name in Approval._fields}
    if not all(isinstance(told[name], str) and str(told[name]).strip() for name in WORDS):
        return None
    if not isinstance(told["covers"], Mapping) or not all(_is_day(told[name]) for name in DAYS):
        return None
    if not all(is_address(str(told[name])) for name in ("approver", "author")):
        return None
    covers = {str(path): str(digest) for path, digest in told["covers"].items()}
    words = {name: str(told[name]) for name in (*WORDS, *DAYS)}
    return Approval(**words, covers=covers, conditions=str(told["conditions"] or ""))


def _names(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = document.get(key)
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _matches(path: str, pattern: str) -> bool:
    """A pattern's `*` stays within a folder, as in a shell."""
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)


def _is_day(value: object) -> bool:
    try:
        dt.date.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def _how(role: str) -> str:
    named = f'"{role}"' if " " in role else role
    return f"`ai-factory approve {named} --approver … --author … --expires …`"
