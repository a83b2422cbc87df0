"""Which formats there are; the module of one is loaded when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from ai_factory.errors import FactoryError
from ai_factory.report import findings
from ai_factory.report.plain import compact, error_data, error_text
from ai_factory.report.rows import Report

FORMATS: Mapping[str, str] = {  # and what each is for
    "text": "people, at a terminal or in a log",
    "json": "programs: one object",
    "jsonl": "programs: one object a line, the last one a summary",
    "sarif": "code scanning: SARIF 2.1.0",
    "github": "annotations in GitHub Actions, and a page of the job",
    "gitlab": "code quality in GitLab's merge requests",
    "junit": "test reports: JUnit XML as Jenkins and others read it",
    "markdown": "comments on pull requests",
}

_VERDICT = r"(?:passed|failed|could not be determined)"
_COUNTS = r"\d+ (?:undetermined|error|warning|note)s?"
MARKS: Mapping[str, str] = {  # by which an earlier document of ours is known, and nothing that a person wrote
    "text": (  # by its last line; of a gate, one more follows
        r"(?s)(?:.*\n)?(?:"
        r"\d+ projects?(?: \([^\n]*\))?: "
        rf"(?:as the factory promised|{_COUNTS}(?:, {_COUNTS})*; (?:nothing to fail on|failed|could not be determined))"
        r"|gate (?:passed|failed): tier [^\n]*, \d+ controls? required now: [^\n]*\n[^\n]*"
        r"|ai-factory (?:check|gate): could not be determined)\s*\Z"
    ),
    "json": r'\{\s*"schema": "ai-factory/(?:check|gate|error)/1"',
    "jsonl": r'(?s)(?:\{"type": .*\n)?\{"type": "summary", "schema": "ai-factory/lines/1", [^\n]*\}\s*\Z',
    "sarif": r'(?s)\{\s*"\$schema": "[^"]*sarif[^"]*",.{,300}"name": "ai-factory"',
    "github": r"::(?:error|warning|notice) (?:title=ai-factory::|file=[^\n]*,line=\d+,title=AF\d{3} )",
    "gitlab": (
        r'(?s)\[(?:\]|\s*\{\s*"type": "issue",\s*"check_name": '
        r'(?:"AF\d{3}"|"(?:error|note)",(?:(?!"check_name").)*"path": "\.ai-factory/lock\.json"))'
    ),
    "junit": r'<\?xml [^>]*\?>\s*<testsuites name="ai-factory"',
    "markdown": rf"### ai-factory (?:check|gate): {_VERDICT}(?:\n|\Z)",
}


class Own(NamedTuple):
    """How a command words its own result for people, and as one object."""

    text: Callable[[Report], str] = lambda report: findings.text(report.projects, report.code, report.notes)
    data: Callable[[Report], dict[str, Any]] = lambda report: findings.data(report.projects, report.code, report.notes)


def document(name: str, report: Report, own: Own) -> str:
    """The report in that format, without a line end."""
    if name == "text":
        if report.projects:
            return "\n".join([own.text(report), *map(error_text, report.errors)])
        return "\n".join([*map(error_text, report.errors), f"ai-factory {report.command}: could not be determined"])
    if name == "json":
        return compact(_data(report, own), indent=2)
    made: str = import_module(f"ai_factory.report.{name}").document(report)
    return made


def is_ours(name: str, text: str) -> bool:
    """Whether a text is an earlier document of ours in that format: nothing is lost when it goes."""
    return re.match(MARKS[name], text) is not None


def _data(report: Report, own: Own) -> dict[str, Any]:
    """One object: the result, with what could not be done about it; else why there is none."""
    errors = [error_data(error) for error in report.errors]
    if not report.projects:
        return errors[0]
    return own.data(report) | ({"exit_code": report.code, "errors": errors} if errors else {})


def failed(command: str, error: FactoryError) -> Report:
    """The report of a command that could not do its work."""
    return Report(command, (), error.exit_code, errors=(error,))
