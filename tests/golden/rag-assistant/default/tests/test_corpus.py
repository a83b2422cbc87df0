"""The corpus: what was planted is caught, and only what is in force is indexed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from policy_assistant import corpus
from policy_assistant.controls import contract, contradictions, validation

ROOT = Path(__file__).resolve().parent.parent
BAD = {  # key, and what its reason has to say
    "OFF-03.v1": "owner: missing",
    "OFF-04.v1": "access: none of",
    "OFF-05.v1": "breaks the rule: a policy is reviewed after it came into force",
    "INC-02.v2": "key: repeated",
    "OFF-06.v1": "text: missing",
    "facilities-7.v1": "key: not like",
}


@pytest.fixture(scope="module")
def documents() -> pl.DataFrame:
    """The corpus as it is delivered."""
    return corpus.extract(ROOT / "corpus")


@pytest.fixture(scope="module")
def checked(documents: pl.DataFrame) -> validation.Validated:
    """The corpus after the check against its contract."""
    table = contract.load(ROOT / "contracts" / "corpus.odcs.yaml").tables["documents"]
    return validation.validate(documents, table)


@pytest.fixture(scope="module")
def live(checked: validation.Validated) -> pl.DataFrame:
    """What is in force on the day of the extract."""
    dated = corpus.status(checked.clean, corpus.EXTRACTED_ON)
    return dated.filter(pl.col("status") == corpus.IN_FORCE).drop("status")


def test_there_is_enough_to_ask_about(live: pl.DataFrame) -> None:
    """Documents of every class, each with an owner."""
    assert live.height >= 30
    classes = {"public", "internal", "people", "finance", "security", "board"}
    assert set(live["access"]) == classes
    assert live["owner"].null_count() == 0


@pytest.mark.parametrize("key", BAD)
def test_planted_bad_documents_are_in_quarantine(checked: validation.Validated, key: str) -> None:
    """Each for the reason for which it is bad."""
    (reasons,) = checked.quarantined.filter(pl.col("key") == key)["reasons"]
    assert BAD[key] in reasons


def test_no_good_document_is_lost(documents: pl.DataFrame, checked: validation.Validated) -> None:
    """Of a key that is there twice, the first stays; nothing else is in quarantine."""
    assert sorted(checked.quarantined["key"]) == sorted(BAD)
    assert checked.clean.height == documents.height - len(BAD)
    (title,) = checked.clean.filter(pl.col("key") == "INC-02.v2")["title"]
    assert title == "Business continuity"


def test_only_the_version_in_force_is_taken(checked: validation.Validated) -> None:
    """Neither the one that was replaced nor the one that is to come; and time moves on."""
    leave = checked.clean.filter(pl.col("document_id") == "LEA-01")

    def on(day: date) -> dict[str, str]:
        found = corpus.status(leave, day)
        return dict(found.select("key", "status").iter_rows())

    in_force, replaced, to_come = corpus.IN_FORCE, corpus.REPLACED, corpus.TO_COME
    assert on(date(2026, 3, 22)) == {
        "LEA-01.v1": replaced,
        "LEA-01.v2": in_force,
        "LEA-01.v3": to_come,
    }
    assert on(date(2026, 7, 1))["LEA-01.v3"] == in_force
    assert on(date(2024, 1, 1))["LEA-01.v1"] == in_force


def test_a_policy_can_replace_one_of_another_number(checked: validation.Validated) -> None:
    """Two numbers become one: the one named under `supersedes` goes."""
    two = checked.clean.filter(pl.col("key").is_in(["SEC-03.v1", "OFF-02.v1"]))
    merged = two.with_columns(
        supersedes=pl.when(pl.col("key") == "OFF-02.v1").then(pl.lit("SEC-03.v1"))
    )
    found = corpus.status(merged, corpus.EXTRACTED_ON)
    assert dict(found.select("key", "status").iter_rows()) == {
        "SEC-03.v1": corpus.REPLACED,
        "OFF-02.v1": corpus.IN_FORCE,
    }


def test_passages_are_sections_that_can_be_found_again(live: pl.DataFrame) -> None:
    """Each with an id of its own that names document, version and heading."""
    found = corpus.passages(live)
    assert len({passage.id for passage in found}) == len(found)
    (meals,) = [passage for passage in found if passage.id == "EXP-01.v3/meals"]
    assert meals.text.startswith("The daily meal allowance on business trips is 45 EUR")
    assert (meals.access, meals.owner, meals.effective_on) == (
        "internal",
        "finance-policy",
        "2026-01-01",
    )
    assert corpus.loaded(corpus.dumped(found)) == found


def test_an_order_to_the_machine_is_withheld_and_nothing_else(live: pl.DataFrame) -> None:
    """The rest of the guide in which it stands is indexed."""
    kept, withheld = corpus.screened(corpus.passages(live))
    assert [item.passage for item in withheld] == ["PRO-04.v1/notes"]
    assert "it takes earlier instructions back" in withheld[0].reasons
    assert "PRO-04.v1/payment-term" in {passage.id for passage in kept}


def test_the_handbook_that_did_not_follow_is_found(live: pl.DataFrame) -> None:
    """The one contradiction that was planted, and no other."""
    known = [
        statement
        for passage in corpus.passages(live)
        for statement in contradictions.statements(passage.document_id, passage.id, passage.text)
    ]
    pairs = [(pair.first.passage, pair.second.passage) for pair in contradictions.find(known)]
    assert pairs == [("EXP-01.v3/meals", "EXP-03.v1/allowances")]


def test_a_file_may_hold_one_document_or_many(tmp_path: Path) -> None:
    """And a front matter that is none gives a row without values, for the contract to refuse."""
    head = "---\nid: AAA-01\nversion: 1\ntitle: One\n---\n## A\nText.\n"
    (tmp_path / "one.md").write_text(head)
    (tmp_path / "two.md").write_text(head.replace("01", "02") + head.replace("01", "03"))
    (tmp_path / "bad.md").write_text("---\nid: [\n---\n## A\nText.\n")
    found = corpus.extract(tmp_path)
    assert found["document_id"].to_list() == [None, "AAA-01", "AAA-02", "AAA-03"]
    assert found["source"].to_list() == ["bad.md", "one.md", "two.md", "two.md"]
    assert found["effective_on"].null_count() == 4
