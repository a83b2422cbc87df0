"""The release gate: whether every control that a system has to meet is met, with evidence of it as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ai_factory import waivers
from ai_factory.check import Finding, Waiver
from ai_factory.governance import approvals
from ai_factory.governance.applicability import Applicability, law_asks
from ai_factory.governance.approvals import Situation
from ai_factory.governance.checking import Gap, Result, Status, Subject, results
from ai_factory.governance.checks import CHECKS
from ai_factory.lock import WAIVERS
from ai_factory.project.approve import standing
from ai_factory.project.facts import FACTS
from ai_factory.project.opening import Project
from ai_factory.project.subject import subject_of

SIGN_OFF = "GOV-06"  # the control whose gaps are those of approvals
OWNERS: Mapping[str, str] = {"business_owner": "business owner", "dpo": "data protection"}


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate looked at and found: every control, and the findings that stand in the way or are waived."""

    subject: Subject
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]  # approvals that soon run out

    @property
    def applies(self) -> Applicability:
        """What applies to the project on that day."""
        return self.subject.applies

    @property
    def passed(self) -> bool:
        """Whether nothing stands in the way of a release."""
        return not any(finding.level == "error" for finding in self.findings)


def gate(project: Project, as_of: str) -> Gated:
    """Look at every control on that day. Raises ProjectError where the facts are not all answered."""
    subject = subject_of(project, as_of)
    register, now, unsound = standing(project, subject)
    unsigned = (*unsound, *approvals.gaps(register, now))
    found = results(subject, {**CHECKS, SIGN_OFF: lambda _: unsigned}, lambda paths: _signed(paths, unsigned, now))
    held, refused = _waivers(project, found)
    stands = tuple(_waived(result, held, as_of) for result in found)
    open_ones = [finding for result in found if result.blocks for finding in findings_of(result)]
    findings = (*waivers.apply(open_ones, held, as_of), *refused)
    return Gated(subject, stands, findings, tuple(approvals.warnings(register, now)))


def _signed(paths: tuple[str, ...], unsigned: Sequence[Gap], now: Situation) -> bool:
    """Whether every role has approved, and what they approved holds some of these files."""
    return not unsigned and any(path in now.subjects for path in paths)


def _waivers(project: Project, found: Sequence[Result]) -> tuple[list[Waiver], list[Finding]]:
    """The waivers that may hold, and findings for those of a control that law in force requires: none holds."""
    file = project.folder.read(WAIVERS)
    rows = waivers.parse(file.content) if file else []
    waivable = {result.judgement.control.id for result in found if may_be_waived(result)}
    of_gate = [row for row in rows if row.rule == "AF007"]
    sound = [row for row in of_gate if row.control in waivable and not row.path]
    return [row for row in rows if row.rule != "AF007" or row in sound], [
        _refused(row) for row in of_gate if row not in sound
    ]


def _refused(row: Waiver) -> Finding:
    message = "the waiver of AF007 names no control alone, and holds for nothing"
    if row.control and not row.path:
        message = f"the waiver of {row.control} does not hold: law in force asks for it, or nobody does"
    controls = (row.control,) if row.control else ()
    return Finding("AF008", WAIVERS, message, controls=controls, hint="meet the control", waiver=row)


def may_be_waived(result: Result) -> bool:
    """Whether a person may let it pass for a time: not where law asks for it that is in force."""
    return not law_asks(result.judgement)


def _waived(result: Result, rows: list[Waiver], today: str) -> Result:
    """The result, as waived where each of its gaps is covered by a waiver that holds."""
    gaps = findings_of(result)
    covered = waivers.apply(gaps, rows, today)[: len(gaps)]
    if not result.blocks or any(finding.rule != "AF010" for finding in covered):
        return result
    return replace(result, status=Status.WAIVED)


def findings_of(result: Result) -> list[Finding]:
    """One finding a gap: where, what, which control, and who has to act."""
    control = result.judgement.control
    unsigned = Gap(next(iter(result.evidence), FACTS), "has to be approved by people", "`ai-factory approve`")
    return [
        Finding(
            "AF009" if control.id == SIGN_OFF else "AF007",
            gap.path or FACTS,
            f"{gap.message} ({control.id} {control.title}; {_acts(control.owner)} acts)",
            controls=(control.id,),
            hint=gap.hint,
            owner=_acts(control.owner),
        )
        for gap in result.gaps or (unsigned,)
    ]


def _acts(owner: str) -> str:
    return OWNERS.get(owner, owner.replace("_", " "))
