"""The release gate: whether every control that a system has to meet is met, with evidence of it as it is now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ai_factory import cache, waivers
from ai_factory.check import Finding
from ai_factory.errors import ProjectError
from ai_factory.governance import facts as facts_of
from ai_factory.governance.applicability import Applicability
from ai_factory.governance.checking import KEPT_ELSEWHERE, Gap, Result, Status, Subject, results
from ai_factory.governance.checks import CHECKS
from ai_factory.lock import WAIVERS
from ai_factory.newest import SKIPPED
from ai_factory.project.facts import FACTS, judged, map_of, recorded
from ai_factory.project.opening import Project
from ai_factory.tree import File
from ai_factory.waivers import Waiver

HOW = "`ai-factory assess` asks for them"
OWNERS: Mapping[str, str] = {"business_owner": "business owner", "dpo": "data protection"}


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate found: the tier, every control, and the findings that stand in the way or are waived."""

    applies: Applicability
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing stands in the way of a release."""
        return not any(finding.level == "error" for finding in self.findings)


def gate(project: Project, as_of: str) -> Gated:
    """Look at every control on that day. Raises ProjectError where the facts are not all answered."""
    subject = subject_of(project, as_of)
    found = results(subject, CHECKS, lambda paths: False)
    held, refused = _waivers(project, found)
    stands = tuple(_waived(result, held, as_of) for result in found)
    open_ones = [finding for result in found if result.blocks for finding in findings_of(result)]
    return Gated(subject.applies, stands, (*waivers.apply(open_ones, held, as_of), *refused))


def subject_of(project: Project, as_of: str) -> Subject:
    """The project as checks see it: its files below the folders that it keeps, and what applies on that day."""
    known, now = map_of(project), recorded(project)
    problems = facts_of.problems(now.facts, known.facts)
    if problems:
        names = ", ".join(f"`{name}`" for name in problems)
        raise ProjectError(f"`{FACTS}`: what applies is not known, for these are not answered: {names}", HOW)
    applies, _ = judged(known, facts_of.facts(now.facts), as_of)
    files = {path: file for path in _paths(project) if (file := project.folder.read(path))}
    return Subject(
        files, project.lock, known, applies, as_of, lambda path: _digest(project, files, path), cache.document
    )


def _paths(project: Project) -> set[str]:
    """The factory's files, and all others in the folders where it has some; none of what runs keep for themselves."""
    folders = {path.split("/")[0] for path in project.lock.paths if "/" in path} - {KEPT_ELSEWHERE.rstrip("/")}
    found = {path for folder in folders for path in project.folder.walk(folder)}
    return {path for path in found | project.lock.paths.keys() if SKIPPED.isdisjoint(path.split("/"))} | {WAIVERS}


def _digest(project: Project, files: Mapping[str, File], path: str) -> str:
    file = files.get(path) or project.folder.read(path)
    return f"sha256:{hashlib.sha256(file.content).hexdigest()}" if file else ""


def _waivers(project: Project, found: Sequence[Result]) -> tuple[list[Waiver], list[Finding]]:
    """The waivers that may hold, and findings for those of a control that law in force requires: none holds."""
    file = project.folder.read(WAIVERS)
    rows = waivers.parse(file.content) if file else []
    bound = {result.judgement.control.id for result in found if not may_be_waived(result)}
    refused = [row for row in rows if row.control in bound and row.rule == "AF007"]
    message = "the waiver of {} does not hold: law in force asks for it"
    return [row for row in rows if row not in refused], [
        Finding("AF008", WAIVERS, message.format(row.control), controls=(row.control,), hint="meet it")
        for row in refused
    ]


def may_be_waived(result: Result) -> bool:
    """Whether a person may let it pass for a time: not where law asks for it that is in force."""
    return not any(duty.binds and duty.started for duty in result.judgement.duties)


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
            "AF007",
            gap.path or FACTS,
            f"{gap.message} ({control.id} {control.title}; {_acts(control.owner)} acts)",
            controls=(control.id,),
            hint=gap.hint,
        )
        for gap in result.gaps or (unsigned,)
    ]


def _acts(owner: str) -> str:
    return OWNERS.get(owner, owner.replace("_", " "))
