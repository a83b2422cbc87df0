"""An approval or a confirmation that was written, as text and JSON."""

from __future__ import annotations

from typing import Any

from ai_factory.governance.approvals import REGISTER, row_of
from ai_factory.project.approve import Approved
from ai_factory.project.confirm import Confirmed
from ai_factory.report.plain import count, plain


def text(done: Approved) -> str:
    """What was written, and who is asked for besides."""
    one = done.approval
    subjects = count(len(one.covers), "subject")
    lines = [f"{one.decision} by {plain(one.approver)} as {plain(one.role)}: {subjects}, until {one.expires}"]
    lines.append(_commit(done.to_sign))
    lines += [f"it takes the place of: {plain(before)}" for before in done.replaced]
    still = ", ".join(map(plain, done.missing))
    return "\n".join([*lines, f"still to approve: {still}" if still else "every role has approved"])


def _commit(to_sign: bool) -> str:
    return f"wrote {REGISTER}: commit it" + (", signed with your key: `git commit -S`" if to_sign else "")


def data(done: Approved) -> dict[str, Any]:
    """The same for machines."""
    told = {"missing": list(done.missing), "replaced": list(done.replaced)}
    return {"schema": "ai-factory/approve/1", "approval": row_of(done.approval), **told}


def confirmed_text(done: Confirmed) -> str:
    """What was looked at, and who did."""
    one = done.approval
    who = plain(one.confirmed.by) if one.confirmed else ""
    lines = [
        f"confirmed by {who} as {plain(one.role)}: what {plain(one.approver)} approved stands, until {one.expires}"
    ]
    lines += [f"  {plain(update.words)}" for update in done.updates]
    return "\n".join([*lines, _commit(done.to_sign)])


def confirmed_data(done: Confirmed) -> dict[str, Any]:
    """The same for machines."""
    updates = [update._asdict() for update in done.updates]
    return {"schema": "ai-factory/confirm/1", "approval": row_of(done.approval), "updates": updates}
