"""Findings as the workflow commands that GitHub Actions shows as annotations."""

from __future__ import annotations

from ai_factory.check import RULES
from ai_factory.report.plain import count, plain
from ai_factory.report.rows import Report, Row, ranked, told

SHOWN = 10  # annotations of a kind that GitHub shows of one step
COMMANDS = {"undetermined": "error", "error": "error", "warning": "warning", "note": "notice"}


def document(report: Report) -> str:
    """One command a line: errors, the gravest findings, notes; last lines say how many more there are."""
    lines = [_command("error", {"title": "ai-factory"}, [sentence]) for sentence in told(report.errors)]
    notes = [_command("notice", {"title": "ai-factory"}, [note]) for note in report.notes[:SHOWN]]
    kept, more = _cut(ranked(report), len(lines), len(notes))
    lines += [*map(_annotation, kept), *notes]
    for left, noun in ((more, "more finding"), (len(report.notes) - len(notes), "more note")):
        if left:
            lines.append(f"{count(left, noun)} not annotated here: GitHub shows {SHOWN} of a kind in a step")
    return "\n".join(lines)


def _cut(found: list[Row], errors: int, notes: int) -> tuple[list[Row], int]:
    """As many of each kind as are shown beside errors and notes, and the number of the others."""
    kept: list[Row] = []
    room = {"error": SHOWN - errors, "warning": SHOWN, "notice": SHOWN - notes}
    for row in found:
        kind = COMMANDS[row.finding.level]
        if room[kind] > 0:
            kept.append(row)
        room[kind] -= 1
    return kept, len(found) - len(kept)


def _annotation(row: Row) -> str:
    finding = row.finding
    title = f"{finding.rule} {RULES[finding.rule].title}"
    place = {"file": row.path, "line": str(row.line), "title": title}
    return _command(COMMANDS[finding.level], place, [f"{finding.path} {finding.message}", *row.details()])


def _command(kind: str, properties: dict[str, str], lines: list[str]) -> str:
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {named}::{'%0A'.join(_data(line) for line in lines)}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    """A value that neither ends the property nor the command; a line end in a file's name comes through."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    return "".join(char if char.isprintable() else _spelled(char) for char in escaped)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()
