"""The pipeline: each stage is a function that reads files, does one thing, and writes files.

It is a beginning. What a use case needs more, such as features, a model, an evaluation with its
gate or a service, comes in as further stages: docs/growing.md says how.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from . import data
from .controls import audit, contract, evidence, monitoring, validation
from .controls.paths import Paths
from .controls.stages import Stage

CONTRACT = "records.odcs.yaml"
# Watched besides the drift of each column: the share of records above this many minutes.
SLOW_MINUTES = 30.0


def get_data(paths: Paths) -> str:
    """Fetch the data: here it is made up, see `data.py`."""
    found = data.extract()
    _write(paths, "raw_records", found.records)
    _write(paths, "planted", found.planted)
    return f"{found.records.height:,} {data.ORIGIN} records"


def validate(paths: Paths) -> str:
    """Check the records against the contract; bad rows go to quarantine."""
    file = paths.contracts / CONTRACT
    checked = validation.guard(
        paths, _read(paths, "raw_records"), contract.load(file).tables["records"]
    )
    _write(paths, "records", checked.clean)
    content = {"records": checked.report}
    evidence.write(paths, "data-quality", content, [file, _file(paths, "raw_records")])
    return f"{checked.clean.height:,} rows keep the contract, {checked.quarantined.height} do not"


def monitor(paths: Paths) -> str:
    """Compare the newest month with those before it; alerts are a finding, not a failure."""
    plan = monitoring.load(
        paths.ops / "monitoring.yaml", required=["psi", "ks", "missing_rate", "prediction_rate"]
    )
    records = _read(paths, "records")
    month = pl.col("received_on").dt.truncate("1mo")
    newest, before = records.filter(month == month.max()), records.filter(month < month.max())
    report = monitoring.observe(
        before.drop("record_id", "received_on", "extracted_on"),
        newest.drop("record_id", "received_on", "extracted_on"),
        plan,
        score="minutes",
        threshold=SLOW_MINUTES,
        window=str(newest["received_on"].dt.strftime("%Y-%m").max()),
    )
    return monitoring.publish(paths, report, [_file(paths, "records")], f"{data.ORIGIN} data")


def document(paths: Paths) -> str:
    """Prove that the audit log is whole, and name the evidence of this run."""
    audit.refuse_broken(paths)
    return f"audit log intact, evidence: {', '.join(evidence.names(paths))}"


STAGES = (
    Stage("data", get_data),
    Stage("validate", validate, ("data",)),
    Stage("monitor", monitor, ("validate",)),
    Stage("evidence", document, ("monitor",)),
)


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(_file(paths, name))
