"""The whole run: what was planted is found, tampering stops it, chance has no part."""

from __future__ import annotations

import json

import polars as pl
import pytest

from case_records import data, pipeline
from case_records.controls import audit, evidence, stages
from case_records.controls.audit import EventType
from case_records.controls.paths import Paths
from case_records.controls.stages import StageFailed
from case_records.controls.validation import BorderRefused


def test_a_run_leaves_its_evidence(built: Paths) -> None:
    """One file a finding, each tied to inputs that still match."""
    names = sorted(path.stem for path in built.evidence.glob("*.json"))
    assert names == ["data-quality", "monitoring"]
    assert {name: evidence.stale(built, name) for name in names} == {name: [] for name in names}


def test_a_second_run_gives_the_same_evidence(rebuilt: Paths) -> None:
    """Byte for byte."""
    before = {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")}
    assert stages.run(pipeline.STAGES, rebuilt, say=lambda _: None) == 0
    assert {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")} == before


def test_planted_drift_raises_alerts(built: Paths) -> None:
    """In the last month, for each column that was made to drift."""
    found = evidence.read(built, "monitoring")["content"]
    assert found["window"] == "2025-12"
    assert {alert["column"] for alert in found["alerts"]} == {"amount", "channel", "minutes"}


def test_a_month_without_drift_raises_none(rebuilt: Paths) -> None:
    """The month before is as quiet as it should be."""
    file = rebuilt.data / "records.parquet"
    month = pl.col("received_on").dt.strftime("%Y-%m")
    pl.read_parquet(file).filter(month < "2025-12").write_parquet(file)
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["alerts"] == []


def test_alerts_are_in_the_audit_log(built: Paths) -> None:
    """As many events as alerts, no record's number among them, and the chain is whole."""
    text = (built.audit / "pipeline.jsonl").read_text()
    types = [json.loads(line)["type"] for line in text.splitlines()]
    alerts = evidence.read(built, "monitoring")["content"]["alerts"]
    assert types.count(EventType.DRIFT_ALERT) == len(alerts) > 0
    assert [log.findings for log in audit.verify_folder(built.audit)] == [()]


def test_a_tampered_audit_line_stops_the_run(rebuilt: Paths) -> None:
    """One number turned, and the log no longer proves anything."""
    log = rebuilt.audit / "pipeline.jsonl"
    log.write_text(log.read_text().replace('"severity":"warning"', '"severity":"none"', 1))
    with pytest.raises(StageFailed, match="not intact"):
        pipeline.document(rebuilt)


def test_too_many_bad_rows_stop_the_run(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the contract's limit the source is broken."""
    monkeypatch.setattr(data, "SPOILED_EACH", 60)
    pipeline.get_data(rebuilt)
    with pytest.raises(BorderRefused, match="of the rows of records break the contract"):
        pipeline.validate(rebuilt)


def test_quarantined_rows_say_why(built: Paths) -> None:
    """For a person to look at, outside git."""
    kept = pl.read_parquet(built.quarantine / "records.parquet")
    assert kept.height == 6 * data.SPOILED_EACH
    assert kept["reasons"].null_count() == 0
