"""What was found, as text and JSON; the value that every other format is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory.check import RULES, Finding
from ai_factory.report.plain import count, plain

if TYPE_CHECKING:  # of use to the gate alone
    from ai_factory.report.rows import Standing

LEVELS = ("undetermined", "error", "warning", "note")  # the gravest first


class Checked(NamedTuple):
    """One project that was looked at: where, at which version, what was found.

    `folder` is where it lies in its repository, as a code host names paths.
    """

    path: str
    version: str
    findings: tuple[Finding, ...]
    root: str = ""
    folder: str = ""
    standings: tuple[Standing, ...] = ()
    notes: tuple[str, ...] = ()


def text(projects: Sequence[Checked], code: int, notes: Sequence[str] = ()) -> str:
    """What a person reads: each finding with what it weakens and what mends it, then notes and a summary line."""
    lines: list[str] = []
    for project in projects:
        for finding in project.findings:
            lines += _finding_lines(finding, project.path if len(projects) > 1 else "")
    lines += [plain(note) for note in notes]
    return "\n".join([*lines, *(_shares(projects) if len(projects) > 1 else []), _summary(projects, code)])


def _shares(projects: Sequence[Checked]) -> Iterator[str]:
    """Of several projects: how much there is to do for each owner, and which controls are weakened most."""
    found = [finding for project in projects for finding in project.findings if finding.level != "note"]
    owners = Counter(finding.owner or "nobody named" for finding in found)
    controls = Counter(name for finding in found for name in finding.controls)
    for word, counted in (("owner", owners), ("control", controls)):
        if counted:
            rows = sorted(counted.items(), key=lambda row: (-row[1], row[0]))
            yield f"by {word}: {', '.join(f'{plain(name)} {number}' for name, number in rows)}"


def _finding_lines(finding: Finding, project: str) -> list[str]:
    where = f"{project}: {finding.path}" if project else finding.path
    line = f":{finding.line}" if finding.line else ""
    lines = [f"{finding.rule} {finding.level}: {plain(where)}{line} {plain(finding.message)}"]
    if finding.controls:
        owner = f", owner `{plain(finding.owner)}`" if finding.owner else ""
        lines.append(
            f"      weakens {plain(', '.join(finding.controls))} (component `{plain(finding.component)}`{owner})"
        )
    if finding.hint:
        lines.append(f"      hint: {plain(finding.hint)}")
    return lines


def _summary(projects: Sequence[Checked], code: int) -> str:
    found = [finding for project in projects for finding in project.findings]
    where = count(len(projects), "project")
    if not found:
        version = f" ({plain(projects[0].version)})" if len(projects) == 1 else ""
        return f"{where}{version}: as the factory promised"
    parts = [count(number, level) for level in LEVELS if (number := sum(item.level == level for item in found))]
    words = {0: "nothing to fail on", 1: "failed", 2: "could not be determined"}
    return f"{where}: {', '.join(parts)}; {words[code]}"


def data(projects: Sequence[Checked], code: int, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/check/1",
        "exit_code": code,
        "notes": list(notes),
        "projects": [
            {
                "path": project.path,
                "version": project.version,
                "findings": [row(item) for item in project.findings],
            }
            for project in projects
        ],
    }


def row(finding: Finding) -> dict[str, Any]:
    """One finding for machines."""
    return {
        "rule": finding.rule,
        "title": RULES[finding.rule].title,
        "level": finding.level,
        "path": finding.path,
        "line": finding.line or None,
        "message": finding.message,
        "component": finding.component,
        "controls": list(finding.controls),
        "owner": finding.owner,
        "waiver": finding.waiver._asdict() if finding.waiver else None,
        "hint": finding.hint,
    }
