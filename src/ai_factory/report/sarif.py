"""Findings as SARIF 2.1.0, for code scanning (OASIS, Static Analysis Results Interchange Format)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ai_factory import __version__
from ai_factory.check import RULES, Rule
from ai_factory.report.plain import compact, count, plain
from ai_factory.report.rows import Report, Row, ranked, told

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULTS, TAGS = 25_000, 20  # of one run, and of one result: GitHub refuses a file with more
LEVELS = {"undetermined": "error", "error": "error", "warning": "warning", "note": "note"}
TOP = "%SRCROOT%"  # where the repository lies, as code hosts call it


def document(report: Report) -> str:
    """One log with one run, whatever the number of projects: GitHub takes one run of a category."""
    return compact({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}, indent=2)


def _run(report: Report) -> dict[str, Any]:
    found = ranked(report)
    return {
        "tool": {"driver": _driver()},
        "automationDetails": {"id": f"ai-factory/{report.command}/"},
        "originalUriBaseIds": {TOP: {"description": {"text": "the top of the repository"}}},
        "invocations": [
            {
                "executionSuccessful": report.code in (0, 1),
                "exitCode": report.code,
                "toolExecutionNotifications": list(_notifications(report, found)),
            }
        ],
        "results": [_result(row) for row in found[:RESULTS]],
    }


def _driver() -> dict[str, Any]:
    rules = [_rule(name, rule) for name, rule in RULES.items()]
    return {"name": "ai-factory", "version": __version__, "semanticVersion": __version__, "rules": rules}


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    return {
        "id": name,
        "name": rule.title.title().replace(" ", ""),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": rule.help, "markdown": rule.help},
        "defaultConfiguration": {"level": LEVELS[rule.level]},
        "properties": {"tags": [rule.group] if rule.group else []},
    }


def _notifications(report: Report, found: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for sentence in told(report.errors):
        yield _notification("error", sentence)
    if (more := len(found) - RESULTS) > 0:
        yield _notification("warning", f"{count(more, 'finding')} of the least weight left out: a file holds {RESULTS}")
    for note in report.notes:
        yield _notification("note", note)


def _notification(level: str, sentence: str) -> dict[str, Any]:
    return {"level": level, "message": _message(sentence)}


def _result(row: Row) -> dict[str, Any]:
    finding = row.finding
    sentences = [f"{finding.path} {finding.message}", *row.details()]
    result = {
        "ruleId": row.rule,
        "ruleIndex": list(RULES).index(row.rule),
        "level": LEVELS[finding.level],
        "message": _message("; ".join(sentences)),
        "locations": [_location(row)],
        "partialFingerprints": {"aiFactoryFinding/v1": row.fingerprint},
        "properties": {
            "tags": sorted({plain(name) for name in finding.controls})[:TAGS],
            "project": plain(row.project.path),
            "component": plain(finding.component),
            "owner": plain(finding.owner),
            "hint": plain(finding.hint),
        },
    }
    return result | ({"suppressions": [_suppression(row)]} if row.waived else {})


def _location(row: Row) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": _uri(row.path), "uriBaseId": TOP}, "region": {"startLine": row.line}}
    return {"physicalLocation": place}


def _uri(path: str) -> str:
    """The path as a relative reference: a colon would make it a scheme, and bytes that are not UTF-8 come through."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _suppression(row: Row) -> dict[str, str]:
    waiver = row.finding.waiver
    why = f"{waiver.reason} (until {waiver.until}; approved by {waiver.approver})" if waiver else ""
    return {"kind": "external", "status": "accepted", "justification": plain(why)}


def _message(sentence: str) -> dict[str, str]:
    """Plain text in which nothing is a link or a placeholder (sections 3.11.5 and 3.11.6)."""
    return {"text": plain(sentence).replace("](", "] (").replace("{", "{{").replace("}", "}}")}
