"""Makes synthetic monthly sales, which stand in for your data until you replace this module.

No firm sold any of this. The generator draws seven years of 30 series, six products in five
regions, with what real series bring:

- a trend and a season of each product, working days, an Easter that moves between two months;
- one series whose level shifts, two that begin late, one that ends;
- missing months, repeated rows, and rows that are spoiled in a named way, negative ones among them;
- one series that the source stopped to deliver without a word;
- in the last three months demand breaks, most of all in one region: monitoring has to notice.

`Extract.planted` says which rows were spoiled, kept apart so that neither contract nor model can
see it. `planners` are made-up changes that people make to a forecast: some know, some hope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ORIGIN = "synthetic"  # what cards and reports say of the data: yours will be something else
SEED = 20190101
FIRST_MONTH = date(2019, 1, 1)
MONTHS = 84
AHEAD = 12  # months that the calendar knows beyond the newest sale
BREAK_MONTHS = 3
PRODUCTS = ("boots", "coats", "gloves", "lamps", "stoves", "tents")
REGIONS = ("centre", "east", "north", "south", "west")
BROKEN = "south"
SHIFTED = ("lamps", "east", 50)
LATE = (("stoves", "west", 62), ("tents", "north", 75))
ENDED = ("gloves", "centre", 70)
STALE = ("boots", "west")
SPOILED_EACH = 4
GAPS = 12

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Extract:
    """What a source system would deliver, and the truth about the rows planted in it."""

    sales: pl.DataFrame
    series: pl.DataFrame
    calendar: pl.DataFrame
    planted: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Note:
    """A made-up planner's change: the series, months ahead, the factor on the point, and why."""

    product: str
    region: str
    horizon: int
    factor: float
    kind: str
    reason: str


def extract(seed: int = SEED) -> Extract:
    """Draw the synthetic series; the same seed gives the same rows."""
    rng = np.random.default_rng(seed)
    calendar = _calendar()
    rows = []
    for product in PRODUCTS:
        profile = _profile(rng)
        for region in REGIONS:
            units = _units(rng, product, region, profile, calendar)
            begin, end = _life(product, region)
            rows += [(product, region, month, int(units[month])) for month in range(begin, end + 1)]
    whole = pl.DataFrame(rows, schema=["product", "region", "month", "units"], orient="row")
    sales = _rows(_gappy(rng, whole))
    spoiled, planted = _spoil(rng, sales)
    return Extract(spoiled, _series(), calendar, planted)


def planners() -> tuple[Note, ...]:
    """What people of a made-up planning desk change in the forecast before the break."""
    warned = "two large customers in the south announced that they buy elsewhere"
    hoped = "we expect the campaign of this autumn to lift sales"
    return (
        *(Note(p, BROKEN, h, 0.72, "market", warned) for p in PRODUCTS for h in (1, 2, 3)),
        *(Note(p, "north", h, 1.15, "promotion", hoped) for p in PRODUCTS for h in (1, 2)),
        *(Note("lamps", "centre", h, 0.92, "supply", "a supplier is short") for h in (2, 3)),
    )


def _profile(rng: np.random.Generator) -> tuple[Floats, float, float, float]:
    """What a product is like everywhere: season, yearly growth, level, effect of Easter."""
    turn, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.38)
    angle = 2 * np.pi * np.arange(12) / 12
    season = 1 + size * np.cos(angle - turn) + 0.35 * size * np.cos(2 * angle - rng.uniform(0, 6))
    return season, rng.uniform(-0.02, 0.09), rng.uniform(400, 2600), rng.uniform(0.0, 0.14)


def _units(
    rng: np.random.Generator,
    product: str,
    region: str,
    profile: tuple[Floats, float, float, float],
    calendar: pl.DataFrame,
) -> Floats:
    season, growth, level, easter = profile
    months = np.arange(MONTHS)
    days, feast = (
        calendar[name].to_numpy().astype(np.float64)[:MONTHS]
        for name in ("working_days", "easter_days")
    )
    own = growth + rng.normal(0, 0.03)
    walk = np.cumsum(rng.normal(0, 0.012, MONTHS))
    units = (
        level
        * rng.uniform(0.4, 1.6)
        * season[months % 12]
        * np.exp(own * months / 12 + walk)
        * (days / 21) ** 0.8
        * (1 + easter * feast / 4)
        * np.exp(rng.normal(0, 0.045, MONTHS))
    )
    if (product, region) == SHIFTED[:2]:
        units[SHIFTED[2] :] *= 1.6
    broken = months >= MONTHS - BREAK_MONTHS
    return np.round(units * np.where(broken, 0.62 if region == BROKEN else 0.95, 1.0))


def _life(product: str, region: str) -> tuple[int, int]:
    """The first and the last month in which a series is delivered."""
    begin = next((month for p, r, month in LATE if (p, r) == (product, region)), 0)
    if (product, region) == ENDED[:2]:
        return begin, ENDED[2]
    return begin, MONTHS - 1 - (1 if (product, region) == STALE else 0)


