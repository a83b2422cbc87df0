"""What a person may change, and what is written of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from paper_desk import data
from paper_desk.controls.audit import Privacy
from paper_desk.controls.documents.reader import Reader
from paper_desk.controls.documents.tokens import Tokens
from paper_desk.controls.paths import Paths
from paper_desk.intake import Understanding, processor
from paper_desk.review import CorrectionRefused, corrected, review_item

PRIVACY = Privacy(b"k" * 32)


@pytest.fixture(scope="module")
def known(built: Paths) -> Iterator[Understanding]:
    """What serves after a run."""
    with Reader() as reader:
        yield processor(built, reader, PRIVACY).understanding


@pytest.fixture(scope="module")
def claim() -> Mapping[str, str]:
    """A claim without defects, in clear."""
    extract = data.extract(a_month=30)
    spoiled = set(extract.planted["document_id"])
    return next(
        gold.values
        for gold in extract.gold
        if gold.document_class == "claim" and gold.document_id not in spoiled
    )


def test_a_confirmation_changes_nothing(known: Understanding, claim: Mapping[str, str]) -> None:
    """The values stay, and nothing is written but that."""
    found = corrected(known, "claim", claim, {}, None)
    assert (found.values, found.changes, found.document_class) == (claim, (), "claim")


def test_a_correction_is_written_as_tokens_where_it_names_somebody(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """In clear in memory, never in what is stored."""
    corrections = {"claimant_name": "Calla  Hartlo", "claimed_total": "1,000.50"}
    found = corrected(known, "claim", claim, corrections, None)
    assert found.values["claimant_name"] == "Calla Hartlo"
    tokens = Tokens(PRIVACY)
    assert list(found.changes) == [
        {
            "field": "claimant_name",
            "from": tokens.token("claimant_name", claim["claimant_name"]),
            "to": tokens.token("claimant_name", "Calla Hartlo"),
        },
        {"field": "claimed_total", "from": claim["claimed_total"], "to": "1000.50"},
    ]


@pytest.mark.parametrize(
    ("corrections", "told", "message"),
    [
        ({"colour": "red"}, None, "1 fields are none of the class claim"),
        ({"claimed_total": "much"}, None, "claimed_total: no value of the kind amount"),
        ({"loss_date": "03/11"}, None, "loss_date: no value of the kind date"),
        ({"claimant_name": None}, None, "missing: claimant_name"),
        ({}, "letter", "give a document_class, one of invoice, claim"),
        ({}, "invoice", "missing: invoice_number"),
    ],
)
def test_what_cannot_be_is_refused(
    known: Understanding,
    claim: Mapping[str, str],
    corrections: dict[str, str | None],
    told: str | None,
    message: str,
) -> None:
    """With a message that holds none of the values."""
    with pytest.raises(CorrectionRefused, match=message) as refused:
        corrected(known, "claim", claim, corrections, told)
    assert not [value for value in claim.values() if value in str(refused.value)]


def test_what_a_person_lets_stand_is_written_too(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """A check digit that fails on the page may be so: who releases it, says so."""
    wrong = claim["policy_number"][:-1] + str((int(claim["policy_number"][-1]) + 1) % 10)
    found = corrected(known, "claim", claim, {"policy_number": wrong}, None)
    assert found.changes[-1] == {"finding": "check digit: policy_number", "stands": True}


def test_a_document_that_was_not_read_can_be_typed_in(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """The class is told, and every field; all of it counts as changed."""
    found = corrected(known, "unread", {}, dict(claim), "claim")
    assert found.values == claim
    assert len(found.changes) == len(claim) + 1
    assert found.changes[-1] == {"field": "document_class", "from": "unread", "to": "claim"}


@pytest.mark.parametrize(
    ("reasons", "reviewers"),
    [(["low confidence"], 1), (["sender: another account than on file"], 2)],
)
def test_two_people_decide_where_money_could_go_to_a_stranger(
    reasons: list[str], reviewers: int
) -> None:
    """One is enough for the rest; claims come before invoices."""
    event = {"decision_id": "a", "reasons": reasons, "document_class": "claim", "fields": []}
    item = review_item("person:1", event)
    assert (item.reviewers, item.priority) == (reviewers, 1)
    assert review_item("D1", {**event, "document_class": "invoice"}).priority == 0
