"""What the gate found, as OSCAL assessment results: an observation and a finding for each control that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.check import Waiver
from ai_factory.governance.applicability import Verdict
from ai_factory.governance.checking import Result, Status
from ai_factory.project.export import State, evidence
from ai_factory.project.gate import lacking
from ai_factory.report.exports import oscal, oscal_profile
from ai_factory.report.exports.oscal import Node
from ai_factory.report.exports.reasons import why

SAYS = (
    "What the release gate found on that day in the files of the project. `satisfied` is OSCAL's word for a control "
    "with evidence that the gate finds nothing against."
)
PLAN = (
    "There is no assessment plan that people drew up, and no system security plan behind one: OSCAL asks results to "
    "name a plan, and this resource says what took its place. The gate looks at every control of the catalogue that "
    "applies to the facts of the system: at its evidence, and by a check of its own where there is one (method TEST; "
    "else EXAMINE). The same repository and the same day give the same results."
)
REASONS: Mapping[Status, str] = {Status.PASS: "pass", Status.FAIL: "fail"}  # of OSCAL; the others are `other`


class About(NamedTuple):
    """One control's result, and the UUIDs by which its parts name each other."""

    result: Result
    found: State

    @property
    def control(self) -> str:
        return self.result.judgement.control.id

    @property
    def waiver(self) -> Waiver | None:
        return self.found.waivers.get(self.control)

    def identifier(self, kind: str) -> str:
        """The UUID of its observation, finding or risk: of this system, this control, and this day."""
        return oscal.identifier(kind, self.found.name, self.control, self.found.gated.applies.as_of)


def document(found: State) -> bytes:
    """The assessment results."""
    applies, plan = found.gated.applies, oscal.identifier("plan")
    resource = {"uuid": plan, "title": "The release gate in place of an assessment plan", "description": PLAN}
    source = oscal_profile.catalog(found.gated.subject.known.regulation)
    title, links = f"Release gate of {found.name}", [oscal.link(source)]
    body = {
        "metadata": oscal.metadata(title, applies.as_of, applies.as_of, SAYS, links=links),
        "import-ap": {"href": f"#{plan}", "remarks": PLAN},
        "results": [_result(found)],
        "back-matter": {"resources": [resource, source]},
    }
    return oscal.written("assessment-results", body)


def _result(found: State) -> Node:
    applies = found.gated.applies
    rows = [About(one, found) for one in found.applying]
    made = {
        "uuid": oscal.identifier("result", found.name, applies.as_of),
        "title": f"Gate {'passed' if found.gated.passed else 'not passed'} on {applies.as_of}",
        "description": f"{len(rows)} controls apply, at tier {applies.tier}.",
        "start": oscal.moment(applies.as_of),
        "props": [
            oscal.prop("tier", applies.tier),
            oscal.prop("gate", "passed" if found.gated.passed else "not passed"),
            *_facts(found),
        ],
        "reviewed-controls": {"control-selections": [_selection(found)]},
        "observations": [_observation(row) for row in rows],
        "risks": [_risk(row, row.waiver) for row in rows if row.waiver],
        "findings": [_finding(row) for row in rows],
        "remarks": _notes(found.gated.warnings),
    }
    return oscal.filled(made)


def _facts(found: State) -> list[Node]:
    """The digest of the facts from which everything follows."""
    return oscal.props("facts-sha-256", [digest] if (digest := _digest(found, "governance/facts.yaml")) else [])


def _digest(found: State, path: str) -> str:
    return found.gated.subject.digest(path).removeprefix("sha256:")


def _selection(found: State) -> Node:
    """All controls but those that do not apply."""
    judged = found.gated.applies.controls
    out = [{"control-id": name} for name, one in judged.items() if one.verdict is Verdict.NONE]
    return {"include-all": {}, **({"exclude-controls": out} if out else {})}


def _observation(row: About) -> Node:
    result, title = row.result, row.result.judgement.control.title
    made = {
        "uuid": row.identifier("observation"),
        "title": oscal.prose(f"{row.control} {title}"),
        "description": oscal.prose(why(result.judgement, row.found.gated.applies.tier)),
        "props": _props(row),
        "methods": ["TEST" if result.checked else "EXAMINE"],
        "types": ["control-objective"],
        "relevant-evidence": [_evidence(*one) for one in evidence(row.found.gated.subject, result)],
        "collected": oscal.moment(row.found.gated.applies.as_of),
    }
    return oscal.filled(made)


def _props(row: About) -> list[Node]:
    judged = row.result.judgement
    return [
        oscal.prop("status", row.result.status.value),
        oscal.prop("verdict", judged.verdict.value),
        *oscal.props("date", [judged.date] if judged.date else []),
        oscal.prop("owner", judged.control.owner),
        oscal.prop("blocks-release", "yes" if row.result.blocks else "no"),
        *oscal.props("duty", [duty.requirement.id for duty in judged.duties if duty.applies]),
        *oscal.props("policy", judged.control.policies),
    ]


def _evidence(path: str, digest: str) -> Node:
    told = [oscal.prop("sha-256", digest.removeprefix("sha256:"))] if digest else []
    said = oscal.prose(path if digest else f"{path} is missing")
    return oscal.filled({"href": oscal.address(path), "description": said, "props": told})


def _finding(row: About) -> Node:
    result = row.result
    reason = REASONS.get(result.status, "other")
    state = "satisfied" if result.status is Status.PASS else "not-satisfied"
    status = {"state": state, "reason": reason, "remarks": oscal.prose(result.status.value)}
    made = {
        "uuid": row.identifier("finding"),
        "title": oscal.prose(f"{row.control}: {result.status.value}"),
        "description": oscal.prose(_gaps(result)),
        "props": _props(row),
        "target": {"type": "objective-id", "target-id": oscal.objective(row.control), "status": status},
        "related-observations": [{"observation-uuid": row.identifier("observation")}],
        "related-risks": [{"risk-uuid": row.identifier("risk")}] if row.waiver else [],
        "remarks": _notes(row.found.notes(row.control)),
    }
    return oscal.filled(made)


def _gaps(result: Result) -> str:
    """What is missing, in one line."""
    return "; ".join(f"{gap.path} {gap.message}".strip() for gap in lacking(result)) or "nothing is missing"


def _notes(notes: Sequence[str]) -> str:
    """What the gate tells beside its verdict; empty where it tells nothing."""
    return oscal.prose("; ".join(notes)) if notes else ""


def _risk(row: About, waiver: Waiver) -> Node:
    """A control that is not met, which somebody answers for until a day."""
    return {
        "uuid": row.identifier("risk"),
        "title": oscal.prose(f"{row.control} is waived until {waiver.until}"),
        "description": oscal.prose(waiver.reason),
        "statement": oscal.prose(_gaps(row.result)),
        "props": [oscal.prop("owner", waiver.owner), oscal.prop("approver", waiver.approver)],
        "status": "deviation-approved",
        "deadline": oscal.last_moment(waiver.until),
    }
