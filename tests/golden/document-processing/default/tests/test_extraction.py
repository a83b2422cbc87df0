"""Documents are made, read in any layout, understood, and what cannot be right is found."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from document_intake import data, fields, layouts
from document_intake.checks import OnFile, far, findings
from document_intake.confidence import (
    Signs,
    calibration_error,
    confidences,
    fitted,
    rows,
)
from document_intake.controls import packages
from document_intake.controls.audit import Privacy
from document_intake.controls.documents.page import Page, Word
from document_intake.controls.documents.reader import Reader, ReadRefused
from document_intake.controls.documents.records import Tokens
from document_intake.controls.paths import Paths
from document_intake.extraction import PageClasses, Rules, Trained, features
from document_intake.fields import (
    ACCOUNT,
    AMOUNT,
    CLAIM,
    CURRENCY,
    DATE,
    IDENTIFIER,
    INVOICE,
    TEXT,
    iban,
    luhn,
)
from document_intake.segments import (
    Candidate,
    Segment,
    candidates,
    column,
    kind_of,
    segments,
    unevenness,
)

FILE = {"VT000000018": OnFile("dmy", "EUR", "tok:a")}
BILL = {
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
LOSS = {
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


def page(*placed: tuple[str, float, float], height: float = 10) -> Page:
    """A page of words at places (left, top), five points a letter."""
    words = [Word(text, x, y, x + 5 * len(text), y + height) for text, x, y in placed]
    return Page(595, 842, 0, 0, tuple(words))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EUR", CURRENCY),
        ("12.03.2025", DATE),
        ("12 Mar 2025", DATE),
        ("1.234,50", AMOUNT),
        ("XZ34 1888 3321 8657 7821 49", ACCOUNT),
        ("QM-87972", IDENTIFIER),
        ("VT447809153", IDENTIFIER),
        ("Invoice no:", TEXT),
        ("12 Larch Row, Tillbrook", TEXT),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    """By how it is written alone."""
    assert kind_of(text) == kind


def test_words_become_phrases_by_line_and_gap() -> None:
    """Also where a scan's line is uneven."""
    one = page(("Total", 50, 100), ("due", 79, 101.5), ("12.00", 300, 99))
    assert [segment.text for segment in segments([one])] == ["Total due", "12.00"]
    assert unevenness([one]) == pytest.approx(2.5)
    assert unevenness([page(("a", 0, 0))]) == 0.0


def test_a_candidate_knows_its_neighbours() -> None:
    """The phrase to its left, or the one above."""
    one = page(("Due:", 50, 100), ("12.00", 120, 100), ("Number", 300, 86), ("AB-1234", 300, 100))
    found = {c.text: c for c in candidates(segments([one]))}
    assert (found["12.00"].left, found["12.00"].above) == ("Due:", "")
    assert (found["AB-1234"].left, found["AB-1234"].above) == ("12.00", "Number")


def test_the_lines_of_a_total_stand_above_it_in_its_column() -> None:
    """Not those of another column, and not beyond a gap."""
    amounts = [("5.00", 475, 100), ("1.00", 475, 160), ("2.00", 475, 176), ("9.00", 300, 176)]
    found = candidates(segments([page(*amounts, ("3.00", 475, 194))]))
    total = next(c.segment for c in found if c.text == "3.00")
    assert column(total, found) == ["1.00", "2.00"]


def test_rules_take_the_value_beside_or_below_a_known_word() -> None:
    """Of two the answer is less sure; an unknown word gives nothing."""
    one = page(
        ("Due", 50, 100),
        ("date:", 67, 100),
        ("01.02.2025", 150, 100),
        ("Issued", 300, 86),
        ("31.01.2025", 300, 100),
        ("Settlement", 50, 200),
        ("12.00", 150, 200),
    )
    read = Rules().read(INVOICE, candidates(segments([one])))
    assert (read["due_date"].text, read["issue_date"].text) == ("01.02.2025", "31.01.2025")
    assert read["due_date"].score > read["issue_date"].score
    assert "gross_total" not in read


@pytest.mark.parametrize("style", ["plain", "grid", "freight", "ledger", "cloud"])
def test_rules_know_the_words_of_known_senders(style: str) -> None:
    """Every field of every known layout is named by a word that the rules know."""
    from document_intake.extraction import PATTERNS

    for name, word in layouts.STYLES[style].words.items():
        plain = re.sub(r"[^a-z ]", "", word.lower()).strip()
        assert PATTERNS[name].fullmatch(plain), (name, word)


def test_the_trained_extractor_learns_from_words_and_places() -> None:
    """It finds a value beside a word that no rule knows."""
    bags, labels = [], []
    for number in range(40):
        one = page(
            ("Owed", 50, 200), (f"{number}.00", 150, 200), ("Old", 50, 300), ("7.00", 150, 300)
        )
        found = candidates(segments([one]))
        bags += features(found)
        labels += ["gross_total" if c.left == "Owed" else "none" for c in found]
    new = candidates(segments([page(("Owed", 50, 210), ("99.00", 150, 210))]))
    read = Trained.fitted(bags, labels).read(INVOICE, new)
    assert read["gross_total"].text == "99.00" and read["gross_total"].score > 0.5
    assert Trained.fitted(bags, labels).read(CLAIM, new) == {}
    assert Trained.fitted(bags, labels).read(CLAIM, []) == {}


