"""The models learn from what was known, and fall back on last year's figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sales_forecast import model
from sales_forecast.controls import packages
from sales_forecast.controls.backtest import leaks
from sales_forecast.controls.hierarchy import nodes
from sales_forecast.controls.panel import Floats, Panel
from sales_forecast.controls.paths import Paths

MONTHS = 60


def _panel(noise: float = 0.03, growth: float = 0.06, months: int = MONTHS) -> Panel:
    """Four series of two products with a season, a trend and a little noise."""
    rng = np.random.default_rng(8)
    t = np.arange(months)
    season = 1 + 0.3 * np.sin(2 * np.pi * t / 12)
    values = np.stack(
        [
            level * season * np.exp(growth * t / 12) * np.exp(rng.normal(0, noise, months))
            for level in (300.0, 800, 500, 1200)
        ]
    )
    keys = (("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))
    ahead = np.full(months + 12, 21.0)
    known = {"working_days": ahead, "easter_days": np.zeros(months + 12)}
    return Panel(("product", "region"), keys, 24000, np.round(values), (None,) * 4, known)


def _without(panel: Panel, row: int, columns: slice) -> Panel:
    panel.values[row, columns] = np.nan
    return panel


def _actual(panel: Panel, origin: int) -> Floats:
    at = origin - panel.first + 1
    return panel.values[:, at : at + model.HORIZONS]


@pytest.mark.parametrize("kind", model.KINDS)
def test_no_row_after_the_origin_is_used(kind: str) -> None:
    """Fitting, gaps, levels, points: nonsense in the future changes nothing."""
    panel = _without(_panel(), 1, slice(40, 43))
    origins = (panel.first + 38, panel.first + 41, panel.first + 50)
    assert leaks(panel, origins, model.refitted(kind, 3)) == []


def test_a_fit_on_the_whole_history_would_be_found() -> None:
    """The probe sees what a careless backtest would do."""

    def careless(panel: Panel) -> Any:
        return model.packaged(model.fit(panel, "champion"))

    panel = _panel()
    assert leaks(panel, (panel.first + 45,), careless) == [panel.first + 45]


def test_the_champion_beats_last_year_where_there_is_growth() -> None:
    """It learns the trend from all series."""
    panel = _panel()
    origin = panel.first + 47
    cut = panel.until(origin)
    actual = _actual(panel, origin)
    points = model.forecast(model.fit(cut, "champion"), cut)
    assert np.abs(points - actual).mean() < 0.8 * np.abs(model.naive(cut) - actual).mean()


def test_without_anything_to_learn_it_says_last_year() -> None:
    """No noise and no growth: the naive forecast is right, and the model does not spoil it."""
    panel = _panel(noise=0.0, growth=0.0)
    cut = panel.until(panel.first + 50)
    points = model.forecast(model.fit(cut, "champion"), cut)
    assert np.abs(points - model.naive(cut)).max() <= 2


def test_the_naive_forecast_is_the_same_month_of_last_year() -> None:
    """Six months of it."""
    cut = _panel().until(24000 + 47)
    assert np.array_equal(model.naive(cut), cut.values[:, 36:42])


def test_points_are_whole_and_not_negative() -> None:
    """A market that dies does not sell less than nothing."""
    panel = _panel(growth=-2.5)
    points = model.forecast(model.fit(panel, "champion"), panel)
    assert (points == np.round(points)).all() and (points >= 0).all()


def test_a_gap_becomes_a_line() -> None:
    """Between its neighbours, or the last value at the end."""
    panel = _without(_without(_panel(), 0, slice(30, 32)), 1, slice(58, 60))
    found = model.filled(panel)
    assert found[0, 30] == pytest.approx((2 * panel.values[0, 29] + panel.values[0, 32]) / 3)
    assert found[1, 58:].tolist() == [panel.values[1, 57]] * 2


def test_a_new_series_borrows_the_season_of_its_siblings() -> None:
    """At its own size: twelve months of the sibling in proportion."""
    panel = _without(_panel(noise=0.0), 1, slice(0, 54))
    found = model.filled(panel)
    ratio = panel.values[1, 54:].sum() / panel.values[0, 54:].sum()
    assert np.allclose(found[1, :54], panel.values[0, :54] * ratio)
    points = model.forecast(model.fit(panel, "champion"), panel)
    assert np.isfinite(points[1]).all()


def test_series_that_are_not_active_are_not_forecast() -> None:
    """One that has not begun, and one that has ended."""
    panel = _without(_panel(), 0, slice(0, 60))
    ended = Panel(
        panel.dimensions,
        panel.keys,
        panel.first,
        panel.values,
        (None, None, panel.first + 50, None),
        panel.known_ahead,
    )
    points = model.forecast(model.fit(ended, "champion"), ended)
    assert np.isnan(points[[0, 2]]).all() and np.isfinite(points[[1, 3]]).all()
    assert np.isnan(model.naive(ended)[[0, 2]]).all()


def test_the_scale_is_the_naive_error_of_the_past() -> None:
    """Of each node, worked out by hand for the total; never less than one unit."""
    panel = _panel()
    total = panel.values.sum(axis=0)
    assert model.scale(panel)[0] == pytest.approx(np.abs(total[12:] - total[:-12]).mean())
    still = _panel(noise=0.0, growth=0.0)
    assert (model.scale(still) == 1.0).all() and len(model.scale(still)) == len(nodes(still))


def test_inputs_are_named() -> None:
    """As many names as columns."""
    panel = _panel()
    found = model.rows(panel, model.filled(panel), np.array([40]), 2)
    assert found.inputs.shape == (4, len(model.INPUTS))


def test_the_target_is_the_change_from_last_year() -> None:
    """In units of the mean of the last twelve months; unknown where the month is to come."""
    panel = _panel()
    found = model.rows(panel, model.filled(panel), np.array([40, 59]), 2)
    level = panel.values[0, 29:41].mean()
    expected = (panel.values[0, 42] - panel.values[0, 30]) / level
    assert found.target[0] == pytest.approx(expected) and np.isnan(found.target[1])


@pytest.mark.parametrize("kind", model.KINDS)
def test_a_packaged_model_says_the_same(kind: str, paths: Paths) -> None:
    """It loads without running code, and forecasts as before."""
    panel = _panel()
    fitted = model.fit(panel, kind)
    loaded = packages.load(paths, packages.save(paths, fitted, {"kind": kind}))
    assert np.array_equal(model.forecast(loaded.estimator, panel), model.forecast(fitted, panel))
