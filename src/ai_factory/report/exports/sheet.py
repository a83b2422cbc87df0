"""Tables for spreadsheets and governance tools: CSV by RFC 4180, in UTF-8, of which no cell is a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from ai_factory.report.plain import plain

FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"  # what a spreadsheet takes for a formula at the head of a cell
BETWEEN = "; "  # within a value a semicolon is shown as a comma
BEGUN = re.compile(rf"(^|;\s*)(?=\s*[{re.escape(FORMULA)}])")


def table(columns: Sequence[str], rows: Iterable[Mapping[str, str | Sequence[str]]]) -> bytes:
    """The rows under their columns; a cell of several values has them one after the other."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return stream.getvalue().encode()


def _cell(value: str | Sequence[str]) -> str:
    return safe(value) if isinstance(value, str) else BETWEEN.join(safe(one.replace(";", ",")) for one in value)


def safe(text: str) -> str:
    """One line that is text: an apostrophe stands before what would be a formula, as OWASP advises.

    After a semicolon too: where that parts cells in a person's country, what follows it begins one.
    """
    return BEGUN.sub(r"\1'", plain(text))
