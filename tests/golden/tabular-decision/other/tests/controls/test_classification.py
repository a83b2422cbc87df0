"""The figures of a classifier are what theory says, and so are those between groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sme_loans.controls import classification, fairness
from sme_loans.controls.classification import Sample, compare, evaluate
from sme_loans.controls.evaluation import (
    FAIL,
    NOT_JUDGED,
    PASS,
    Plan,
    Result,
    Threshold,
    gate,
)

PLAN = Plan(100, 1, 0.95, 2, (Threshold("auc", "all", "at_least", 0.7),))
FAIR_PLAN = Plan(
    50,
    1,
    0.95,
    50,
    (
        Threshold("approval_ratio", "sex", "at_least", 0.8),
        Threshold("good_approval_gap", "sex", "at_most", 0.1),
    ),
)


def _sample(probability: list[float], outcome: list[int]) -> Sample:
    p = np.array(probability)
    return Sample(p, np.array(outcome, dtype=float), p < 0.5, "sha256:0")


def _drawn(rows: int = 500, noise: float = 1.0) -> Sample:
    """A calibrated model: outcomes are drawn with the probabilities that it states."""
    rng = np.random.default_rng(3)
    p = 1 / (1 + np.exp(-rng.normal(-1, 1.5, rows)))
    y = (rng.random(rows) < p).astype(float)
    blurred = np.clip(p + noise * rng.normal(0, 0.2, rows) * (noise != 1.0), 0, 1)
    return Sample(blurred, y, p < 0.5, "sha256:0")


def test_auc_counts_pairs_in_the_right_order() -> None:
    """Three of four pairs, then a tie worth half."""
    assert classification.auc(_sample([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])) == 0.75
    assert classification.auc(_sample([0.5, 0.5], [0, 1])) == 0.5
    assert np.isnan(classification.auc(_sample([0.5, 0.5], [1, 1])))


def test_brier_and_log_loss_by_hand() -> None:
    """(0.2² + 0.4²)/2, and the mean of -ln 0.8 and -ln 0.6."""
    sample = _sample([0.2, 0.6], [0, 1])
    assert classification.brier(sample) == pytest.approx(0.1)
    assert classification.log_loss(sample) == pytest.approx(0.3669845875)


def test_calibration_error_is_zero_only_when_honest() -> None:
    """A bin that says 0.1 and gets 0.1 is right; one that says 0.9 instead is 0.8 off."""
    outcome = ([1] + [0] * 9) * 10
    honest, wrong = _sample([0.1] * 100, outcome), _sample([0.9] * 100, outcome)
    assert classification.calibration_error(honest) == pytest.approx(0.0)
    assert classification.calibration_error(wrong) == pytest.approx(0.8)


def test_an_interval_holds_the_value_and_narrows_with_rows() -> None:
    """Ten times the rows, about a third of the width."""
    few, many = evaluate(_drawn(300), PLAN)[0], evaluate(_drawn(3000), PLAN)[0]
    assert few.low < few.value < few.high and many.low < many.value < many.high
    assert (many.high - many.low) < 0.5 * (few.high - few.low)


def test_results_are_the_same_each_time() -> None:
    """Draws are seeded by the plan."""
    assert evaluate(_drawn(), PLAN) == evaluate(_drawn(), PLAN)


def test_a_challenger_wins_only_beyond_chance() -> None:
    """Equal models: the champion stays. A clearly better one takes over."""
    good, blurred = _drawn(), _drawn(noise=3.0)
    assert compare(good, good, PLAN).winner == "champion"
    assert compare(blurred, good, PLAN).winner == "challenger"
    assert compare(good, blurred, PLAN).winner == "champion"


def test_models_are_compared_on_the_same_rows() -> None:
    """Anything else would compare data sets."""
    with pytest.raises(ValueError, match="different rows"):
        compare(_drawn(300), _drawn(400), PLAN)


def test_calibration_error_bins_by_probability() -> None:
    """Low and high take turns and each is wrong: unsorted bins would find both right on average."""
    sample = _sample([0.1, 0.9] * 50, [1, 0] * 50)
    assert classification.calibration_error(sample) == pytest.approx(0.9)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Of a share: 2 * 1.96 standard errors, at a confidence of 95 %."""
    sample, plan = _drawn(), replace(PLAN, draws=3000)
    found = classification.measure("rate", "all", classification.approval_rate, sample, plan)
    error = (found.value * (1 - found.value) / 500) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_the_gate_judges_the_metrics() -> None:
    """The same model passes one limit and fails a stricter one."""
    strict = replace(PLAN, thresholds=(Threshold("auc", "all", "at_least", 0.99),))
    assert gate(evaluate(_drawn(), PLAN), PLAN).passed
    assert not gate(evaluate(_drawn(), strict), strict).passed


