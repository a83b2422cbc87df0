"""The whole run: what was planted is found, what is weak is stopped, chance has no part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from sme_loans import data, features, pipeline
from sme_loans.controls import (
    audit,
    evidence,
    governance,
    lineage,
    packages,
    stages,
)
from sme_loans.controls.audit import EventType
from sme_loans.controls.paths import Paths
from sme_loans.controls.stages import StageFailed
from sme_loans.controls.switch import switch_of
from sme_loans.decision import Decider


def _quiet(_: str) -> None:
    """Say nothing."""


def _again(paths: Paths, first: str) -> tuple[int, str]:
    """Run from a stage on, with what earlier stages have left; exit code and last line."""
    said: list[str] = []
    names = [stage.name for stage in pipeline.STAGES]
    rest = [replace(stage, needs=()) for stage in pipeline.STAGES[names.index(first) :]]
    return stages.run(rest, paths, say=said.append), said[-1]


def test_a_run_leaves_its_evidence(built: Paths) -> None:
    """One file a finding, each tied to inputs that still match."""
    names = sorted(path.stem for path in built.evidence.glob("*.json"))
    found = ["data-quality", "evaluation", "features", "model", "monitoring"]
    assert names == sorted([*found, "bom", "lineage"])
    assert {name: evidence.stale(built, name) for name in names} == {name: [] for name in names}
    assert (built.docs / "model-card.md").exists()


def test_a_second_run_gives_the_same_evidence(rebuilt: Paths) -> None:
    """Byte for byte, the model included; and it does not deploy the same model twice."""
    before = {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")}
    assert stages.run(pipeline.STAGES, rebuilt, say=_quiet) == 0
    assert {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")} == before
    assert len(packages.history(rebuilt)) == 1


def test_planted_drift_raises_alerts(built: Paths) -> None:
    """In the drifted month, for what was made to drift."""
    found = evidence.read(built, "monitoring")["content"]
    assert found["window"] == "2025-12"
    assert {"utilisation", "probability"} <= {alert["column"] for alert in found["alerts"]}


def test_a_month_without_drift_raises_none(rebuilt: Paths) -> None:
    """The month before, scored by the same model, is as quiet as it should be."""
    file = rebuilt.data / "features.parquet"
    month = pl.col("applied_on").dt.strftime("%Y-%m")
    pl.read_parquet(file).filter(month < "2025-12").write_parquet(file)
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["alerts"] == []


def test_the_model_goes_back_to_its_sources(built: Paths) -> None:
    """Raw data, contract and thresholds; and what evidence rests on, its stage read."""
    content = evidence.read(built, "lineage")["content"]
    assert content["sources"] == sorted([*pipeline.RAW, pipeline.AGREED, pipeline.LIMITS])
    for flow in pipeline.FLOWS.values():
        for name in flow.writes:
            if name.startswith("evidence/") and name != lineage.RELEASED:
                assert evidence.read(built, Path(name).stem)["inputs"].keys() <= set(flow.reads)


def test_data_changed_behind_a_stage_stops_the_run(rebuilt: Paths) -> None:
    """The model would be evaluated on rows that no stage made."""
    file = rebuilt.data / "groups.parquet"
    pl.read_parquet(file).reverse().write_parquet(file)
    code, said = _again(rebuilt, "evaluate")
    assert code == 1
    assert "evaluate read another var/data/groups.parquet than features wrote" in said


def test_all_decisions_are_in_the_audit_log(built: Paths) -> None:
    """As many events as scores, no applicant's number among them, and the chain is whole."""
    scores = pl.read_parquet(built.data / "scores.parquet")
    text = (built.audit / "pipeline.jsonl").read_text()
    types = [json.loads(line)["type"] for line in text.splitlines()]
    assert types.count(EventType.DECISION) == scores.height
    assert types.count(EventType.DEPLOYMENT) == 1
    assert types.count(EventType.DRIFT_ALERT) > 0
    assert not [number for number in scores["application_id"] if number in text]
    assert [log.findings for log in audit.verify_folder(built.audit)] == [()]


def test_a_tampered_audit_line_stops_the_run(rebuilt: Paths) -> None:
    """One outcome turned, and the log no longer proves anything."""
    log = rebuilt.audit / "pipeline.jsonl"
    log.write_text(log.read_text().replace('"outcome":"decline"', '"outcome":"approve"', 1))
    code, last = _again(rebuilt, "evidence")
    assert code == 1 and "audit log is not intact" in last


def _thresholds(paths: Paths, change: Callable[[dict[str, float]], object]) -> None:
    file = paths.evals / "thresholds.yaml"
    document = yaml.safe_load(file.read_text())
    change(document["thresholds"][0])
    file.write_text(yaml.safe_dump(document))


def test_a_missed_threshold_stops_the_model(rebuilt: Paths) -> None:
    """It is named, and the model that served before goes on serving."""
    serving = packages.serving(rebuilt)
    _thresholds(rebuilt, lambda limit: limit.update(at_least=0.95))
    code, last = _again(rebuilt, "evaluate")
    assert code == 1 and "auc (all)" in last and "at least 0.95" in last
    assert packages.serving(rebuilt) == serving


def test_a_changed_threshold_makes_the_evidence_stale(rebuilt: Paths) -> None:
    """The verdict was on other limits."""
    _thresholds(rebuilt, lambda limit: limit.update(at_least=0.5))
    assert evidence.stale(rebuilt, "evaluation") == ["evals/thresholds.yaml"]


