"""Tables for spreadsheets and governance tools: CSV by RFC 4180, in UTF-8, of which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from ai_factory.report.plain import plain

FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"  # what a spreadsheet takes for a formula at the head of a cell
BETWEEN = "; "


def table(columns: Sequence[str], rows: Iterable[Mapping[str, str | Sequence[str]]]) -> bytes:
    """The rows under their columns; a cell of several values has them one after the other."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return stream.getvalue().encode()


def _cell(value: str | Sequence[str]) -> str:
    return safe(value) if isinstance(value, str) else BETWEEN.join(map(safe, value))


def safe(text: str) -> str:
    """One line that is text: an apostrophe stands before what would be a formula, as OWASP advises."""
    shown = plain(text)
    return f"'{shown}" if shown.lstrip()[:1] and shown.lstrip()[0] in FORMULA else shown