def _series() -> pl.DataFrame:
    """The master data: an end is known from the month after it."""
    rows = [
        (p, r, _day(ENDED[2]) if (p, r) == ENDED[:2] else None) for p in PRODUCTS for r in REGIONS
    ]
    schema = {"product": pl.String, "region": pl.String, "ended_on": pl.Date}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.select(
        pl.concat_str("product", "region", separator="/").alias("series_id"), pl.all()
    )


def _gappy(rng: np.random.Generator, whole: pl.DataFrame) -> pl.DataFrame:
    """Without some months that the source lost, none of them in a young series or at its end."""
    young = pl.lit(False)
    for product, region, _ in LATE:
        young = young | ((pl.col("product") == product) & (pl.col("region") == region))
    old = whole.with_row_index("at").filter(~young & (pl.col("month") < MONTHS - 6))
    lost = rng.choice(old["at"].to_numpy(), GAPS, replace=False)
    return whole.with_row_index("at").filter(~pl.col("at").is_in(lost.tolist())).drop("at")


def _rows(whole: pl.DataFrame) -> pl.DataFrame:
    """The rows as a source delivers them, booked a few days into the next month."""
    return whole.select(
        sale_id=pl.concat_str(
            "product",
            "region",
            pl.col("month").map_elements(lambda m: f"{_day(m):%Y-%m}", pl.String),
            separator="/",
        ),
        product="product",
        region="region",
        period=pl.col("month").map_elements(_day, pl.Date),
        units=pl.col("units").cast(pl.Float64),
        booked_on=pl.col("month").map_elements(lambda m: _day(m + 1) + timedelta(days=4), pl.Date),
        extracted_on=pl.lit(_day(MONTHS) + timedelta(days=9)),
    )


def _with(column: str, value: object) -> Spoil:
    """A way to spoil rows: the column gets the value."""
    return lambda rows: rows.with_columns(pl.lit(value).cast(rows.schema[column]).alias(column))


SPOILS: dict[str, Spoil] = {
    "negative units": lambda rows: rows.with_columns(units=-pl.col("units")),
    "missing units": _with("units", None),
    "unknown region": _with("region", "moon"),
    "not the first of a month": lambda rows: rows.with_columns(
        period=pl.col("period").dt.offset_by("14d")
    ),
    "booked before it was sold": lambda rows: rows.with_columns(
        booked_on=pl.col("period").dt.offset_by("-1mo")
    ),
}


def _spoil(rng: np.random.Generator, sales: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spoil some rows in place, repeat some others at the end, and say which."""
    numbered = sales.with_row_index("row")
    old = numbered.filter(pl.col("period") < _day(MONTHS - 12))["row"].to_numpy()
    chosen = rng.choice(old, SPOILED_EACH * (len(SPOILS) + 1), replace=False)
    parts = dict(
        zip([*SPOILS, "repeated"], np.split(np.sort(chosen), len(SPOILS) + 1), strict=True)
    )
    repeated = numbered[parts.pop("repeated").tolist()].with_columns(
        row=pl.int_range(sales.height, sales.height + SPOILED_EACH, dtype=pl.UInt32)
    )
    changed = {kind: SPOILS[kind](numbered[rows.tolist()]) for kind, rows in parts.items()}
    bad = pl.concat(changed.values())
    good = numbered.join(bad, on="row", how="anti")
    planted = [
        rows.select("sale_id", "row", kind=pl.lit(kind))
        for kind, rows in {**changed, "repeated": repeated}.items()
    ]
    return pl.concat([good, bad, repeated]).sort("row").drop("row"), pl.concat(planted).sort("row")


def _calendar() -> pl.DataFrame:
    """Working days and days of Easter of each month, known in advance."""
    months = [_day(month) for month in range(MONTHS + AHEAD)]
    return pl.DataFrame(
        {
            "period": months,
            "working_days": [sum(_works(day) for day in _days(first)) for first in months],
            "easter_days": [sum(_feasts(day) for day in _days(first)) for first in months],
        }
    )


def _days(first: date) -> list[date]:
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return [first + timedelta(days=n) for n in range((following - first).days)]


def _works(day: date) -> bool:
    fixed = (day.month, day.day) in {(1, 1), (5, 1), (12, 25), (12, 26)}
    moving = (day - easter(day.year)).days in (-2, 1)
    return day.weekday() < 5 and not fixed and not moving


def _feasts(day: date) -> bool:
    """From Good Friday to Easter Monday."""
    return -2 <= (day - easter(day.year)).days <= 1


def easter(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian rule (Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _day(month: int) -> date:
    return FIRST_MONTH.replace(year=FIRST_MONTH.year + month // 12, month=month % 12 + 1)
