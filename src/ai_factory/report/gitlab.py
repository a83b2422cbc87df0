"""Findings as GitLab's code quality report: an array of issues, of the form that Code Climate has defined."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ai_factory.check import RULES
from ai_factory.lock import LOCK
from ai_factory.report.markdown import marked
from ai_factory.report.plain import compact, count, plain
from ai_factory.report.rows import Report, Row, rows, told

SEVERITIES = {"undetermined": "blocker", "error": "major", "warning": "minor", "note": "info"}
NOTES = 100  # that are issues of their own: each is a line of a widget that people read


def document(report: Report) -> str:
    """An array, empty where nothing was found."""
    more = len(report.notes) - NOTES
    notes = [*report.notes[:NOTES], *([f"{count(more, 'more note')} not shown here"] if more > 0 else [])]
    issues = [*map(_issue, rows(report)), *(_whole("error", "blocker", sentence) for sentence in told(report.errors))]
    return compact([*issues, *(_whole("note", "info", note) for note in notes)], indent=2)


def _issue(row: Row) -> dict[str, Any]:
    finding = row.finding
    body = "; ".join(map(marked, row.details()))
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


def _whole(name: str, severity: str, sentence: str) -> dict[str, Any]:
    """What is about no file: an error or a note, at the lock, for an issue has to lie somewhere."""
    return {
        "type": "issue",
        "check_name": name,
        "description": plain(sentence),
        "categories": ["Compatibility"],
        "severity": severity,
        "fingerprint": sha256(sentence.encode("utf-8", "surrogatepass")).hexdigest(),
        "location": {"path": LOCK, "lines": {"begin": 1}},
    }
