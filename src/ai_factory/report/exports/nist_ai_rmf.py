"""The subcategories of the NIST AI RMF 1.0 beside the controls that speak to them, and how those stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_factory.governance.frameworks import NIST_AI_RMF
from ai_factory.project.export import State
from ai_factory.report.exports import sheet
from ai_factory.report.exports.said import UNCOVERED, Line, checked, lines, said_of

COLUMNS = ("id", "about", "coverage", "controls", "notes", "system", "as_of", "map", "checked")


def document(found: State) -> bytes:
    """All 72 ids; one that no control speaks to says so."""
    rows = lines(found, NIST_AI_RMF, lambda control: control.nist)
    return sheet.table(COLUMNS, (_row(one, found) for one in rows))


def _row(one: Line, found: State) -> Mapping[str, str | Sequence[str]]:
    return {
        "id": one.id,
        "about": one.about,
        "coverage": _coverage(one),
        "controls": one.controls(),
        "notes": one.notes(found),
        **said_of(found),
        "checked": checked(),
    }


def _coverage(one: Line) -> str:
    if not one.results:
        return UNCOVERED
    return f"{len(one.applying)} of {len(one.results)} controls that speak to it apply"
