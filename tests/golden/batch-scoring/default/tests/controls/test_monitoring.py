"""Drift that is there is found, drift that is not there is not, and the numbers are right."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from late_orders.controls import monitoring
from late_orders.controls.monitoring import Check, Plan, Report
from late_orders.controls.monitoring.statistics import (
    ks_of_chance,
    psi_of_chance,
    rate_of_chance,
    shares,
)


@pytest.fixture
def plan() -> Plan:
    """A check for all that is measured, and one of our own."""
    limits = {"psi": 0.2, "ks": 0.2, "missing_rate": 0.05}
    kinds = {**monitoring.KINDS, "cost": "mean cost of a case"}
    checks = {
        name: Check(
            name, limits.get(name, 0.1), "warning", "team", "ops/playbook.md#x", "look", text
        )
        for name, text in kinds.items()
    }
    return Plan("a month", 100, checks)


def sample(rows: int, seed: int) -> pl.DataFrame:
    """Synthetic rows without drift: a number, a category, a score, a group and an outcome."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 4, rows)
    return pl.DataFrame(
        {
            "income": random.lognormal(10, 0.5, rows),
            "channel": random.choice(["branch", "online", "phone"], rows, p=[0.3, 0.5, 0.2]),
            "score": score,
            "group": random.choice(["a", "b"], rows),
            "outcome": random.random(rows) < score,
        }
    )


def watch(plan: Plan, current: pl.DataFrame) -> Report:
    """Observe the window against 4,000 rows of reference."""
    return monitoring.observe(
        sample(4000, seed=1), current, plan, score="score", slices=["group"], label="outcome"
    )


def alerts(report: Report) -> set[tuple[str, str, str]]:
    """What the alerts are about."""
    found = (alert.measurement for alert in report.alerts)
    return {(m.metric, m.column, m.slice) for m in found}


def test_psi_has_the_value_of_its_formula() -> None:
    """Two bins, 50/50 against 80/20: 0.3 ln(1.6) - 0.3 ln(0.4) = 0.3 ln 4."""
    before, after = pl.Series(["x"] * 5 + ["y"] * 5), pl.Series(["x"] * 8 + ["y"] * 2)
    assert monitoring.psi(before, after) == pytest.approx(0.4158883083)
    assert monitoring.psi(before, before) == 0


def test_psi_of_numbers_uses_tenths_of_the_reference() -> None:
    """All of 1,000 current values in the upper half: 5 bins of 0.2 instead of 0.1, 5 empty."""
    before = pl.Series(range(1000))
    after = pl.Series(np.arange(500, 1000).repeat(2))
    expected = 5 * 0.1 * np.log(2) + 5 * (1e-4 - 0.1) * np.log(1e-4 / 0.1)
    assert monitoring.psi(before, after) == pytest.approx(expected)
    labels = shares(before, after).labels
    assert (len(labels), labels[0], labels[-1]) == (10, "up to 99", "over 899")


def test_a_value_that_is_new_counts_as_drift() -> None:
    """A category that the reference lacks, and a constant that changes, are not lost."""
    before, after = pl.Series(["x"] * 100), pl.Series(["x"] * 70 + ["new"] * 30)
    assert monitoring.psi(before, after) > 1
    assert monitoring.psi(pl.Series([0.0] * 100), pl.Series([0.0] * 60 + [1.0] * 40)) > 1


def test_kolmogorov_smirnov_is_the_largest_distance() -> None:
    """0 to 9 against 5 to 14: at 4 half of one lies below, and nothing of the other."""
    left, right = pl.Series(range(10)), pl.Series(range(5, 15))
    assert monitoring.kolmogorov_smirnov(left, right) == pytest.approx(0.5)
    assert monitoring.kolmogorov_smirnov(left, left) == 0


def test_missing_values_are_counted_and_do_not_disturb_the_rest() -> None:
    """Null and NaN are both missing; PSI and KS look at what is there."""
    column = pl.Series([1.0, None, float("nan"), 2.0])
    assert monitoring.missing_rate(column) == 0.5
    assert monitoring.psi(pl.Series([1.0, 2.0]), column) == pytest.approx(0)
    assert monitoring.kolmogorov_smirnov(pl.Series([1.0, 2.0]), column) == 0


def test_the_limits_of_chance_are_the_tabulated_ones() -> None:
    """Chi-squared with 9 degrees 27.88, Kolmogorov 1.949, normal 3.291, each at 0.001."""
    assert psi_of_chance(10, 200, 200) == pytest.approx(27.877 / 100, rel=1e-4)
    assert ks_of_chance(200, 200) == pytest.approx(1.9495 / 10, rel=1e-4)
    assert rate_of_chance(0.5, 200, 200) == pytest.approx(3.2905 * 0.05, rel=1e-4)


@pytest.mark.parametrize("seed", range(2, 12))
def test_a_sample_without_drift_raises_no_alert(plan: Plan, seed: int) -> None:
    """Ten windows of the same population stay quiet."""
    assert alerts(watch(plan, sample(250, seed))) == set()


def test_a_shifted_number_raises_alerts(plan: Plan) -> None:
    """Income up by two thirds is seen by both statistics, and nothing else is."""
    current = sample(250, seed=2).with_columns(pl.col("income") * 1.7)
    assert alerts(watch(plan, current)) == {("psi", "income", "all"), ("ks", "income", "all")}


def test_a_shifted_category_raises_an_alert(plan: Plan) -> None:
    """All applications through one channel."""
    current = sample(250, seed=2).with_columns(channel=pl.lit("phone"))
    assert alerts(watch(plan, current)) == {("psi", "channel", "all")}


