"""What every format for machines is made of: findings with their place in the repository, ranked and told apart."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ai_factory.check import Finding, fails
from ai_factory.errors import FactoryError
from ai_factory.report.findings import LEVELS, Checked


class Standing(NamedTuple):
    """How a control that is required stands (gate)."""

    control: str
    title: str
    status: str


class Report(NamedTuple):
    """What a command has to tell: `errors` kept it from its work, `notes` are to stand in every output."""

    command: str
    projects: tuple[Checked, ...]
    code: int
    fail_on: Sequence[str] = ("drift", "conflict", "gate")
    errors: tuple[FactoryError, ...] = ()
    notes: tuple[str, ...] = ()


class Row(NamedTuple):
    """One finding: `path` is from the top of the repository, `fingerprint` stays while the finding does."""

    project: Checked
    finding: Finding
    path: str
    fingerprint: str
    fails: bool

    @property
    def rule(self) -> str:
        """The rule that holds, also where a waiver covers it."""
        waiver = self.finding.waiver
        return waiver.rule if self.waived and waiver else self.finding.rule

    @property
    def waived(self) -> bool:
        return self.finding.rule == "AF010"

    @property
    def line(self) -> int:
        """The line to show; the first where none is known."""
        return max(1, self.finding.line)

    def details(self) -> Iterator[str]:
        """What else is to be known, each in a sentence."""
        if self.finding.controls:
            yield f"weakens {', '.join(self.finding.controls)}"
        if self.finding.component:
            yield f"component {self.finding.component}"
        if self.finding.owner:
            yield f"owner: {self.finding.owner}"
        if self.finding.waiver:
            yield f"waiver until {self.finding.waiver.until}"
        if self.finding.hint:
            yield f"hint: {self.finding.hint}"


def ranked(report: Report) -> list[Row]:
    """All findings: the gravest first, then those that weaken most; what is cut off matters least."""
    return sorted(rows(report), key=lambda row: (_level(row.finding), -len(row.finding.controls), row.path, row.rule))


def _level(finding: Finding) -> int:
    return LEVELS.index(finding.level)


def rows(report: Report) -> list[Row]:
    """All findings as they stand."""
    seen: Counter[str] = Counter()
    return [_row(report, project, finding, seen) for project in report.projects for finding in project.findings]


def _row(report: Report, project: Checked, finding: Finding, seen: Counter[str]) -> Row:
    path = f"{project.folder}/{finding.path}" if project.folder else finding.path
    row = Row(project, finding, path, "", finding.level == LEVELS[0] or fails(finding, report.fail_on))
    # neither the line nor the message: both change while the finding stays
    key = "\n".join([row.rule, path, *sorted(finding.controls if row.rule in ("AF007", "AF008", "AF009") else ())])
    seen[key] += 1
    return row._replace(fingerprint=_digest(f"{key}\n{seen[key]}"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def told(errors: Iterable[FactoryError]) -> Iterator[str]:
    """Each error in one sentence with its hint."""
    for error in errors:
        yield "; ".join([error.message, *error.details, *([f"hint: {error.hint}"] if error.hint else [])])
