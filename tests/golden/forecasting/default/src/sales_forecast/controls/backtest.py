"""Rolling-origin backtest: at each origin a forecast is made from what was known then, no more.

The forecaster gets a panel that ends at the origin. `leaks` proves that this is all it uses: with
nonsense in the place of everything after the origin it has to say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import polars as pl

from .conformal import widths, with_intervals
from .hierarchy import nodes, sums
from .panel import Floats, Panel

# From a panel that ends at the origin: a row a series and a column a horizon; a row of NaN for a
# series that is not forecast.
Forecaster = Callable[[Panel], Floats]
# What makes a forecaster; it gets the panel that the source delivered, and should not look at it.
Make = Callable[[Panel], Forecaster]
# From a cut panel: the typical error of a naive forecast of each node, in units of the series.
Scale = Callable[[Panel], Floats]
SEED = 99


def run(
    panel: Panel, origins: Iterable[int], make: Make, naive: Forecaster, scale: Scale
) -> pl.DataFrame:
    """A row a node, origin and horizon: actual, point, the naive point, scale.

    Nodes are sums of the series that are forecast; the actual of a sum is NaN where one of its
    parts is missing. What is still to come has no row.
    """
    forecaster = make(panel)
    return pl.concat([_at(panel, origin, forecaster, naive, scale) for origin in origins])


def _at(
    panel: Panel, origin: int, forecaster: Forecaster, naive: Forecaster, scale: Scale
) -> pl.DataFrame:
    cut = panel.until(origin)
    points = forecaster(cut)
    plain = np.where(np.isfinite(points), naive(cut), np.nan)
    actual = _actual(panel, origin, points)
    whole = cells(cut, {"point": points, "naive": plain, "actual": actual}, scale(cut))
    return whole.filter(pl.col("period") <= panel.origin)


def cells(cut: Panel, by_series: dict[str, Floats], scale: Floats) -> pl.DataFrame:
    """Figures of the series as cells of all nodes, summed upwards; `point` has to be one of them.

    Each cell has origin, node, level, the group of a series in each dimension, horizon and period
    (month numbers), and the scale of its node. Nodes without a forecast are left out.
    """
    found, horizons = nodes(cut), by_series["point"].shape[1]
    counted = np.asarray(np.isfinite(by_series["point"]).all(axis=1), dtype=np.bool_)
    kept = [node for node in found if counted[list(node.members)].any()]
    rows = [row for row, node in enumerate(found) if node in kept]
    frame = pl.DataFrame(
        {
            "origin": cut.origin,
            "node": [node.name for node in kept for _ in range(horizons)],
            "level": [node.level for node in kept for _ in range(horizons)],
            "horizon": list(range(1, horizons + 1)) * len(kept),
            "scale": np.repeat(scale[rows], horizons),
            **{name: sums(found, of, counted)[rows].ravel() for name, of in by_series.items()},
        }
    )
    groups = (
        pl.when(pl.col("level") == "series")
        .then(pl.col("node").str.extract(rf"(?:^|\|){dimension}=([^|]*)"))
        .alias(dimension)
        for dimension in cut.dimensions
    )
    return frame.with_columns(*groups, period=pl.col("origin") + pl.col("horizon"))


def _actual(panel: Panel, origin: int, points: Floats) -> Floats:
    """What came true of each series: NaN where it is missing or to come, 0 after its end."""
    horizons = points.shape[1]
    begin = origin + 1 - panel.first
    values = np.full((len(panel.keys), horizons), np.nan)
    known = panel.values[:, begin : begin + horizons]
    values[:, : known.shape[1]] = known
    for row, end in enumerate(panel.ended):
        if end is not None:
            values[row, np.arange(origin + 1, origin + 1 + horizons) > end] = 0.0
    return values


def covered(found: pl.DataFrame, origins: Sequence[int], coverage: float) -> pl.DataFrame:
    """The cells of some origins, each with the interval that was known at its origin."""
    parts = []
    for origin in origins:
        known = widths(found, coverage, known_at=origin)
        parts.append(with_intervals(found.filter(pl.col("origin") == origin), known))
    return pl.concat(parts)


def leaks(panel: Panel, origins: Iterable[int], make: Make, seed: int = SEED) -> list[int]:
    """The origins at which a forecaster uses what came later.

    It is made from the panel, and then from the same with nonsense after the origin; both are
    asked at the origin. One that was fitted on the future, or looks it up, answers otherwise.
    """
    found = []
    for origin in origins:
        cut = panel.until(origin)
        honest, other = make(panel)(cut), make(panel.scrambled_after(origin, seed))(cut)
        if not np.array_equal(honest, other, equal_nan=True):
            found.append(origin)
    return found
