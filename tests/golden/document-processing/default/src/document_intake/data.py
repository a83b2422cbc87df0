"""Makes synthetic documents, who stand in for your own until you replace this module.

Nobody and no firm in here exists. The generator draws invoices, insurance claims and other papers
over twelve months as real PDF files, with what a real inbox brings:

- six senders of invoices with layouts of their own, one of whom appears late; three claim forms;
- pages with terms behind some documents; scans whose lines are uneven, some of them misread;
- in the last month the largest sender changes its layout: a drift that monitoring has to notice;
- some documents are spoiled on purpose, each in a named way; `Extract.planted` says which, kept
  apart so that no check and no model can see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pypdfium2 as pdfium  # type: ignore[import-untyped, unused-ignore]

from . import layouts
from .fields import CLAIM, INVOICE, OTHER, SENSITIVE
from .pdf import Page, Picture, written

ORIGIN = "synthetic"  # what cards and reports say of the data: yours will be something else
SEED = 20250101
MONTHS = 12
A_MONTH = 60
FIRST_MONTH = date(2025, 1, 1)
SCANNED, MISREAD = 0.12, 0.2  # share of scans, and of scans on which a digit is misread
DOTS = 110  # points of an inch in a picture of a page


@dataclass(frozen=True, slots=True)
class Vendor:
    """A sender of invoices: its style, the share of invoices, and what is on file about it."""

    name: str
    style: str
    share: float
    currency: str
    order: str
    prefix: str
    tax: Decimal
    vendor_id: str
    account_number: str
    since: int = 0


@dataclass(frozen=True, slots=True)
class Submission:
    """A file as it comes in: who sent it (a vendor's style or a form), when, and its bytes."""

    document_id: str
    received_on: date
    source: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Gold:
    """What a careful person reads from a document: its class, and the value of each field."""

    document_id: str
    document_class: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Extract:
    """What an inbox would deliver, its gold labels, and the truth about what was planted.

    `planted` has the columns `document_id` and `kind`; no stage but tests reads it.
    """

    submissions: list[Submission]
    gold: list[Gold]
    vendors: tuple[Vendor, ...]
    planted: pl.DataFrame

    def secrets(self) -> set[str]:
        """Every value that identifies somebody: tests search for them."""
        values = [(name, v) for gold in self.gold for name, v in gold.values.items()]
        return {value for name, value in values if name in SENSITIVE}


@dataclass(slots=True)
class Draft:
    """A document before it is drawn. `gold` is what the page means, `printed` what it says."""

    document_id: str
    received: date
    document_class: str
    source: str
    gold: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    lines: list[Decimal] = field(default_factory=list)
    terms: bool = False
    scanned: bool = False
    sideways: bool = False
    picture: bool = False
    torn: bool = False
    style: str = ""


def _check_digit(rng: np.random.Generator, prefix: str, digits: int) -> str:
    """Random figures and their check digit (ISO/IEC 7812-1)."""
    body = "".join(str(digit) for digit in rng.integers(0, 10, digits))
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 - place % 2)
        total += doubled - 9 * (doubled > 9)
    return f"{prefix}{body}{-total % 10}"


def _account(rng: np.random.Generator) -> str:
    """An account number of a country that does not exist (XZ), with check digits that are right."""
    body = "".join(str(digit) for digit in rng.integers(0, 10, 18))
    rest = int(body + "".join(str(int(letter, 36)) for letter in "XZ") + "00") % 97
    return f"XZ{98 - rest:02d}{body}"


def vendors(seed: int = SEED) -> tuple[Vendor, ...]:
    """The senders on file; the first is the largest, the last appears in the seventh month."""
    rng = np.random.default_rng([seed, 1])
    rows = (
        ("Quillmar Paper Works", "plain", 0.32, "EUR", "dmy", "QM", "0.19", 0),
        ("Vantrel Facility Care", "grid", 0.20, "USD", "mdy", "VF-", "0.08", 0),
        ("Ostermere Freight", "freight", 0.16, "GBP", "dmy", "OF/", "0.20", 0),
        ("Sundrake Print House", "ledger", 0.12, "INR", "dmy", "SPH", "0.18", 0),
        ("Kelvane Hosting", "cloud", 0.12, "USD", "dmy", "KH-", "0.05", 0),
        ("Brindleton Garage", "garage", 0.08, "GBP", "dmy", "BG", "0.20", 6),
    )
    return tuple(
        Vendor(
            *row[:6],
            tax=Decimal(row[6]),
            vendor_id=_check_digit(rng, "VT", 8),
            account_number=_account(rng),
            since=row[7],
        )
        for row in rows
    )


