"""Approvals of a project: its register as it stands, and one more decision written into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import cache, documents, git
from ai_factory.errors import MachineError, ProjectError
from ai_factory.governance import approvals
from ai_factory.governance.approvals import REGISTER, Approval, Register, Situation
from ai_factory.governance.checking import Gap, Subject
from ai_factory.project.opening import Project
from ai_factory.project.subject import subject_of
from ai_factory.tree import File
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
    kept = [row for row in documents.load(content, REGISTER).get("approvals") or [] if row.get("role") != one.role]
    changes: dict[tuple[str, ...], Any] = {("approvals",): [*kept, _row(one)]}
    project.folder.write(REGISTER, File(documents.edit(content, changes)))
    open_roles = [role for role in approvals.required(register, now.roles) if not _holds(role, held, now)]
    return Approved(one, tuple(open_roles))


def _refuse(one: Approval, register: Register, now: Situation) -> None:
    known = approvals.required(register, now.roles)
    if one.role not in known:
        raise ProjectError(f"nobody asks for an approval of the role `{one.role}`", f"asked for are {', '.join(known)}")
    against = [reason for reason in approvals.reasons(one, now) if one.decision == approvals.APPROVED]
    if against:
        raise ProjectError(
            f"this approval would not hold: {against[0]}", "let another person approve", tuple(against[1:])
        )
    others = [
        other.role for other in register.approvals if approvals.person(other.approver) == approvals.person(one.approver)
    ]
    if set(others) - {one.role}:
        raise ProjectError(f"{one.approver} has approved as {others[0]} already", "each role is another person")


def _holds(role: str, held: tuple[Approval, ...], now: Situation) -> bool:
    return any(other.role == role and not list(approvals.reasons(other, now)) for other in held)


def _row(one: Approval) -> dict[str, Any]:
    """The approval as the register holds it; people read it from the top."""
    told = {name: value for name, value in one._asdict().items() if value}
    return {**told, "covers": dict(one.covers)}


def _changed_by(project: Project, paths: Mapping[str, str]) -> dict[str, frozenset[str] | None]:
    """Who has changed each subject; None where nobody knows, also for one with changes that are not committed."""
    if not find_repository(project.root):
        return dict.fromkeys(paths)
    try:
        told = git.authors(project.root, paths)
        dirty = {*git.status(project.root).dirty, *git.status(project.root).untracked}
    except MachineError:
        return dict.fromkeys(paths)
    return {path: told[path] if told[path] and path not in dirty else None for path in paths}
