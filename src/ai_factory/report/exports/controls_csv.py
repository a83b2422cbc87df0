"""A row for each control of the map: what it is to the system, how it stands, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_factory.governance.checking import Result
from ai_factory.project.export import State, evidence
from ai_factory.project.gate import lacking
from ai_factory.report.exports import sheet
from ai_factory.report.exports.reasons import why
from ai_factory.report.exports.said import said_of

COLUMNS = (
    *("id", "title", "verdict", "date", "status", "blocks_release", "owner", "tier_floor", "why", "duties"),
    *("evidence", "gaps", "notes", "waiver", "policies", "nist_ai_rmf", "iso_42001", "system", "as_of", "map"),
)


def document(found: State) -> bytes:
    """All controls, also those that do not apply: an import then knows what went away."""
    return sheet.table(COLUMNS, (_row(one, found) for one in found.gated.results))


def _row(result: Result, found: State) -> Mapping[str, str | Sequence[str]]:
    judged = result.judgement
    control = judged.control
    return {
        "id": control.id,
        "title": control.title,
        "verdict": judged.verdict.value,
        "date": judged.date,
        "status": result.status.value,
        "blocks_release": "yes" if result.blocks else "no",
        "owner": control.owner,
        "tier_floor": control.tier_floor,
        "why": why(judged, found.gated.applies.tier),
        "duties": [f"{duty.requirement.id} ({duty.requirement.cite})" for duty in judged.duties if duty.applies],
        "evidence": [f"{path} {digest or 'is missing'}" for path, digest in evidence(found.gated.subject, result)],
        "gaps": [f"{gap.path} {gap.message}".strip() for gap in lacking(result)],
        "notes": found.notes(control.id),
        "waiver": _waiver(control.id, found),
        "policies": control.policies,
        "nist_ai_rmf": control.nist,
        "iso_42001": control.iso,
        **said_of(found),
    }


def _waiver(control: str, found: State) -> str:
    waiver = found.waivers.get(control)
    if waiver is None:
        return ""
    return f"until {waiver.until}: {waiver.reason} (owner {waiver.owner}, approved by {waiver.approver})"
