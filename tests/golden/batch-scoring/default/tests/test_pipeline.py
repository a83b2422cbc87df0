"""The whole run: nights add up, what was planted is found, reruns change nothing."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from late_orders import data, model, pipeline
from late_orders.__main__ import main
from late_orders.controls import (
    audit,
    batch,
    evidence,
    lineage,
    monitoring,
    packages,
    releases,
    stages,
)
from late_orders.controls.audit import EventType
from late_orders.controls.paths import Paths
from late_orders.controls.stages import StageFailed
from late_orders.controls.switch import switch_of

LAST = data.days()[-1]
NAMES = ["batches", "data-quality", "evaluation", "model", "monitoring"]
WHO = ["--actor", "duty@example.org"]


def test_a_run_leaves_its_evidence(built: Paths) -> None:
    """One file a finding, each tied to inputs that still match."""
    names = sorted(path.stem for path in built.evidence.glob("*.json"))
    assert names == sorted([*NAMES, "bom", "lineage"])
    assert {name: evidence.stale(built, name) for name in names} == {name: [] for name in names}
    assert (built.docs / "model-card.md").exists()


def test_a_second_run_changes_nothing(rebuilt: Paths) -> None:
    """No evidence, no night, no event of a night."""
    before = {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")}
    log = (rebuilt.audit / "batch.jsonl").read_bytes()
    assert stages.run(pipeline.STAGES, rebuilt, say=lambda _: None) == 0
    assert {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")} == before
    assert (rebuilt.audit / "batch.jsonl").read_bytes() == log
    assert len(packages.history(rebuilt)) == 1


def test_the_model_goes_back_to_its_sources(built: Paths) -> None:
    """Raw data, contract and thresholds; and what evidence rests on, its stage read."""
    content = evidence.read(built, "lineage")["content"]
    assert content["sources"] == sorted([pipeline.RAW, pipeline.AGREED, pipeline.LIMITS])
    for flow in pipeline.FLOWS.values():
        for name in flow.writes:
            if name.startswith("evidence/") and name != lineage.RELEASED:
                assert evidence.read(built, Path(name).stem)["inputs"].keys() <= set(flow.reads)


def test_each_night_has_its_lineage(built: Paths) -> None:
    """The rows as they came, their scores, and those that were set aside."""
    stages_told = evidence.read(built, "lineage")["content"]["stages"]
    (told,) = [set(item["writes"]) for item in stages_told if item["stage"] == "nights"]
    for day in data.days():
        folder = f"var/batches/{day}"
        assert told >= {f"var/data/nights/{day}.parquet", f"{folder}/dead.parquet"}
        assert f"{folder}/scores.parquet" in told


def test_the_bill_of_materials_names_it(built: Paths) -> None:
    """The model that was released, and the data that it goes back to."""
    content = evidence.read(built, "bom")["content"]
    version = evidence.read(built, "model")["content"]["version"]
    assert {f"model:{version}", "data:var/data/history.parquet"} <= content["components"].keys()


def test_every_row_of_every_night_is_accounted_for(built: Paths) -> None:
    """As many rows as the source sent; the planted ones are where they belong."""
    nights = batch.nights(built)
    assert [night.day for night in nights] == [str(day) for day in data.days()]
    for number, night in enumerate(nights):
        assert night.reconciled
        assert night.received == data.night(data.days()[number]).height
        assert night.late == data.LATE
        assert night.repeated == (data.RESENT if number else 0)
        assert sum(night.dead.values()) == data.TOO_LATE + data.SPOILED_EACH * len(data.SPOILS)


def test_planted_drift_raises_alerts(built: Paths) -> None:
    """In the last night, for what was made to drift."""
    found = evidence.read(built, "monitoring")["content"]
    assert found["window"] == str(LAST)
    assert {"distance_km", "items", "score"} <= {alert["column"] for alert in found["alerts"]}


def test_a_night_without_drift_raises_none(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The night before is as quiet as it should be."""
    known = batch.nights(rebuilt)[:-1]
    monkeypatch.setattr(batch, "nights", lambda paths: known)
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["alerts"] == []


def _retrained(paths: Paths, patch: pytest.MonkeyPatch) -> str:
    """Another history, a whole run on it; the version that serves then."""
    other = data.history(seed=4)
    patch.setattr(data, "history", lambda: other)
    assert stages.run(pipeline.STAGES, paths, say=lambda _: None) == 0
    serving = packages.serving(paths)
    assert serving
    return serving


