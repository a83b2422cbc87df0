"""Measures a classifier of two outcomes: ranking, honesty of probabilities, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.stats import rankdata

from . import evaluation
from .evaluation import Comparison, Plan, Result

Floats = NDArray[np.float64]
Metric = Callable[["Sample"], float]
BINS = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model said of a data set, row by row, and what then happened.

    `probability` of the bad outcome, `outcome` 1 where it came, `approved` true where the
    decision was favourable, `digest` of the data set.
    """

    probability: Floats
    outcome: Floats
    approved: NDArray[np.bool_]
    digest: str

    def take(self, rows: NDArray[Any]) -> Sample:
        """The sample of the rows given by index or mask."""
        return Sample(self.probability[rows], self.outcome[rows], self.approved[rows], self.digest)


def cutoffs(path: Path) -> dict[str, float]:
    """Read the cut-offs of the decision; ValueError unless 0 < approve below < decline from < 1."""
    decision = yaml.safe_load(path.read_text("utf-8"))["decision"]
    found = {name: float(decision[name]) for name in ("approve_below", "decline_from")}
    if not 0 < found["approve_below"] < found["decline_from"] < 1:
        raise ValueError(f"{path.name}: it needs 0 < approve_below < decline_from < 1")
    return found


def evaluate(sample: Sample, plan: Plan) -> list[Result]:
    """All metrics on the whole sample."""
    return [measure(name, "all", metric, sample, plan) for name, metric in METRICS.items()]


def measure(name: str, slice_: str, metric: Metric, sample: Sample, plan: Plan) -> Result:
    """One metric with its bootstrap interval and its verdict."""

    def statistic(rows: NDArray[np.int64]) -> float:
        return metric(sample.take(rows))

    return evaluation.measure(name, slice_, statistic, len(sample.outcome), sample.digest, plan)


def compare(champion: Sample, challenger: Sample, plan: Plan) -> Comparison:
    """The challenger's gain in AUC; ValueError unless both samples are of the same rows."""
    if not np.array_equal(champion.outcome, challenger.outcome):
        raise ValueError("champion and challenger were measured on different rows")

    def area(sample: Sample) -> evaluation.Statistic:
        return lambda rows: auc(sample.take(rows))

    return evaluation.compare("auc", area(champion), area(challenger), len(champion.outcome), plan)


def auc(sample: Sample) -> float:
    """Area under the ROC curve: how often a bad outcome is ranked above a good one; 0.5 is chance.

    From the Mann-Whitney statistic; NaN where one of the outcomes is absent.
    """
    bad = sample.outcome == 1
    n, m = int(bad.sum()), int((~bad).sum())
    if not n or not m:
        return float("nan")
    ranks = rankdata(sample.probability)
    return float((ranks[bad].sum() - n * (n + 1) / 2) / (n * m))


def brier(sample: Sample) -> float:
    """Mean squared distance of probability and outcome; 0 is perfect (Brier 1950)."""
    return float(np.mean((sample.probability - sample.outcome) ** 2))


def log_loss(sample: Sample) -> float:
    """Mean negative log-likelihood of the outcomes, in nats; 0 is perfect."""
    p = np.clip(sample.probability, 1e-15, 1 - 1e-15)
    return float(-np.mean(sample.outcome * np.log(p) + (1 - sample.outcome) * np.log(1 - p)))


def calibration_error(sample: Sample) -> float:
    """Expected calibration error: distance of mean probability and bad rate, averaged over bins.

    Ten bins of equal count, weighted by their rows (Naeini et al. 2015, with equal-count bins).
    """
    order = np.argsort(sample.probability, kind="stable")
    bins = [rows for rows in np.array_split(order, BINS) if len(rows)]
    gaps = [abs(sample.probability[rows].mean() - sample.outcome[rows].mean()) for rows in bins]
    return float(np.average(gaps, weights=[len(rows) for rows in bins]))


def calibration_gap(sample: Sample) -> float:
    """Distance of mean probability and bad rate; 0 means right on average."""
    return float(abs(sample.probability.mean() - sample.outcome.mean()))


def approval_rate(sample: Sample) -> float:
    """Share of applications with the favourable decision."""
    return float(sample.approved.mean())


METRICS: Mapping[str, Metric] = {
    "auc": auc,
    "brier": brier,
    "log_loss": log_loss,
    "calibration_error": calibration_error,
    "approval_rate": approval_rate,
}