def test_missing_values_raise_an_alert_only_when_they_grow(plan: Plan) -> None:
    """A tenth of incomes missing is beyond 0.05; fewer missing than before is no alert."""
    gaps = sample(250, seed=2).with_row_index().with_columns(
        income=pl.when(pl.col("index") % 10 == 0).then(None).otherwise("income")
    ).drop("index")  # fmt: skip
    assert alerts(watch(plan, gaps)) == {("missing_rate", "income", "all")}
    better = monitoring.observe(gaps, sample(250, seed=3), plan, score="score")
    assert alerts(better) == set()


def test_a_shift_within_one_group_is_named(plan: Plan) -> None:
    """Scores of one group rise: the group is named, the other is not."""
    raised = pl.when(pl.col("group") == "a").then(pl.col("score") + 0.3).otherwise("score")
    report = watch(plan, sample(600, seed=2).with_columns(score=raised))
    groups = {m.slice for m in report.measurements if m.metric == "slice_prediction_rate"}
    assert groups == {"group=a", "group=b"}
    found = alerts(report)
    assert ("slice_prediction_rate", "score", "group=a") in found
    assert ("slice_prediction_rate", "score", "group=b") not in found


def test_outcomes_worse_than_predicted_raise_an_alert(plan: Plan) -> None:
    """Known outcomes count, unknown ones do not."""
    current = sample(250, seed=2).with_columns(outcome=pl.col("outcome") | (pl.col("score") > 0.3))
    assert ("calibration_gap", "outcome", "all") in alerts(watch(plan, current))
    unknown = current.with_columns(outcome=pl.lit(None, dtype=pl.Boolean))
    assert "calibration_gap" not in {m.metric for m in watch(plan, unknown).measurements}


def test_a_small_window_is_measured_but_not_judged(plan: Plan) -> None:
    """Below the plan's minimum of rows there is a number and no alert."""
    report = watch(plan, sample(60, seed=2).with_columns(pl.col("income") * 3))
    assert alerts(report) == set()
    assert max(m.value for m in report.measurements if m.metric == "psi") > 1


def test_what_chance_explains_is_no_alert(plan: Plan) -> None:
    """With limits near zero everything is beyond them, but nothing beyond what chance gives."""
    strict = {name: dataclasses.replace(c, limit=1e-6) for name, c in plan.checks.items()}
    report = watch(dataclasses.replace(plan, checks=strict), sample(250, seed=2))
    assert all(abs(m.value) > m.limit for m in report.measurements if m.metric == "psi")
    assert alerts(report) == set()


def test_an_alert_says_who_acts_and_how(plan: Plan) -> None:
    """Its content, as it goes to the audit log, has the owner, the runbook and the numbers."""
    report = watch(plan, sample(250, seed=2).with_columns(channel=pl.lit("phone")))
    content = report.alerts[0].content()
    assert content["owner"] == plan.checks["psi"].owner
    assert content["runbook"].startswith("ops/playbook.md#")
    assert (content["metric"], content["column"], content["rows"]) == ("psi", "channel", 250)


def test_what_cannot_be_monitored_is_refused(plan: Plan) -> None:
    """A missing column or an empty window is an error, not a quiet report."""
    with pytest.raises(ValueError, match="no column channel"):
        watch(plan, sample(250, seed=2).drop("channel"))
    with pytest.raises(ValueError, match="no rows"):
        watch(plan, sample(250, seed=2).clear())


def test_outcomes_may_be_those_of_an_earlier_window(plan: Plan) -> None:
    """Both windows are named, and each measurement counts the rows of its own."""
    newest = sample(250, seed=2).with_columns(outcome=pl.lit(None, dtype=pl.Boolean))
    report = monitoring.observe(
        sample(4000, seed=1), newest, plan, score="score", label="outcome",
        outcomes=sample(300, seed=3), window="June", outcome_window="January",
    )  # fmt: skip
    rows = [m.rows for m in report.measurements if m.metric == "calibration_gap"]
    content = report.content()
    assert (content["window"], content["outcome_window"], rows) == ("June", "January", [300])


def test_missing_values_are_no_rows_to_judge_by(plan: Plan) -> None:
    """Of 250 rows 50 have an income: what they show is not judged, that 200 are missing is."""
    place = pl.int_range(pl.len())
    income = pl.when(place < 50).then(pl.col("income") * 3)
    report = watch(plan, sample(250, seed=2).with_columns(income=income))
    assert {m.rows for m in report.measurements if m.metric == "psi"} == {50, 250}
    assert alerts(report) == {("missing_rate", "income", "all")}
    nothing = watch(plan, sample(250, seed=2).with_columns(income=pl.lit(None, dtype=pl.Float64)))
    assert alerts(nothing) == {("missing_rate", "income", "all")}


def test_a_measurement_of_ones_own_is_judged_by_the_plan(plan: Plan) -> None:
    """Cost, latency, abstentions: whatever has a check alerts like the rest."""
    dear, cheap = (monitoring.judge(plan, "cost", cost, 250) for cost in (0.2, 0.1))
    assert (dear.breached, cheap.breached) == (True, False)
    assert not monitoring.judge(plan, "cost", 0.2, 99).breached
    assert not monitoring.judge(plan, "cost", 0.2, 250, chance=0.3).breached
    report = monitoring.joined(watch(plan, sample(250, seed=2)), [dear])
    assert alerts(report) == {("cost", "", "all")}
    with pytest.raises(KeyError):
        monitoring.judge(plan, "mood", 1.0, 250)
