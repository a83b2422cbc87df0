"""The monitoring plan, and a current window against the reference: each measurement is judged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from .statistics import (
    Binned,
    kolmogorov_smirnov,
    ks_of_chance,
    missing_rate,
    present,
    psi,
    psi_of_chance,
    rate_of_chance,
    shares,
)

# What `observe` measures by itself. A plan may name other metrics, and says what they mean.
KINDS = {
    "psi": "population stability index of a column",
    "ks": "Kolmogorov-Smirnov distance of a numeric column",
    "missing_rate": "growth of the share of missing values of a column",
    "prediction_rate": "change of the share of scores at or above the threshold",
    "slice_prediction_rate": "the same change within one group",
    "calibration_gap": "mean outcome minus mean score, where outcomes are known",
}


WORDS = ("severity", "owner", "runbook", "action")  # what each check says, besides metric and limit


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the plan: `metric` alerts when its size is above `limit`."""

    metric: str
    limit: float
    severity: str
    owner: str
    runbook: str
    action: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """`ops/monitoring.yaml`. Fewer rows than `minimum_rows` are not judged."""

    window: str
    minimum_rows: int
    checks: Mapping[str, Check]


def load(path: Path, required: Collection[str] = ()) -> Plan:
    """Read the plan; ValueError names the file and what is wrong in it.

    `required` are the metrics that the caller measures: one without a check would alert nobody.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _plan(content, required)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error


def _plan(content: Any, required: Collection[str]) -> Plan:
    if not isinstance(content, Mapping) or "checks" not in content:
        raise ValueError("it has no `checks`")
    if not isinstance(content["checks"], list) or not content["checks"]:
        raise ValueError("`checks` is no list of checks")
    checks: dict[str, Check] = {}
    for check in map(_check, content["checks"]):
        if check.metric in checks:
            raise ValueError(f"{check.metric} has two checks: only one of them would count")
        checks[check.metric] = check
    if missing := set(required) - checks.keys():
        raise ValueError(f"no check for {', '.join(sorted(missing))}")
    rows = content.get("minimum_rows")
    if type(rows) is not int or rows < 1:
        raise ValueError(f"minimum_rows is {rows!r}, not a whole number from 1 on")
    return Plan(_words(content.get("window"), "window"), rows, checks)


def _check(row: Any) -> Check:
    wanted = {field.name for field in fields(Check)}
    if not isinstance(row, Mapping) or row.keys() | {"meaning"} != wanted:
        names = ", ".join(sorted(wanted - {"meaning"}))
        raise ValueError(f"a check has {names}, not {row!r}")
    metric = _words(row["metric"], "metric")
    meaning = row.get("meaning") or KINDS.get(metric, "")
    if not metric.isidentifier() or not meaning:
        raise ValueError(f"{metric}: unknown metric: give its `meaning`")
    said = {name: _words(row[name], f"{metric}: {name}") for name in WORDS}
    limit = _limit(row["limit"], metric)
    return Check(metric, limit, meaning=_words(meaning, f"{metric}: meaning"), **said)


def _words(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}, not words")
    return value


def _limit(value: Any, metric: str) -> float:
    try:
        limit = float(value if isinstance(value, (int, float, str)) else "")
    except ValueError:
        raise ValueError(f"{metric}: limit is {value!r}, not a number") from None
    if isinstance(value, bool) or not 0 < limit < inf:
        raise ValueError(f"{metric}: limit is {value!r}, not above 0 and finite")
    return limit


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of one window: `slice` is `all` or `column=value`, `rows` those that it rests on.

    It is breached if beyond its limit by more than chance explains, on enough rows.
    """

    metric: str
    column: str
    slice: str
    value: float
    limit: float
    rows: int
    breached: bool


