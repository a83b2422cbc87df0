"""The result of `check`, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ai_factory.check import RULES, Finding
from ai_factory.report.plain import count, plain


class Checked(NamedTuple):
    """One project that was checked: where, at which version, what was found."""

    path: str
    version: str
    findings: tuple[Finding, ...]


def text(results: Sequence[Checked], code: int) -> str:
    """What a person reads: each finding with what it weakens and what mends it, then a summary line."""
    lines: list[str] = []
    for result in results:
        for finding in result.findings:
            lines += _finding_lines(finding, result.path if len(results) > 1 else "")
    return "\n".join([*lines, _summary(results, code)])


def _finding_lines(finding: Finding, project: str) -> list[str]:
    where = f"{project}: {finding.path}" if project else finding.path
    lines = [f"{finding.rule} {finding.level}: {plain(where)} {plain(finding.message)}"]
    if finding.controls:
        lines.append(f"      weakens {plain(', '.join(finding.controls))} (component `{plain(finding.component)}`)")
    if finding.hint:
        lines.append(f"      hint: {plain(finding.hint)}")
    return lines


def _summary(results: Sequence[Checked], code: int) -> str:
    found = [finding for result in results for finding in result.findings]
    where = count(len(results), "project")
    if not found:
        version = f" ({plain(results[0].version)})" if len(results) == 1 else ""
        return f"{where}{version}: as the factory promised"
    levels = ("undetermined", "error", "warning", "note")
    parts = [count(number, level) for level in levels if (number := sum(item.level == level for item in found))]
    words = {0: "nothing to fail on", 1: "failed", 2: "could not be determined"}
    return f"{where}: {', '.join(parts)}; {words[code]}"


def data(results: Sequence[Checked], code: int) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/check/1",
        "exit_code": code,
        "projects": [
            {
                "path": result.path,
                "version": result.version,
                "findings": [row(item) for item in result.findings],
            }
            for result in results
        ],
    }


def row(finding: Finding) -> dict[str, Any]:
    """One finding for machines."""
    return {
        "rule": finding.rule,
        "title": RULES[finding.rule].title,
        "level": finding.level,
        "path": finding.path,
        "message": finding.message,
        "component": finding.component,
        "controls": list(finding.controls),
        "hint": finding.hint,
    }
