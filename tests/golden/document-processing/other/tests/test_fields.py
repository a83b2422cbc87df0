"""Values have one way of being written, and check digits find what was misread."""

from __future__ import annotations

import pytest

from paper_desk import fields
from paper_desk.controls.audit import Privacy
from paper_desk.controls.documents.tokens import Tokens


@pytest.mark.parametrize(
    ("text", "order", "value"),
    [
        ("2025-11-03", "dmy", "2025-11-03"),
        ("03/11/2025", "dmy", "2025-11-03"),
        ("03/11/2025", "mdy", "2025-03-11"),
        ("03.11.2025", "dmy", "2025-11-03"),
        ("3 Nov 2025", "mdy", "2025-11-03"),
        ("31/02/2025", "dmy", None),
        ("13/13/2025", "mdy", None),
        ("yesterday", "dmy", None),
        ("1.2", "dmy", None),
    ],
)
def test_dates(text: str, order: str, value: str | None) -> None:
    """Of figures alone the order of the sender says which is the day."""
    assert fields.normal(fields.DATE, text, order) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("12,34,567.00", "1234567.00"),
        ("0.99", "0.99"),
        ("1234.50", "1234.50"),
        ("1,234", None),
        ("12.5", None),
        ("l,234.50", None),
        ("-3.00", None),
    ],
)
def test_amounts(text: str, value: str | None) -> None:
    """Whatever sign is used; without cents it is no amount."""
    assert fields.normal(fields.AMOUNT, text) == value


def test_luhn_finds_every_single_wrong_digit() -> None:
    """And most swaps of neighbours."""
    right = "79927398713"
    assert fields.luhn(right)
    wrong = [right[:i] + str(d) + right[i + 1 :] for i in range(11) for d in range(10)]
    assert [text for text in wrong if fields.luhn(text)] == [right] * 11
    assert not fields.luhn("7992739871O")


def test_iban_finds_wrong_digits_and_swaps() -> None:
    """A published example, then the same with a slip."""
    assert fields.iban("GB82WEST12345698765432")
    assert not fields.iban("GB82WEST12345698765423")
    assert not fields.iban("GB83WEST12345698765432")
    assert not fields.iban("not an account")


def test_what_identifies_a_person_is_stored_as_a_token() -> None:
    """And nothing else is."""
    tokens = Tokens(Privacy(b"k" * 32))
    assert fields.stored("gross_total", "12.00", tokens) == "12.00"
    for name in sorted(fields.SENSITIVE):
        assert fields.stored(name, "XZ1234567", tokens).startswith("tok:")
    assert {"claimant_name", "claimant_address", "account_number"} <= fields.SENSITIVE
