"""Prediction intervals from past errors: split conformal, by level and horizon.

An interval is the point plus and minus the k-th smallest of n past absolute errors, with
k = ceil((n + 1) * coverage): for exchangeable errors the actual value lies in it at least that
often (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, theorem 2.2). Errors of a time series are
not exchangeable when the world changes: that is why coverage is measured, gated and watched.
Errors are taken in units of the series' own scale, so that large and small series share them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl

from .panel import Floats

# Half the width of an interval in units of scale, by level and then by horizon.
Widths = Mapping[str, Mapping[str, float]]


def half_width(errors: Floats, coverage: float) -> float:
    """The k-th smallest absolute error; infinite where there are too few for that coverage."""
    known = np.sort(np.abs(errors[np.isfinite(errors)]))
    rank = math.ceil((known.size + 1) * coverage - 1e-9)
    return float(known[rank - 1]) if 0 < rank <= known.size else math.inf


def widths(cells: pl.DataFrame, coverage: float, known_at: int) -> dict[str, dict[str, float]]:
    """Half widths from the errors that were known at a month.

    `cells` has level, horizon, period (month number), actual, point and scale. The error of a
    forecast counts only if its period is not after that month, whenever it was made.
    """
    known = cells.filter((pl.col("period") <= known_at) & pl.col("actual").is_not_nan())
    scaled = known.with_columns(error=(pl.col("actual") - pl.col("point")) / pl.col("scale"))
    found: dict[str, dict[str, float]] = {}
    for (level, horizon), part in sorted(
        scaled.partition_by("level", "horizon", as_dict=True).items()
    ):
        width = half_width(part["error"].to_numpy(), coverage)
        found.setdefault(str(level), {})[str(horizon)] = width
    return found


def with_intervals(cells: pl.DataFrame, found: Widths) -> pl.DataFrame:
    """The cells with `low` and `high`; nothing is below 0, nor narrower further ahead.

    Raises KeyError for a level or horizon without errors, and ValueError for an infinite width.
    """
    grown = {level: _growing(by_horizon) for level, by_horizon in found.items()}
    half = [
        grown[level][str(horizon)] * scale
        for level, horizon, scale in cells.select("level", "horizon", "scale").iter_rows()
    ]
    if not all(math.isfinite(value) for value in half):
        raise ValueError("too few past errors for an interval: begin the backtest earlier")
    return cells.with_columns(
        low=(pl.col("point") - pl.Series(half)).clip(lower_bound=0.0),
        high=pl.col("point") + pl.Series(half),
    )


def _growing(by_horizon: Mapping[str, float]) -> dict[str, float]:
    """What is further away is not more certain: widths that chance let shrink are held."""
    widest, found = 0.0, {}
    for horizon in sorted(by_horizon, key=int):
        widest = max(widest, by_horizon[horizon])
        found[horizon] = widest
    return found
