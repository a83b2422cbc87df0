"""The release gate: whether every control that a system has to meet is met, with evidence of it as it is now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ai_factory import waivers
from ai_factory.check import Finding, Waiver
from ai_factory.governance import approvals, confirmations
from ai_factory.governance.applicability import Applicability, Verdict, law_asks
from ai_factory.governance.approvals import SIGN_OFF, Situation, over_a_year
from ai_factory.governance.checking import Check, Gap, Result, Status, Subject, gaps_of, results
from ai_factory.governance.checks import CHECKS, IN_USE
from ai_factory.governance.checks.dossier import both
from ai_factory.lock import PROJECT, WAIVERS
from ai_factory.project import signing
from ai_factory.project.approve import standing
from ai_factory.project.facts import FACTS
from ai_factory.project.opening import Project
from ai_factory.project.subject import subject_of

OWNERS: Mapping[str, str] = {"business_owner": "business owner", "dpo": "data protection"}


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate looked at and found: every control, and the findings that stand in the way or are waived."""

    subject: Subject
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]  # approvals and waivers that soon run out, and what is due before it is in use

    @property
    def applies(self) -> Applicability:
        """What applies to the project on that day."""
        return self.subject.applies

    @property
    def passed(self) -> bool:
        """Whether nothing stands in the way of a release."""
        return not any(finding.level == "error" for finding in self.findings)


def gate(project: Project, as_of: str, signers: str = "") -> Gated:
    """Look at every control on that day; `signers` is a file of those whose signatures on approvals count.

    Raises ProjectError where the facts are not all answered, UsageError for signers that lie in the project.
    """
    subject = subject_of(project, as_of)
    register, now, unsound, _ = standing(project, subject)
    register = signing.judged(project, register, signers)
    unsigned = (*unsound, *approvals.gaps(register, now))
    checks = {**CHECKS, **(_in_use() if subject.in_use else {}), SIGN_OFF: lambda _: unsigned}
    found = results(subject, checks, lambda paths: _signed(paths, unsigned, now))
    held, refused = _waivers(project, found, as_of)
    stands = tuple(_waived(result, held, as_of) for result in found)
    open_ones = [finding for result in found if result.blocks for finding in findings_of(result)]
    asked = subject.applies.controls[SIGN_OFF].verdict is not Verdict.NONE
    waiting = [_waiting(gap) for gap in confirmations.confirmations(register, now)] if asked else []
    findings = (*waivers.apply(open_ones, held, as_of), *refused, *waiting, *_not_applied(project))
    notes = (*approvals.warnings(register, now), *_ending(held, as_of), *_to_come(subject))
    return Gated(subject, stands, findings, notes)


def _in_use() -> dict[str, Check]:
    """The checks of controls of which more is asked once people meet the system."""
    return {name: both(CHECKS[name], check) for name, check in IN_USE.items()}


def _to_come(subject: Subject) -> Iterator[str]:
    """What stands in no way yet, and will once the system is in use."""
    for name, check in IN_USE.items() if not subject.in_use else ():
        if name in subject.applies.controls and subject.applies.controls[name].verdict is not Verdict.NONE:
            yield from (f"before it is in use: {gap.path}: {gap.message} ({name})" for gap in gaps_of(check, subject))


def _waiting(gap: Gap) -> Finding:
    """A confirmation that is missing: an approval stands without it, and a person should look."""
    return Finding("AF009", gap.path, gap.message, controls=(SIGN_OFF,), hint=gap.hint, weight="warning")


def _not_applied(project: Project) -> Iterator[Finding]:
    """AF012: what project.yaml asks for and no sync has applied, as far as that is told without the factory."""
    wish, record = project.manifest(), project.lock
    asked = [key for key, value in wish.answers.items() if key in record.answers and record.answers[key] != value]
    messages = [f"the answer `{key}` is {wish.answers[key]!r}, applied is {record.answers[key]!r}" for key in asked]
    messages += [f"the component `{name}` is not applied" for name in wish.with_ if name not in record.components]
    messages += [f"the component `{name}` is no longer wanted" for name in wish.without if name in record.components]
    yield from (Finding("AF012", PROJECT, text, hint="`ai-factory sync` applies it") for text in messages)


def _ending(held: Sequence[Waiver], today: str) -> Iterator[str]:
    """Waivers that hold and soon run out."""
    for row in held:
        near = approvals.within(row.until, today)
        if near and not waivers.fault(row, today):
            yield f"the waiver of {row.rule} for {row.path or row.control} runs out {near}, on {row.until}"


def _signed(paths: tuple[str, ...], unsigned: Sequence[Gap], now: Situation) -> bool:
    """Whether every role has approved, and what they approved holds some of these files."""
    return not unsigned and any(path in now.subjects for path in paths)


def _waivers(project: Project, found: Sequence[Result], today: str) -> tuple[list[Waiver], list[Finding]]:
    """The waivers that may hold, and findings for those of a control that hold for nothing."""
    file = project.folder.read(WAIVERS)
    rows = waivers.parse(file.content) if file else []
    waivable = frozenset(result.judgement.control.id for result in found if may_be_waived(result))
    of_gate = [row for row in rows if row.rule == "AF007"]
    why = [(row, _void(row, waivable, today)) for row in of_gate]
    void = [row for row, reason in why if reason]
    held = [row for row in rows if row not in void]
    return held, [_refused(row, reason) for row, reason in why if reason]


def _void(row: Waiver, waivable: frozenset[str], today: str) -> str:
    """Why a waiver of a control holds for nothing; empty where it may hold."""
    void = f"the waiver of {row.control} does not hold"
    if row.path or not row.control:
        return "the waiver of AF007 names no control alone, and holds for nothing"
    if row.control == SIGN_OFF:
        return f"{void}: approvals are given, not waived"
    if row.control not in waivable:
        return f"{void}: law in force asks for it, or nobody does"
    return f"{void}: it runs for more than a year" if over_a_year(today, row.until) else ""


def _refused(row: Waiver, message: str) -> Finding:
    controls = (row.control,) if row.control else ()
    return Finding("AF008", WAIVERS, message, controls=controls, hint="meet the control", waiver=row)


def may_be_waived(result: Result) -> bool:
    """Whether a person may let it pass for a time: not where law asks for it that is in force, and no approval."""
    return result.judgement.control.id != SIGN_OFF and not law_asks(result.judgement)


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
    return [
        Finding(
            "AF009" if control.id == SIGN_OFF else "AF007",
            gap.path or FACTS,
            f"{gap.message} ({control.id} {control.title}; {_acts(control.owner)} acts)",
            controls=(control.id,),
            hint=gap.hint,
            owner=_acts(control.owner),
        )
        for gap in result.gaps or (_unsigned(result),)
    ]


def lacking(result: Result) -> tuple[Gap, ...]:
    """What a control lacks, people's approval too; nothing of one that is met or does not apply."""
    if result.status in (Status.PERSON, Status.WAIVED):
        return result.gaps or (_unsigned(result),)
    return result.gaps


def _unsigned(result: Result) -> Gap:
    return Gap(next(iter(result.evidence), FACTS), "has to be approved by people", "`ai-factory approve`")


def _acts(owner: str) -> str:
    return OWNERS.get(owner, owner.replace("_", " "))