def test_a_retrained_model_leaves_published_nights(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves and has its evidence; it scores the next night, and no other."""
    (old,) = packages.history(rebuilt)
    folder, days = rebuilt.var / "batches", data.days()
    before = {file: file.read_bytes() for file in folder.rglob("*.*") if file.is_file()}
    new = _retrained(rebuilt, monkeypatch)
    assert new != old
    assert {file: file.read_bytes() for file in folder.rglob("*.*") if file.is_file()} == before
    assert evidence.read(rebuilt, "model")["content"]["version"] == new
    assert f"model:{new}" in evidence.read(rebuilt, "bom")["content"]["components"]
    assert new in (rebuilt.docs / "model-card.md").read_text()
    monkeypatch.setattr(data, "days", lambda: [*days, LAST + timedelta(days=1)])
    assert stages.run(pipeline.STAGES, rebuilt, "monitor", say=lambda _: None) == 0
    told = evidence.read(rebuilt, "batches")["content"]["nights"]
    assert [night["version"] for night in told] == [old] * data.NIGHTS + [new]


def test_another_model_for_a_night_needs_a_reason(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, even a night that has to come back is scored by the model on record."""
    (old,) = packages.history(rebuilt)
    new = _retrained(rebuilt, monkeypatch)
    shutil.rmtree(rebuilt.var / "batches" / str(LAST))
    assert f"{LAST} by {old}" in pipeline.score_night(rebuilt, LAST, None)
    why = batch.Why("the old model was wrong", "duty@example.org")
    assert f"{LAST} by {new}" in pipeline.score_night(rebuilt, LAST, why)
    assert batch.disagreements(rebuilt) == []


def test_a_night_is_compared_by_the_model_that_scored_it(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what that model learned from, though another serves and the history has grown."""
    before = evidence.read(rebuilt, "monitoring")["content"]
    facts = {**packages.load(rebuilt).facts, "trained_until": "2025-08-02"}
    weak = model.fit(model.split(data.history()).train.head(40))
    packages.activate(rebuilt, packages.save(rebuilt, weak, facts))
    grown = data.history().vstack(data.history().with_columns(ordered_on=pl.lit(LAST)))
    grown.write_parquet(rebuilt.data / "history.parquet")
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"] == before


def test_daily_work_leaves_a_rollback_alone(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nights and monitoring go on with the model that serves, also when the history has grown."""
    (old,) = packages.history(rebuilt)
    days, grown = data.days(), data.history(seed=5)
    _retrained(rebuilt, monkeypatch)
    releases.roll_back(rebuilt, "worse at night", "duty@example.org")
    monkeypatch.setattr(data, "history", lambda: grown)
    monkeypatch.setattr(data, "days", lambda: [*days, LAST + timedelta(days=1)])
    saved = packages.versions(rebuilt)
    assert stages.run(pipeline.STAGES, rebuilt, "monitor", say=lambda _: None) == 0
    assert (packages.history(rebuilt), packages.versions(rebuilt)) == ([old], saved)
    assert {night.version for night in batch.nights(rebuilt)} == {old}


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("nights", ["nights"]),
        ("monitor", ["data", "validate", "nights", "monitor"]),
        ("evidence", [stage.name for stage in pipeline.STAGES]),
    ],
)
def test_only_the_whole_run_trains(target: str, names: list[str]) -> None:
    """The stages before this one."""
    assert [stage.name for stage in stages.wanted(pipeline.STAGES, target)] == names


def test_without_a_model_that_serves_no_night_is_scored(project: Paths) -> None:
    """It fails in words."""
    with pytest.raises(StageFailed, match="nothing serves yet: run the pipeline first"):
        pipeline.score(project)


def test_each_night_is_one_event(built: Paths) -> None:
    """The log of the nights is whole, and holds no key of an order."""
    text = (built.audit / "batch.jsonl").read_text()
    types = [json.loads(line)["type"] for line in text.splitlines()]
    assert types == [EventType.BATCH] * data.NIGHTS
    keys = data.night(LAST)["order_id"].to_list()
    assert not [key for key in keys if key in text]
    assert [log.findings for log in audit.verify_folder(built.audit)].count(()) == 2


def test_a_tampered_audit_line_stops_the_run(rebuilt: Paths) -> None:
    """One count changed, and the log no longer proves anything."""
    log = rebuilt.audit / "batch.jsonl"
    log.write_text(log.read_text().replace('"late":9', '"late":8', 1))
    with pytest.raises(StageFailed, match="not intact"):
        pipeline.document(rebuilt)


