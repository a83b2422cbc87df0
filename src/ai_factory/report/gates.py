"""What the release gate found, as text and JSON, and as the value that other formats are made of."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ai_factory.governance.applicability import Verdict
from ai_factory.governance.approvals import SIGN_OFF
from ai_factory.governance.checking import Result, Status
from ai_factory.project.gate import Gated, findings_of, lacking, may_be_waived
from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.findings import Checked
from ai_factory.report.findings import row as finding_row
from ai_factory.report.formats import Own
from ai_factory.report.plain import count, plain
from ai_factory.report.rows import Report, Standing


def text(found: Gated) -> str:
    """Each control in the way with its duties, what it lacks and who may let it pass, then a summary."""
    lines: list[str] = []
    for result in found.results:
        lines += _control(result) if result.blocks else []
    others = [one for one in found.findings if one.rule not in ("AF007", "AF009") or one.level != "error"]
    lines += [f"note: {plain(one)}" for one in found.warnings]
    for one in others:
        lines.append(f"{one.rule} {one.level}: {plain(one.path)} {plain(one.message)}")
        lines += [f"  hint: {plain(one.hint)}"] if one.level == "warning" else []
    return "\n".join([*lines, _summary(found), UNREVIEWED])


def data(found: Gated) -> dict[str, Any]:
    """The same for machines: every control, also those that are met or do not apply."""
    return {
        "schema": "ai-factory/gate/1",
        "passed": found.passed,
        "as_of": found.applies.as_of,
        "tier": found.applies.tier,
        "controls": [_row(result) for result in found.results],
        "warnings": list(found.warnings),
        "findings": [finding_row(finding) for finding in found.findings],
        "notes": [UNREVIEWED],
    }


def report(found: Gated, path: str, root: str) -> Report:
    """The value that every other format is made of."""
    standings = tuple(_standing(result) for result in found.results if result.judgement.verdict is Verdict.REQUIRED)
    version = found.subject.lock.factory.version
    checked = Checked(path, version, found.findings, root, standings=standings)
    return Report("gate", (checked,), 0 if found.passed else 1, ("gate", "drift"), notes=(UNREVIEWED,))


def own(found: Gated) -> Own:
    """How the gate words its result for people, and as one object."""
    return Own(lambda _: text(found), lambda _: data(found))


def _standing(result: Result) -> Standing:
    control = result.judgement.control
    return Standing(control.id, control.title, result.status.value)


def _control(result: Result) -> list[str]:
    judged = result.judgement
    lines = [f"{judged.control.id} {plain(judged.control.title)}: {result.status.value}", f"  {_required(result)}"]
    for finding in findings_of(result):
        lines.append(f"  {plain(finding.path)}: {plain(finding.message)}")
        lines += [f"    hint: {plain(finding.hint)}"] if finding.hint else []
    return lines


def _required(result: Result) -> str:
    """What asks for it, and whether it can be waived."""
    judged = result.judgement
    duties = [f"{duty.requirement.id} ({plain(duty.requirement.cite)})" for duty in judged.duties if duty.binds]
    asked = [*duties[:3], *([f"{len(duties) - 3} more"] if len(duties) > 3 else [])]
    asked += ["the tier of the system"] if judged.by_tier else []
    return f"asked for by {', '.join(asked)}; {_waiver(result)}"


def _waiver(result: Result) -> str:
    if result.judgement.control.id == SIGN_OFF:
        return "approvals are given, not waived"
    return "another than its owner may waive it" if may_be_waived(result) else "law in force: no waiver holds"


def _summary(found: Gated) -> str:
    required = [result for result in found.results if result.judgement.verdict is Verdict.REQUIRED]
    numbers = Counter(result.status for result in required)
    parts = [f"{numbers[status]} {status.value}" for status in Status if numbers[status]]
    verdict = "passed" if found.passed else "failed"
    return (
        f"gate {verdict}: tier {found.applies.tier}, {count(len(required), 'control')} required now: {', '.join(parts)}"
    )


def _row(result: Result) -> dict[str, Any]:
    judged = result.judgement
    return {
        "control": judged.control.id,
        "title": judged.control.title,
        "verdict": judged.verdict.value,
        "date": judged.date,
        "status": result.status.value,
        "blocks": result.blocks,
        "checked_by": "a check of its own" if result.checked else "the presence of its evidence",
        "owner": judged.control.owner,
        "duties": [duty.requirement.id for duty in judged.duties if duty.applies],
        "evidence": list(result.evidence),
        "gaps": [gap._asdict() for gap in lacking(result)],
        "may_be_waived": may_be_waived(result),
    }
