"""Makes synthetic applicants, who stand in for your data until you replace this module.

Nobody in here exists. The generator draws 5,000 applications over 24 months, with relations that
resemble those in consumer lending, so that everything downstream has something real to do:

- age and sex are drawn first; income, employment and credit history depend on them;
- `prudence`, which no column shows, drives utilisation, late payments and default;
- outcomes take six months, so the last six months have none;
- in the last month the economy turns: a drift that monitoring has to notice;
- some rows are spoiled on purpose, each in a named way; `Extract.planted` says which, kept apart
  so that neither the contract nor the model can see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

ORIGIN = "synthetic"  # what cards and reports say of the data: yours will be something else
SEED = 20240101
ROWS = 5000
MONTHS = 24
FIRST_MONTH = date(2024, 1, 1)
OUTCOME_MONTHS = 6
SPOILED_EACH = 5

Columns = dict[str, Any]
Spoil = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Extract:
    """What a source system would deliver, and the truth about the rows planted in it.

    `planted` has the columns `application_id`, `row` and `kind`; no stage but tests reads it.
    """

    applications: pl.DataFrame
    outcomes: pl.DataFrame
    planted: pl.DataFrame


def extract(seed: int = SEED, rows: int = ROWS) -> Extract:
    """Draw the synthetic applications and outcomes; the same seed gives the same rows."""
    rng = np.random.default_rng(seed)
    month = np.sort(rng.integers(0, MONTHS, rows))
    drawn = _applicants(rng, month)
    risk = drawn.pop("risk")
    applications = pl.DataFrame(drawn)
    outcomes = _outcomes(rng, applications, month, risk)
    spoiled, planted = _spoil(rng, applications)
    return Extract(spoiled, outcomes, planted)


def _applicants(rng: np.random.Generator, month: Any) -> Columns:
    """All columns of the applications, and `risk`, the log-odds of default."""
    rows, turned = len(month), month == MONTHS - 1
    female = rng.random(rows) < 0.5
    age = np.clip(rng.normal(42, 13, rows), 18, 85).astype(int)
    prudence = rng.normal(0, 1, rows)
    income = np.exp(
        10.4
        + 0.010 * (np.minimum(age, 55) - 40)
        - 0.04 * female
        - 0.25 * turned
        + rng.normal(0, 0.45, rows)
    ).clip(6000, 900000)
    employment = np.round(np.minimum(rng.exponential(5, rows), age - 16), 1)
    history = ((age - 18) * 12 * rng.beta(3, 2, rows)).astype(int)
    utilisation = _sigmoid(-0.6 - 0.7 * prudence + 0.8 * turned + rng.normal(0, 0.8, rows))
    late = rng.poisson(np.exp(-1.0 - 0.6 * prudence + 0.4 * turned))
    enquiries = rng.poisson(np.exp(0.1 - 0.25 * prudence + 0.5 * turned))
    debt = income * rng.gamma(1.6, 0.22, rows) * np.exp(-0.15 * prudence)
    limit = np.clip(income * np.exp(rng.normal(-1.7, 0.5, rows)), 500, 100000)
    owns = rng.random(rows) < _sigmoid(-1.6 + 0.04 * (age - 30))
    risk = (
        -3.25
        + 2.2 * (utilisation - 0.4)
        + 0.7 * late.clip(0, 5)
        + 0.22 * enquiries
        + 1.1 * (debt / income)
        + 1.2 * (limit / income)
        - 0.5 * np.log(income / 33000)
        - 0.04 * employment.clip(0, 10)
        - 0.2 * owns
        + 0.9 * ((utilisation > 0.7) & (late > 0))
        - 0.4 * prudence
    )
    return {
        "application_id": [f"A{100000 + number}" for number in range(rows)],
        "applied_on": [
            _day(int(m), int(d)) for m, d in zip(month, rng.integers(0, 28, rows), strict=True)
        ],
        "extracted_on": [_day(MONTHS, 0)] * rows,
        "sex": np.where(female, "female", "male"),
        "age": age,
        "income": np.round(income, -1),
        "employment_years": _with_gaps(rng, employment, np.where(turned, 0.20, 0.04)),
        "housing": np.where(owns, "own", np.where(rng.random(rows) < 0.8, "rent", "family")),
        "requested_limit": np.round(limit, -2),
        "existing_debt": np.round(debt, -1),
        "utilisation": np.round(utilisation, 3),
        "late_payments_12m": late,
        "enquiries_6m": enquiries,
        "credit_history_months": history,
        "risk": risk,
    }


def _outcomes(
    rng: np.random.Generator, applications: pl.DataFrame, month: Any, risk: Any
) -> pl.DataFrame:
    """What became of the applications that are at least six months old."""
    defaulted = rng.random(len(risk)) < _sigmoid(risk)
    late = np.where(defaulted, rng.integers(90, 185, len(risk)), rng.integers(0, 60, len(risk)))
    return applications.select(
        "application_id",
        observed_on=pl.col("applied_on").dt.offset_by(f"{OUTCOME_MONTHS}mo"),
        days_late_6m=pl.Series(late, dtype=pl.Int64),
        defaulted=pl.Series(defaulted).cast(pl.Int64),
    ).filter(pl.Series(month < MONTHS - OUTCOME_MONTHS))


def _with(column: str, value: Any) -> Spoil:
    """A way to spoil rows: the column gets the value."""
    return lambda rows: rows.with_columns(pl.lit(value).cast(rows.schema[column]).alias(column))


SPOILS: dict[str, Spoil] = {
    "missing income": _with("income", None),
    "impossible age": _with("age", 7),
    "unknown housing": _with("housing", "castle"),
    "negative debt": _with("existing_debt", -1.0),
    "malformed id": lambda rows: rows.with_columns(pl.col("application_id").str.replace("A", "X-")),
    "limit beyond means": lambda rows: rows.with_columns(requested_limit=pl.col("income") * 9),
    "not a number": _with("utilisation", float("nan")),
}


def _spoil(
    rng: np.random.Generator, applications: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spoil some rows in place, repeat some others at the end, and say which."""
    numbered = applications.with_row_index("row")
    chosen = rng.choice(applications.height, SPOILED_EACH * (len(SPOILS) + 1), replace=False)
    parts = dict(
        zip([*SPOILS, "repeated"], np.split(np.sort(chosen), len(SPOILS) + 1), strict=True)
    )
    repeated = numbered[parts.pop("repeated").tolist()].with_columns(
        row=pl.int_range(applications.height, applications.height + SPOILED_EACH, dtype=pl.UInt32)
    )
    changed = {kind: SPOILS[kind](numbered[rows.tolist()]) for kind, rows in parts.items()}
    bad = pl.concat(changed.values())
    good = numbered.join(bad, on="row", how="anti")
    planted = [
        rows.select("application_id", "row", kind=pl.lit(kind))
        for kind, rows in {**changed, "repeated": repeated}.items()
    ]
    return pl.concat([good, bad, repeated]).sort("row").drop("row"), pl.concat(planted).sort("row")


def _with_gaps(rng: np.random.Generator, values: Any, share: Any) -> pl.Series:
    gone = rng.random(len(values)) < share
    return pl.Series([None if lost else float(v) for v, lost in zip(values, gone, strict=True)])


def _day(month: int, day: int) -> date:
    first = FIRST_MONTH.replace(year=FIRST_MONTH.year + month // 12, month=month % 12 + 1)
    return first + timedelta(days=day)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))
