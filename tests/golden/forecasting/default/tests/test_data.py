"""The synthetic data is always the same, and what is planted in it is caught."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from sales_forecast import data
from sales_forecast.controls import contract, validation

CONTRACT = Path(__file__).parent.parent / "contracts" / "sales.odcs.yaml"
TELLS = {
    "negative units": "units: below 0",
    "missing units": "units: missing",
    "unknown region": "region: none of centre, east, north, south, west",
    "not the first of a month": "breaks the rule: a period is the first of a month",
    "booked before it was sold": "breaks the rule: nothing is booked before its month",
    "repeated": "sale_id: repeated",
}


@pytest.fixture(scope="module")
def extract() -> data.Extract:
    """One draw for all tests of this file."""
    return data.extract()


@pytest.fixture(scope="module")
def checked(extract: data.Extract) -> validation.Validated:
    """Its sales, checked against the contract."""
    return validation.validate(extract.sales, contract.load(CONTRACT).tables["sales"])


def test_the_same_seed_gives_the_same_rows(extract: data.Extract) -> None:
    """And another seed others."""
    assert data.extract().sales.equals(extract.sales)
    assert not data.extract(seed=1).sales.equals(extract.sales)


@pytest.mark.parametrize("kind", TELLS)
def test_what_is_planted_is_caught(
    kind: str, extract: data.Extract, checked: validation.Validated
) -> None:
    """Every row of the kind, for the reason that it was planted for."""
    planted = extract.planted.filter(pl.col("kind") == kind)
    ids = planted["sale_id"].to_list()
    caught = checked.quarantined.filter(pl.col("sale_id").is_in(ids))
    assert planted.height == data.SPOILED_EACH
    assert caught.filter(pl.col("reasons").str.contains(TELLS[kind], literal=True)).height == 4


def test_nothing_else_is_caught(extract: data.Extract, checked: validation.Validated) -> None:
    """As many rows in quarantine as were planted, and of a repeated row one is kept."""
    assert checked.quarantined.height == extract.planted.height
    repeated = extract.planted.filter(pl.col("kind") == "repeated")["sale_id"]
    assert checked.clean.filter(pl.col("sale_id").is_in(repeated.to_list())).height == 4


def test_other_tables_keep_the_contract(extract: data.Extract) -> None:
    """Master data and calendar."""
    tables = contract.load(CONTRACT).tables
    for name in ("series", "calendar"):
        assert validation.validate(getattr(extract, name), tables[name]).quarantined.is_empty()


def _of(extract: data.Extract, product: str, region: str) -> pl.DataFrame:
    mine = (pl.col("product") == product) & (pl.col("region") == region)
    return extract.sales.filter(mine).sort("period")


def test_series_begin_end_and_fall_silent(extract: data.Extract) -> None:
    """Two begin late, one ends with a word of the master data, one without."""
    for product, region, month in data.LATE:
        assert _of(extract, product, region)["period"].min() == data._day(month)
    ended = extract.series.filter(pl.col("ended_on").is_not_null())
    assert ended.select("product", "region").rows() == [data.ENDED[:2]]
    assert _of(extract, *data.ENDED[:2])["period"].max() == ended["ended_on"].item()
    assert _of(extract, *data.STALE)["period"].max() == date(2025, 11, 1)


def test_a_level_shifts(extract: data.Extract) -> None:
    """By more than half, between one year and the next but one."""
    yearly = (
        _of(extract, *data.SHIFTED[:2])
        .group_by(pl.col("period").dt.year())
        .agg(pl.col("units").mean())
    )
    units = dict(yearly.rows())
    assert units[2024] / units[2022] > 1.4


def test_demand_breaks_in_the_last_months(extract: data.Extract) -> None:
    """Most of all in one region."""
    autumn = extract.sales.filter(
        pl.col("period").dt.month() >= 10, pl.col("region").is_in(data.REGIONS), pl.col("units") > 0
    )
    by_year = autumn.group_by("region", pl.col("period").dt.year()).agg(pl.col("units").mean())
    units = {(region, year): mean for region, year, mean in by_year.rows()}
    falls = {region: units[region, 2025] / units[region, 2024] for region in data.REGIONS}
    assert min(falls, key=lambda region: falls[region]) == data.BROKEN
    assert falls[data.BROKEN] < 0.75


@pytest.mark.parametrize(
    ("year", "day"), [(2019, (4, 21)), (2024, (3, 31)), (2025, (4, 20)), (2038, (4, 25))]
)
def test_easter_is_when_it_was(year: int, day: tuple[int, int]) -> None:
    """Dates that anybody can look up, the latest one possible among them."""
    assert data.easter(year) == date(year, *day)


def test_the_calendar_knows_months_to_come(extract: data.Extract) -> None:
    """Working days without holidays, and Easter on both sides of a month's end."""
    rows = {row["period"]: row for row in extract.calendar.to_dicts()}
    assert rows[date(2024, 12, 1)]["working_days"] == 20
    assert rows[date(2024, 3, 1)]["easter_days"] == 3
    assert rows[date(2024, 4, 1)]["easter_days"] == 1
    assert max(rows) == date(2026, 12, 1)
