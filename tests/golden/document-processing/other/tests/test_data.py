"""The synthetic documents are always the same, are real PDF files, and hold what is planted."""

from __future__ import annotations

from collections import Counter

import pytest

from paper_desk import data
from paper_desk.controls.documents.reader import Reader, ReadRefused
from paper_desk.fields import INVOICE, iban, luhn


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
