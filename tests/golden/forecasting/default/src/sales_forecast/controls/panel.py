"""Many series over the same months, and the cut that hides all that was not known at an origin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def month_number(day: date) -> int:
    """Months since year 0, so that periods can be counted."""
    return day.year * 12 + day.month - 1


def first_day(number: int) -> date:
    """The first day of the month with that number."""
    return date(number // 12, number % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Panel:
    """Series by month: `values` has a row a series and a column a month from `first` on.

    NaN means not known: not yet sold, no longer sold, or missing. `keys` are the groups of each
    series, one a dimension. `ended` is the last month of a series that has ended, or is planned to
    end, as far as that is known. `known_ahead` holds rows by month, with more columns than
    `values`: what is certain in advance, such as working days.
    """

    dimensions: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    first: int
    values: Floats
    ended: tuple[int | None, ...]
    known_ahead: Mapping[str, Floats]

    @property
    def origin(self) -> int:
        """The number of the last month that is known."""
        return self.first + int(self.values.shape[1]) - 1

    def until(self, origin: int) -> Panel:
        """All that was known at the end of a month; the end of a series is unknown until then."""
        if not self.first <= origin <= self.origin:
            raise ValueError(f"month {first_day(origin)} is not in the panel")
        return replace(
            self,
            values=self.values[:, : origin - self.first + 1].copy(),
            ended=tuple(end if end is not None and end <= origin else None for end in self.ended),
        )

    def active(self) -> NDArray[np.bool_]:
        """The series that have begun and are not known to have ended by the origin."""
        begun = np.isfinite(self.values).any(axis=1)
        going = [end is None or end > self.origin for end in self.ended]
        return np.asarray(begun & np.array(going))

    def over(self, horizons: int) -> NDArray[np.bool_]:
        """Which months after the origin come after the planned end of a series, a row a series."""
        after = self.origin + 1 + np.arange(horizons)
        return np.array([after > end if end is not None else after < 0 for end in self.ended])

    def scrambled_after(self, origin: int, seed: int) -> Panel:
        """The same until a month, and nonsense after it: no forecast from there may change."""
        rng = np.random.default_rng(seed)
        values = self.values.copy()
        after = values[:, origin - self.first + 1 :]
        after[:] = rng.uniform(1e5, 1e6, after.shape)
        ended = (end if end is not None and end <= origin else None for end in self.ended)
        return replace(self, values=values, ended=tuple(ended))

    def text(self) -> str:
        """The panel as JSON, so that a forecast can be made again from it; see `parse`."""
        content = {
            "dimensions": self.dimensions,
            "keys": self.keys,
            "first": self.first,
            "values": [
                [v if np.isfinite(v) else None for v in row] for row in self.values.tolist()
            ],
            "ended": self.ended,
            "known_ahead": {name: row.tolist() for name, row in self.known_ahead.items()},
        }
        return json.dumps(content, sort_keys=True) + "\n"


def parse(text: str) -> Panel:
    """The panel that `text` has written."""
    content = json.loads(text)
    values = [[np.nan if v is None else v for v in row] for row in content["values"]]
    return Panel(
        dimensions=tuple(content["dimensions"]),
        keys=tuple(tuple(key) for key in content["keys"]),
        first=content["first"],
        values=np.array(values, dtype=np.float64),
        ended=tuple(content["ended"]),
        known_ahead={name: np.array(row) for name, row in content["known_ahead"].items()},
    )


def build(
    sales: pl.DataFrame,
    series: pl.DataFrame,
    calendar: pl.DataFrame,
    dimensions: Sequence[str],
    value: str,
    ahead: int = 0,
) -> Panel:
    """The panel of a long frame with `period`; months between without a row are NaN.

    `series` has a row a series, with `ended_on`; `calendar` a row a month, also of `ahead` months
    to come. ValueError where a month is there twice, nothing was sold, a series that was sold is
    not in `series`, or the calendar has a gap or ends too early.
    """
    if sales.is_empty():
        raise ValueError("sales.parquet holds no row: there is nothing to forecast from")
    ordered = series.sort(*dimensions)
    keys = [tuple(map(str, row)) for row in ordered.select(*dimensions).iter_rows()]
    months = [month_number(day) for day in sales["period"]]
    first, last = min(months), max(months)
    values = np.full((len(keys), last - first + 1), np.nan)
    place = {key: row for row, key in enumerate(keys)}
    for key, month, amount in zip(
        sales.select(*dimensions).iter_rows(), months, sales[value], strict=True
    ):
        row, column = _place(place, tuple(map(str, key))), month - first
        if np.isfinite(values[row, column]):
            raise ValueError(f"{key} has two values of {first_day(month)}")
        values[row, column] = amount
    return Panel(
        dimensions=tuple(dimensions),
        keys=tuple(keys),
        first=first,
        values=values,
        ended=tuple(month_number(d) if d is not None else None for d in ordered["ended_on"]),
        known_ahead=_ahead(calendar, first, last, ahead),
    )


def _place(place: Mapping[tuple[str, ...], int], key: tuple[str, ...]) -> int:
    if key not in place:
        name = "/".join(key)
        raise ValueError(f"series.parquet has no row of {name}, which sales.parquet has sales of")
    return place[key]


def _ahead(calendar: pl.DataFrame, first: int, last: int, ahead: int) -> dict[str, Floats]:
    known = calendar.sort("period")
    numbers = [month_number(day) for day in known["period"]]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError("calendar.parquet is empty, or the calendar has a gap")
    if numbers[0] > first:
        raise ValueError("calendar.parquet begins after the first sale")
    if numbers[-1] < last + ahead:
        wanted = f"{ahead} months beyond the newest sale, until {first_day(last + ahead):%Y-%m}"
        raise ValueError(
            f"calendar.parquet ends with {first_day(numbers[-1]):%Y-%m}: it needs {wanted}"
        )
    names = [name for name in known.columns if name != "period"]
    return {name: known[name].to_numpy().astype(np.float64)[first - numbers[0] :] for name in names}
