"""Approvals of a project: its register as it stands, and one more decision written into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import cache, documents, git
from ai_factory.errors import MachineError, ProjectError, UsageError
from ai_factory.governance import approvals
from ai_factory.governance.approvals import REGISTER, Approval, Register, Situation
from ai_factory.governance.checking import Gap, Subject
from ai_factory.people import is_address, person
from ai_factory.project.opening import Project
from ai_factory.project.subject import subject_of
from ai_factory.tree import LINK, File
from ai_factory.workspace import find_repository


class Given(NamedTuple):
    """A decision as a person gives it; days are ISO dates."""

    role: str
    approver: str
    author: str
    expires: str
    decision: str = approvals.APPROVED
    conditions: str = ""


class Approved(NamedTuple):
    """What was written: the decision, and the roles that still have to approve."""

    approval: Approval
    missing: tuple[str, ...]
    replaced: tuple[str, ...] = ()  # earlier decisions of the role, which git keeps


class Standing(NamedTuple):
    """The register, what it is judged by, and what is wrong with it before any approval is looked at."""

    register: Register
    now: Situation
    unsound: tuple[Gap, ...]


def standing(project: Project, subject: Subject) -> Standing:
    """How the approvals of a project stand. Raises ProjectError for a register that is no YAML."""
    file = subject.files.get(REGISTER)
    document = cache.document(file.content, REGISTER, ProjectError) if file else {}
    register = approvals.register(document if isinstance(document, dict) else {})
    digests = {path: subject.digest(path) for path in subject.files}
    named, lost = approvals.subjects_of(register, digests)
    unsound = [
        Gap(REGISTER, f"a subject of approvals is not here: {one}", "`make run` writes what it can") for one in lost
    ]
    unsound += [] if file else [Gap(REGISTER, "is missing", "bring it back")]
    lacks = approvals.too_few(register, digests)
    unsound += [
        Gap(REGISTER, f"`subjects` lacks {path}", "a register may ask for more, not for less") for path in lacks
    ]
    links = [path for path in named if subject.files[path].mode == LINK]
    unsound += [Gap(path, "is a link, and its target can change unseen", "put the file itself there") for path in links]
    roles = subject.known.scale.roles[subject.applies.tier]
    return Standing(register, Situation(named, _changed_by(project, named), roles, subject.today), tuple(unsound))


def approve(project: Project, given: Given, today: str) -> Approved:
    """Write a decision into the register. Raises ProjectError, before anything is written, for one that cannot hold."""
    subject = subject_of(project, today)
    register, now, unsound = standing(project, subject)
    if unsound:
        raise ProjectError(f"`{REGISTER}`: {unsound[0].message}", unsound[0].hint)
    one = Approval(
        given.role, given.approver, given.author, given.decision, today, given.expires, now.subjects, given.conditions
    )
    _refuse(one, register, now)
    held = (*(other for other in register.approvals if other.role != one.role), one)
    content = subject.files[REGISTER].content
    rows = documents.load(content, REGISTER, ProjectError).get("approvals") or []
    gone = [number for number, row in enumerate(rows) if isinstance(row, dict) and row.get("role") == one.role]
    project.folder.write(REGISTER, File(documents.with_row(content, gone, _row(one), "approvals")))
    open_roles = [role for role in approvals.required(register, now.roles) if not _holds(role, held, now)]
    before = tuple(f"{rows[number].get('decision')} by {rows[number].get('approver')}" for number in gone)
    return Approved(one, tuple(open_roles), before)


def _refuse(one: Approval, register: Register, now: Situation) -> None:
    for name, address in (("approver", one.approver), ("author", one.author)):
        if not is_address(address):
            raise UsageError(f"`--{name} {address}` is no bare address", "write it as name@example.org")
    if not one.conditions.isprintable():
        raise UsageError("`--conditions` is no text of one line", "write it in words")
    if register.odd:
        raise ProjectError(f"`{REGISTER}`: {register.odd[0]}", "mend or remove it; the head of the file shows the form")
    known = approvals.required(register, now.roles)
    if one.role not in known:
        raise ProjectError(f"nobody asks for an approval of the role `{one.role}`", f"asked for are {', '.join(known)}")
    against = [reason for reason in approvals.reasons(one, now) if one.decision == approvals.APPROVED]
    if against:
        raise ProjectError(
            f"this approval would not hold: {against[0]}",
            "mend that, or let another person approve",
            tuple(against[1:]),
        )
    others = [other.role for other in register.approvals if person(other.approver) == person(one.approver)]
    if set(others) - {one.role}:
        raise ProjectError(f"{one.approver} has approved as {others[0]} already", "each role is another person")


def _holds(role: str, held: tuple[Approval, ...], now: Situation) -> bool:
    return any(other.role == role and not list(approvals.reasons(other, now)) for other in held)


def _row(one: Approval) -> dict[str, Any]:
    """The approval as the register holds it; people read it from the top."""
    told = {name: value for name, value in one._asdict().items() if value}
    return {**told, "covers": dict(one.covers)}


def _changed_by(project: Project, paths: Mapping[str, str]) -> dict[str, frozenset[str] | None]:
    """Who has changed each subject; None where nobody knows: shallow clones, and changes that are not committed."""
    if not find_repository(project.root):
        return dict.fromkeys(paths)
    try:
        told = git.authors(project.root, paths)
        state = git.status(project.root)
    except MachineError:
        return dict.fromkeys(paths)
    dirty = {*state.dirty, *state.untracked, *state.unwatched, *state.sparse}
    return {path: told[path] if told[path] and path not in dirty else None for path in paths}
