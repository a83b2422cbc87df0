"""Evaluations side by side, as text, JSON, CSV and Markdown: no number stands without its interval and its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ai_factory.fleet.governance.evaluations import Evaluation, Group, Line, Measure, compared
from ai_factory.fleet.survey import Answer
from ai_factory.report.exports.sheet import table
from ai_factory.report.fleets.answers import unread_data, unread_text
from ai_factory.report.markdown import cell, literal
from ai_factory.report.plain import compact, count, plain

Answers = Sequence[Answer[Evaluation]]
COLUMNS = ("metric", "slice", "data", "system", "model", "value", "low", "high", "n", "threshold", "holds", "notes")
AIM = {"at_least": "at least", "at_most": "at most"}


def _said(answers: Answers) -> list[Evaluation]:
    return [one.said for one in answers if one.said]


def text(answers: Answers) -> str:
    """The systems, then each metric with the systems that measured it on the same data."""
    said = _said(answers)
    lines = [line for one in said for line in _system(one)]
    lines += [line for group in compared(said) for line in _group(group)]
    return "\n".join([*lines, *unread_text(answers), f"{count(len(said), 'system')}; nothing is averaged"])


def _system(one: Evaluation) -> Iterator[str]:
    made = f"model {one.model or 'not named'}, made at {one.made_at[:12] or 'no commit'}"
    run = one.missing or made
    yield f"{plain(one.name)} ({plain(one.system)}), {plain(one.blueprint)}: {plain(run)}"
    if one.stale:
        yield f"  stale: {', '.join(map(plain, one.stale))} changed since"
    yield from (f"  not read: {plain(problem)}" for problem in one.odd)


def _group(group: Group) -> Iterator[str]:
    note = f" ({group.note})" if group.note else ""
    yield f"{plain(group.metric)}, {plain(group.slice)}, on {_data(group)}{note}"
    for line in group.lines:
        one = line.measure
        yield f"  {plain(line.evaluation.name)}: {_figures(one)}; {_holds(one)}{_marks(line)}"


def _data(group: Group) -> str:
    file = group.lines[0].measure.file
    return f"{plain(file)} ({plain(group.dataset[:19])})" if file else plain(group.dataset[:19])


def _figures(one: Measure) -> str:
    return f"{_shown(one.value)} ({_shown(one.low)} to {_shown(one.high)}), n {one.n:,}"


def _shown(value: float | None) -> str:
    return "?" if value is None else f"{value:.6g}"


def _holds(one: Measure) -> str:
    asked = _asked(one)
    held = {"yes": "holds", "no": "does not hold", "not judged": "not judged"}
    return f"{asked}: {held[_held(one)]}" if asked else "no threshold"


def _asked(one: Measure) -> str:
    return "" if one.threshold is None or one.direction not in AIM else f"{AIM[one.direction]} {one.threshold:.6g}"


def _held(one: Measure) -> str:
    return {True: "yes", False: "no", None: "not judged" if _asked(one) else ""}[one.holds]


def _marks(line: Line) -> str:
    return "".join(f"; {mark}" for mark in _notes(line))


def _notes(line: Line) -> Iterator[str]:
    if line.evaluation.stale:
        yield "stale"
    if line.measure.claims_more:
        yield "the file says that it passes"


def _rows(answers: Answers) -> Iterator[dict[str, str]]:
    for group in compared(_said(answers)):
        for line in group.lines:
            one = line.measure
            yield {
                "metric": group.metric,
                "slice": group.slice,
                "data": group.dataset,
                "system": line.evaluation.system,
                "model": line.evaluation.model,
                "value": _shown(one.value),
                "low": _shown(one.low),
                "high": _shown(one.high),
                "n": str(one.n),
                "threshold": _asked(one),
                "holds": _held(one),
                "notes": ", ".join(filter(None, (*_notes(line), group.note))),
            }


def csv(answers: Answers) -> str:
    """A row a measure, for spreadsheets."""
    return table(COLUMNS, _rows(answers)).decode().removesuffix("\r\n")


def markdown(answers: Answers) -> str:
    """A row a measure, for pages and pull requests."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(cell(literal(row[name])) for name in COLUMNS)} |" for row in _rows(answers)]
    lines += ["", *(f"- {literal(line)}" for line in _told(answers))]
    return "\n".join(lines).rstrip()


def _told(answers: Answers) -> Iterator[str]:
    yield from (f"{one.system}: {one.missing}" for one in _said(answers) if one.missing)
    yield from unread_text(answers)


def data(answers: Answers) -> dict[str, Any]:
    """The same for machines: systems, and groups of what may be compared."""
    said = _said(answers)
    return {
        "schema": "ai-factory/fleet-compare/1",
        "systems": [
            {
                **{name: getattr(one, name) for name in ("system", "name", "blueprint", "commit", "made_at", "model")},
                "stale": list(one.stale),
                "missing": one.missing,
                "odd": list(one.odd),
            }
            for one in said
        ],
        "groups": [_group_data(group) for group in compared(said)],
        "unread": unread_data(answers),
    }


def _group_data(group: Group) -> dict[str, Any]:
    lines = [
        {
            "system": line.evaluation.system,
            "model": line.evaluation.model,
            "stale": bool(line.evaluation.stale),
            **{name: getattr(line.measure, name) for name in ("value", "low", "high", "n", "threshold", "direction")},
            "verdict": line.measure.verdict,
            "file": line.measure.file,
            "holds": line.measure.holds,
        }
        for line in group.lines
    ]
    head = {"metric": group.metric, "slice": group.slice, "dataset": group.dataset}
    return {**head, "comparable": not group.note, "note": group.note, "lines": lines}


def as_json(answers: Answers) -> str:
    """One object."""
    return compact(data(answers), indent=2)


FORMATS: Mapping[str, Callable[[Answers], str]] = {"text": text, "json": as_json, "csv": csv, "markdown": markdown}
