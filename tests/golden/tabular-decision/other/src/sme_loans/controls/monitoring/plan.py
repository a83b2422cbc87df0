"""The monitoring plan: what is watched, beyond which limit, and who does what about it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

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
    """One row of the plan: `metric` (a key of KINDS) alerts when its size is above `limit`."""

    metric: str
    limit: float
    severity: str
    owner: str
    runbook: str
    action: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`ops/monitoring.yaml`. Fewer rows than `minimum_rows` are not judged."""

    window: str
    minimum_rows: int
    checks: Mapping[str, Check]


def load(path: Path) -> Plan:
    """Read the plan; ValueError names the file and what is wrong in it."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    checks = [_check(path, row) for row in content["checks"]]
    missing = KINDS.keys() - {check.metric for check in checks}
    if missing:
        raise ValueError(f"{path}: no check for {', '.join(sorted(missing))}")
    return Plan(
        window=content["window"],
        minimum_rows=int(content["minimum_rows"]),
        checks={check.metric: check for check in checks},
    )


def _check(path: Path, row: Mapping[str, Any]) -> Check:
    wanted = {field.name for field in fields(Check)}
    if row.keys() != wanted:
        raise ValueError(f"{path}: a check has {', '.join(sorted(wanted))}, not {sorted(row)}")
    if row["metric"] not in KINDS or not float(row["limit"]) > 0:
        raise ValueError(f"{path}: {row['metric']}: unknown metric or limit not above 0")
    return Check(**{**row, "limit": float(row["limit"])})
