"""One schema of results for every kind of system: metric, slice, interval, threshold, verdict.

What is measured differs: a probability, an extracted field, an answer, a forecast. What a result
says does not, so that two runs, two models and two systems can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

Rows = NDArray[np.int64]
# A figure of the rows given by index, such as a mean over them.
Statistic = Callable[[Rows], float]
AT_LEAST, AT_MOST = "at_least", "at_most"
PASS, FAIL, NOT_JUDGED = "pass", "fail", "not judged"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit; `direction` is `at_least` or `at_most`, `slice` `all` or what slices are made of."""

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
    """The challenger's gain over the champion in one metric, its interval, and who wins."""

    metric: str
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


def measure(
    name: str, slice_: str, statistic: Statistic, rows: int, digest: str, plan: Plan
) -> Result:
    """A metric of so many rows of a data set, with its percentile bootstrap interval and verdict.

    Draws in which the metric is not defined, such as an AUC without bad outcomes, are left out.
    """
    value = statistic(np.arange(rows))
    low, high = interval((statistic(drawn) for drawn in draws(rows, plan)), plan)
    return judged(name, slice_, value, low, high, rows, digest, plan)


def judged(
    name: str,
    slice_: str,
    value: float,
    low: float,
    high: float,
    rows: int,
    digest: str,
    plan: Plan,
) -> Result:
    """A result with the verdict that the plan's threshold gives it."""
    limit = plan.threshold(name, slice_)
    return Result(
        metric=name,
        slice=slice_,
        value=value,
        low=low,
        high=high,
        n=rows,
        threshold=limit.limit if limit else None,
        direction=limit.direction if limit else None,
        verdict=_verdict(value, rows, limit, plan),
        dataset_digest=digest,
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


def compare(
    metric: str, champion: Statistic, challenger: Statistic, rows: int, plan: Plan
) -> Comparison:
    """Paired bootstrap of the gain in a metric of which more is better (else negate it).

    The challenger wins only where the whole interval of its gain is above 0.
    """

    def gain(drawn: Rows) -> float:
        return challenger(drawn) - champion(drawn)

    low, high = interval((gain(drawn) for drawn in draws(rows, plan)), plan)
    winner = "challenger" if low > 0 else "champion"
    return Comparison(metric, gain(np.arange(rows)), low, high, winner)


def content(
    results: Iterable[Result], verdict: Gate, comparison: Comparison | None = None
) -> dict[str, Any]:
    """All of it as plain data, for `evidence/evaluation.json`."""
    return {
        "results": [asdict(result) for result in results],
        "gate": {"passed": verdict.passed, "failures": list(verdict.failures)},
        "comparison": asdict(comparison) if comparison else None,
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the contents of two evaluations, one sentence a result.

    A change within the interval of the result before is not told: it may be chance.
    """
    old, new = (
        {(row["metric"], row["slice"]): row for row in content["results"]}
        for content in (before, after)
    )
    told = [_change(key, old.get(key), new[key]) for key in sorted(new)]
    gone = [f"{name} ({part}) is measured no more" for name, part in sorted(old.keys() - new)]
    return gone + [sentence for sentence in told if sentence]


def _change(
    key: tuple[str, str], before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> str:
    name = f"{key[0]} ({key[1]})"
    if before is None:
        return f"{name} is new: {after['value']:.3f}"
    moved = f"{name}: {before['value']:.3f} to {after['value']:.3f}"
    if before["verdict"] != after["verdict"]:
        return f"{moved}, {before['verdict']} to {after['verdict']}"
    return "" if before["low"] <= after["value"] <= before["high"] else moved


def draws(rows: int, plan: Plan) -> list[Rows]:
    """The rows of each bootstrap draw; the same plan gives the same draws."""
    rng = np.random.default_rng(plan.seed)
    return [rng.integers(0, rows, rows) for _ in range(plan.draws)]


def interval(drawn: Iterable[float], plan: Plan) -> tuple[float, float]:
    """The ends of the percentile interval of the draws that are numbers; NaN without any."""
    found = np.array(list(drawn), dtype=float)
    known: Sequence[float] = found[np.isfinite(found)].tolist()
    if not known:
        return float("nan"), float("nan")
    tail = (1 - plan.confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


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
