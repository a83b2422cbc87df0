"""An approval that was written, as text and JSON."""

from __future__ import annotations

from typing import Any

from ai_factory.governance.approvals import REGISTER
from ai_factory.project.approve import Approved
from ai_factory.report.plain import count, plain


def text(done: Approved) -> str:
    """What was written, and who is asked for besides."""
    one = done.approval
    subjects = count(len(one.covers), "subject")
    lines = [f"{one.decision} by {plain(one.approver)} as {plain(one.role)}: {subjects}, until {one.expires}"]
    lines.append(f"wrote {REGISTER}: commit it")
    lines += [f"it takes the place of: {plain(before)}" for before in done.replaced]
    still = ", ".join(map(plain, done.missing))
    return "\n".join([*lines, f"still to approve: {still}" if still else "every role has approved"])


def data(done: Approved) -> dict[str, Any]:
    """The same for machines."""
    told = {"missing": list(done.missing), "replaced": list(done.replaced)}
    return {"schema": "ai-factory/approve/1", "approval": done.approval._asdict(), **told}
