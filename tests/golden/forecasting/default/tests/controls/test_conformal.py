"""Intervals hold what they promise, and rest on errors that were known."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from sales_forecast.controls.conformal import half_width, widths, with_intervals


def _cells(errors: list[float], period: int = 1, horizon: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "level": ["series"] * len(errors),
            "horizon": [horizon] * len(errors),
            "period": [period] * len(errors),
            "actual": [100.0 + error for error in errors],
            "point": [100.0] * len(errors),
            "scale": [10.0] * len(errors),
        }
    )


def test_the_width_is_an_order_statistic() -> None:
    """Of nine errors the eighth smallest covers four fifths: (9 + 1) * 0.8."""
    assert half_width(np.array([5.0, -1, 2, -3, 4, 9, -8, 7, 6]), 0.8) == 8.0


def test_too_few_errors_give_no_width() -> None:
    """Three errors cannot promise four fifths."""
    assert half_width(np.array([1.0, 2, 3]), 0.8) == math.inf
    with pytest.raises(ValueError, match="too few past errors"):
        with_intervals(_cells([1.0]), widths(_cells([1.0, 2, 3]), 0.8, known_at=1))


def test_unknown_errors_do_not_count() -> None:
    """Months that are missing are no errors of nought."""
    assert half_width(np.array([np.nan, 1.0, np.nan]), 0.5) == 1.0


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_coverage_is_what_was_asked_for(coverage: float) -> None:
    """On errors of the same kind, over many draws: not below, and hardly above."""
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(400):
        errors = rng.standard_t(4, 60)
        inside.append(np.abs(rng.standard_t(4, 50)) <= half_width(errors, coverage))
    assert coverage - 0.01 < np.mean(inside) < coverage + 0.03


def test_errors_that_were_not_known_are_left_out() -> None:
    """A forecast of yesterday whose month is still to come has no error yet."""
    both = pl.concat([_cells([10.0, -10, 10]), _cells([900.0] * 30, period=2)])
    assert widths(both, 0.5, known_at=1) == {"series": {"1": 1.0}}
    assert widths(both, 0.5, known_at=2) == {"series": {"1": 90.0}}


def test_intervals_scale_with_the_series() -> None:
    """Half a width in units of the series' own error, and never below zero."""
    cells = _cells([0.0, 0.0]).with_columns(scale=pl.Series([10.0, 90.0]))
    found = with_intervals(cells, {"series": {"1": 2.0}})
    assert found.select("low", "high").rows() == [(80.0, 120.0), (0.0, 280.0)]


def test_what_is_further_away_is_not_more_certain() -> None:
    """A horizon that happened to err less keeps the width of the one before."""
    cells = _cells([0.0], horizon=2)
    found = with_intervals(cells, {"series": {"1": 3.0, "2": 2.0}})
    assert found["high"].item() == 130.0


def test_a_level_without_errors_has_no_interval() -> None:
    """It is not given the one of another level."""
    with pytest.raises(KeyError, match="series"):
        with_intervals(_cells([0.0]), {"total": {"1": 2.0}})
