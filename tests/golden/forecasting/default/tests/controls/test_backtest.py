"""No row after an origin is used, and one that is used is found."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from sales_forecast.controls import backtest
from sales_forecast.controls.backtest import Forecaster, leaks, run
from sales_forecast.controls.panel import Floats, Panel

ORIGINS = (6, 8, 9)


def _panel() -> Panel:
    values = np.arange(24.0).reshape(2, 12) + 1
    values[1, 10] = np.nan
    return Panel(("product",), (("a",), ("b",)), 0, values, (None, None), {})


def _last(cut: Panel) -> Floats:
    """The newest value, for two months."""
    return np.repeat(cut.values[:, -1:], 2, axis=1)


def _scale(cut: Panel) -> Floats:
    return np.ones(5)


def _honest(_: Panel) -> Forecaster:
    return _last


def _run(panel: Panel, forecaster: Forecaster = _last) -> pl.DataFrame:
    return run(panel, ORIGINS, lambda _: forecaster, _last, _scale)


def test_a_forecaster_sees_nothing_after_the_origin() -> None:
    """At each origin the panel ends there, values and ends of series alike."""
    seen = []

    def watching(cut: Panel) -> Floats:
        seen.append((cut.origin, cut.values.shape[1], float(np.nanmax(cut.values[0]))))
        return _last(cut)

    _run(_panel(), watching)
    assert seen == [(origin, origin + 1, origin + 1.0) for origin in ORIGINS]


def test_no_row_after_an_origin_changes_its_forecast() -> None:
    """With nonsense after the origin every point, scale and interval end of it is the same."""
    panel = _panel()
    for origin in ORIGINS:
        for column in ("point", "naive", "scale"):
            one, other = (
                _run(p).filter(pl.col("origin") == origin)[column].to_list()
                for p in (panel, panel.scrambled_after(origin, seed=2))
            )
            assert one == other


def test_an_honest_forecaster_does_not_leak() -> None:
    """Nothing is found."""
    assert leaks(_panel(), ORIGINS, _honest) == []


def test_a_forecaster_fitted_on_everything_leaks() -> None:
    """The usual mistake: one fit on the whole history, tested on a part of it."""

    def fitted(panel: Panel) -> Forecaster:
        mean = float(np.nanmean(panel.values))
        return lambda cut: np.full((2, 2), mean)

    assert leaks(_panel(), ORIGINS, fitted) == list(ORIGINS)


def test_a_forecaster_that_scales_by_the_future_leaks() -> None:
    """Also where the future only comes in by a maximum."""

    def scaled(panel: Panel) -> Forecaster:
        top = np.nanmax(panel.values)
        return lambda cut: _last(cut) / top

    assert leaks(_panel(), (8,), scaled) == [8]


def test_a_forecaster_that_waits_for_an_end_leaks() -> None:
    """Whether a series will end is not known before."""
    panel = Panel(("product",), (("a",), ("b",)), 0, np.ones((2, 12)), (10, None), {})

    def knowing(whole: Panel) -> Forecaster:
        stays = np.array([end is None for end in whole.ended])
        return lambda cut: np.where(stays[:, None], _last(cut), np.nan)

    assert leaks(panel, (8,), knowing) == [8]


def test_cells_hold_what_came_true() -> None:
    """The actual of a month, of each series and of their sums; what is to come has no row."""
    cells = _run(_panel())
    total = cells.filter(pl.col("node") == "total").select("origin", "horizon", "period", "actual")
    assert total.rows()[:2] == [(6, 1, 7, 28.0), (6, 2, 8, 30.0)]
    assert cells.filter(pl.col("origin") == 9)["period"].unique().to_list() == [10, 11]


def test_a_sum_with_a_missing_part_has_no_actual() -> None:
    """It would be an error of the data, not of the forecast."""
    cells = _run(_panel()).filter((pl.col("period") == 10) & (pl.col("origin") == 9))
    actual = dict(cells.select("node", "actual").rows())
    assert np.isnan(actual["total"]) and actual["product=a"] == 11.0


def test_a_series_that_ended_sells_nothing() -> None:
    """Its forecast was wrong by all of it: the end was not known."""
    panel = Panel(("product",), (("a",), ("b",)), 0, np.ones((2, 12)), (8, None), {})
    cells = run(panel, (8, 7), _honest, _last, _scale)
    late = cells.filter((pl.col("origin") == 7) & (pl.col("node") == "product=a"))
    assert late["actual"].to_list()[-1] == 0.0


def test_a_series_without_forecast_has_no_cell() -> None:
    """And adds nothing to the sums."""

    def one(cut: Panel) -> Floats:
        return np.where([[True, True], [False, False]], _last(cut), np.nan)

    cells = run(_panel(), (6,), lambda _: one, _last, _scale)
    assert "product=b" not in cells["node"].to_list()
    assert cells.filter(pl.col("node") == "total")["point"].to_list() == [7.0, 7.0]


def test_intervals_of_an_origin_know_no_later_error() -> None:
    """Errors after it may be as large as they like."""
    rows = 40
    cells = pl.DataFrame(
        {
            "origin": list(range(rows)),
            "period": list(range(1, rows + 1)),
            "level": ["total"] * rows,
            "horizon": [1] * rows,
            "point": [0.0] * rows,
            "actual": [1.0] * 20 + [1e6] * 20,
            "scale": [1.0] * rows,
        }
    )
    found = backtest.covered(cells, [15, 20], 0.8)
    assert found["high"].to_list() == [1.0, 1.0]
    with pytest.raises(ValueError, match="too few"):
        backtest.covered(cells, [2], 0.8)
