"""What is read from each class of document: fields, how they are written, and what is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from .controls.documents.records import Tokens

INVOICE, CLAIM, TERMS, OTHER = "invoice", "claim", "terms", "other"
READ = (INVOICE, CLAIM)
IDENTIFIER, DATE, AMOUNT, CURRENCY, ACCOUNT, TEXT = (
    "identifier",
    "date",
    "amount",
    "currency",
    "account",
    "text",
)
CURRENCIES = ("EUR", "GBP", "INR", "USD")
# Accounts, and the numbers of policies and claims as this business gives them.
OF_PEOPLE = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}|(?:PN|CL)\d{8,}")
# Thousands in threes, or as in India in twos before the last three; never parted like the decimals.
WRITTEN_AMOUNT = re.compile(
    r"\d+[.,]\d{2}"
    r"|\d{1,3}(?:,\d{3})+\.\d{2}"
    r"|\d{1,3}(?:\.\d{3})+,\d{2}"
    r"|\d{1,2}(?:,\d{2})*,\d{3}\.\d{2}",
    re.ASCII,
)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: how it is written, whether it has to be there, and whether it identifies a person.

    What is `sensitive` is stored as a token only; the original alone has it in clear.
    """

    name: str
    kind: str
    required: bool = True
    sensitive: bool = False


FIELDS: Mapping[str, tuple[Field, ...]] = {
    INVOICE: (
        Field("invoice_number", IDENTIFIER),
        Field("vendor_id", IDENTIFIER),
        Field("issue_date", DATE),
        Field("due_date", DATE),
        Field("currency", CURRENCY),
        Field("net_total", AMOUNT),
        Field("tax_total", AMOUNT),
        Field("gross_total", AMOUNT),
        Field("account_number", ACCOUNT, sensitive=True),
        Field("purchase_order", IDENTIFIER, required=False),
    ),
    CLAIM: (
        Field("claim_number", IDENTIFIER, sensitive=True),
        Field("policy_number", IDENTIFIER, sensitive=True),
        Field("loss_date", DATE),
        Field("notice_date", DATE),
        Field("claimant_name", TEXT, sensitive=True),
        Field("claimant_address", TEXT, sensitive=True),
        Field("currency", CURRENCY),
        Field("claimed_total", AMOUNT),
        Field("account_number", ACCOUNT, sensitive=True),
    ),
}
SENSITIVE = frozenset(f.name for fields in FIELDS.values() for f in fields if f.sensitive)
# What a wrong value in would misdirect money.
PAYMENT = frozenset({"gross_total", "claimed_total", "account_number", "currency"})


def named(document_class: str) -> dict[str, Field]:
    """The fields of a class by name; none for a class that is not read."""
    return {field.name: field for field in FIELDS.get(document_class, ())}


def stored(field: str, value: str, tokens: Tokens) -> str:
    """What may be written of a value: the value, or a token where it identifies somebody.

    A value that looks like an account, a policy or a claim does, whatever field it was read as.
    """
    hidden = field in SENSITIVE or OF_PEOPLE.fullmatch(re.sub(r"[^A-Z0-9]", "", value.upper()))
    return tokens.token(field, value) if hidden else value


def normal(kind: str, text: str, order: str = "dmy") -> str | None:
    """The one way in which a value is written from here on, or None where it is no such value.

    Dates become ISO dates (`order` settles those of figures alone), amounts plain decimals with
    two places, accounts and identifiers lose their spaces.
    """
    text = " ".join(text.split())
    if kind == DATE:
        found = parsed_date(text, order)
        return found.isoformat() if found else None
    if kind == AMOUNT:
        amount = parsed_amount(text)
        return f"{amount:.2f}" if amount is not None else None
    if kind in (IDENTIFIER, ACCOUNT):
        return text.replace(" ", "").upper() or None
    if kind == CURRENCY:
        return text.upper() if text.upper() in CURRENCIES else None
    return text or None


def parsed_amount(text: str) -> Decimal | None:
    """1,234.50 or 1.234,50 or 12,34,567.50 or 1234.50; None for anything else, such as a date."""
    if not WRITTEN_AMOUNT.fullmatch(text):
        return None
    try:
        return Decimal(re.sub(r"[.,]", "", text[:-3]) + "." + text[-2:])
    except InvalidOperation:
        return None


def parsed_date(text: str, order: str = "dmy") -> date | None:
    """ISO, 3 Nov 2025, 03-Nov-2025, or figures alone in the given order (dmy or mdy).

    A year of two figures is one of this century.
    """
    parts = re.split(r"[-/. ]+", text.strip().lower())
    if len(parts) != 3:
        return None
    first, second, third = parts
    try:
        if len(first) == 4:
            return date(int(first), int(second), int(third))
        if second[:3] in MONTHS:
            return date(_year(third), MONTHS.index(second[:3]) + 1, int(first))
        day, month = (first, second) if order == "dmy" else (second, first)
        return date(_year(third), int(month), int(day))
    except ValueError:
        return None


def _year(figures: str) -> int:
    """Two figures or four; ValueError for others."""
    if len(figures) not in (2, 4):
        raise ValueError(figures)
    return int(figures) + 2000 * (len(figures) == 2)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1)."""
    if not digits.isdigit():
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def iban(text: str) -> bool:
    """Whether the check digits of an account number are right (ISO 13616, modulo 97)."""
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", text):
        return False
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1