@dataclass(frozen=True, slots=True)
class Alert:
    """A measurement beyond its limit, with who acts on it and how."""

    measurement: Measurement
    check: Check

    def content(self) -> dict[str, Any]:
        """The alert as plain data, for the audit log."""
        return {**asdict(self.check), **asdict(self.measurement)}

    def __str__(self) -> str:
        m = self.measurement
        return f"{m.metric} of {m.column} ({m.slice}) is {m.value:.3f}, limit {m.limit:g}"


@dataclass(frozen=True, slots=True)
class Report:
    """All measurements of one window, and the shares from which plots are drawn."""

    window: str
    reference_rows: int
    current_rows: int
    measurements: tuple[Measurement, ...]
    plan: Plan
    distributions: Mapping[str, Binned] = field(default_factory=dict)
    outcome_window: str = ""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The measurements beyond their limits, in the plan's order, largest excess first."""
        order = list(self.plan.checks)
        breached = [m for m in self.measurements if m.breached]
        breached.sort(key=lambda m: (order.index(m.metric), -abs(m.value), m.column, m.slice))
        return tuple(Alert(m, self.plan.checks[m.metric]) for m in breached)

    @property
    def unjudged(self) -> tuple[Measurement, ...]:
        """The measurements that rest on too few rows to say anything."""
        return tuple(m for m in self.measurements if m.rows < self.plan.minimum_rows)

    def verdict(self) -> str:
        """How many alerts there are, and whether the window has enough rows to raise one."""
        count, few = len(self.alerts), self.current_rows < self.plan.minimum_rows
        return f"{count} alerts{', not judged: too few rows' if few else ''}"

    def content(self) -> dict[str, Any]:
        """The report as plain data, for `evidence/monitoring.json`."""
        return {
            "window": self.window,
            "outcome_window": self.outcome_window,
            "reference_rows": self.reference_rows,
            "current_rows": self.current_rows,
            "measurements": [asdict(measurement) for measurement in self.measurements],
            "alerts": [alert.content() for alert in self.alerts],
        }


def judge(
    plan: Plan,
    metric: str,
    value: float,
    rows: int,
    *,
    column: str = "",
    group: str = "all",
    chance: float = 0.0,
) -> Measurement:
    """A measurement of your own, judged by the plan's check of that name.

    `chance` is the size that chance alone gives, where that is known. KeyError without a check.
    """
    limit = plan.checks[metric].limit
    breached = abs(value) > max(limit, chance) and rows >= plan.minimum_rows
    return Measurement(metric, column, group, value, limit, rows, breached)


def joined(report: Report, more: Sequence[Measurement]) -> Report:
    """The report with further measurements of the same window."""
    return replace(report, measurements=(*report.measurements, *more))


def observe(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    plan: Plan,
    *,
    score: str,
    threshold: float = 0.5,
    slices: Sequence[str] = (),
    label: str | None = None,
    outcomes: pl.DataFrame | None = None,
    window: str = "current",
    outcome_window: str | None = None,
) -> Report:
    """Measure how far `current` is from `reference`.

    `score` names the probability column; its rate is the share at or above `threshold`. `slices`
    name columns whose groups are watched but whose own drift is not. `label` names the outcome as
    far as it is known: null means not yet; `outcomes` are the rows that it is measured on, for
    want of newer ones, by default the current rows. Every other column is watched for drift, so
    leave out ids and dates. Raises ValueError where a column or all rows are missing.
    """
    _refuse_unusable(reference, current, [score, *slices, *([label] if label else [])])
    watched = [name for name in reference.columns if name not in {*slices, label}]
    scores = reference[score], current[score]
    matured = current if outcomes is None else outcomes
    found = [
        *(_of_column(plan, reference[name], current[name]) for name in watched),
        [_of_rate(plan, "prediction_rate", "all", *scores, threshold)],
        *(_of_slices(plan, reference, current, name, score, threshold) for name in slices),
        _of_outcomes(plan, matured, score, label) if label else [],
    ]
    return Report(
        window=window,
        reference_rows=reference.height,
        current_rows=current.height,
        measurements=tuple(measurement for group in found for measurement in group),
        plan=plan,
        distributions={name: shares(reference[name], current[name]) for name in watched},
        outcome_window=outcome_window or window,
    )


