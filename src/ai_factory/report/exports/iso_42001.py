"""A statement of applicability for Annex A of ISO/IEC 42001: a row for each id, applied or not and why.

As CSV, because a statement is worked on in a spreadsheet: the firm adds its own rows, and joins those of many systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_factory.governance.frameworks import ISO_42001
from ai_factory.project.export import State
from ai_factory.report.exports import sheet
from ai_factory.report.exports.reasons import why
from ai_factory.report.exports.said import UNCOVERED, Line, checked, lines, said_of

COLUMNS = ("id", "about", "applicable", "justification", "controls", "notes", "system", "as_of", "map", "checked")
ELSEWHERE = "no control of this catalogue speaks to it: to be stated by the firm, above any one system"


def document(found: State) -> bytes:
    """All 38 ids; one that no control speaks to says so."""
    rows = lines(found, ISO_42001, lambda control: control.iso)
    return sheet.table(COLUMNS, (_row(one, found) for one in rows))


def _row(one: Line, found: State) -> Mapping[str, str | Sequence[str]]:
    tier = found.gated.applies.tier
    told = [f"{row.judgement.control.id} {why(row.judgement, tier)}" for row in one.applying or one.results]
    return {
        "id": one.id,
        "about": one.about,
        "applicable": _applicable(one),
        "justification": told or ELSEWHERE,
        "controls": one.controls(),
        "notes": one.notes(found),
        **said_of(found),
        "checked": checked(),
    }


def _applicable(one: Line) -> str:
    if not one.results:
        return UNCOVERED
    return "yes" if one.applying else "no"