def extract(
    seed: int = SEED, a_month: int = A_MONTH, known: tuple[Vendor, ...] | None = None
) -> Extract:
    """Draw the documents, by default of senders of the same seed; equal seeds give equal bytes."""
    rng = np.random.default_rng(seed)
    known = known or vendors(seed)
    drafts = [_draft(rng, known, month) for month in range(MONTHS) for _ in range(a_month)]
    drafts.sort(key=lambda draft: draft.received)
    for number, draft in enumerate(drafts):
        draft.document_id = f"D{100000 + number}"
    planted = [*_spoil(rng, drafts, a_month), *_misread(rng, drafts)]
    names = {vendor.style: vendor.name for vendor in known}
    files = {draft.document_id: _drawn(rng, draft, names) for draft in drafts}
    for draft, kind, earlier in _repeated(rng, drafts, planted):
        drafts.append(draft)
        planted.append((draft.document_id, kind))
        files[draft.document_id] = (
            files[earlier] if kind == "duplicate" else _drawn(rng, draft, names)
        )
    drafts.sort(key=lambda draft: (draft.received, draft.document_id))
    return Extract(
        [Submission(d.document_id, d.received, d.source, files[d.document_id]) for d in drafts],
        [Gold(d.document_id, d.document_class, d.gold) for d in drafts],
        known,
        pl.DataFrame(planted, schema=["document_id", "kind"], orient="row").sort("document_id"),
    )


def _draft(rng: np.random.Generator, known: tuple[Vendor, ...], month: int) -> Draft:
    received = _day(month, int(rng.integers(0, 28)))
    drawn = rng.random()
    if drawn < 0.52:
        draft = _invoice(rng, known, month, received)
    elif drawn < 0.90:
        draft = _claim(rng, received)
    else:
        papers = ["delivery note", "letter", *(["purchase order"] if month >= 6 else [])]
        source = papers[int(rng.integers(0, len(papers)))]
        return Draft("", received, OTHER, source)
    draft.terms = bool(rng.random() < 0.2)
    draft.scanned = bool(rng.random() < SCANNED)
    draft.printed = dict(draft.gold)
    return draft


def _invoice(
    rng: np.random.Generator, known: tuple[Vendor, ...], month: int, received: date
) -> Draft:
    active = [vendor for vendor in known if vendor.since <= month]
    shares = np.array([vendor.share for vendor in active])
    vendor = active[int(rng.choice(len(active), p=shares / shares.sum()))]
    lines = _lines(rng)
    net = sum(lines, Decimal(0))
    tax = (net * vendor.tax).quantize(Decimal("0.01"))
    issued = received - timedelta(days=int(rng.integers(1, 12)))
    values = {
        "invoice_number": f"{vendor.prefix}{rng.integers(10000, 99999)}",
        "vendor_id": vendor.vendor_id,
        "issue_date": issued.isoformat(),
        "due_date": (issued + timedelta(days=int(rng.choice([14, 30, 45])))).isoformat(),
        "currency": vendor.currency,
        "net_total": f"{net:.2f}",
        "tax_total": f"{tax:.2f}",
        "gross_total": f"{net + tax:.2f}",
        "account_number": vendor.account_number,
    }
    if rng.random() < 0.6:
        values["purchase_order"] = f"PO{rng.integers(400000, 499999)}"
    changed = vendor.style == "plain" and month == MONTHS - 1
    style = "redesigned" if changed else vendor.style
    return Draft("", received, INVOICE, vendor.style, values, lines=lines, style=style)


GIVEN = [
    "Talin",
    "Mirel",
    "Orsa",
    "Devrin",
    "Calla",
    "Jorund",
    "Nessa",
    "Pavlin",
    "Ysolde",
    "Bramwin",
]
FAMILY = [
    "Quarrow",
    "Belvane",
    "Tesselby",
    "Ormund",
    "Falkry",
    "Dunmarrow",
    "Pellgrove",
    "Wexling",
    "Hartlo",
    "Simmeron",
]
STREETS = [
    "Larch Row",
    "Mill Causeway",
    "Harbour Steps",
    "Foundry Lane",
    "Old Tannery",
    "Weir Close",
]
TOWNS = ["Tillbrook", "Osterham", "Candleford-Vale", "Merrowby", "Port-Ansel", "Dunwick-Heath"]


