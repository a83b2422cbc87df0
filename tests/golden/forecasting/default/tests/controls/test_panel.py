"""The panel hides what was not known, and says what it does not know."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from sales_forecast.controls.panel import (
    Panel,
    build,
    first_day,
    month_number,
    parse,
)

START = month_number(date(2024, 1, 1))


def _panel() -> Panel:
    """Two series over six months: the first ends in April, the second begins in March."""
    values = np.array([[1.0, 2, 3, 4, np.nan, np.nan], [np.nan, np.nan, 7, np.nan, 9, 10]])
    return Panel(
        ("product",), (("a",), ("b",)), START, values, (START + 3, None), {"days": np.arange(12.0)}
    )


def _frames() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    months = [date(2024, month, 1) for month in range(1, 5)]
    sales = pl.DataFrame(
        {
            "product": ["a", "a", "b"],
            "period": [months[0], months[2], months[1]],
            "units": [1, 3, 5],
        }
    )
    series = pl.DataFrame({"product": ["b", "a"], "ended_on": [None, months[2]]})
    return sales, series, pl.DataFrame({"period": months, "days": [20, 21, 22, 23]})


def test_a_month_has_one_number() -> None:
    """There and back."""
    assert first_day(month_number(date(2025, 12, 1))) == date(2025, 12, 1)
    assert month_number(date(2026, 1, 1)) - month_number(date(2025, 12, 1)) == 1


def test_a_cut_ends_at_its_origin() -> None:
    """No value after it is left, and the end of a series is not known before it has come."""
    panel = _panel()
    early = panel.until(START + 2)
    assert (early.origin, early.values.shape) == (START + 2, (2, 3))
    assert early.ended == (None, None)
    assert panel.until(START + 3).ended == (START + 3, None)


def test_what_is_certain_ahead_stays() -> None:
    """The calendar of months to come is known at every origin."""
    assert _panel().until(START).known_ahead["days"].tolist() == list(range(12))


def test_a_cut_does_not_share_memory() -> None:
    """Who fills the gaps of a cut does not change the panel."""
    panel = _panel()
    panel.until(START + 2).values[:] = 0.0
    assert panel.values[0, 0] == 1.0


@pytest.mark.parametrize("origin", [START - 1, START + 6])
def test_a_month_outside_is_refused(origin: int) -> None:
    """A negative place would count from the end, and show the future."""
    with pytest.raises(ValueError, match="not in the panel"):
        _panel().until(origin)


def test_series_are_active_from_their_beginning_to_their_known_end() -> None:
    """By origin: the second has not begun in February, the first has ended in April."""
    found = [_panel().until(START + n).active().tolist() for n in (1, 2, 3)]
    assert found == [[True, False], [True, True], [False, True]]


def test_scrambling_leaves_the_past_alone() -> None:
    """And changes everything after it, ends that were to come included."""
    panel = _panel()
    other = panel.scrambled_after(START + 2, seed=1)
    assert np.array_equal(other.values[:, :3], panel.values[:, :3], equal_nan=True)
    assert not np.isclose(np.nan_to_num(panel.values[:, 3:]), other.values[:, 3:]).any()
    assert other.ended == (None, None)


def test_a_panel_is_built_from_rows() -> None:
    """Sorted by key; months without a row are NaN."""
    panel = build(*_frames(), ["product"], "units")
    assert panel.keys == (("a",), ("b",))
    assert np.array_equal(panel.values, [[1, np.nan, 3], [np.nan, 5, np.nan]], equal_nan=True)
    assert panel.ended == (START + 2, None)


def test_a_month_that_is_there_twice_is_refused() -> None:
    """The contract should have caught it; here it would be a silent choice."""
    sales, series, calendar = _frames()
    with pytest.raises(ValueError, match="two values of 2024-01-01"):
        build(pl.concat([sales, sales[:1]]), series, calendar, ["product"], "units")


def test_a_planned_end_ends_nothing_before_it_has_come() -> None:
    """The series is forecast until then, and sells nothing afterwards."""
    panel = replace(_panel(), ended=(START + 3, START + 7))
    assert panel.active().tolist() == [False, True]
    assert panel.over(4)[1].tolist() == [False, False, True, True]
    assert not replace(panel, ended=(None, None)).over(4).any()
    assert replace(panel, ended=(None, START + 5)).active().tolist() == [True, False]


def test_a_series_without_master_data_is_named() -> None:
    """With the file that lacks it."""
    sales, series, calendar = _frames()
    with pytest.raises(ValueError, match=r"series\.parquet has no row of b, which sales\.parquet"):
        build(sales, series.filter(pl.col("product") == "a"), calendar, ["product"], "units")


def test_a_calendar_that_ends_too_early_is_refused() -> None:
    """At the turn of a year it is asked for by its months."""
    sales, series, calendar = _frames()
    assert build(sales, series, calendar, ["product"], "units", ahead=1).origin == START + 2
    wanted = r"calendar\.parquet ends with 2024-04: it needs 6 months .* until 2024-09"
    with pytest.raises(ValueError, match=wanted):
        build(sales, series, calendar, ["product"], "units", ahead=6)
    with pytest.raises(ValueError, match=r"calendar\.parquet is empty"):
        build(sales, series, calendar.clear(), ["product"], "units")


def test_no_sales_are_no_panel() -> None:
    """A sentence, for an extract that came empty."""
    sales, series, calendar = _frames()
    with pytest.raises(ValueError, match=r"sales\.parquet holds no row"):
        build(sales.clear(), series, calendar, ["product"], "units")


def test_a_calendar_with_a_gap_is_refused() -> None:
    """Working days would be those of another month."""
    sales, series, calendar = _frames()
    with pytest.raises(ValueError, match="calendar has a gap"):
        build(sales, series, calendar[[0, 2, 3]], ["product"], "units")


def test_a_panel_survives_as_text() -> None:
    """Forecasts are made again from it."""
    panel = _panel()
    again = parse(panel.text())
    assert again.text() == panel.text()
    assert np.array_equal(again.values, panel.values, equal_nan=True)
    assert (again.keys, again.ended, again.dimensions) == (panel.keys, panel.ended, ("product",))