def test_a_leaky_feature_is_not_computed(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its formula reads a column that is known only after the decision."""
    leaky = replace(features.FEATURES[0], formula="utilisation + days_late_6m / 184")
    monkeypatch.setattr(features, "FEATURES", (leaky, *features.FEATURES[1:]))
    with pytest.raises(StageFailed, match="days_late_6m is known only after the decision"):
        pipeline.make_features(rebuilt)


def test_a_model_is_not_shown_features_that_changed(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to score nor to monitor; the service goes on with the formulas of its package."""
    other = replace(features.FEATURES[0], formula="utilisation * 100")
    monkeypatch.setattr(features, "FEATURES", (other, *features.FEATURES[1:]))
    for stage in (pipeline.score, pipeline.monitor):
        with pytest.raises(StageFailed, match="learnt from features that have changed since"):
            stage(rebuilt)
    assert Decider.of(rebuilt).features[0].formula == "utilisation"


def test_a_broken_source_stops_the_run(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bad rows than the contract bears: nothing is trained on the rest."""
    broken = data.extract(rows=500)
    monkeypatch.setattr(data, "extract", lambda: broken)
    said: list[str] = []
    assert stages.run(pipeline.STAGES, project, say=said.append) == 1
    assert "validate" in said[-1] and "rows of applications break the contract" in said[-1]
    assert not project.models.exists()


def test_while_stopped_the_model_decides_on_nobody(rebuilt: Paths) -> None:
    """The kill switch holds for the pipeline too, and its reason is said."""
    switch_of(rebuilt).stop("wrong decisions", "duty")
    before = (rebuilt.audit / "pipeline.jsonl").read_bytes()
    with pytest.raises(StageFailed, match=r"kill switch is on \(wrong decisions\)"):
        pipeline.score(rebuilt)
    assert (rebuilt.audit / "pipeline.jsonl").read_bytes() == before


@pytest.mark.parametrize("target", ["monitor", "score"])
def test_a_stage_of_daily_work_leaves_a_rollback_alone(rebuilt: Paths, target: str) -> None:
    """It runs on the model that serves: nothing is trained or deployed on the way."""
    candidates = json.loads((rebuilt.models / "candidates.json").read_text())
    packages.activate(rebuilt, candidates["challenger"])
    assert stages.run(pipeline.STAGES, rebuilt, target, say=_quiet) == 0
    assert packages.serving(rebuilt) == candidates["challenger"]
    names = [stage.name for stage in stages.wanted(pipeline.STAGES, target)]
    assert names == ["data", "validate", "features", target]


@pytest.mark.parametrize("stage", [pipeline.monitor, pipeline.score])
def test_without_a_model_that_serves_a_stage_fails_in_words(
    rebuilt: Paths, stage: Callable[[Paths], str]
) -> None:
    """Nobody is left with a traceback."""
    (rebuilt.models / "serving.json").unlink()
    with pytest.raises(StageFailed, match="nothing serves yet"):
        stage(rebuilt)


def test_in_production_only_an_approved_model_is_let_serve(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without approvals none, and with them none but the one that was approved."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    (rebuilt.models / "serving.json").unlink()
    with pytest.raises(StageFailed, match=r"not released for production; .*approval of the risk"):
        pipeline.package(rebuilt)
    monkeypatch.setattr(governance, "production_findings", lambda *_: [])
    file = rebuilt.evidence / "model.json"
    approved = file.read_text()
    version = json.loads(approved)["content"]["version"]
    file.write_text(approved.replace(version, "r-0"))
    with pytest.raises(StageFailed, match=f"{version} serves, which is not the model"):
        pipeline.package(rebuilt)
    assert packages.serving(rebuilt) is None
    file.write_text(approved)
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    pipeline.package(rebuilt)
    assert packages.serving(rebuilt) == version


def test_outcomes_are_compared_in_the_newest_month_that_has_them(built: Paths) -> None:
    """The newest month of all has none yet."""
    found = evidence.read(built, "monitoring")["content"]
    assert found["outcome_window"] == "2025-06"
    gaps = [m for m in found["measurements"] if m["metric"] == "calibration_gap"]
    assert [gap["rows"] > 100 for gap in gaps] == [True]


def test_the_rate_that_is_watched_is_that_of_the_packaged_model(rebuilt: Paths) -> None:
    """Cut-offs that were changed since do not hold for the model that serves."""
    before = evidence.read(rebuilt, "monitoring")["content"]["measurements"]
    file = rebuilt.evals / "thresholds.yaml"
    file.write_text(file.read_text().replace("approve_below: 0.16", "approve_below: 0.05"))
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["measurements"] == before


def test_groups_stay_with_their_rows(rebuilt: Paths) -> None:
    """Fairness is the same whatever the order in which groups are stored."""
    before = evidence.read(rebuilt, "evaluation")["content"]["results"]
    file = rebuilt.data / "groups.parquet"
    pl.read_parquet(file).reverse().write_parquet(file)
    pipeline.evaluate(rebuilt)
    after = evidence.read(rebuilt, "evaluation")["content"]["results"]
    assert [r["value"] for r in after] == [r["value"] for r in before]


def test_in_production_an_unapproved_model_decides_nothing(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody approved it: it is refused by the stage itself, and nothing was written."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    (rebuilt.data / "scores.parquet").unlink()
    before = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    with pytest.raises(StageFailed, match=r"not released for production; .*approval of the risk"):
        pipeline.score(rebuilt)
    after = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    assert after == before
