"""Draws the synthetic documents: invoices in several layouts, claim forms, and papers of no use.

Layouts differ as those of real senders do: other words for the same thing, other places, other
ways to write dates and amounts, and figures around the right ones that are not meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .fields import MONTHS
from .pdf import Page

Pairs = Sequence[tuple[str, str]]
INSURER = "Example Mutual Insurance"


@dataclass(frozen=True, slots=True)
class Style:
    """How a sender writes: words for the fields, where they stand, dates and amounts.

    `arrangement`: the value is `beside` its word or `below` it. `dates`: iso, dmy, mdy, dots or
    words. `decimal`: the sign before the cents.
    """

    title: str
    words: Mapping[str, str]
    arrangement: str
    left: float
    dates: str
    decimal: str = "."
    decoys: Pairs = ()


def _words(text: str) -> dict[str, str]:
    names = [
        "invoice_number",
        "vendor_id",
        "issue_date",
        "due_date",
        "purchase_order",
        "net_total",
        "tax_total",
        "gross_total",
        "account_number",
        "currency",
    ]
    return dict(zip(names, text.split("|"), strict=True))


STYLES: dict[str, Style] = {
    "plain": Style(
        "INVOICE",
        _words(
            "Invoice no:|Tax ID:|Invoice date:|Due date:|Your order:|Net total|VAT|Total due"
            "|IBAN:|Currency:"
        ),
        "beside",
        330,
        "dots",
        ",",
        (("Customer no:", "C-20418"), ("Delivery date:", "date")),
    ),
    "grid": Style(
        "Invoice",
        _words(
            "Invoice number|Seller tax no|Issued|Payable by|PO number|Subtotal|Sales tax"
            "|Amount due|Account|Currency"
        ),
        "below",
        50,
        "mdy",
        ".",
        (("Order ref", "SO-77120"),),
    ),
    "freight": Style(
        "FREIGHT INVOICE",
        _words(
            "Our reference:|VAT reg:|Date:|Pay before:|Order:|Goods and services|Tax"
            "|Invoice total|Bank account:|All amounts in"
        ),
        "beside",
        50,
        "dmy",
        ".",
        (("Your reference:", "HM/4410"), ("Collected on:", "date"), ("Weight total kg:", "amount")),
    ),
    "ledger": Style(
        "TAX INVOICE",
        _words(
            "Bill no.|Registration|Bill date|Due on|Order no.|Taxable value|Tax amount"
            "|Grand total|A/c no.|Currency"
        ),
        "beside",
        300,
        "words",
        ".",
        (("Challan no.", "CH-3391"), ("Previous balance", "amount")),
    ),
    "cloud": Style(
        "Invoice",
        _words(
            "Invoice ID|Company tax ID|Billing date|Payment due|Purchase order|Total excl. tax"
            "|Tax|Total incl. tax|Pay to|Currency"
        ),
        "below",
        50,
        "iso",
        ".",
        (("Billing period ends", "date"),),
    ),
    "garage": Style(
        "REPAIR INVOICE",
        _words(
            "Number:|Tax number:|Dated:|To be paid by:|Job order:|Parts and labour|Duty"
            "|To pay|Transfer to:|Sums in"
        ),
        "beside",
        320,
        "dmy",
        ".",
        (("Mileage:", "48210"), ("Vehicle in:", "date")),
    ),
    # What the sender of `plain` uses from the last month on.
    "redesigned": Style(
        "STATEMENT OF CHARGES",
        _words(
            "Document ref|Fiscal code|Drawn up|Settle before|Requisition|Before levy|Levy"
            "|Settlement amount|Remit to|Denominated in"
        ),
        "below",
        50,
        "dots",
        ",",
        (("Prior document", "Q-11873"), ("Next statement", "date")),
    ),
}


def invoice(
    page: Page, style: Style, sender: str, values: Mapping[str, str], lines: Sequence[Decimal]
) -> None:
    """Draw an invoice; a value that is missing or empty is left out."""
    page.text(50, 60, sender, 14, bold=True)
    page.text(50, 76, "Registered office on file")
    page.text(400, 60, style.title, 16, bold=True)
    page.text(50, 110, "Bill to")
    page.text(50, 124, f"{INSURER}, accounts payable")
    names = ("invoice_number", "issue_date", "due_date", "vendor_id", "purchase_order", "currency")
    pairs = [(style.words[name], _shown(style, values, name)) for name in names]
    pairs[2:2] = [(word, _decoy(style, values, kind)) for word, kind in style.decoys]
    bottom = _pairs(page, style, [pair for pair in pairs if pair[1]], 160)
    bottom = _table(page, style, lines, bottom + 30)
    for name in ("net_total", "tax_total", "gross_total"):
        shown = _shown(style, values, name)
        bottom += 16
        if shown:
            page.text(360, bottom, style.words[name], bold=name == "gross_total")
            page.right(545, bottom, shown, bold=name == "gross_total")
    if account := values.get("account_number"):
        page.text(50, 770, style.words["account_number"])
        page.text(150, 770, grouped(account))
    page.text(50, 790, "Thank you for your business. Late payment may bear interest.", 8)


def _pairs(page: Page, style: Style, pairs: Pairs, top: float) -> float:
    """Words and values, beside or below each other; returns where they end."""
    if style.arrangement == "beside":
        for number, (word, value) in enumerate(pairs):
            page.text(style.left, top + 15 * number, word)
            page.text(style.left + 110, top + 15 * number, value)
        return top + 15 * len(pairs)
    for number, (word, value) in enumerate(pairs):
        x, y = style.left + 125 * (number % 4), top + 42 * (number // 4)
        page.text(x, y, word, 8)
        page.text(x, y + 14, value)
    return top + 42 * (1 + (len(pairs) - 1) // 4)


def _table(page: Page, style: Style, lines: Sequence[Decimal], top: float) -> float:
    page.text(50, top, "Description", bold=True)
    page.text(300, top, "Quantity", bold=True)
    page.text(505, top, "Amount", bold=True)
    page.rule(50, top + 4, 545)
    for number, amount in enumerate(lines, start=1):
        page.text(50, top + 16 * number, f"Item {number}: {GOODS[int(amount) % len(GOODS)]}")
        page.text(310, top + 16 * number, str(1 + int(amount) % 7))
        page.right(545, top + 16 * number, written_amount(amount, style.decimal))
    page.rule(360, top + 16 * len(lines) + 6, 545)
    return top + 16 * len(lines) + 4


GOODS = ("standing order", "service visit", "spare part", "materials", "handling", "licence")


def _shown(style: Style, values: Mapping[str, str], name: str) -> str:
    value = values.get(name, "")
    if value and name.endswith("_date"):
        return written_date(value, style.dates)
    if value and name.endswith("_total"):
        return written_amount(Decimal(value), style.decimal)
    return value


def _decoy(style: Style, values: Mapping[str, str], kind: str) -> str:
    """A date or an amount that is not meant, made of those that are."""
    if kind == "date":
        return written_date(f"{values['issue_date'][:8]}02", style.dates)
    if kind == "amount":
        return written_amount(Decimal(values["tax_total"]) * 3 + Decimal("1.10"), style.decimal)
    return kind


FORMS: dict[str, Mapping[str, str]] = {
    "motor": {
        "title": "Motor claim form",
        "claim_number": "Claim number",
        "policy_number": "Policy number",
        "loss_date": "Date of accident",
        "notice_date": "Date reported",
        "claimant_name": "Name of claimant",
        "claimant_address": "Address",
        "account_number": "Pay claim to account",
        "currency": "Currency",
        "claimed_total": "Total claimed",
    },
    "household": {
        "title": "Household claim",
        "claim_number": "Claim ref.",
        "policy_number": "Policy",
        "loss_date": "Date of loss",
        "notice_date": "Notified on",
        "claimant_name": "Policyholder",
        "claimant_address": "Insured address",
        "account_number": "Account for payment",
        "currency": "Currency",
        "claimed_total": "Sum claimed",
    },
    "broker": {
        "title": "Notice of claim through a broker",
        "claim_number": "Our claim:",
        "policy_number": "Contract:",
        "loss_date": "Event of:",
        "notice_date": "Received by broker:",
        "claimant_name": "On behalf of:",
        "claimant_address": "Living at:",
        "account_number": "Transfer to:",
        "currency": "Currency:",
        "claimed_total": "Demand",
    },
}


def claim(page: Page, form: str, values: Mapping[str, str], lines: Sequence[Decimal]) -> None:
    """Draw a claim form; motor and broker beside, household below."""
    words = FORMS[form]
    style = Style("", words, "below" if form == "household" else "beside", 50, "words")
    page.text(50, 60, INSURER, 12, bold=True)
    page.text(50, 84, words["title"], 16, bold=True)
    if form == "broker":
        page.text(50, 104, "Broker file 55-1072, opened by the branch. Reply within a week.")
    names = ("claim_number", "policy_number", "loss_date", "notice_date", "currency")
    pairs = [(words[name], _shown(style, values, name)) for name in names]
    bottom = _pairs(page, style, [pair for pair in pairs if pair[1]], 130)
    for name in ("claimant_name", "claimant_address", "account_number"):
        value = values.get(name, "")
        bottom += 16
        if value:
            page.text(50, bottom, words[name])
            page.text(190, bottom, grouped(value) if name == "account_number" else value)
    page.text(50, bottom + 24, "What happened: the damage was found the same day and reported.")
    bottom = _table(page, style, lines, bottom + 54)
    if total := _shown(style, values, "claimed_total"):
        page.text(360, bottom + 18, words["claimed_total"], bold=True)
        page.right(545, bottom + 18, total, bold=True)
    page.text(50, 780, "Signed by the claimant. False statements may end the cover.", 8)


TERMS_TEXT = (
    "General terms and conditions",
    "1. These terms apply to every order and to every service that is rendered.",
    "2. Goods remain the property of the seller until they are paid in full.",
    "3. Complaints are to be raised in writing within fourteen days of delivery.",
    "4. The place of performance is the registered office of the seller.",
    "5. Should a clause be void, the others stay in force.",
)
PAPERS: dict[str, tuple[str, ...]] = {
    "delivery note": (
        "DELIVERY NOTE",
        "Delivered to the goods entrance, signed by the porter.",
        "Packages: 4   Pallets: 1   Damaged: none",
        "Please check the goods on arrival. This is not a request for payment.",
    ),
    "letter": (
        "Dear colleagues,",
        "thank you for the meeting last week. Please find the minutes on the portal.",
        "We look forward to the workshop in spring and remain at your disposal.",
        "Kind regards, the partner desk",
    ),
    # Only in the later months: no classifier has learned it.
    "purchase order": (
        "PURCHASE ORDER",
        "Order no. PO-48113 of the buyer, to be confirmed within two days.",
        "Item 1: materials   quantity 12   price 14.20   amount 170.40",
        "Order total 170.40, delivery free house, terms of the buyer apply.",
    ),
}


def prose(page: Page, lines: Sequence[str]) -> None:
    """Draw lines of text, the first of them as a heading."""
    for number, line in enumerate(lines):
        page.text(60, 80 + 22 * number, line, 14 if number == 0 else 10, bold=number == 0)


def written_date(iso: str, way: str) -> str:
    """An ISO date as senders write it."""
    day = date.fromisoformat(iso)
    ways = {
        "iso": iso,
        "dmy": f"{day:%d/%m/%Y}",
        "mdy": f"{day:%m/%d/%Y}",
        "dots": f"{day:%d.%m.%Y}",
        "words": f"{day.day} {MONTHS[day.month - 1].capitalize()} {day.year}",
    }
    return ways[way]


def written_amount(amount: Decimal, decimal: str) -> str:
    """An amount with signs between thousands and before the cents."""
    text = f"{amount:,.2f}"
    return text if decimal == "." else text.translate(str.maketrans(",.", ".,"))


def grouped(account: str) -> str:
    """An account number in groups of four."""
    return " ".join(account[place : place + 4] for place in range(0, len(account), 4))
