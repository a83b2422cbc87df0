"""What has to hold of the values of a document, and whether it, or its number, came before."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from .controls.documents.records import Tokens
from .fields import DATE, INVOICE, READ, iban, luhn, named

CENT = Decimal("0.01")
LONGEST_DAYS = 730  # between two dates of a document, and from its receipt to a later date
OLDEST_DAYS = 3650  # between a date of a document and its receipt


@dataclass(frozen=True, slots=True)
class OnFile:
    """What is on file about a sender: its order of day and month, currency, account as a token."""

    order: str
    currency: str
    account: str


def findings(
    document_class: str,
    values: Mapping[str, str],
    lines: Sequence[Decimal],
    on_file: Mapping[str, OnFile],
    account_token: str,
) -> list[str]:
    """What is wrong, one code each, sorted; empty where nothing is. `values` are normalised."""
    if document_class not in READ:
        return []
    fields = named(document_class)
    found = [f"missing: {n}" for n, field in fields.items() if field.required and n not in values]
    found += _check_digits(values)
    found += _sums(document_class, values, lines)
    found += _dates(document_class, values)
    if document_class == INVOICE:
        found += _sender(values, on_file, account_token)
    return sorted(found)


def _check_digits(values: Mapping[str, str]) -> list[str]:
    """Identifiers of two letters and figures, and account numbers."""
    checked = ("vendor_id", "claim_number", "policy_number")
    found = [
        f"check digit: {name}" for name in checked if name in values and not luhn(values[name][2:])
    ]
    account = values.get("account_number")
    return found + (["check digit: account_number"] if account and not iban(account) else [])


def _sums(document_class: str, values: Mapping[str, str], lines: Sequence[Decimal]) -> list[str]:
    """Lines add up to the first total; on invoices net and tax make the gross total."""
    found = []
    first = "net_total" if document_class == INVOICE else "claimed_total"
    if first in values and abs(sum(lines, Decimal(0)) - Decimal(values[first])) > CENT:
        found.append(f"sum: lines are not {first}")
    totals = [values.get(name) for name in ("net_total", "tax_total", "gross_total")]
    if document_class == INVOICE and all(totals):
        net, tax, gross = (Decimal(total or 0) for total in totals)
        if abs(net + tax - gross) > CENT:
            found.append("sum: net_total and tax_total are not gross_total")
    return found


def _dates(document_class: str, values: Mapping[str, str]) -> list[str]:
    invoice = document_class == INVOICE
    one, other = ("issue_date", "due_date") if invoice else ("loss_date", "notice_date")
    if one not in values or other not in values:
        return []
    first, second = (date.fromisoformat(values[name]) for name in (one, other))
    if first > second:
        return [f"dates: {one} is after {other}"]
    return [f"dates: {one} is long before {other}"] if (second - first).days > LONGEST_DAYS else []


def far(document_class: str, values: Mapping[str, str], received: date) -> list[str]:
    """Dates that cannot be meant, given the day on which the document came: a slip of the year."""
    first = (received - timedelta(days=OLDEST_DAYS)).isoformat()
    last = (received + timedelta(days=LONGEST_DAYS)).isoformat()
    dates = [name for name, field in named(document_class).items() if field.kind == DATE]
    return [
        f"dates: {name} is far from the day of receipt"
        for name in dates
        if name in values and not first <= values[name] <= last
    ]


def _sender(
    values: Mapping[str, str], on_file: Mapping[str, OnFile], account_token: str
) -> list[str]:
    """The sender is on file, writes in its currency, and is paid to its account."""
    if "vendor_id" not in values:
        return []
    known = on_file.get(values["vendor_id"])
    if known is None:
        return ["sender: not on file"]
    found = []
    if values.get("currency") not in (None, known.currency):
        found.append("sender: another currency than on file")
    if "account_number" in values and account_token != known.account:
        found.append("sender: another account than on file")
    return found


def fingerprints(digest: str, values: Mapping[str, str], tokens: Tokens) -> list[str]:
    """What two documents must not share: their content, and what numbers them."""
    numbers = [("vendor_id", "invoice_number"), ("claim_number",)]
    known = [
        "|".join(values[name] for name in names) for names in numbers if set(names) <= set(values)
    ]
    return [f"file:{digest}", *(tokens.token("number", value) for value in known)]


class Register:
    """Who had a fingerprint first; one SQLite file, which many processes may use."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._opened() as database:
            database.execute("create table if not exists seen (mark text primary key, owner text)")

    def claim(self, marks: list[str], document_id: str) -> list[str]:
        """Take fingerprints for a document; returns the others that had one of them before.

        Asking again for the same document gives the same answer.
        """
        with self._opened() as database:
            database.executemany(
                "insert or ignore into seen values (?, ?)", [(mark, document_id) for mark in marks]
            )
            asked = ", ".join("?" * len(marks))
            rows = database.execute(f"select owner from seen where mark in ({asked})", marks)
            return sorted({owner for (owner,) in rows} - {document_id})

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            yield database
