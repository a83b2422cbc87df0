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

BEGINNINGS: Mapping[str, str] = {  # how a document of ours begins, by which an earlier one is known
    "text": r"(?s)error: |.*(?:^|\n)(?:gate (?:passed|failed): tier |\d+ projects?(?: \([^\n]*\))?: )[^\n]*\n",
    "json": r'\{\s*"schema": "ai-factory/',
    "jsonl": r'\{"type": "(?:finding|control|error|summary)", ',
    "sarif": r'(?s)\{\s*"\$schema": "[^"]*sarif[^"]*",.{,300}"name": "ai-factory"',
    "github": r"::(?:error|warning|notice) ",
    "gitlab": r'\[(?:\]|\s*\{\s*"type": "issue",\s*"check_name": "(?:AF\d{3}|error)")',
    "junit": r'<\?xml [^>]*\?>\s*<testsuites name="ai-factory"',
    "markdown": r"### ai-factory ",
}


class Own(NamedTuple):
    """How a command words its own result for people, and as one object."""

    text: Callable[[Report], str] = lambda report: findings.text(report.projects, report.code, report.notes)
    data: Callable[[Report], dict[str, Any]] = lambda report: findings.data(report.projects, report.code, report.notes)


def document(name: str, report: Report, own: Own) -> str:
    """The report in that format, without a line end."""
    if name == "text":
        lines = [own.text(report)] if report.projects else []
        return "\n".join([*lines, *map(error_text, report.errors)])
    if name == "json":
        return compact(_data(report, own), indent=2)
    made: str = import_module(f"ai_factory.report.{name}").document(report)
    return made


def begins(name: str, text: str) -> bool:
    """Whether a text is an earlier document of ours in that format, or empty: nothing is lost when it goes."""
    return not text.strip() or re.match(BEGINNINGS[name], text) is not None


def _data(report: Report, own: Own) -> dict[str, Any]:
    """One object: the result, with what could not be done about it; else why there is none."""
    errors = [error_data(error) for error in report.errors]
    if not report.projects:
        return errors[0]
    return own.data(report) | ({"exit_code": report.code, "errors": errors} if errors else {})


def failed(command: str, error: FactoryError) -> Report:
    """The report of a command that could not do its work."""
    return Report(command, (), error.exit_code, errors=(error,))
