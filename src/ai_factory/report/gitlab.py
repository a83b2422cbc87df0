"""Findings as GitLab's code quality report: an array of issues, of the form that Code Climate has defined."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from ai_factory.check import RULES
from ai_factory.lock import LOCK
from ai_factory.report.markdown import marked
from ai_factory.report.plain import compact, plain
from ai_factory.report.rows import Report, Row, rows, told

SEVERITIES = {"undetermined": "blocker", "error": "major", "warning": "minor", "note": "info"}


def document(report: Report) -> str:
    """An array, empty where nothing was found."""
    issues = [_issue(row, report.notes) for row in rows(report)]
    return compact([*issues, *_errors(report)], indent=2)


def _issue(row: Row, notes: tuple[str, ...]) -> dict[str, Any]:
    finding = row.finding
    body = "; ".join([*map(marked, row.details()), *map(marked, notes)])
    return {
        "type": "issue",
        "check_name": row.rule,
        "description": plain(f"{RULES[row.rule].title}: {finding.path} {finding.message}"),
        "content": {"body": body},
        "categories": ["Compatibility"],
        "severity": SEVERITIES[finding.level],
        "fingerprint": row.fingerprint,
        "location": {"path": _path(row.path), "lines": {"begin": row.line}},
    }


def _path(path: str) -> str:
    """On one line; what nobody would see, and bytes that are not UTF-8, are spelled out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in path)


def _errors(report: Report) -> Iterator[dict[str, Any]]:
    """What kept the command from its work, at the lock, for an issue has to lie somewhere."""
    for sentence in told(report.errors):
        yield {
            "type": "issue",
            "check_name": "error",
            "description": plain(sentence),
            "categories": ["Compatibility"],
            "severity": "blocker",
            "fingerprint": sha256(sentence.encode("utf-8", "surrogatepass")).hexdigest(),
            "location": {"path": LOCK, "lines": {"begin": 1}},
        }
