"""Metrics agree with known values, intervals cover, and the gate does what thresholds say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from credit_line.controls import evaluation
from credit_line.controls.evaluation import (
    Plan,
    Sample,
    Threshold,
    compare,
    evaluate,
    gate,
)

PLAN = Plan(100, 1, 0.95, 2, (Threshold("auc", "all", "at_least", 0.7),))


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
    assert evaluation.auc(_sample([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])) == 0.75
    assert evaluation.auc(_sample([0.5, 0.5], [0, 1])) == 0.5
    assert np.isnan(evaluation.auc(_sample([0.5, 0.5], [1, 1])))


def test_brier_and_log_loss_by_hand() -> None:
    """(0.2² + 0.4²)/2, and the mean of -ln 0.8 and -ln 0.6."""
    sample = _sample([0.2, 0.6], [0, 1])
    assert evaluation.brier(sample) == pytest.approx(0.1)
    assert evaluation.log_loss(sample) == pytest.approx(0.3669845875)


def test_calibration_error_is_zero_only_when_honest() -> None:
    """A bin that says 0.1 and gets 0.1 is right; one that says 0.9 instead is 0.8 off."""
    outcome = [1] + [0] * 9
    assert evaluation.calibration_error(_sample([0.1] * 100, outcome * 10)) == pytest.approx(0.0)
    assert evaluation.calibration_error(_sample([0.9] * 100, outcome * 10)) == pytest.approx(0.8)


def test_an_interval_holds_the_value_and_narrows_with_rows() -> None:
    """Ten times the rows, about a third of the width."""
    few, many = evaluate(_drawn(300), PLAN)[0], evaluate(_drawn(3000), PLAN)[0]
    assert few.low < few.value < few.high and many.low < many.value < many.high
    assert (many.high - many.low) < 0.5 * (few.high - few.low)


def test_results_are_the_same_each_time() -> None:
    """Draws are seeded by the plan."""
    assert evaluate(_drawn(), PLAN) == evaluate(_drawn(), PLAN)


def test_a_threshold_decides_the_verdict() -> None:
    """The same model passes one limit and fails a stricter one; the failure is a sentence."""
    strict = replace(PLAN, thresholds=(Threshold("auc", "all", "at_least", 0.99),))
    assert gate(evaluate(_drawn(), PLAN), PLAN).passed
    verdict = gate(evaluate(_drawn(), strict), strict)
    assert not verdict.passed
    assert verdict.failures[0].startswith("auc (all) is 0.8")
    assert verdict.failures[0].endswith("must be at least 0.99")


def test_a_threshold_at_most_is_met_from_below() -> None:
    """Direction matters: for errors, small is good."""
    low = replace(PLAN, thresholds=(Threshold("brier", "all", "at_most", 0.5),))
    high = replace(PLAN, thresholds=(Threshold("brier", "all", "at_most", 0.01),))
    assert gate(evaluate(_drawn(), low), low).passed
    assert not gate(evaluate(_drawn(), high), high).passed


def test_a_threshold_that_nothing_measured_fails_the_gate() -> None:
    """Leaving a metric out is no way to pass."""
    plan = replace(PLAN, thresholds=(Threshold("lift", "all", "at_least", 1.0),))
    verdict = gate(evaluate(_drawn(), plan), plan)
    assert verdict.failures == ("lift (all) has a threshold but was not judged",)


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


def test_a_threshold_file_with_a_mistake_is_refused(tmp_path: Path) -> None:
    """A limit without direction would pass silently."""
    file = tmp_path / "thresholds.yaml"
    file.write_text(
        "bootstrap: {draws: 9, seed: 1, confidence: 0.9}\nminimum_group: 5\n"
        "thresholds: [{metric: auc, slice: all}]\n"
    )
    with pytest.raises(ValueError, match=r"thresholds\.yaml: .*auc needs at_least or at_most"):
        evaluation.load(file)


def test_calibration_error_bins_by_probability() -> None:
    """Low and high take turns and each is wrong: unsorted bins would find both right on average."""
    sample = _sample([0.1, 0.9] * 50, [1, 0] * 50)
    assert evaluation.calibration_error(sample) == pytest.approx(0.9)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Of a share: 2 * 1.96 standard errors, at a confidence of 95 %."""
    sample, plan = _drawn(), replace(PLAN, draws=3000)
    found = evaluation.measure("rate", "all", evaluation.approval_rate, sample, plan)
    error = (found.value * (1 - found.value) / 500) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_without_thresholds_nothing_passes() -> None:
    """An empty list is no way to pass either."""
    plan = replace(PLAN, thresholds=())
    assert gate(evaluate(_drawn(), plan), plan).failures == ("there is no threshold to meet",)


def test_two_limits_on_one_metric_are_refused() -> None:
    """Only the first would be judged."""
    with pytest.raises(ValueError, match=r"auc \(all\) has two limits"):
        replace(PLAN, thresholds=(*PLAN.thresholds, Threshold("auc", "all", "at_most", 0.9)))


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
        assert evaluation.cutoffs(file) == {"approve_below": low, "decline_from": high}
    else:
        with pytest.raises(ValueError, match="needs 0 < approve_below < decline_from < 1"):
            evaluation.cutoffs(file)
