"""Findings as JUnit XML, in the dialect of Jenkins: a suite a project, a test case a rule and file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ai_factory.check import RULES
from ai_factory.report.findings import Checked
from ai_factory.report.plain import plain
from ai_factory.report.rows import Report, Row, Standing, rows, told

SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


class Case(NamedTuple):
    """One test case; `outcome` is the element that says so: failure, error, skipped, or none for one that passed."""

    group: str
    name: str
    outcome: str = ""
    kind: str = ""
    message: str = ""
    details: tuple[str, ...] = ()


def document(report: Report) -> str:
    """The whole document; that of a project in which nothing was found holds a test that passed."""
    found = rows(report)
    first = report.projects[:1]  # whose suite tells the notes, once
    suites = [
        _suite(report, one.path, _cases(report, one, found), one, report.notes if one in first else ())
        for one in report.projects
    ]
    errors = [Case(report.command, "runs", "error", "error", sentence) for sentence in told(report.errors)]
    suites += [_suite(report, "ai-factory", errors)] if errors else []
    head = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="ai-factory">']
    return "\n".join([*head, *suites, "</testsuites>"])


def _cases(report: Report, project: Checked, found: list[Row]) -> list[Case]:
    cases = [_case(row) for row in found if row.project is project]
    cases += [_passed(report, standing) for standing in project.standings if standing.status == "pass"]
    return cases or [Case(report.command, "as the factory promised")]


def _passed(report: Report, standing: Standing) -> Case:
    return Case(report.command, f"{standing.control} {standing.title}")


def _case(row: Row) -> Case:
    finding = row.finding
    name = f"{finding.path}: {RULES[row.rule].title}"
    message = f"{finding.path}{f':{finding.line}' if finding.line else ''} {finding.message}"
    return Case(row.rule, name, _outcome(row), row.rule, message, tuple(row.details()))


def _outcome(row: Row) -> str:
    """What is not to fail on passes, with a word; a waived finding is skipped."""
    if row.finding.level == "undetermined":
        return "error"
    return "skipped" if row.waived else "failure" if row.fails else ""


def _suite(
    report: Report, name: str, cases: list[Case], project: Checked | None = None, notes: tuple[str, ...] = ()
) -> str:
    numbers = Counter(case.outcome for case in cases)
    head = {
        "name": f"{report.command} {name}",
        "tests": str(len(cases)),
        "failures": str(numbers["failure"]),
        "errors": str(numbers["error"]),
        "skipped": str(numbers["skipped"]),
    }
    version = [f"version {project.version}"] if project and project.version else []
    said = [f"    <system-out>{_xml('; '.join([*version, *notes]))}</system-out>"]
    return "\n".join([f"  <testsuite{_attributes(head)}>", *map(_element, cases), *said, "  </testsuite>"])


def _element(case: Case) -> str:
    start = f"    <testcase{_attributes({'classname': f'ai-factory.{case.group}', 'name': case.name})}"
    return "\n".join([f"{start}>", *_inside(case), "    </testcase>"]) if case.message else f"{start}/>"


def _inside(case: Case) -> Iterator[str]:
    body = _xml("; ".join(case.details))
    if case.outcome:
        said = _attributes({"type": case.kind, "message": case.message})
        yield f"      <{case.outcome}{said}>{body}</{case.outcome}>"
    else:
        yield f"      <system-out>{_xml('; '.join([f'{case.kind} {case.message}', *case.details]))}</system-out>"


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f' {name}="{_xml(value)}"' for name, value in values.items())


def _xml(text: str) -> str:
    """Text that is no markup; what XML cannot hold, or nobody would see, is spelled out."""
    return "".join(SIGNS.get(char, char) for char in plain(text))