def _refuse_unusable(reference: pl.DataFrame, current: pl.DataFrame, named: list[str]) -> None:
    absent = [name for name in [*named, *reference.columns] if name not in current.columns]
    absent += [name for name in named if name not in reference.columns]
    if absent:
        raise ValueError(f"no column {', '.join(sorted(set(absent)))} to monitor")
    if reference.is_empty() or current.is_empty():
        raise ValueError("nothing to monitor: the reference or the current window has no rows")


def _of_column(plan: Plan, reference: pl.Series, current: pl.Series) -> list[Measurement]:
    name, rows = reference.name, (present(reference), present(current))
    bins = len(shares(reference, current).labels)
    index = psi(reference, current)
    found = [_measured(plan, "psi", name, index, rows[1], chance=psi_of_chance(bins, *rows))]
    if reference.dtype.is_numeric():
        distance = kolmogorov_smirnov(reference, current)
        found.append(_measured(plan, "ks", name, distance, rows[1], chance=ks_of_chance(*rows)))
    found.append(_of_missing(plan, reference, current))
    return found


def _of_missing(plan: Plan, reference: pl.Series, current: pl.Series) -> Measurement:
    before, after = missing_rate(reference), missing_rate(current)
    chance = _chance(before, reference.len(), after, current.len())
    growth = max(after - before, 0.0)
    return _measured(plan, "missing_rate", reference.name, growth, current.len(), chance=chance)


def _of_rate(
    plan: Plan, metric: str, group: str, reference: pl.Series, current: pl.Series, threshold: float
) -> Measurement:
    before, after = _rate(reference, threshold), _rate(current, threshold)
    chance = _chance(before, reference.len(), after, current.len())
    return _measured(
        plan, metric, reference.name, after - before, current.len(), group=group, chance=chance
    )


def _rate(scores: pl.Series, threshold: float) -> float:
    return int((scores >= threshold).sum()) / scores.len()


def _chance(before: float, before_rows: int, after: float, after_rows: int) -> float:
    pooled = (before * before_rows + after * after_rows) / (before_rows + after_rows)
    return rate_of_chance(pooled, before_rows, after_rows)


def _of_slices(
    plan: Plan,
    reference: pl.DataFrame,
    current: pl.DataFrame,
    column: str,
    score: str,
    threshold: float,
) -> list[Measurement]:
    """The change of the rate within each group that has enough rows on both sides."""
    found = []
    for value in sorted(reference[column].drop_nulls().unique().to_list(), key=str):
        before, after = (
            part.filter(pl.col(column) == value)[score] for part in (reference, current)
        )
        if min(before.len(), after.len()) >= plan.minimum_rows:
            group = f"{column}={value}"
            found.append(_of_rate(plan, "slice_prediction_rate", group, before, after, threshold))
    return found


def _of_outcomes(plan: Plan, current: pl.DataFrame, score: str, label: str) -> list[Measurement]:
    """How far outcomes are from what was predicted, on the rows whose outcome is known."""
    known = current.select(pl.col(label).cast(pl.Float64), pl.col(score)).drop_nulls()
    if known.height < plan.minimum_rows:
        return []
    outcome, expected = (float(known[name].to_numpy().mean()) for name in (label, score))
    chance = rate_of_chance(expected, known.height, 10**12)
    gap = outcome - expected
    return [_measured(plan, "calibration_gap", label, gap, known.height, chance=chance)]


def _measured(
    plan: Plan,
    metric: str,
    column: str,
    value: float,
    rows: int,
    *,
    chance: float,
    group: str = "all",
) -> Measurement:
    return judge(plan, metric, value, rows, column=column, group=group, chance=chance)
