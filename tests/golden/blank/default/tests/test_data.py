"""The synthetic data is always the same, and what is planted in it is caught."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from case_records import data
from case_records.controls import contract, validation

CONTRACT = Path(__file__).parent.parent / "contracts" / "records.odcs.yaml"
TELLS = {
    "missing amount": "amount: missing",
    "negative amount": "amount: below 0",
    "unknown channel": "channel: none of branch, phone, web",
    "malformed id": "record_id: not like ^R[0-9]{6}$",
    "from tomorrow": "breaks the rule: nothing was received after the day of the extract",
    "repeated": "record_id: repeated",
}


@pytest.fixture(scope="module")
def extract() -> data.Extract:
    """The default extract."""
    return data.extract()


@pytest.fixture(scope="module")
def checked(extract: data.Extract) -> validation.Validated:
    """The default extract after its check against the contract."""
    return validation.validate(extract.records, contract.load(CONTRACT).tables["records"])


def test_the_same_seed_gives_the_same_rows(extract: data.Extract) -> None:
    """And another seed gives others."""
    assert data.extract().records.equals(extract.records)
    assert not data.extract(seed=1).records.equals(extract.records)


@pytest.mark.parametrize("kind", sorted(TELLS))
def test_planted_bad_rows_are_caught(
    extract: data.Extract, checked: validation.Validated, kind: str
) -> None:
    """All rows of each kind are in quarantine, for the reason for which they are bad."""
    rows = extract.planted.filter(pl.col("kind") == kind)["row"].to_list()
    bad = extract.records[rows]
    reasons = bad.join(checked.quarantined, on=bad.columns, how="left", nulls_equal=True)["reasons"]
    assert len(rows) == data.SPOILED_EACH
    assert all(TELLS[kind] in reason for reason in reasons.to_list())


def test_nothing_else_is_in_quarantine(
    extract: data.Extract, checked: validation.Validated
) -> None:
    """Good rows pass."""
    assert checked.quarantined.height == extract.planted.height
    assert checked.clean.height == extract.records.height - extract.planted.height
