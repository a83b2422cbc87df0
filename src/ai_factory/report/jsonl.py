"""Findings as JSON lines: each finding, control and error is an object, and so is the summary at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ai_factory.report.findings import LEVELS, row
from ai_factory.report.plain import compact, error_data
from ai_factory.report.rows import Report, rows


def document(report: Report) -> str:
    """One object a line; `type` says what it is."""
    return "\n".join(compact(item) for item in _lines(report))


def _lines(report: Report) -> Iterator[dict[str, Any]]:
    for item in rows(report):
        place = {"project": item.project.path, "version": item.project.version, "place": item.path}
        yield {"type": "finding", **place, **row(item.finding), "fingerprint": item.fingerprint, "fails": item.fails}
    for project in report.projects:
        for standing in project.standings:
            yield {"type": "control", "project": project.path, **standing._asdict()}
    for error in report.errors:
        yield {"type": "error", **error_data(error)}
    yield _summary(report)


def _summary(report: Report) -> dict[str, Any]:
    levels = Counter(item.finding.level for item in rows(report))
    return {
        "type": "summary",
        "schema": "ai-factory/lines/1",
        "command": report.command,
        "exit_code": report.code,
        "projects": len(report.projects),
        "findings": {level: levels[level] for level in LEVELS},
        "notes": list(report.notes),
    }
