"""The models: one global regression over all series, against boosted trees and last year's figures.

Each row is a series, an origin and a horizon. The target is the change from the same month a year
ago, in units of the series' level: a model that knows nothing says 0, which is the seasonal naive
forecast. A row knows nothing that came after its origin but the calendar, which is certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .controls.backtest import Forecaster, Make
from .controls.hierarchy import nodes, sums
from .controls.panel import Floats, Panel

SEASON = 12
HORIZONS = 6
WARM_UP = 2 * SEASON + 1  # months of history that a row needs
SEED = 17
KINDS = ("champion", "challenger")
INPUTS = (
    "year_on_year",
    "year_on_year_3",
    "year_on_year_12",
    "turn_of_quarter",
    "season_before",
    "season_bend",
    "working_days",
    "easter_days",
    "horizon",
    "trend_by_horizon",
    "sine",
    "cosine",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs, target (NaN where it is not known), level and last year's figure of each row."""

    inputs: Floats
    target: Floats
    level: Floats
    naive: Floats
    place: NDArray[np.int64]


def filled(panel: Panel) -> Floats:
    """The history without gaps, from what is known at the panel's origin.

    A gap becomes a line between its neighbours, or the last value where there is no later one.
    Months before a series began are those of the rest of its group, at the size of the series:
    a new series borrows the season of its siblings. A series that has not begun stays NaN.
    """
    values = np.array([_bridged(row) for row in panel.values])
    begun = np.array([_begin(row) for row in panel.values])
    return np.array([_borrowed(panel, values, begun, row) for row in range(len(values))])


def _bridged(row: Floats) -> Floats:
    known = np.flatnonzero(np.isfinite(row))
    if not known.size:
        return row
    bridged = np.interp(np.arange(row.size), known, row[known])
    bridged[: known[0]] = np.nan
    return np.asarray(bridged, dtype=np.float64)


def _begin(row: Floats) -> int:
    known = np.flatnonzero(np.isfinite(row))
    return int(known[0]) if known.size else row.size


def _borrowed(panel: Panel, values: Floats, begun: NDArray[np.int64], row: int) -> Floats:
    begin = int(begun[row])
    own: Floats = values[row].copy()
    if begin == 0 or begin == own.size:
        return own
    group, going = panel.keys[row][0], panel.active()
    old = [
        other
        for other, key in enumerate(panel.keys)
        if key[0] == group and begun[other] == 0 and going[other]
    ]
    whole = values[old or [r for r in range(len(values)) if begun[r] == 0]].sum(axis=0)
    own[:begin] = whole[:begin] * own[begin:].sum() / whole[begin:].sum()
    return own


def naive(cut: Panel) -> Floats:
    """The seasonal naive forecast: the same month of the last year that is known."""
    history = filled(cut)
    points = history[:, -SEASON:][:, :HORIZONS]
    known = np.where(cut.over(HORIZONS), 0.0, np.round(points))
    return np.asarray(np.where(cut.active()[:, None], known, np.nan))


def scale(cut: Panel) -> Floats:
    """The mean error of the seasonal naive forecast in the past of each node; at least one unit."""
    found = nodes(cut)
    whole = sums(found, filled(cut), cut.active())
    errors = np.abs(whole[:, SEASON:] - whole[:, :-SEASON])
    return np.asarray(np.maximum(errors.mean(axis=1), 1.0))