def test_the_kill_switch_stops_the_nights(rebuilt: Paths) -> None:
    """Nothing is scored while it is on."""
    switch_of(rebuilt).stop("drill", "duty@example.org")
    with pytest.raises(StageFailed, match="kill switch is on"):
        pipeline.score_night(rebuilt, LAST, None)


def test_a_night_is_scored_by_command(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Again without effect; one that the source does not have is refused."""
    monkeypatch.setenv("PROJECT_ROOT", str(rebuilt.root))
    assert main(["night", "--day", str(LAST)]) == 0
    assert f"{LAST} by r-" in capsys.readouterr().out
    assert main(["night", "--day", "2020-01-01"]) == 1
    assert "no night of 2020-01-01" in capsys.readouterr().err
    assert main(["night"]) == 1
    assert main(["night", "--day", str(LAST), "--reason", "r"]) == 1


def test_a_night_is_replaced_by_command(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only with a reason, once the source sends other rows."""
    monkeypatch.setenv("PROJECT_ROOT", str(rebuilt.root))
    other = data.night(LAST).head(200)
    monkeypatch.setattr(data, "night", lambda day: other)
    assert main(["night", "--day", str(LAST)]) == 1
    assert "from other rows" in capsys.readouterr().err
    assert main(["night", "--day", str(LAST), "--reason", " ", "--actor", " "]) == 1
    told = "night: a night is replaced for a reason, by somebody: blanks are neither\n"
    assert capsys.readouterr().err == told
    assert main(["night", "--day", str(LAST), "--reason", "the source was mended", *WHO]) == 0
    night = batch.published(rebuilt, LAST)
    assert night
    assert night.received == 200


def test_an_empty_night_is_measured(rebuilt: Paths) -> None:
    """Nothing came: no share of nothing, and the volume says so."""
    plan = monitoring.load(rebuilt.ops / "monitoring.yaml", required=pipeline.WATCHED)
    empty = batch.Night("2026-01-01", "m", "a", "b", "c", 0, 0, 0, 0, {})
    for nights, change in (([*batch.nights(rebuilt), empty], -1.0), ([empty, empty], 0.0)):
        found = {item.metric: item.value for item in pipeline._of_nights(plan, nights)}
        assert found == {"dead_letter_rate": 0.0, "late_rate": 0.0, "volume_change": change}


def test_a_replaced_night_takes_the_next_along(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it no longer has and the next counted as known is scored there; or the line says so."""
    first, second = data.days()[:2]
    source, known = data.night, batch.published(rebuilt, second)
    assert known
    again = source(second)["order_id"].to_list()
    fewer = source(first).filter(~pl.col("order_id").is_in(again))
    monkeypatch.setattr(data, "night", lambda day: fewer if day == first else source(day))
    pipeline.score_night(rebuilt, first, batch.Why("the source was mended", "duty@example.org"))
    night = batch.published(rebuilt, second)
    assert night
    assert (night.repeated, night.scored) == (0, known.scored + data.RESENT)
    assert batch.disagreements(rebuilt) == []


def test_a_missed_threshold_stops_the_run(rebuilt: Paths) -> None:
    """What is too weak does not score a night."""
    file = rebuilt.evals / "thresholds.yaml"
    file.write_text(file.read_text().replace("at_least: 0.70", "at_least: 0.99"))
    pipeline.evaluate(rebuilt)
    with pytest.raises(StageFailed, match="auc"):
        pipeline.gate(rebuilt)


def test_tight_limits_refuse_the_drifted_night(rebuilt: Paths) -> None:
    """The same night that monitoring only reports."""
    file = rebuilt.ops / "batch.yaml"
    file.write_text(file.read_text().replace("outside: 0.25", "outside: 0.02"))
    for name in ("scores.parquet", "dead.parquet", "night.json"):
        (rebuilt.var / "batches" / str(LAST) / name).unlink()
    with pytest.raises(StageFailed, match="unlike the training"):
        pipeline.score_night(rebuilt, LAST, None)


def test_in_production_an_unapproved_model_scores_no_night(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody approved it: by stage, by command and with a reason, and nothing was written."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    shutil.rmtree(rebuilt.var / "batches" / str(LAST))
    before = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    refused = r"not released for production; .*approval of the risk"
    with pytest.raises(StageFailed, match=refused):
        pipeline.score(rebuilt)
    for why in (None, batch.Why("mended", "duty@example.org")):
        with pytest.raises(StageFailed, match=refused):
            pipeline.score_night(rebuilt, LAST, why)
    after = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    assert after == before
