"""What the verification of audit logs found, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_factory.project.trail import Verified
from ai_factory.report.plain import count, plain


def text(found: Sequence[Verified]) -> str:
    """One line a log, and under it what is wrong."""
    lines: list[str] = []
    for one in found:
        state = "NOT INTACT" if one.problems else "intact"
        covered = f"{one.covered} covered by a checkpoint" if one.covered else "no checkpoint"
        removed = f", {one.removed} disposed of on record" if one.removed else ""
        torn = ", its last line was cut short by a crash and never acknowledged" if one.torn else ""
        lines.append(f"{plain(one.log)}: {state}, {count(one.events, 'event')}, {covered}{removed}{torn}")
        lines += [f"  {plain(problem)}" for problem in one.problems]
    return "\n".join(lines)


def data(found: Sequence[Verified]) -> dict[str, Any]:
    """The same for machines."""
    rows = [{**one._asdict(), "problems": list(one.problems), "intact": not one.problems} for one in found]
    return {"schema": "ai-factory/audit-verify/1", "logs": rows}
