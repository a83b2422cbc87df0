"""Findings as Markdown for a pull request or a job's page; and text of strangers in Markdown, as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ai_factory.report.findings import LEVELS
from ai_factory.report.plain import count, plain
from ai_factory.report.rows import Report, Row, ranked, told

MARKUP = frozenset("\\`*_{}[]<>|~#&$")
COMMENT = 60_000  # bytes that a comment may have, with some room: GitHub takes 65,536 characters
VERDICTS = {0: "passed", 1: "failed"}
HEAD = ("| finding | where | what | weakens | what mends it |", "|---|---|---|---|---|")


def document(report: Report, limit: int = COMMENT) -> str:
    """A heading with the verdict, a table of the findings that fit, the gravest first, and how many more there are."""
    verdict = VERDICTS.get(report.code, "could not be determined")
    errors, notes = ([marked(line) for line in lines] for lines in (told(report.errors), report.notes))
    parts = [
        f"### ai-factory {report.command}: {verdict}",
        *_kept([f"- {line}" for line in errors], limit // 4, "error"),
    ]
    tail = [line for line in (_sums(report), *_kept(notes, limit // 4, "note")) if line]
    found = ranked(report)
    room = limit - len("\n\n".join([*parts, *HEAD, *tail]).encode()) - 100  # for the sentence on the rest
    rows = list(_fitting(found, room, len(report.projects) > 1))
    if rows:
        parts.append("\n".join([*HEAD, *rows]))
    if more := len(found) - len(rows):
        parts.append(f"{count(more, 'more finding')} not shown here: this page holds no more.")
    return "\n\n".join([*parts, *tail])


def _kept(lines: list[str], room: int, noun: str) -> list[str]:
    """The lines that fit into so many bytes, and how many more there are: findings have to fit as well."""
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 2
        if room < 0:
            break
        kept.append(line)
    more = len(lines) - len(kept)
    return [*kept, f"{count(more, f'more {noun}')} not shown here: this page holds no more."] if more else kept


def _fitting(found: list[Row], room: int, several: bool) -> Iterator[str]:
    for row in found:
        line = _line(row, several)
        room -= len(line.encode()) + 1
        if room < 0:
            return
        yield line


def _line(row: Row, several: bool) -> str:
    finding = row.finding
    line = f" line {finding.line}" if finding.line else ""
    where = code(row.path if several else finding.path).replace("|", "\\|") + line
    owner = f"; {literal(finding.owner)} acts" if finding.owner else ""
    cells = (
        f"{finding.rule} {finding.level}",
        where,
        marked(finding.message),
        literal(", ".join(finding.controls)),
        marked(finding.hint) + owner,
    )
    return f"| {' | '.join(cell(text) for text in cells)} |"


def cell(text: str) -> str:
    """Markdown in a table: a bar within code ends a cell as well."""
    return re.sub(r"(?<!\\)\|", r"\|", text)


def _sums(report: Report) -> str:
    levels = Counter(finding.level for project in report.projects for finding in project.findings)
    statuses = Counter(one.status for project in report.projects for one in project.standings)
    parts = [count(levels[level], level) for level in LEVELS if levels[level]] or ["nothing found"]
    parts += [f"{number} {status}" for status, number in sorted(statuses.items())]
    return f"{count(len(report.projects), 'project')}: {', '.join(parts)}" if report.projects else ""


def marked(text: str) -> str:
    """Text in which an author marked code with backticks."""
    parts = plain(text).strip().split("`")
    if len(parts) % 2 == 0:
        return literal(text)
    return _begun("".join(code(part) if number % 2 else _escaped(part) for number, part in enumerate(parts)))


def literal(text: str) -> str:
    """Text that Markdown and forges take as it stands: no markup, link, mention, reference or command; one line."""
    return _begun(_escaped(plain(text).strip()))


def _begun(text: str) -> str:
    """A line that begins neither a list nor a heading."""
    return re.sub(r"^([-+=]|\d+(?=[.)](?:\s|$)))", lambda begin: f"{begin[0]}\u200b", text)


def _escaped(text: str) -> str:
    """Without markup, mentions and references.

    A forge looks for mentions and references in the text that is left after the markup, so a backslash does not
    stop it; a character without width does.
    """
    escaped = "".join(f"\\{char}" if char in MARKUP else char for char in text)
    return re.sub(r"(?<=[@#!$%&~^])(?=\S)|(?i:(?<=[a-z]:)(?=//)|(?<=\bwww)(?=\.)|(?<=\bGH-)(?=\d))", "\u200b", escaped)


def code(text: str) -> str:
    """Text as code, however many backticks it holds."""
    body = plain(text)
    fence = "`" * (max(map(len, re.findall("`+", body)), default=0) + 1)
    # markup takes one space from either end, unless there is nothing else
    pad = " " if body.strip() and (body[0] in "` " or body[-1] in "` ") else ""
    return f"{fence}{pad}{body}{pad}{fence}" if body else ""
