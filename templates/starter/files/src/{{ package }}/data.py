"""Makes records up: replace `extract` by a function that reads your source.

A record is a case that came in: on a day, through a channel, about an amount, and how long it took.
The generator plants what real sources bring: bad rows of several kinds, and a month that is not
like the ones before it. It describes nothing real.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

ORIGIN = "synthetic"
SEED, ROWS, MONTHS = 7, 2400, 12
FIRST_MONTH = date(2025, 1, 1)
SPOILED_EACH = 4
CHANNELS = ("branch", "phone", "web")

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Extract:
    """What the source delivered; `planted` says which rows are bad, and how (for tests only)."""

    records: pl.DataFrame
    planted: pl.DataFrame


def extract(seed: int = SEED, rows: int = ROWS) -> Extract:
    """Records of twelve months, always the same for one seed; the last month is another world."""
    rng = np.random.default_rng(seed)
    month = np.sort(rng.integers(0, MONTHS, rows))
    turned = month == MONTHS - 1
    amount = np.exp(rng.normal(6 + 0.6 * turned, 0.8, rows))
    channel = np.where(
        turned & (rng.random(rows) < 0.6), "phone", rng.choice(CHANNELS, rows, p=[0.2, 0.2, 0.6])
    )
    minutes = rng.gamma(2.0, 6 + 4 * turned, rows)
    records = pl.DataFrame(
        {
            "record_id": [f"R{100000 + number}" for number in range(rows)],
            "received_on": [
                _day(int(m), int(d)) for m, d in zip(month, rng.integers(0, 28, rows), strict=True)
            ],
            "extracted_on": [_day(MONTHS, 0)] * rows,
            "channel": channel,
            "amount": np.round(amount, 2),
            "minutes": np.round(minutes, 1),
        }
    )
    return Extract(*_spoil(rng, records))


def _with(column: str, value: Any) -> Spoil:
    """A way to spoil rows: the column gets the value."""
    return lambda rows: rows.with_columns(pl.lit(value).cast(rows.schema[column]).alias(column))


SPOILS: dict[str, Spoil] = {
    "missing amount": _with("amount", None),
    "negative amount": _with("amount", -5.0),
    "unknown channel": _with("channel", "pigeon"),
    "malformed id": lambda rows: rows.with_columns(pl.col("record_id").str.replace("R", "X-")),
    "from tomorrow": lambda rows: rows.with_columns(
        received_on=pl.col("extracted_on").dt.offset_by("1d")
    ),
}


def _spoil(rng: np.random.Generator, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spoil some rows in place, repeat some others at the end, and say which."""
    numbered = records.with_row_index("row")
    kinds = [*SPOILS, "repeated"]
    chosen = rng.choice(records.height, SPOILED_EACH * len(kinds), replace=False)
    parts = dict(zip(kinds, np.split(np.sort(chosen), len(kinds)), strict=True))
    end = pl.int_range(records.height, records.height + SPOILED_EACH, dtype=pl.UInt32)
    repeated = numbered[parts.pop("repeated").tolist()].with_columns(row=end)
    changed = {kind: SPOILS[kind](numbered[rows.tolist()]) for kind, rows in parts.items()}
    bad = pl.concat(changed.values())
    good = numbered.join(bad, on="row", how="anti")
    planted = [
        rows.select("record_id", "row", kind=pl.lit(kind))
        for kind, rows in {**changed, "repeated": repeated}.items()
    ]
    return pl.concat([good, bad, repeated]).sort("row").drop("row"), pl.concat(planted).sort("row")


def _day(month: int, day: int) -> date:
    first = FIRST_MONTH.replace(year=FIRST_MONTH.year + month // 12, month=month % 12 + 1)
    return first + timedelta(days=day)
