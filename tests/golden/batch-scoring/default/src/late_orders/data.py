"""Makes orders up: replace `history` and `night` by functions that read your sources.

An order is to be delivered within some days; the model says how likely it comes late. The
generator plants what nights bring: rows that break the contract, orders that were sent before,
some that come a day or two late and some that come far too late, and a last night in which the
world has changed. It describes nobody and no firm.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

ORIGIN = "synthetic"
SEED, HISTORY, NIGHTLY, NIGHTS = 3, 6000, 260, 6
FIRST = date(2025, 8, 1)
HISTORY_DAYS = 92
FIRST_NIGHT = FIRST + timedelta(days=HISTORY_DAYS)
CARRIERS = ("north", "rail", "road")
SPOILED_EACH, RESENT, LATE, TOO_LATE = 2, 12, 9, 4

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def history(seed: int = SEED) -> pl.DataFrame:
    """Orders of three months with what became of them (`late`), always the same for one seed."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, HISTORY_DAYS, HISTORY))
    orders, risk = _orders(rng, 100000, [FIRST + timedelta(days=int(day)) for day in days])
    return orders.with_columns(late=pl.Series(rng.random(HISTORY) < _sigmoid(risk)).cast(pl.Int64))


def days() -> list[date]:
    """The nights that the generator knows."""
    return [FIRST_NIGHT + timedelta(days=number) for number in range(NIGHTS)]


def night(day: date, seed: int = SEED) -> pl.DataFrame:
    """What the source sends in one night: new orders, and what is planted among them."""
    number = (day - FIRST_NIGHT).days
    rng = np.random.default_rng([seed, number])
    turned = number == NIGHTS - 1
    fresh, _ = _orders(rng, 200000 + number * 1000, [day] * NIGHTLY, turned=turned)
    moved = {place: 1 + place % 2 for place in range(LATE)}
    moved |= {LATE + place: 9 for place in range(TOO_LATE)}
    dated = [day - timedelta(days=moved.get(place, 0)) for place in range(NIGHTLY)]
    fresh = fresh.with_columns(ordered_on=pl.Series(dated))
    sent = [_spoiled(rng, fresh)]
    if number:
        sent.append(_clean(day - timedelta(days=1), seed).tail(RESENT))
    return pl.concat(sent)


def _clean(day: date, seed: int) -> pl.DataFrame:
    number = (day - FIRST_NIGHT).days
    rng = np.random.default_rng([seed, number])
    return _orders(rng, 200000 + number * 1000, [day] * NIGHTLY)[0]


def _orders(
    rng: np.random.Generator, first: int, dates: list[date], turned: bool = False
) -> tuple[pl.DataFrame, Any]:
    """Orders, and how likely each comes late on a scale of log-odds."""
    rows = len(dates)
    distance = np.round(rng.gamma(2.0, 110 + 60 * turned, rows), 1)
    items = 1 + rng.poisson(2.2 + 1.5 * turned, rows)
    carrier = rng.choice(CARRIERS, rows, p=[0.2, 0.3, 0.5])
    promised = rng.integers(1, 8, rows)
    weight = np.round(items * rng.gamma(2.0, 1.4, rows), 2)
    risk = (
        -1.6
        + distance / 260
        + 0.12 * items
        - 0.42 * (promised - 3)
        + 0.5 * (carrier == "rail")
        + 0.02 * weight
    )
    frame = pl.DataFrame(
        {
            "order_id": [f"O{first + number}" for number in range(rows)],
            "ordered_on": dates,
            "carrier": carrier,
            "distance_km": distance,
            "items": items,
            "promised_days": promised,
            "weight_kg": weight,
        }
    )
    return frame, risk


def _with(column: str, value: Any) -> Spoil:
    """A way to spoil rows: the column gets the value."""
    return lambda rows: rows.with_columns(pl.lit(value).cast(rows.schema[column]).alias(column))


SPOILS: dict[str, Spoil] = {
    "missing distance": _with("distance_km", None),
    "negative weight": _with("weight_kg", -1.0),
    "unknown carrier": _with("carrier", "dragon"),
    "no items": _with("items", 0),
}


def _spoiled(rng: np.random.Generator, fresh: pl.DataFrame) -> pl.DataFrame:
    """Spoil some of the rows that are neither late nor sent again."""
    numbered = fresh.with_row_index("row")
    free = np.arange(LATE + TOO_LATE, fresh.height - RESENT)
    chosen = rng.choice(free, SPOILED_EACH * len(SPOILS), replace=False)
    parts = np.split(np.sort(chosen), len(SPOILS))
    bad = [
        spoil(numbered[rows.tolist()]) for spoil, rows in zip(SPOILS.values(), parts, strict=True)
    ]
    good = numbered.join(pl.concat(bad), on="row", how="anti")
    return pl.concat([good, *bad]).sort("row").drop("row")


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))
