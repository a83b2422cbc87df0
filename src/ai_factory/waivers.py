"""`.ai-factory/waivers.yaml`: deviations that somebody answers for, until a date."""

from __future__ import annotations

from collections.abc import Sequence

from ai_factory import catalog, documents, formats
from ai_factory.check import Finding, Waiver
from ai_factory.errors import ProjectError
from ai_factory.lock import WAIVERS
from ai_factory.people import spelling

WAIVABLE = ("AF001", "AF002", "AF003", "AF004", "AF007", "AF011")


def parse(content: bytes) -> list[Waiver]:
    """Read the waivers. Raises ProjectError with file and line."""
    data = documents.load(content, WAIVERS, ProjectError) or []
    catalog.validate(data, formats.WAIVERS, content, WAIVERS, ProjectError)
    for number, row in enumerate(data):
        if "path" not in row and "control" not in row:
            line = documents.line_of(content, [number])
            raise ProjectError(f"`{WAIVERS}` line {line}: a waiver names a path or a control")
    return [Waiver(**row) for row in data]


def apply(
    findings: Sequence[Finding], waivers: Sequence[Waiver], today: str, agreed: Sequence[Waiver] | None = None
) -> list[Finding]:
    """The findings with covered ones turned to AF010; a waiver that does not hold is AF008, and covers nothing.

    `today` is an ISO date. Where there are `agreed` waivers, one that is not among them covers nothing yet.
    """
    sound = [waiver for waiver in waivers if not fault(waiver, today)]
    early = [] if agreed is None else [waiver for waiver in sound if waiver not in agreed]
    found = [_waived(finding, [waiver for waiver in sound if waiver not in early]) for finding in findings]
    found = [_told_early(finding, early) for finding in found]
    return found + [
        Finding(
            "AF008",
            waiver.path or WAIVERS,
            f"the waiver of {waiver.rule} {why}",
            hint="renew it, or heal what it covers",
            waiver=waiver,
        )
        for waiver in waivers
        if (why := fault(waiver, today))
    ]


def fault(waiver: Waiver, today: str) -> str:
    """Why a waiver does not hold on that day; empty when it does."""
    if waiver.until < today:
        return f"expired on {waiver.until}"
    if spelling(waiver.owner) == spelling(waiver.approver):
        return f"is approved by its own owner, {waiver.owner}"
    return ""


def _told_early(finding: Finding, early: Sequence[Waiver]) -> Finding:
    """The finding; where a waiver covers it that nobody else has seen yet, its hint says so."""
    if not any(waiver.covers(finding) for waiver in early):
        return finding
    return finding._replace(hint=f"a waiver counts here once it is merged, by itself; else {finding.hint}")


def _waived(finding: Finding, waivers: Sequence[Waiver]) -> Finding:
    cover = next((waiver for waiver in waivers if waiver.covers(finding) and finding.rule in WAIVABLE), None)
    if cover is None:
        return finding
    why = f"{finding.message}: waived until {cover.until} ({cover.reason}; approved by {cover.approver})"
    return finding._replace(rule="AF010", message=why, hint="", waiver=cover, weight="")
