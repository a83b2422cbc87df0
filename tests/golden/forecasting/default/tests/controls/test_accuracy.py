"""Figures of forecasts, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from sales_forecast.controls import accuracy
from sales_forecast.controls.evaluation import Plan, Result, Threshold

PLAN = Plan(100, 1, 0.9, 2, (Threshold("coverage", "group", "at_least", 0.5),))


def _cells(points: list[float], naive: float = 80.0) -> pl.DataFrame:
    """Two series with actuals of 100 and 300, two origins; the interval is ten either way."""
    rows = len(points)
    return pl.DataFrame(
        {
            "node": ["a", "a", "b", "b"][:rows],
            "level": ["series"] * rows,
            "group": ["g", "g", "h", "h"][:rows],
            "origin": [1, 2, 1, 2][:rows],
            "horizon": [1] * rows,
            "actual": [100.0, 100, 300, 300][:rows],
            "point": points,
            "naive": [naive, naive, 240.0, 240.0][:rows],
            "scale": [10.0, 10, 20, 20][:rows],
            "low": [point - 10 for point in points],
            "high": [point + 10 for point in points],
        }
    )


def _found(cells: pl.DataFrame) -> dict[tuple[str, str], Result]:
    results = accuracy.evaluate(cells, PLAN, 0.8, ["group"], "sha256:0")
    return {(result.metric, result.slice): result for result in results}


def test_scaled_error_is_weighted_by_volume() -> None:
    """Series a errs by one scale, b by two, and b sells three times as much: 1.75."""
    found = _found(_cells([90.0, 110, 260, 340]))["scaled_error", "all"]
    assert (found.value, found.n) == (1.75, 2)


def test_skill_is_the_share_of_the_naive_error_that_is_gone() -> None:
    """Naive errs by 2 and 3 scales (2.75 in all), the model by 1 and 2."""
    found = _found(_cells([90.0, 110, 260, 340]))["skill", "all"]
    assert found.value == pytest.approx(1 - 1.75 / 2.75)


def test_bias_has_a_sign() -> None:
    """Actuals above the points are above 0; errors that cancel out are none."""
    assert _found(_cells([90.0, 90, 290, 290]))["bias", "all"].value == pytest.approx(40 / 800)
    assert _found(_cells([90.0, 110, 260, 340]))["bias", "all"].value == 0.0
    assert _found(_cells([110.0, 110, 310, 310]))["bias_size", "all"].value == pytest.approx(0.05)


def test_coverage_counts_the_ends_as_inside() -> None:
    """Two on the edge, one inside, one outside."""
    found = _found(_cells([90.0, 110, 300, 340]))
    assert found["coverage", "all"].value == 0.75
    assert found["coverage_gap", "all"].value == pytest.approx(0.05)
    assert found["coverage", "group=h"].value == 0.5


def test_the_interval_score_punishes_what_lies_outside() -> None:
    """Width 20, and ten times the distance of 30 for one of two cells, in units of the scale."""
    cells = _cells([100.0, 140])
    assert _found(cells)["interval_score", "all"].value == pytest.approx((20 + 10 * 30 + 20) / 20)


def test_too_wide_is_as_wrong_as_too_narrow() -> None:
    """An interval that always holds misses four fifths by a fifth."""
    assert _found(_cells([100.0, 100, 300, 300]))["coverage_gap", "all"].value == pytest.approx(0.2)


def test_missing_actuals_are_no_errors() -> None:
    """The cell is left out; the rest is as before."""
    cells = _cells([90.0, 110, 260, 340]).with_columns(
        actual=pl.when(pl.col("origin") == 2).then(float("nan")).otherwise("actual")
    )
    assert _found(cells)["scaled_error", "all"].value == 1.75


def test_groups_are_judged_by_series() -> None:
    """A group of one series is reported and not judged: it may be one of a kind."""
    assert _found(_cells([90.0, 110, 260, 340]))["coverage", "group=g"].verdict == "not judged"


def test_levels_are_drawn_by_origin() -> None:
    """A total is one series: only its origins can be drawn."""
    cells = _cells([90.0, 110]).with_columns(level=pl.lit("total"), node=pl.lit("total"))
    both = pl.concat([_cells([90.0, 110, 260, 340]), cells])
    assert _found(both)["scaled_error", "level=total"].n == 2


def test_the_bootstrap_draws_whole_series() -> None:
    """Many months of one series do not make the interval narrower."""
    rng = np.random.default_rng(4)
    errors = np.repeat(rng.normal(0, 20, 12), 30)
    cells = pl.DataFrame(
        {
            "node": [f"s{n // 30}" for n in range(360)],
            "level": ["series"] * 360,
            "group": ["g"] * 360,
            "origin": list(range(30)) * 12,
            "horizon": [1] * 360,
            "actual": [100.0] * 360,
            "point": 100 - errors,
            "naive": [80.0] * 360,
            "scale": [10.0] * 360,
        }
    ).with_columns(low=pl.col("point") - 10, high=pl.col("point") + 10)
    found = _found(cells)["bias", "all"]
    assert found.n == 12 and found.high - found.low > 0.1


def test_the_challenger_wins_only_beyond_chance() -> None:
    """Better in one series and worse in another is chance; better in all is not."""
    champion = _cells([90.0, 110, 260, 340])
    assert accuracy.compare(champion, _cells([99.0, 101, 240, 360]), PLAN).winner == "champion"
    assert accuracy.compare(champion, _cells([99.0, 101, 290, 310]), PLAN).winner == "challenger"


def test_a_comparison_is_of_the_same_cells() -> None:
    """A model that was tested on easier months has not won."""
    with pytest.raises(ValueError, match="not tested on the same cells"):
        accuracy.compare(_cells([90.0, 110, 260, 340]), _cells([100.0, 100]), PLAN)


def test_the_naive_forecast_has_to_be_beaten_beyond_chance() -> None:
    """The whole interval of the skill, and it has to be there."""
    good = _found(_cells([90.0, 110, 260, 340]))["skill", "all"]
    assert accuracy.not_beaten([good]) == []
    doubtful = replace(good, low=-0.01)
    assert "not beaten beyond chance" in accuracy.not_beaten([doubtful])[0]
    assert accuracy.not_beaten([]) == ["the skill over the naive forecast was not measured"]
    assert accuracy.not_beaten([replace(good, low=float("nan"))])


def test_results_come_in_one_order() -> None:
    """The same cells in another order give the same results."""
    cells = _cells([90.0, 110, 260, 340])
    results = [accuracy.evaluate(c, PLAN, 0.8, ["group"], "d") for c in (cells, cells.reverse())]
    assert results[0] == results[1]