def test_pages_are_told_apart_and_new_words_are_noticed() -> None:
    """By words alone."""
    bills = [page(("invoice", 0, 0), ("total", 0, 20), (f"{n}.00", 0, 40)) for n in range(9)]
    letters = [page(("dear", 0, 0), ("kind", 0, 20), ("regards", 0, 40)) for _ in range(9)]
    classes = PageClasses.trained([*bills, *letters], ["invoice"] * 9 + ["other"] * 9)
    ((name, score),) = classes.classify([page(("total", 0, 0), ("invoice", 0, 20))])
    assert name == "invoice" and score > 0.7
    assert classes.unknown(bills[0]) == 0.0
    assert classes.unknown(page(("settlement", 0, 0), ("total", 0, 20))) == 0.5
    assert classes.unknown(page(("12.00", 0, 0))) == 0.0


def test_a_package_holds_no_word_of_any_document(built: Paths) -> None:
    """Neither a name nor a heading can be read from it."""
    content = b"".join(path.read_bytes() for path in Path(built.models).rglob("model.skops"))
    names = [*data.FAMILY, *data.STREETS, "Invoice date", "Quillmar"]
    assert content and not [name for name in names if name.encode() in content]
    assert packages.load(built).estimator["pages"].classes_.tolist() == [
        "claim",
        "invoice",
        "other",
        "terms",
    ]


def test_confidence_falls_where_signs_are_bad() -> None:
    """It is learned: on uneven pages one value in three was wrong."""
    rng = np.random.default_rng(1)
    uneven = rng.random(600) * 2
    correct = rng.random(600) < np.where(uneven > 1, 0.66, 0.99)
    model = fitted([[2.0, 1.0, 1.0, 1.0, 1.0, 0.0, u, 0.0] for u in uneven], correct.tolist())
    signs = {
        name: [2.0, 1.0, 1.0, 1.0, 1.0, 0.0, u, 0.0] for name, u in (("even", 0.0), ("not", 2.0))
    }
    sure = confidences(model, signs)
    assert sure["even"] > 0.9 > 0.8 > sure["not"]


def test_signs_tell_agreement_and_checks() -> None:
    """A second opinion that differs, and a check that fails, count against a value."""
    signs = Signs(
        {}, {"vendor_id": "VT000000018"}, {"vendor_id": "VT1"}, ["sum: net_total"], 0.1, 0.2
    )
    found = rows(INVOICE, signs)
    assert found["vendor_id"][2:] == [1.0, -1.0, 1.0, 1.0, 0.1, 0.2]
    assert found["net_total"][5] == -1.0 and found["purchase_order"][2:6] == [0.0, 0.0, 0.0, 0.0]


def test_the_calibration_error_counts_what_was_promised() -> None:
    """Ninety percent sure and nine in ten right is none; all right is a tenth."""
    assert calibration_error([0.9] * 100, [n % 10 > 0 for n in range(100)]) == pytest.approx(
        0, abs=1e-9
    )
    assert calibration_error([0.9] * 100, [True] * 100) == pytest.approx(0.1)
    assert calibration_error([], []) == 0.0


def test_a_text_candidate_shows_its_shape_only() -> None:
    """The name of a claimant is no feature."""
    segment = Segment("Orsa Wexling", 0, 50, 100, 110, 110)
    (bag,) = features([Candidate(TEXT, segment, "Policyholder", "")])
    assert not [one for one in bag if "orsa" in one.lower()]
    assert any("shape=Aa Aa" in one for one in bag)


