"""Intervals cover, verdicts follow thresholds, the gate lets nothing slip, runs can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_line.controls import evaluation
from credit_line.controls.evaluation import (
    Gate,
    Plan,
    Result,
    Threshold,
    compare,
    gate,
    measure,
)

PLAN = Plan(300, 1, 0.95, 2, (Threshold("right", "all", "at_least", 0.7),))


def _right(share: float, rows: int = 500, plan: Plan = PLAN, slice_: str = "all") -> Result:
    """The share of right answers among so many."""
    answers = np.arange(rows) < share * rows
    return measure(
        "right", slice_, lambda drawn: float(answers[drawn].mean()), rows, "sha256:0", plan
    )


def _limit(metric: str, slice_: str, direction: str, limit: float) -> Plan:
    return replace(PLAN, thresholds=(Threshold(metric, slice_, direction, limit),))


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Of a share: 2 * 1.96 standard errors, at a confidence of 95 %."""
    found = _right(0.8, plan=replace(PLAN, draws=3000))
    assert found.low < found.value == 0.8 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * (0.16 / 500) ** 0.5, rel=0.08)


def test_results_are_the_same_each_time() -> None:
    """Draws are seeded by the plan."""
    assert _right(0.8) == _right(0.8)


def test_a_figure_that_is_never_defined_has_no_interval() -> None:
    """And does not stop the run."""
    found = measure("ratio", "all", lambda rows: float("nan"), 5, "sha256:0", PLAN)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_threshold_decides_the_verdict() -> None:
    """The same result passes one limit and fails a stricter one; the failure is a sentence."""
    strict = _limit("right", "all", "at_least", 0.9)
    assert gate([_right(0.8)], PLAN) == Gate(passed=True, failures=())
    verdict = gate([_right(0.8, plan=strict)], strict)
    assert verdict.failures == ("right (all) is 0.800, must be at least 0.9",)


def test_a_threshold_at_most_is_met_from_below() -> None:
    """Direction matters: for errors, small is good."""
    low, high = (_limit("right", "all", "at_most", limit) for limit in (0.9, 0.7))
    assert gate([_right(0.8, plan=low)], low).passed
    assert not gate([_right(0.8, plan=high)], high).passed


def test_a_threshold_that_nothing_measured_fails_the_gate() -> None:
    """Leaving a metric out is no way to pass."""
    plan = _limit("lift", "all", "at_least", 1.0)
    assert gate([_right(0.8)], plan).failures == ("lift (all) has a threshold but was not judged",)


def test_a_small_slice_is_shown_but_not_judged() -> None:
    """And a threshold that nobody could judge has not been met."""
    plan = replace(_limit("right", "kind", "at_least", 0.7), minimum_group=50)
    small = _right(0.1, 10, plan, "kind=rare")
    large = _right(0.8, 100, plan, "kind=common")
    assert (small.verdict, large.verdict) == ("not judged", "pass")
    assert gate([small, large], plan).passed
    assert not gate([small], plan).passed


def test_without_thresholds_nothing_passes() -> None:
    """An empty list is no way to pass either."""
    plan = replace(PLAN, thresholds=())
    assert gate([_right(0.8, plan=plan)], plan).failures == ("there is no threshold to meet",)


def test_two_limits_on_one_metric_are_refused() -> None:
    """Only the first would be judged."""
    with pytest.raises(ValueError, match=r"right \(all\) has two limits"):
        replace(PLAN, thresholds=(*PLAN.thresholds, Threshold("right", "all", "at_most", 0.9)))


def test_a_challenger_wins_only_beyond_chance() -> None:
    """Equal ones: the champion stays. A clearly better one takes over, and not the other way."""
    draw = np.random.default_rng(5).random(400)

    def share(limit: float) -> evaluation.Statistic:
        return lambda rows: float((draw[rows] < limit).mean())

    assert compare("right", share(0.8), share(0.8), 400, PLAN).winner == "champion"
    assert compare("right", share(0.9), share(0.6), 400, PLAN).winner == "champion"
    better = compare("right", share(0.6), share(0.9), 400, PLAN)
    assert (better.winner, better.low < better.gain < better.high) == ("challenger", True)


def _told(*results: Result) -> dict[str, Any]:
    return evaluation.content(results, gate(results, PLAN))


def _changes(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    return evaluation.changes(_told(*before), _told(*after))


def test_two_runs_are_compared_line_by_line() -> None:
    """What is gone, what is new, what turned, what moved; chance is not told."""
    assert _changes([_right(0.8)], [_right(0.81)]) == []
    assert _changes([_right(0.8)], [_right(0.9)]) == ["right (all): 0.800 to 0.900"]
    assert _changes([_right(0.72)], [_right(0.69)]) == ["right (all): 0.720 to 0.690, pass to fail"]
    other = _right(0.8, slice_="kind=rare")
    assert _changes([_right(0.8)], [_right(0.8), other]) == ["right (kind=rare) is new: 0.800"]
    assert _changes([other], []) == ["right (kind=rare) is measured no more"]


def test_a_threshold_file_with_a_mistake_is_refused(tmp_path: Path) -> None:
    """A limit without direction would pass silently."""
    file = tmp_path / "thresholds.yaml"
    file.write_text(
        "bootstrap: {draws: 9, seed: 1, confidence: 0.9}\nminimum_group: 5\n"
        "thresholds: [{metric: auc, slice: all}]\n"
    )
    with pytest.raises(ValueError, match=r"thresholds\.yaml: .*auc needs at_least or at_most"):
        evaluation.load(file)
