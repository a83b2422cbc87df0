"""Differences between groups are found where they are, and small groups are not judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from late_orders.controls import fairness
from late_orders.controls.classification import Sample
from late_orders.controls.evaluation import (
    FAIL,
    NOT_JUDGED,
    PASS,
    Plan,
    Result,
    Threshold,
    gate,
)

PLAN = Plan(
    50,
    1,
    0.95,
    50,
    (
        Threshold("approval_ratio", "sex", "at_least", 0.8),
        Threshold("good_approval_gap", "sex", "at_most", 0.1),
    ),
)


def _results(approved: dict[str, tuple[int, int]], plan: Plan = PLAN) -> dict[str, Result]:
    """Results by `metric group`, where each group has (approved, all); everyone repaid."""
    groups = [group for group, (_, rows) in approved.items() for _ in range(rows)]
    yes = [i < good for good, rows in approved.values() for i in range(rows)]
    n = len(groups)
    sample = Sample(np.full(n, 0.2), np.zeros(n), np.array(yes), "sha256:0")
    found = fairness.evaluate(sample, pl.DataFrame({"sex": groups}), plan)
    return {f"{r.metric} {r.slice.removeprefix('sex=')}": r for r in found}


def test_equal_treatment_passes() -> None:
    """Ratio one, gap nought."""
    found = _results({"female": (60, 100), "male": (120, 200)})
    assert found["approval_ratio female"].value == pytest.approx(1.0)
    assert found["good_approval_gap male"].value == pytest.approx(0.0)
    assert gate(found.values(), PLAN).passed


def test_four_fifths_rule() -> None:
    """42 against 60 in the hundred is a ratio of 0.7, and 0.18 of the good are turned away."""
    found = _results({"female": (42, 100), "male": (60, 100)})
    ratio, gap = found["approval_ratio female"], found["good_approval_gap female"]
    assert ratio.value == pytest.approx(0.7) and gap.value == pytest.approx(0.18)
    assert ratio.verdict == gap.verdict == FAIL
    assert ratio.low < 0.7 < ratio.high
    assert found["approval_ratio male"].verdict == PASS
    assert len(gate(found.values(), PLAN).failures) == 2


def test_a_small_group_is_shown_but_neither_judged_nor_the_yardstick() -> None:
    """Ten people, all approved, say little about anyone."""
    found = _results({"female": (50, 100), "male": (50, 100), "other": (10, 10)})
    assert found["approval_ratio other"].verdict == NOT_JUDGED
    assert found["approval_ratio female"].value == pytest.approx(1.0)


def test_an_attribute_whose_groups_are_all_small_fails_the_gate() -> None:
    """A threshold that nobody could judge has not been met."""
    found = _results({"female": (5, 10), "male": (5, 10)})
    assert not gate(found.values(), PLAN).passed


def test_probabilities_that_are_wrong_for_a_group_are_found() -> None:
    """Everyone is said to default at 0.2; nobody does."""
    found = _results({"female": (50, 100), "male": (50, 100)})
    assert found["calibration_gap female"].value == pytest.approx(0.2)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Of the difference of two shares of 400: 2 * 1.96 standard errors, at 95 %."""
    found = _results({"female": (360, 400), "male": (200, 400)}, replace(PLAN, draws=2000))
    gap = found["good_approval_gap male"]
    error = (0.9 * 0.1 / 400 + 0.5 * 0.5 / 400) ** 0.5
    assert gap.high - gap.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_groups_of_other_rows_are_refused() -> None:
    """A group too few would shift all that follow."""
    sample = Sample(np.full(3, 0.2), np.zeros(3), np.array([True] * 3), "sha256:0")
    with pytest.raises(ValueError, match="2 rows of groups for 3"):
        fairness.evaluate(sample, pl.DataFrame({"sex": ["female", "male"]}), PLAN)
