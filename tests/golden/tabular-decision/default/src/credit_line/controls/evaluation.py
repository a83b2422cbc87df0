"""Measures a model on data that it has not seen, and judges the results by thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Metric = Callable[["Sample"], float]
AT_LEAST, AT_MOST = "at_least", "at_most"
PASS, FAIL, NOT_JUDGED = "pass", "fail", "not judged"
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


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit; `direction` is `at_least` or `at_most`, `slice` `all` or a protected attribute."""

    metric: str
    slice: str
    direction: str
    limit: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that judging needs."""

    draws: int
    seed: int
    confidence: float
    minimum_group: int
    thresholds: tuple[Threshold, ...]

    def __post_init__(self) -> None:
        named = [(t.metric, t.slice) for t in self.thresholds]
        for metric, slice_ in named:
            if named.count((metric, slice_)) > 1:
                raise ValueError(f"{metric} ({slice_}) has two limits: only one would be judged")

    def threshold(self, metric: str, slice_: str) -> Threshold | None:
        """The limit for a metric on `all` or on the attribute of a slice such as `sex=female`."""
        named = (metric, slice_.partition("=")[0])
        return next((t for t in self.thresholds if (t.metric, t.slice) == named), None)


@dataclass(frozen=True, slots=True)
class Result:
    """One number: its slice, its bootstrap interval, and whether it is good enough.

    `n` counts the rows that it rests on; `low` and `high` are the ends of the interval.
    """

    metric: str
    slice: str
    value: float
    low: float
    high: float
    n: int
    threshold: float | None
    direction: str | None
    verdict: str
    dataset_digest: str


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a model may be packaged; if not, a sentence for each reason."""

    passed: bool
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The challenger's gain in AUC over the champion, with its interval, and who wins."""

    gain: float
    low: float
    high: float
    winner: str


def load(path: Path) -> Plan:
    """Read the thresholds; ValueError names the file and what is wrong in it."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        return Plan(
            draws=int(document["bootstrap"]["draws"]),
            seed=int(document["bootstrap"]["seed"]),
            confidence=float(document["bootstrap"]["confidence"]),
            minimum_group=int(document["minimum_group"]),
            thresholds=tuple(_threshold(item) for item in document["thresholds"]),
        )
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error


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
    """One metric with its percentile bootstrap interval and its verdict.

    Draws in which the metric is not defined, such as an AUC without bad outcomes, are left out.
    """
    value = metric(sample)
    drawn = np.array([metric(sample.take(rows)) for rows in draws(len(sample.outcome), plan)])
    low, high = _interval(drawn, plan)
    return judged(name, slice_, value, low, high, sample, plan)


def judged(
    name: str, slice_: str, value: float, low: float, high: float, sample: Sample, plan: Plan
) -> Result:
    """A result with the verdict that the plan's threshold gives it."""
    limit = plan.threshold(name, slice_)
    return Result(
        metric=name,
        slice=slice_,
        value=value,
        low=low,
        high=high,
        n=len(sample.outcome),
        threshold=limit.limit if limit else None,
        direction=limit.direction if limit else None,
        verdict=_verdict(value, len(sample.outcome), limit, plan),
        dataset_digest=sample.digest,
    )


def gate(results: Iterable[Result], plan: Plan) -> Gate:
    """Pass if every threshold was met, and none was left out for want of a result or of rows.

    Without any threshold nothing passes.
    """
    found = list(results)
    seen = {(r.metric, r.slice.partition("=")[0]) for r in found if r.verdict != NOT_JUDGED}
    missed = [
        f"{result.metric} ({result.slice}) is {result.value:.3f}, "
        f"must be {str(result.direction).replace('_', ' ')} {result.threshold:g}"
        for result in found
        if result.verdict == FAIL
    ]
    unmeasured = [
        f"{limit.metric} ({limit.slice}) has a threshold but was not judged"
        for limit in plan.thresholds
        if (limit.metric, limit.slice) not in seen
    ]
    absent = [] if plan.thresholds else ["there is no threshold to meet"]
    failures = (*absent, *missed, *unmeasured)
    return Gate(passed=not failures, failures=failures)


def compare(champion: Sample, challenger: Sample, plan: Plan) -> Comparison:
    """Paired bootstrap of the gain in AUC; the challenger wins only if the interval is above 0.

    ValueError unless both samples are of the same rows.
    """
    if not np.array_equal(champion.outcome, challenger.outcome):
        raise ValueError("champion and challenger were measured on different rows")
    gains = np.array(
        [
            auc(challenger.take(rows)) - auc(champion.take(rows))
            for rows in draws(len(champion.outcome), plan)
        ]
    )
    low, high = _interval(gains, plan)
    winner = "challenger" if low > 0 else "champion"
    return Comparison(auc(challenger) - auc(champion), low, high, winner)


def content(results: Iterable[Result], verdict: Gate, comparison: Comparison) -> dict[str, Any]:
    """All of it as plain data, for `evidence/evaluation.json`."""
    return {
        "results": [asdict(result) for result in results],
        "gate": {"passed": verdict.passed, "failures": list(verdict.failures)},
        "comparison": asdict(comparison),
    }


def draws(rows: int, plan: Plan) -> list[NDArray[np.int64]]:
    """The rows of each bootstrap draw; the same plan gives the same draws."""
    rng = np.random.default_rng(plan.seed)
    return [rng.integers(0, rows, rows) for _ in range(plan.draws)]


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


def _threshold(item: Mapping[str, Any]) -> Threshold:
    directions = [name for name in (AT_LEAST, AT_MOST) if name in item]
    if len(directions) != 1:
        raise ValueError(f"threshold for {item['metric']} needs at_least or at_most, one of them")
    direction = directions[0]
    return Threshold(item["metric"], item["slice"], direction, float(item[direction]))


def _verdict(value: float, n: int, limit: Threshold | None, plan: Plan) -> str:
    if limit is None or (limit.slice != "all" and n < plan.minimum_group):
        return NOT_JUDGED
    met = value >= limit.limit if limit.direction == AT_LEAST else value <= limit.limit
    return PASS if met else FAIL


def _interval(drawn: Floats, plan: Plan) -> tuple[float, float]:
    tail = (1 - plan.confidence) / 2
    known: Sequence[float] = drawn[np.isfinite(drawn)].tolist()
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
