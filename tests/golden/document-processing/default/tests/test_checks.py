"""Checks find what is wrong on a page, whatever the extractor thinks of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from document_intake.checks import OnFile, findings

FILE = {"VT000000018": OnFile("dmy", "EUR", "tok:a")}
INVOICE = {
    "invoice_number": "A1",
    "vendor_id": "VT000000018",
    "issue_date": "2025-05-01",
    "due_date": "2025-05-31",
    "currency": "EUR",
    "net_total": "100.00",
    "tax_total": "19.00",
    "gross_total": "119.00",
    "account_number": "GB82WEST12345698765432",
}
CLAIM = {
    "claim_number": "CL000000018",
    "policy_number": "PN000000018",
    "loss_date": "2025-05-01",
    "notice_date": "2025-05-02",
    "claimant_name": "Orsa Wexling",
    "claimant_address": "9 Weir Close, Osterham",
    "currency": "EUR",
    "claimed_total": "100.00",
    "account_number": "GB82WEST12345698765432",
}
LINES = [Decimal("60.00"), Decimal("40.00")]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({}, None),
        ({"due_date": None}, "missing: due_date"),
        ({"purchase_order": None}, None),
        ({"gross_total": "129.00"}, "sum: net_total and tax_total are not gross_total"),
        ({"gross_total": "119.01"}, None),
        ({"vendor_id": "VT000000019"}, "check digit: vendor_id"),
        ({"account_number": "GB83WEST12345698765432"}, "check digit: account_number"),
        ({"issue_date": "2025-06-01"}, "dates: issue_date is after due_date"),
        ({"issue_date": "2022-06-01"}, "dates: issue_date is long before due_date"),
        ({"currency": "USD"}, "sender: another currency than on file"),
        ({"vendor_id": "VT000000026"}, "sender: not on file"),
    ],
)
def test_an_invoice(change: dict[str, str | None], finding: str | None) -> None:
    """One thing is wrong, and that is found."""
    values = {name: value for name, value in {**INVOICE, **change}.items() if value is not None}
    found = findings("invoice", values, LINES, FILE, "tok:a")
    assert (found[0] if found else None) == finding


def test_an_account_that_is_not_on_file_is_found() -> None:
    """The classical fraud: everything is right but where the money goes."""
    found = findings("invoice", INVOICE, LINES, FILE, "tok:b")
    assert found == ["sender: another account than on file"]


def test_lines_have_to_add_up() -> None:
    """To the net total of an invoice, to the total of a claim; no lines do not."""
    assert findings("invoice", INVOICE, LINES[:1], FILE, "tok:a") == [
        "sum: lines are not net_total"
    ]
    assert findings("claim", CLAIM, LINES, FILE, "") == []
    assert findings("claim", CLAIM, [], FILE, "") == ["sum: lines are not claimed_total"]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"policy_number": "PN000000019"}, "check digit: policy_number"),
        ({"claim_number": "CL0000000I8"}, "check digit: claim_number"),
        ({"loss_date": "2025-05-03"}, "dates: loss_date is after notice_date"),
        ({"claimant_name": None}, "missing: claimant_name"),
    ],
)
def test_a_claim(change: dict[str, str | None], finding: str) -> None:
    """One thing is wrong, and that alone is found."""
    values = {name: value for name, value in {**CLAIM, **change}.items() if value is not None}
    assert findings("claim", values, LINES, FILE, "") == [finding]


def test_other_papers_are_not_checked() -> None:
    """They are not read in the first place."""
    assert findings("other", {}, [], FILE, "") == []