@pytest.mark.parametrize(
    ("text", "order", "value"),
    [
        ("2025-11-03", "dmy", "2025-11-03"),
        ("03/11/2025", "dmy", "2025-11-03"),
        ("03/11/2025", "mdy", "2025-03-11"),
        ("03.11.2025", "dmy", "2025-11-03"),
        ("3 Nov 2025", "mdy", "2025-11-03"),
        ("03/11/25", "dmy", "2025-11-03"),
        ("03-Nov-25", "dmy", "2025-11-03"),
        ("03/11/025", "dmy", None),
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
        ("31.12.25", None),
        ("12,345,67", None),
        ("1,234,567.00", "1234567.00"),
        ("1.23.456,00", None),
        ("\u0661\u0662.\u0663\u0664", None),
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
    for value in ("XZ10-986335884352505156", "XZ34 1888 3321 8657 7821 49", "pn000000018"):
        assert fields.stored("purchase_order", value, tokens).startswith("tok:")
    for value in ("PO412345", "VT000000018", "2025-11-03", "QM-87972"):
        assert fields.stored("purchase_order", value, tokens) == value
    assert {"claimant_name", "claimant_address", "account_number"} <= fields.SENSITIVE


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
    values = {name: value for name, value in {**BILL, **change}.items() if value is not None}
    found = findings("invoice", values, LINES, FILE, "tok:a")
    assert (found[0] if found else None) == finding


def test_a_date_far_from_the_day_of_receipt_is_found() -> None:
    """Such as the year 25."""
    assert far("invoice", BILL, date(2025, 5, 2)) == []
    for day in ("0025-05-01", "2029-05-01"):
        found = far("invoice", {**BILL, "issue_date": day}, date(2025, 5, 2))
        assert found == ["dates: issue_date is far from the day of receipt"]


def test_an_account_that_is_not_on_file_is_found() -> None:
    """The classical fraud: everything is right but where the money goes."""
    found = findings("invoice", BILL, LINES, FILE, "tok:b")
    assert found == ["sender: another account than on file"]


def test_lines_have_to_add_up() -> None:
    """To the net total of an invoice, to the total of a claim; no lines do not."""
    assert findings("invoice", BILL, LINES[:1], FILE, "tok:a") == ["sum: lines are not net_total"]
    assert findings("claim", LOSS, LINES, FILE, "") == []
    assert findings("claim", LOSS, [], FILE, "") == ["sum: lines are not claimed_total"]


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
    values = {name: value for name, value in {**LOSS, **change}.items() if value is not None}
    assert findings("claim", values, LINES, FILE, "") == [finding]


def test_other_papers_are_not_checked() -> None:
    """They are not read in the first place."""
    assert findings("other", {}, [], FILE, "") == []


@pytest.fixture(scope="module")
def extract() -> data.Extract:
    """The default extract."""
    return data.extract()


def test_the_same_seed_gives_the_same_bytes() -> None:
    """And another seed gives others."""
    one, again, other = data.extract(a_month=30), data.extract(a_month=30), data.extract(1, 30)
    assert [s.content for s in one.submissions] == [s.content for s in again.submissions]
    assert one.gold == again.gold and one.planted.equals(again.planted)
    assert [s.content for s in one.submissions] != [s.content for s in other.submissions]


def test_every_kind_of_defect_is_planted(extract: data.Extract) -> None:
    """In the months of testing and of work too."""
    counts = Counter(extract.planted["kind"])
    assert set(counts) == {*data.DEFECTS, "sideways", "misread"}
    assert min(counts.values()) >= 4
    days = {s.document_id: s.received_on for s in extract.submissions}
    newest = [kind for name, kind in extract.planted.iter_rows() if days[name].month == 12]
    assert set(data.SPOILS) <= set(newest)


def test_numbers_have_right_check_digits_unless_planted(extract: data.Extract) -> None:
    """So that a check digit that fails means something."""
    spoiled = set(extract.planted["document_id"])
    for gold in extract.gold:
        if gold.document_id not in spoiled and gold.values:
            numbers = [gold.values.get(n) for n in ("vendor_id", "claim_number", "policy_number")]
            assert all(luhn(number[2:]) for number in numbers if number)
            assert iban(gold.values["account_number"])


def test_no_account_could_be_anybodys(extract: data.Extract) -> None:
    """The country of all account numbers does not exist."""
    accounts = [g.values["account_number"] for g in extract.gold if g.values]
    assert accounts and all(account.startswith("XZ") for account in accounts)


def test_pages_say_what_the_labels_say(extract: data.Extract) -> None:
    """A number of the label stands on the page, as words; what is torn or a picture does not."""
    planted = dict(extract.planted.iter_rows())
    some = [s for s in extract.submissions if s.received_on.month == 11][:40]
    gold = {g.document_id: g for g in extract.gold}
    with Reader() as reader:
        for one in some:
            kind = planted.get(one.document_id)
            if kind == "torn file":
                with pytest.raises(ReadRefused):
                    reader.read(one.content)
                continue
            pages = reader.read(one.content)
            texts = [word.text for word in pages[0].words]
            if kind == "image only":
                assert not texts and pages[0].pictures == 1
            elif gold[one.document_id].document_class == INVOICE and kind is None:
                assert gold[one.document_id].values["invoice_number"] in texts


def test_the_largest_sender_changes_its_layout_in_the_last_month(extract: data.Extract) -> None:
    """The planted drift: its words are others, and so is where they stand."""
    plain = [s for s in extract.submissions if s.source == "plain" and len(s.content) > 1500]
    last = [s for s in plain if s.received_on.month == 12]
    assert len(last) >= 5
    assert sum(b"Settlement amount" in s.content for s in last) >= len(last) - 3
    assert not any(b"Settlement amount" in s.content for s in plain if s.received_on.month < 12)


def test_one_sender_appears_late(extract: data.Extract) -> None:
    """So that it is known how the extraction does on a stranger."""
    months = [s.received_on.month for s in extract.submissions if s.source == "garage"]
    assert min(months) >= 7 and len(months) >= 6
