"""What is published adds up, exactly, on every level."""

from __future__ import annotations

import numpy as np
import polars as pl

from sales_forecast.controls.hierarchy import gaps, named, nodes, summing, sums
from sales_forecast.controls.panel import Panel

KEYS = (("a", "x"), ("a", "y"), ("b", "x"))
ALL = np.array([True, True, True])


def _panel() -> Panel:
    return Panel(("product", "region"), KEYS, 0, np.ones((3, 2)), (None, None, None), {})


def _cells(points: dict[str, float]) -> pl.DataFrame:
    levels = {"total": "total", "product=a": "product", "product=b": "product"}
    levels |= {"region=x": "region", "region=y": "region"}
    return pl.DataFrame(
        {
            "node": list(points),
            "level": [levels.get(name, "series") for name in points],
            "period": ["2024-01"] * len(points),
            "point": list(points.values()),
        }
    )


WHOLE = {
    "total": 6.0,
    "product=a": 3.0,
    "product=b": 3.0,
    "region=x": 4.0,
    "region=y": 2.0,
    "product=a|region=x": 1.0,
    "product=a|region=y": 2.0,
    "product=b|region=x": 3.0,
}


def test_nodes_are_all_sums_that_people_ask_for() -> None:
    """The total, each group of each dimension, each series."""
    assert [node.name for node in nodes(_panel())] == list(WHOLE)
    assert named(_panel(), 1) == "product=a|region=y"


def test_the_matrix_counts_each_series_once_a_level() -> None:
    """Every level holds all series, none of them twice."""
    found = nodes(_panel())
    matrix = summing(found, 3)
    for level in ("total", "product", "region", "series"):
        rows = [row for row, node in enumerate(found) if node.level == level]
        assert matrix[rows].sum(axis=0).tolist() == [1, 1, 1]


def test_sums_are_exact() -> None:
    """Whole units add up to the last one, also where floats would not."""
    rng = np.random.default_rng(5)
    points = np.round(rng.uniform(0, 1e6, (3, 40)))
    found = sums(nodes(_panel()), points, ALL)
    assert (found[0] == points.sum(axis=0)).all()
    assert (found[1] + found[2] == found[0]).all() and (found[3] + found[4] == found[0]).all()


def test_a_missing_part_makes_the_sum_unknown() -> None:
    """A total without one of its parts would look like a fall."""
    found = sums(nodes(_panel()), np.array([[1.0], [np.nan], [3.0]]), ALL)[:, 0]
    assert np.isnan(found[[0, 1, 4]]).all()
    assert found[[2, 3]].tolist() == [3.0, 4.0]


def test_a_series_that_is_not_counted_adds_nothing() -> None:
    """It has ended, or not begun: that is not the same as missing."""
    counted = np.array([True, False, True])
    found = sums(nodes(_panel()), np.array([[1.0], [np.nan], [3.0]]), counted)[:, 0]
    assert found[0] == 4.0


def test_what_adds_up_has_no_gap() -> None:
    """Nothing to say."""
    assert gaps(_cells(WHOLE), ["product", "region"]) == []


def test_one_unit_too_many_is_found() -> None:
    """And named, with both figures."""
    found = gaps(_cells({**WHOLE, "region=x": 5.0}), ["product", "region"])
    assert found == ["region=x of 2024-01 is 5.0, its parts sum to 4.0"]


def test_a_total_that_is_not_there_is_found() -> None:
    """What is left out cannot hide a difference."""
    points = {name: value for name, value in WHOLE.items() if name != "total"}
    assert gaps(_cells(points), ["product", "region"])[0].startswith("total of 2024-01 is None")