def _claim(rng: np.random.Generator, received: date) -> Draft:
    lines = _lines(rng)
    noticed = received - timedelta(days=int(rng.integers(0, 9)))
    lost = noticed - timedelta(days=int(rng.integers(1, 60)))
    one = {name: str(rng.choice(words)) for name, words in _PEOPLE.items()}
    values = {
        "claim_number": _check_digit(rng, "CL", 8),
        "policy_number": _check_digit(rng, "PN", 9),
        "loss_date": lost.isoformat(),
        "notice_date": noticed.isoformat(),
        "claimant_name": f"{one['given']} {one['family']}",
        "claimant_address": f"{rng.integers(1, 180)} {one['street']}, {one['town']}",
        "currency": str(rng.choice(["EUR", "GBP"])),
        "claimed_total": f"{sum(lines, Decimal(0)):.2f}",
        "account_number": _account(rng),
    }
    form = str(rng.choice(["motor", "household", "broker"], p=[0.5, 0.3, 0.2]))
    return Draft("", received, CLAIM, form, values, lines=lines)


_PEOPLE = {"given": GIVEN, "family": FAMILY, "street": STREETS, "town": TOWNS}


def _lines(rng: np.random.Generator) -> list[Decimal]:
    amounts = np.exp(rng.normal(5.2, 0.9, int(rng.integers(1, 6)))).round(2)
    return [Decimal(f"{amount:.2f}") for amount in amounts]


Spoil = Callable[[Draft], None]


def _both(draft: Draft, name: str, value: str) -> None:
    draft.printed[name] = draft.gold[name] = value


def _total_of(draft: Draft) -> str:
    return "gross_total" if draft.document_class == INVOICE else "claimed_total"


def _wrong_total(draft: Draft) -> None:
    name = _total_of(draft)
    _both(draft, name, f"{Decimal(draft.gold[name]) + 100:.2f}")


def _wrong_line(draft: Draft) -> None:
    draft.lines[0] += Decimal("10.00")


def _missing(draft: Draft) -> None:
    name = "due_date" if draft.document_class == INVOICE else "policy_number"
    draft.printed.pop(name)
    draft.gold.pop(name)


def _swapped_dates(draft: Draft) -> None:
    invoice = draft.document_class == INVOICE
    one, other = ("issue_date", "due_date") if invoice else ("loss_date", "notice_date")
    first, second = draft.gold[one], draft.gold[other]
    _both(draft, one, second)
    _both(draft, other, first)


def _bad_check_digit(draft: Draft) -> None:
    name = "vendor_id" if draft.document_class == INVOICE else "policy_number"
    value = draft.gold[name]
    _both(draft, name, f"{value[:-1]}{(int(value[-1]) + 1) % 10}")


def _changed_account(draft: Draft) -> None:
    _both(draft, "account_number", _account(np.random.default_rng(int(draft.document_id[1:]))))


def _sideways(draft: Draft) -> None:
    draft.sideways = True


def _picture(draft: Draft) -> None:
    draft.picture = True


def _torn(draft: Draft) -> None:
    draft.torn = True


SPOILS: dict[str, Spoil] = {
    "wrong total": _wrong_total,
    "wrong line": _wrong_line,
    "missing field": _missing,
    "swapped dates": _swapped_dates,
    "bad check digit": _bad_check_digit,
    "changed account": _changed_account,
    "sideways": _sideways,
    "image only": _picture,
    "torn file": _torn,
}
# What a person has to see: the others can be read and be right.
DEFECTS = (
    *(kind for kind in SPOILS if kind != "sideways"),
    "duplicate",
    "reissued",
    "unknown class",
)
SPOILED_IN = (1, 2, 4, 6, 7, 8, 9, 10, 11)  # one of each kind in each of these months


