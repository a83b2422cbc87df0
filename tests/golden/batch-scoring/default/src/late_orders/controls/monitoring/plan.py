"""The monitoring plan: what is watched, beyond which limit, and who does what about it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

# What `observe` measures by itself. A plan may name other metrics, and says what they mean.
KINDS = {
    "psi": "population stability index of a column",
    "ks": "Kolmogorov-Smirnov distance of a numeric column",
    "missing_rate": "growth of the share of missing values of a column",
    "prediction_rate": "change of the share of scores at or above the threshold",
    "slice_prediction_rate": "the same change within one group",
    "calibration_gap": "mean outcome minus mean score, where outcomes are known",
}


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
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    checks = [_check(path, row) for row in content["checks"]]
    if missing := set(required) - {check.metric for check in checks}:
        raise ValueError(f"{path}: no check for {', '.join(sorted(missing))}")
    return Plan(
        window=content["window"],
        minimum_rows=int(content["minimum_rows"]),
        checks={check.metric: check for check in checks},
    )


def _check(path: Path, row: Mapping[str, Any]) -> Check:
    wanted = {field.name for field in fields(Check)}
    if row.keys() | {"meaning"} != wanted:
        names = ", ".join(sorted(wanted - {"meaning"}))
        raise ValueError(f"{path}: a check has {names}, not {sorted(row)}")
    metric, meaning = str(row["metric"]), row.get("meaning") or KINDS.get(row["metric"], "")
    if not metric.isidentifier() or not meaning:
        raise ValueError(f"{path}: {metric}: unknown metric: give its `meaning`")
    if not float(row["limit"]) > 0:
        raise ValueError(f"{path}: {metric}: limit not above 0")
    return Check(**{**row, "limit": float(row["limit"]), "meaning": meaning})
