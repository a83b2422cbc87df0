"""Approvals: who signed off what, whether that still holds, and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, NamedTuple, TypeGuard

from ai_factory.catalog import Change
from ai_factory.governance import impact
from ai_factory.governance.checking import Gap
from ai_factory.governance.impact import Effect, Versions
from ai_factory.people import is_address, person

REGISTER = "governance/approvals.yaml"
RECORD = "governance/applicability.json"  # a subject of every approval, once it is there
SIGNERS = "governance/allowed_signers"  # whose signatures on approvals count, where a project names them
APPROVED = "approved"
LEAST: Mapping[str, str] = {  # what an approval covers at least, where it is there, and where the other file is
    "governance/facts.yaml": "",
    "governance/system.yaml": "",
    "governance/scope.yaml": "",
    "governance/risk-assessment.yaml": "",
    "governance/dossier.yaml": "",
    "governance/access.yaml": "",
    "governance/agent.yaml": "",
    "governance/notices.yaml": "",
    "contracts/*.odcs.yaml": "",
    "evals/thresholds.yaml": "",
    "docs/model-card.md": "evals/thresholds.yaml",
    "docs/learn/packs.yaml": "",
    "ops/*.yaml": "ops/monitoring.yaml",
}
SIGN_OFF = "GOV-06"  # the control whose gaps are those of approvals
WORDS, DAYS = ("role", "approver", "author", "decision"), ("approved_on", "expires")
SIGN = ", then `git commit -S` with the key that the allowed signers name"
WARNINGS = (60, 30, 7)  # days before an approval runs out on which people are told


class Confirmation(NamedTuple):
    """Somebody has looked at updates since an approval; `unsigned` says why the signature on it does not count."""

    by: str
    on: str
    components: Versions
    unsigned: str = ""


class Approval(NamedTuple):
    """One role's decision on subjects as they were, by their digests; `commit` and `components` as they were then.

    `components` is None in a row that does not tell; `unsigned` says why the signature on the row does not count.
    """

    role: str
    approver: str
    author: str
    decision: str
    approved_on: str
    expires: str
    covers: Mapping[str, str]
    conditions: str = ""
    commit: str = ""
    components: Versions | None = None
    confirmed: Confirmation | None = None
    unsigned: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """What a project asks for, and what was given: roles, patterns of subjects, approvals, and rows that are none."""

    roles: tuple[str, ...]
    patterns: tuple[str, ...]
    approvals: tuple[Approval, ...]
    odd: tuple[str, ...]

    def moved(self, now: Versions) -> list[str]:
        """The components that are at another version than one of which an approval or a confirmation tells."""
        told = [row.components for one in self.approvals for row in (one, one.confirmed) if row and row.components]
        return sorted({name for versions in told for name in now if versions.get(name, now[name]) != now[name]})


class Situation(NamedTuple):
    """The subjects as they are (digests), who has changed each (None where unknown), the tier's roles, and the day.

    `components` are those of the lock, `changes` what the ones that moved since an approval declare.
    """

    subjects: Mapping[str, str]
    changed_by: Mapping[str, frozenset[str] | None]
    roles: tuple[str, ...]
    today: str
    components: Mapping[str, str] = {}
    changes: Mapping[str, Sequence[Change]] = {}


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


def too_few(found: Register, there: Collection[str]) -> list[str]:
    """The files that every release rests on, and that this register lets nobody approve."""
    least = [pattern for pattern, beside in LEAST.items() if not beside or beside in there]
    named = [path for pattern in least for path in sorted(there) if _matches(path, pattern)]
    return [path for path in named if not any(_matches(path, one) for one in found.patterns)]


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
                signed = any(reason == one.unsigned for one in found.approvals)
                yield Gap(REGISTER, f"approval of the {role}: {reason}", how(role) + (SIGN if signed else ""))
    for one, roles in roles_of(found.approvals).items():
        if len(roles) > 1:
            yield Gap(REGISTER, f"{one} approved as {' and as '.join(sorted(roles))}", "each role is another person")


def reasons(one: Approval, now: Situation) -> Iterator[str]:
    """Why an approval does not hold."""
    if one.decision != APPROVED:
        yield f"the decision is {one.decision}"
    yield from [one.unsigned] if one.unsigned else []
    yield from involved(one.approver, one.author, now)
    for path, digest in now.subjects.items():
        if one.covers.get(path) != digest:
            yield f"{path} is not covered" if path not in one.covers else f"{path} has changed since"
    yield from (effect.words for effect in updates(one, now) if effect.impact == impact.REAPPROVE)
    yield from _date_reasons(one, now.today)


def involved(who: str, author: str, now: Situation) -> Iterator[str]:
    """Why somebody may not decide: who made what is decided on."""
    if person(who) == person(author):
        yield "the approver is the author"
    for path in now.subjects:
        changed_by = now.changed_by.get(path)
        if changed_by is None:
            yield f"nobody knows who changed {path}: commit it"
        elif person(who) in {person(other) for other in changed_by}:
            yield f"the approver has changed {path}"


def updates(one: Approval, now: Situation) -> list[Effect]:
    """What has become of the components since an approval, as far as it tells of which they were."""
    return [] if one.components is None else impact.effects(one.components, now.components, now.changes)


def warnings(found: Register, now: Situation) -> Iterator[str]:
    """Approvals that hold and soon run out."""
    for one in found.approvals:
        near = within(one.expires, now.today)
        if near and not list(reasons(one, now)):
            yield f"the approval of the {one.role} runs out {near}, on {one.expires}"


def within(day: str, today: str) -> str:
    """How soon a day comes, where people are told: `within 60 days`, 30 or 7; empty where it is past or far."""
    left = (_day(day) - _day(today)).days
    near = [days for days in WARNINGS if 0 <= left <= days]
    return f"within {min(near)} days" if near else ""


def _date_reasons(one: Approval, today: str) -> Iterator[str]:
    approved, expires, now = _day(one.approved_on), _day(one.expires), _day(today)
    if (approved - now).days > 1:  # it may be tomorrow already where the approver lives
        yield f"it was approved on {approved}, which is to come"
    if over_a_year(one.approved_on, one.expires):
        yield f"it runs until {expires}, more than a year after {approved}"
    if expires < now:
        yield f"it ran out on {expires}"


def over_a_year(begin: str, end: str) -> bool:
    """Whether one ISO date lies more than a year after another: the same day of the next year does not."""
    last = _day(end)
    return (last.year - 1, last.month, last.day) > _day(begin).timetuple()[:3]


def roles_of(approvals: Sequence[Approval]) -> dict[str, set[str]]:
    """The roles in which each person has decided."""
    found: dict[str, set[str]] = {}
    for one in approvals:
        found.setdefault(person(one.approver), set()).add(one.role)
    return found


def _approval(row: object) -> Approval | None:
    if not isinstance(row, Mapping):
        return None
    told = {name: row.get(name) for name in (*WORDS, *DAYS, "covers", "conditions", "commit", "components")}
    if not all(isinstance(told[name], str) and str(told[name]).strip() for name in WORDS):
        return None
    if not isinstance(told["covers"], Mapping) or not all(_is_day(told[name]) for name in DAYS):
        return None
    if not all(is_address(str(told[name])) for name in ("approver", "author")):
        return None
    if told["components"] is not None and not _are_versions(told["components"]):
        return None
    covers = {str(path): str(digest) for path, digest in told["covers"].items()}
    words = {name: str(told[name]) for name in (*WORDS, *DAYS)}
    more = {name: str(told[name] or "") for name in ("conditions", "commit")}
    confirmed = _confirmation(row.get("confirmed"))
    return Approval(**words, **more, covers=covers, components=told["components"], confirmed=confirmed)


def _confirmation(row: object) -> Confirmation | None:
    """One of another form counts for nothing, and the approval still waits."""
    if not isinstance(row, Mapping) or not _is_day(row.get("on")) or not is_address(str(row.get("by"))):
        return None
    found = row.get("components")
    return Confirmation(str(row["by"]), str(row["on"]), found) if _are_versions(found) else None


def _are_versions(value: object) -> TypeGuard[Versions]:
    return isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)


def row_of(one: Approval) -> dict[str, Any]:
    """The approval as the register holds it; people read it from the top."""
    told = {name: value for name, value in one._asdict().items() if value and name not in ("confirmed", "unsigned")}
    last = {"covers": dict(one.covers)} | ({"confirmed": row_of_confirmation(one.confirmed)} if one.confirmed else {})
    return {**{name: value for name, value in told.items() if name != "covers"}, **last}


def row_of_confirmation(one: Confirmation) -> dict[str, Any]:
    """The confirmation as the row of its approval holds it."""
    return {"by": one.by, "on": one.on, "components": dict(one.components)}


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


def how(role: str) -> str:
    """The command that approves in that role."""
    return f"`ai-factory approve {word(role)} --approver … --author … --expires …`"


def word(role: str) -> str:
    """A role as a command line takes it."""
    return f'"{role}"' if " " in role else role
