"""Confirms an approval: somebody of the role has looked at what updates brought since, and lets it stand."""

from __future__ import annotations

from typing import NamedTuple

from ai_factory import rows
from ai_factory.errors import ProjectError, UsageError
from ai_factory.governance import approvals, confirmations
from ai_factory.governance.approvals import REGISTER, Approval, Confirmation, Register, Situation
from ai_factory.governance.impact import Effect
from ai_factory.people import is_address
from ai_factory.project.approve import standing
from ai_factory.project.opening import Project
from ai_factory.project.subject import subject_of
from ai_factory.tree import File


class Confirmed(NamedTuple):
    """What was written: the approval with its confirmation, and the updates that were looked at."""

    approval: Approval
    updates: tuple[Effect, ...]
    to_sign: bool = False  # the commit of it, since the project names allowed signers


def confirm(project: Project, role: str, by: str, today: str) -> Confirmed:
    """Write a confirmation into the row of the role's approval; what that covers stays as it is.

    Raises ProjectError, before anything is written, for an approval that is void or waits for nothing, and for a
    confirmation that would not count.
    """
    if not is_address(by):
        raise UsageError(f"`--approver {by}` is no bare address", "write it as name@example.org")
    subject = subject_of(project, today)
    register, now, unsound, _ = standing(project, subject)
    if unsound:
        raise ProjectError(f"`{REGISTER}`: {unsound[0].message}", unsound[0].hint)
    number, one = _held(register, role, now)
    waiting = confirmations.unconfirmed(register, one, now)
    if not waiting:
        raise ProjectError(f"nothing asks for a confirmation by the {role}", "`ai-factory gate` says what is missing")
    given = Confirmation(by, today, dict(sorted(now.components.items())))
    if against := confirmations.against(register, one, given, now):
        raise ProjectError(f"this confirmation would not count: {against[0]}", "let another person of the role confirm")
    content, row = subject.files[REGISTER].content, approvals.row_of_confirmation(given)
    project.disk.write(REGISTER, File(rows.with_part(content, "approvals", number, "confirmed", row)))
    return Confirmed(one._replace(confirmed=given), tuple(waiting), approvals.SIGNERS in subject.files)


def _held(register: Register, role: str, now: Situation) -> tuple[int, Approval]:
    """The last approval of the role that is not void, and the place of its row."""
    if register.odd:
        raise ProjectError(f"`{REGISTER}`: {register.odd[0]}", "mend or remove it; the head of the file shows the form")
    of_role = [(number, one) for number, one in enumerate(register.approvals) if one.role == role]
    why = [list(approvals.reasons(one, now)) for _, one in of_role]
    sound = [row for row, reasons in zip(of_role, why, strict=True) if not reasons]
    if not sound:
        said = f"does not hold: {why[-1][0]}" if why else "is missing"
        raise ProjectError(f"the approval of the role `{role}` {said}", f"approve anew: {approvals.how(role)}")
    return sound[-1]