@pytest.mark.parametrize(
    ("low", "high", "fine"),
    [(0.1, 0.3, True), (0.3, 0.1, False), (0.2, 0.2, False), (0, 0.3, False), (0.1, 1, False)],
)
def test_cut_offs_are_in_order_and_within_bounds(
    tmp_path: Path, low: float, high: float, fine: bool
) -> None:
    """Else somebody would be approved and declined at once, or nobody could be."""
    file = tmp_path / "thresholds.yaml"
    file.write_text(f"decision:\n  approve_below: {low}\n  decline_from: {high}\n")
    if fine:
        assert classification.cutoffs(file) == {"approve_below": low, "decline_from": high}
    else:
        with pytest.raises(ValueError, match="needs 0 < approve_below < decline_from < 1"):
            classification.cutoffs(file)


def _results(approved: dict[str, tuple[int, int]], plan: Plan = FAIR_PLAN) -> dict[str, Result]:
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
    assert gate(found.values(), FAIR_PLAN).passed


def test_four_fifths_rule() -> None:
    """42 against 60 in the hundred is a ratio of 0.7, and 0.18 of the good are turned away."""
    found = _results({"female": (42, 100), "male": (60, 100)})
    ratio, gap = found["approval_ratio female"], found["good_approval_gap female"]
    assert ratio.value == pytest.approx(0.7) and gap.value == pytest.approx(0.18)
    assert ratio.verdict == gap.verdict == FAIL
    assert ratio.low < 0.7 < ratio.high
    assert found["approval_ratio male"].verdict == PASS
    assert len(gate(found.values(), FAIR_PLAN).failures) == 2


def test_a_small_group_is_shown_but_neither_judged_nor_the_yardstick() -> None:
    """Ten people, all approved, say little about anyone."""
    found = _results({"female": (50, 100), "male": (50, 100), "other": (10, 10)})
    assert found["approval_ratio other"].verdict == NOT_JUDGED
    assert found["approval_ratio female"].value == pytest.approx(1.0)


def test_an_attribute_whose_groups_are_all_small_fails_the_gate() -> None:
    """A threshold that nobody could judge has not been met."""
    found = _results({"female": (5, 10), "male": (5, 10)})
    assert not gate(found.values(), FAIR_PLAN).passed


def test_probabilities_that_are_wrong_for_a_group_are_found() -> None:
    """Everyone is said to default at 0.2; nobody does."""
    found = _results({"female": (50, 100), "male": (50, 100)})
    assert found["calibration_gap female"].value == pytest.approx(0.2)


def test_an_interval_between_groups_is_as_wide_as_theory_says() -> None:
    """Of the difference of two shares of 400: 2 * 1.96 standard errors, at 95 %."""
    found = _results({"female": (360, 400), "male": (200, 400)}, replace(FAIR_PLAN, draws=2000))
    gap = found["good_approval_gap male"]
    error = (0.9 * 0.1 / 400 + 0.5 * 0.5 / 400) ** 0.5
    assert gap.high - gap.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_groups_of_other_rows_are_refused() -> None:
    """A group too few would shift all that follow."""
    sample = Sample(np.full(3, 0.2), np.zeros(3), np.array([True] * 3), "sha256:0")
    with pytest.raises(ValueError, match="2 rows of groups for 3"):
        fairness.evaluate(sample, pl.DataFrame({"sex": ["female", "male"]}), FAIR_PLAN)