def _spoil(rng: np.random.Generator, drafts: list[Draft], a_month: int) -> list[tuple[str, str]]:
    """Spoil one document of each kind in some months; no document twice."""
    planted = [(d.document_id, "unknown class") for d in drafts if d.source == "purchase order"]
    for month in SPOILED_IN:
        of_month = drafts[month * a_month : (month + 1) * a_month]
        plain = [d for d in of_month if d.document_class != OTHER and d.style != "redesigned"]
        chosen = [plain[place] for place in rng.permutation(len(plain))]
        for kind, spoil in SPOILS.items():
            wanted = INVOICE if kind == "changed account" else ""
            place = next(i for i, d in enumerate(chosen) if wanted in ("", d.document_class))
            draft = chosen.pop(place)
            draft.scanned = False
            spoil(draft)
            planted.append((draft.document_id, kind))
    return planted


def _misread(rng: np.random.Generator, drafts: list[Draft]) -> list[tuple[str, str]]:
    """On some scans one digit of a number or a date is read wrong: the page says one thing, the
    text layer another."""
    found = []
    for draft in drafts:
        if not draft.scanned or rng.random() >= MISREAD:
            continue
        claim = draft.document_class == CLAIM
        name = str(
            rng.choice(["loss_date", "claim_number"] if claim else ["due_date", "invoice_number"])
        )
        digit = int(draft.printed[name][-1])
        draft.printed[name] = draft.printed[name][:-1] + str({0: 8, 8: 0, 3: 8, 5: 6}.get(digit, 1))
        if draft.printed[name] == draft.gold[name] or not _possible(draft.printed[name]):
            draft.printed[name] = draft.gold[name]
            continue
        found.append((draft.document_id, "misread"))
    return found


def _possible(text: str) -> bool:
    """Whether it is a date that there is, or no date."""
    try:
        return text.count("-") != 2 or bool(date.fromisoformat(text))
    except ValueError:
        return False


def _repeated(
    rng: np.random.Generator, drafts: list[Draft], planted: list[tuple[str, str]]
) -> list[tuple[Draft, str, str]]:
    """Invoices that come again, some days later: the same file, or drawn anew with terms."""
    bad = {document_id for document_id, _ in planted}
    plain = [d for d in drafts if d.document_class == INVOICE and d.document_id not in bad]
    plain = [d for d in plain if not d.scanned and d.received < _day(MONTHS - 1, 20)]
    found = []
    for number, draft in enumerate(plain[:: max(len(plain) // 16, 1)]):
        kind = "duplicate" if number % 2 else "reissued"
        again = Draft(
            document_id=f"D{900000 + number}",
            received=draft.received + timedelta(days=int(rng.integers(1, 7))),
            document_class=INVOICE,
            source=draft.source,
            gold=dict(draft.gold),
            printed=dict(draft.printed),
            lines=draft.lines,
            terms=kind == "reissued" or draft.terms,
            style=draft.style,
        )
        found.append((again, kind, draft.document_id))
    return found


def _drawn(rng: np.random.Generator, draft: Draft, names: dict[str, str]) -> bytes:
    """The document as a PDF file."""
    shakes = rng.normal(0, 0.8, 200) if draft.scanned else np.zeros(200)
    ahead = iter(shakes.tolist())
    pages = [Page(shake=lambda: next(ahead, 0.0), sideways=draft.sideways)]
    if draft.document_class == INVOICE:
        style = layouts.STYLES[draft.style]
        layouts.invoice(pages[0], style, names[draft.source], draft.printed, draft.lines)
    elif draft.document_class == CLAIM:
        layouts.claim(pages[0], draft.source, draft.printed, draft.lines)
    else:
        layouts.prose(pages[0], layouts.PAPERS[draft.source])
    if draft.terms:
        pages.append(Page())
        layouts.prose(pages[1], layouts.TERMS_TEXT)
    content = written(pages)
    if draft.torn:
        return content[: len(content) // 3]
    return _photographed(content) if draft.picture else content


def _photographed(content: bytes) -> bytes:
    """The same pages as pictures, without a text layer."""
    document = pdfium.PdfDocument(content)
    pages = []
    for number in range(len(document)):
        drawn = document[number].render(scale=DOTS / 72, grayscale=True).to_numpy()
        grey = np.squeeze(drawn)
        bits = np.packbits(grey > 128, axis=1)
        pages.append(Page(picture=Picture(grey.shape[1], grey.shape[0], bits.tobytes())))
    document.close()
    return written(pages)


def _day(month: int, day: int) -> date:
    return FIRST_MONTH.replace(month=month + 1) + timedelta(days=day)
