"""The synthetic data is always the same, and what is planted in it is caught."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sme_loans import data
from sme_loans.controls import contract, validation

CONTRACT = Path(__file__).parent.parent / "contracts" / "applications.odcs.yaml"
TELLS = {
    "missing income": "income: missing",
    "impossible age": "age: below 18",
    "unknown housing": "housing: none of family, own, rent",
    "negative debt": "existing_debt: below 0",
    "malformed id": "application_id: not like ^A[0-9]{6}$",
    "limit beyond means": "breaks the rule: requested limit is within five annual incomes",
    "not a number": "utilisation: not a number",
    "repeated": "application_id: repeated",
}


@pytest.fixture(scope="module")
def extract() -> data.Extract:
    """The default extract."""
    return data.extract()


@pytest.fixture(scope="module")
def checked(extract: data.Extract) -> validation.Validated:
    """The default extract after its check against the contract."""
    return validation.validate(extract.applications, contract.load(CONTRACT).tables["applications"])


def test_the_same_seed_gives_the_same_rows(extract: data.Extract) -> None:
    """And another seed gives others."""
    again, other = data.extract(), data.extract(seed=1)
    assert again.applications.equals(extract.applications)
    assert again.outcomes.equals(extract.outcomes)
    assert not other.applications.equals(extract.applications)


@pytest.mark.parametrize("kind", sorted(TELLS))
def test_planted_bad_rows_are_caught(
    extract: data.Extract, checked: validation.Validated, kind: str
) -> None:
    """All rows of each kind are in quarantine, for the reason for which they are bad."""
    planted = extract.planted.filter(pl.col("kind") == kind)
    assert planted.height == data.SPOILED_EACH
    caught = checked.quarantined.join(planted, on="application_id", how="semi")
    assert caught.height == data.SPOILED_EACH
    assert all(TELLS[kind] in reasons for reasons in caught["reasons"])


def test_no_good_row_is_lost(extract: data.Extract, checked: validation.Validated) -> None:
    """Quarantine holds what was planted, and nothing else."""
    assert checked.quarantined.height == extract.planted.height
    assert checked.clean.height == data.ROWS - 7 * data.SPOILED_EACH


def test_outcomes_come_six_months_late(extract: data.Extract) -> None:
    """The newest applications have no outcome yet."""
    last = extract.applications.join(extract.outcomes, on="application_id")["applied_on"].dt
    assert last.strftime("%Y-%m").max() == "2025-06"
    assert extract.applications["applied_on"].dt.strftime("%Y-%m").max() == "2025-12"


def test_the_last_month_is_another_world(extract: data.Extract) -> None:
    """The planted drift: credit lines are drawn further, incomes are lower."""
    month = pl.col("applied_on").dt.strftime("%Y-%m")
    means = (
        extract.applications.with_columns(pl.col("utilisation").fill_nan(None))
        .group_by(month.alias("month") == "2025-12")
        .agg(pl.col("utilisation", "income").mean())
        .sort("month")
    )
    assert means["utilisation"].diff()[1] > 0.1
    assert means["income"].diff()[1] < -3000


def test_an_application_from_the_future_is_caught(extract: data.Extract) -> None:
    """Else one row dated 2099 would be the newest month."""
    first = pl.int_range(pl.len()) == 0
    dated = pl.when(first).then(pl.date(2099, 1, 1)).otherwise("applied_on")
    rows = extract.applications.head(10).with_columns(applied_on=dated)
    found = validation.validate(rows, contract.load(CONTRACT).tables["applications"])
    assert "nobody applied after the day of the extract" in found.quarantined["reasons"][0]
    assert found.clean.filter(pl.col("applied_on").dt.year() == 2099).is_empty()