def rows(panel: Panel, f: Floats, origins: NDArray[np.int64], horizon: int) -> Rows:
    """A row a series and origin (column numbers), for one horizon; `f` is the filled history."""
    target_at = origins + horizon
    level = np.maximum(_mean(f, origins, SEASON), 1.0)
    before = f[:, target_at - SEASON]
    around = (f[:, target_at - SEASON - 1] + _at(f, target_at - SEASON + 1, origins)) / 2
    growth = _mean(f, origins, 3) - _mean(f, origins - SEASON, 3)
    month = 2 * np.pi * ((panel.first + target_at) % SEASON) / SEASON
    columns = [
        (f[:, origins] - f[:, origins - SEASON]) / level,
        growth / level,
        (level - _mean(f, origins - SEASON, SEASON)) / level,
        (growth - _mean(f, origins - 3, 3) + _mean(f, origins - SEASON - 3, 3)) / level,
        (before - f[:, target_at - 2 * SEASON]) / level,
        (before - around) / level,
        *(
            _like(f, _change(panel, name, target_at), origins)
            for name in ("working_days", "easter_days")
        ),
        _like(f, np.full(len(origins), horizon / HORIZONS), origins),
        growth / level * horizon / HORIZONS,
        _like(f, np.sin(month), origins),
        _like(f, np.cos(month), origins),
    ]
    actual = np.full(level.shape, np.nan)
    inside = target_at < panel.values.shape[1]
    actual[:, inside] = panel.values[:, target_at[inside]]
    place = np.repeat(np.arange(len(f)), len(origins))
    return Rows(
        inputs=np.stack([column.ravel() for column in columns], axis=1),
        target=((actual - before) / level).ravel(),
        level=level.ravel(),
        naive=before.ravel(),
        place=place,
    )


def _mean(f: Floats, ends: NDArray[np.int64], months: int) -> Floats:
    """The mean of so many months up to each end."""
    return np.asarray(np.mean([f[:, ends - back] for back in range(months)], axis=0))


def _at(f: Floats, at: NDArray[np.int64], newest: NDArray[np.int64]) -> Floats:
    """The value at a month, or the newest one where that is still to come."""
    return f[:, np.minimum(at, newest)]


def _change(panel: Panel, name: str, at: NDArray[np.int64]) -> Floats:
    ahead = panel.known_ahead[name]
    return ahead[at] - ahead[at - SEASON]


def _like(f: Floats, by_origin: Floats, origins: NDArray[np.int64]) -> Floats:
    return np.broadcast_to(by_origin, (len(f), len(origins)))


def fit(cut: Panel, kind: str) -> Any:
    """Learn from every row of the panel whose target is known."""
    origins, history = np.arange(WARM_UP, cut.values.shape[1] - 1), filled(cut)
    parts = []
    for horizon in range(1, HORIZONS + 1):
        known = rows(cut, history, origins[origins + horizon < cut.values.shape[1]], horizon)
        use = np.isfinite(known.target) & np.isfinite(known.inputs).all(axis=1)
        parts.append((known.inputs[use], known.target[use]))
    inputs, target = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _estimator(kind).fit(inputs, target)


def _estimator(kind: str) -> Any:
    if kind == "champion":
        return make_pipeline(StandardScaler(), Ridge(alpha=30.0))
    return HistGradientBoostingRegressor(
        learning_rate=0.08,
        max_iter=60,
        max_leaf_nodes=12,
        min_samples_leaf=60,
        l2_regularization=5.0,
        random_state=SEED,
    )


def forecast(estimator: Any, cut: Panel) -> Floats:
    """Points of each active series after the panel's origin, in whole units; NaN for the others.

    After the planned end of a series nothing is sold any more: 0.
    """
    origin = np.array([cut.values.shape[1] - 1])
    points = np.full((len(cut.keys), HORIZONS), np.nan)
    active, history = cut.active(), filled(cut)
    for horizon in range(1, HORIZONS + 1):
        new = rows(cut, history, origin, horizon)
        found = estimator.predict(new.inputs[active]) * new.level[active] + new.naive[active]
        points[active, horizon - 1] = np.round(np.maximum(found, 0.0))
    return np.where(active[:, None] & cut.over(HORIZONS), 0.0, points)


def refitted(kind: str, every: int = 1) -> Make:
    """For a backtest: a forecaster that learns anew from each cut, or from each `every`-th."""

    def make(_: Panel) -> Forecaster:
        kept: dict[int, Any] = {}

        def at(cut: Panel) -> Floats:
            fitted_at = cut.origin - cut.origin % every
            if fitted_at not in kept:
                kept[fitted_at] = fit(cut.until(fitted_at), kind)
            return forecast(kept[fitted_at], cut)

        return at

    return make


def packaged(estimator: Any) -> Forecaster:
    """A forecaster that uses a model as it is."""
    return lambda cut: forecast(estimator, cut)
