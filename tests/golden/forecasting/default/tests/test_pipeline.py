"""The whole run: what was planted is found, what is weak is stopped, chance has no part."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from sales_forecast import data, model, pipeline
from sales_forecast.controls import (
    audit,
    evidence,
    hierarchy,
    lineage,
    overrides,
    packages,
    publication,
    releases,
    stages,
)
from sales_forecast.controls.audit import EventType
from sales_forecast.controls.overrides import Override
from sales_forecast.controls.paths import Paths
from sales_forecast.controls.publication import NotOnRecord
from sales_forecast.controls.stages import StageFailed
from sales_forecast.controls.switch import switch_of

NAMES = [
    "backtest", "bom", "data-quality", "evaluation", "lineage", "model", "monitoring", "overrides",
]  # fmt: skip


def _quiet(_: str) -> None:
    """Say nothing."""


def _again(paths: Paths, first: str) -> tuple[int, str]:
    """Run from a stage on, with what earlier stages have left; exit code and last line."""
    said: list[str] = []
    names = [stage.name for stage in pipeline.STAGES]
    rest = [replace(stage, needs=()) for stage in pipeline.STAGES[names.index(first) :]]
    return stages.run(rest, paths, say=said.append), said[-1]


def _content(paths: Paths, name: str) -> dict[str, Any]:
    return dict(evidence.read(paths, name)["content"])


def _live(paths: Paths) -> str:
    name = publication.planned_with(paths)
    assert name is not None
    return name


def test_a_run_leaves_its_evidence(built: Paths) -> None:
    """One file a finding, each tied to inputs that still match."""
    names = sorted(path.stem for path in built.evidence.glob("*.json"))
    assert names == NAMES
    assert {name: evidence.stale(built, name) for name in names} == {name: [] for name in names}
    assert (built.docs / "model-card.md").exists()


def test_a_second_run_gives_the_same_evidence(rebuilt: Paths) -> None:
    """Byte for byte; nothing is deployed, published or overridden twice."""
    before = {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")}
    recorded = list(publication.recorded(rebuilt))
    assert stages.run(pipeline.STAGES, rebuilt, say=_quiet) == 0
    assert {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")} == before
    assert len(packages.history(rebuilt)) == 1
    assert list(publication.recorded(rebuilt)) == recorded


def test_the_model_goes_back_to_its_sources(built: Paths) -> None:
    """Raw data, contract and thresholds; and what evidence rests on, its stage read."""
    content = evidence.read(built, "lineage")["content"]
    assert content["sources"] == sorted([*pipeline.RAW, pipeline.AGREED, pipeline.LIMITS])
    for flow in pipeline.FLOWS.values():
        for name in flow.writes:
            if name.startswith("evidence/") and name != lineage.RELEASED:
                assert evidence.read(built, Path(name).stem)["inputs"].keys() <= set(flow.reads)


def test_the_bill_of_materials_names_it(built: Paths) -> None:
    """The model that was released, and the data that it goes back to."""
    content = evidence.read(built, "bom")["content"]
    version = evidence.read(built, "model")["content"]["version"]
    assert {f"model:{version}", "data:var/data/sales.parquet"} <= content["components"].keys()


def test_the_backtest_ends_before_the_watched_months(built: Paths) -> None:
    """No target of it is among the months that monitoring judges, and nothing leaks."""
    found = _content(built, "backtest")
    assert (found["last_target"], found["leaking_origins"]) == ("2025-09-01", 0)
    assert _content(built, "monitoring")["window"] == "2025-10 to 2025-12"
    assert _content(built, "model")["facts"]["trained_until"] == "2025-09-01"


def test_the_naive_forecast_is_beaten(built: Paths) -> None:
    """Beyond chance, and coverage is near what is promised."""
    results = {(r["metric"], r["slice"]): r for r in _content(built, "evaluation")["results"]}
    assert results["skill", "all"]["low"] > 0.1
    assert results["coverage_gap", "all"]["value"] < 0.06
    assert {"level=total", "horizon=6", "region=south"} <= {
        s for m, s in results if m == "coverage"
    }


def test_planted_breaks_raise_alerts(built: Paths) -> None:
    """The break, most of all in its region; the silent series; the overrides that hoped."""
    alerts = {(a["metric"], a["slice"]) for a in _content(built, "monitoring")["alerts"]}
    assert {
        ("bias", "all"),
        ("error_drift", "all"),
        ("coverage_drop", "all"),
        ("group_bias", f"region={data.BROKEN}"),
        ("stale_series", "all"),
        ("override_harm", "kind=promotion"),
    } <= alerts
    assert not [
        s for m, s in alerts if m == "group_bias" and s.startswith("region") and "south" not in s
    ]


def test_without_the_break_it_is_quiet(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """No alert on bias, error or coverage: limits are beyond chance."""
    monkeypatch.setattr(data, "BREAK_MONTHS", 0)
    monkeypatch.setattr(data, "planners", lambda: ())
    monkeypatch.setattr(model, "KINDS", ("champion", "challenger"))
    assert stages.run(pipeline.STAGES, project, say=_quiet) == 0
    alerts = {alert["metric"] for alert in _content(project, "monitoring")["alerts"]}
    assert alerts == {"stale_series"}
    assert _content(project, "overrides") == {
        "files_gone": [], "judged": 0, "recorded": 0, "results": [],
    }  # fmt: skip


def test_everything_published_is_on_record(built: Paths) -> None:
    """Two forecasts, the planners' changes and the alerts, in one chain that is whole."""
    text = (built.audit / "pipeline.jsonl").read_text()
    types = [json.loads(line)["type"] for line in text.splitlines()]
    assert types.count(EventType.DEPLOYMENT) == 1
    assert types.count(EventType.PUBLICATION) == 2
    assert types.count(EventType.OVERRIDE) == len(data.planners())
    assert types.count(EventType.DRIFT_ALERT) == len(_content(built, "monitoring")["alerts"])
    assert "planner of" not in text
    assert [log.findings for log in audit.verify_folder(built.audit)] == [()]


def test_the_rehearsal_is_told_from_the_forecast_to_plan_with(built: Paths) -> None:
    """One was made afterwards, as from the release; the other after the newest month."""
    found = [(item["purpose"], item["origin"]) for item in publication.recorded(built).values()]
    assert found == [("rehearsal", "2025-09-01"), ("live", "2025-12-01")]


def test_what_is_published_adds_up(built: Paths) -> None:
    """To the unit, before and after overrides."""
    for name in publication.recorded(built):
        cells = overrides.effective(built, name)
        assert hierarchy.gaps(cells, pipeline.DIMENSIONS) == []
        finals = cells.with_columns(point="final")
        assert hierarchy.gaps(finals, pipeline.DIMENSIONS) == []


def test_ends_are_not_published_and_newcomers_are(built: Paths) -> None:
    """The one that ended has no forecast; the youngest one has."""
    nodes = set(publication.read(built, _live(built)).cells["node"])
    product, region, _ = data.ENDED
    assert f"product={product}|region={region}" not in nodes
    product, region, _ = data.LATE[1]
    assert f"product={product}|region={region}" in nodes


def test_a_planned_end_is_forecast_until_it_comes(rebuilt: Paths) -> None:
    """Then nothing is sold any more, and the sums know it."""
    file, (product, region) = rebuilt.data / "series.parquet", ("coats", "south")
    mine = (pl.col("product") == product) & (pl.col("region") == region)
    planned = pl.when(mine).then(date(2026, 3, 1)).otherwise("ended_on")
    pl.read_parquet(file).with_columns(ended_on=planned).write_parquet(file)
    pipeline.publish(rebuilt)
    cells = publication.read(rebuilt, _live(rebuilt)).cells
    points = cells.filter(pl.col("node") == f"product={product}|region={region}").sort("period")
    assert [point > 0 for point in points["point"]] == [True] * 3 + [False] * 3
    assert hierarchy.gaps(cells, pipeline.DIMENSIONS) == []
    assert publication.reproduced(
        rebuilt, _live(rebuilt), lambda *made: pipeline.again(rebuilt, *made)
    )


def test_an_old_forecast_whose_files_are_gone_is_told_and_stops_nothing(rebuilt: Paths) -> None:
    """It is on record for ever, so each run would fail; one that was changed still stops it."""
    old = next(iter(publication.recorded(rebuilt)))
    shutil.rmtree(rebuilt.var / "forecasts" / old)
    said: list[str] = []
    rest = [replace(s, needs=()) for s in pipeline.STAGES if s.name in ("overrides", "monitor")]
    assert stages.run(rest, rebuilt, say=said.append) == 0
    assert [f"files are gone of {old}" in line for line in said] == [True, True, False]
    assert _content(rebuilt, "overrides")["files_gone"] == [old]
    issue = rebuilt.var / "forecasts" / _live(rebuilt) / "issue.json"
    issue.write_text(issue.read_text().replace("live", "life"))
    with pytest.raises(NotOnRecord, match="was changed since it went out"):
        pipeline.judge_overrides(rebuilt)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("series", lambda f: f[1:], r"series\.parquet has no row of boots/"),
        ("calendar", lambda f: f.sort("period")[:-12], r"calendar\.parquet .* 6 months beyond"),
        ("sales", lambda f: f.clear(), r"sales\.parquet holds no row"),
    ],
)
def test_what_the_source_lacks_is_said_in_a_sentence(
    rebuilt: Paths, name: str, change: Callable[[pl.DataFrame], pl.DataFrame], says: str
) -> None:
    """Not in a traceback: the series, the file, the months."""
    file = rebuilt.data / f"{name}.parquet"
    change(pl.read_parquet(file)).write_parquet(file)
    code, last = _again(rebuilt, "publish")
    assert code == 1 and re.search(says, last)


def test_a_forecast_is_made_again_by_its_id(rebuilt: Paths) -> None:
    """From the stored inputs and the packaged model, without the data of today."""
    for file in rebuilt.data.glob("*.parquet"):
        file.unlink()
    for name in publication.recorded(rebuilt):
        assert publication.reproduced(rebuilt, name, lambda *m: pipeline.again(rebuilt, *m))


def test_a_planner_changes_the_forecast(rebuilt: Paths) -> None:
    """It is in what is planned with, with sums, after the next run of the stage."""
    name, node = _live(rebuilt), "product=coats|region=south"
    before = pl.read_parquet(rebuilt.data / "forecasts.parquet")
    first = before.filter(pl.col("node") == node).sort("period").row(0, named=True)
    change = Override(name, node, first["period"], 100, "supply", "the supplier cannot deliver")
    with audit.open_log(rebuilt, "planning") as log:
        assert overrides.record(rebuilt, log, change, "planner@example.org")
    assert pipeline.publish(rebuilt).endswith("on record")
    after = pl.read_parquet(rebuilt.data / "forecasts.parquet")
    month = pl.col("period") == first["period"]
    moved = [f.filter(month, pl.col("node") == "total")["final"].item() for f in (before, after)]
    assert moved[0] - moved[1] == first["point"] - 100
    candidates = json.loads((rebuilt.models / "candidates.json").read_text())
    packages.activate(rebuilt, candidates["challenger"])
    told, other = pipeline.publish(rebuilt), _live(rebuilt)
    assert told.endswith(
        f"on record; overrides of {name} do not carry over, set them again with "
        f"`overrides set {other}`: {node} of {first['period']}"
    )
    assert pipeline.publish(rebuilt).endswith("on record")


def test_the_past_cannot_be_overridden(rebuilt: Paths) -> None:
    """The rehearsal's months are known by now: value added by hindsight is none."""
    rehearsal = next(iter(publication.recorded(rebuilt)))
    cell = publication.read(rebuilt, rehearsal).cells.filter(pl.col("level") == "series")[0]
    late = Override(
        rehearsal, cell["node"].item(), cell["period"].item(), 1, "other", "now that I know it"
    )
    with (
        audit.open_log(rebuilt, "planning") as log,
        pytest.raises(overrides.OverrideRefused, match="hindsight"),
    ):
        overrides.record(rebuilt, log, late, "planner@example.org")


def _thresholds(paths: Paths, change: Callable[[dict[str, Any]], object]) -> None:
    file = paths.evals / "thresholds.yaml"
    document = yaml.safe_load(file.read_text())
    change(document)
    file.write_text(yaml.safe_dump(document))


def test_a_missed_threshold_stops_the_model(rebuilt: Paths) -> None:
    """It is named, and the model that served before goes on serving."""
    serving = packages.serving(rebuilt)
    _thresholds(rebuilt, lambda d: d["thresholds"][0].update(at_most=0.2))
    code, last = _again(rebuilt, "evaluate")
    assert code == 1 and "scaled_error (all)" in last and "at most 0.2" in last
    assert packages.serving(rebuilt) == serving


def test_a_model_that_is_no_better_than_last_year_is_stopped(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where every threshold on it has been taken out."""
    for kind in model.KINDS:
        file = rebuilt.data / f"backtest_{kind}.parquet"
        pl.read_parquet(file).with_columns(point="naive").write_parquet(file)
    _thresholds(
        rebuilt,
        lambda d: d.update(thresholds=[{"metric": "bias", "slice": "all", "at_most": 1.0}]),
    )
    code, last = _again(rebuilt, "evaluate")
    assert code == 1 and "the naive forecast is not beaten beyond chance" in last


def test_a_leak_stops_the_model(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backtest that was fitted on the whole history looks too good, and is found."""

    def careless(kind: str, every: int = 1) -> Any:
        return lambda whole: model.packaged(model.fit(whole, kind))

    monkeypatch.setattr(model, "refitted", careless)
    said: list[str] = []
    assert stages.run(pipeline.STAGES, project, say=said.append) == 1
    assert "gate" in said[-1] and "used what came after its origin" in said[-1]
    assert packages.serving(project) is None


def test_a_changed_threshold_makes_the_evidence_stale(rebuilt: Paths) -> None:
    """The verdict was on other limits."""
    _thresholds(rebuilt, lambda d: d["interval"].update(coverage=0.5))
    assert evidence.stale(rebuilt, "evaluation") == ["evals/thresholds.yaml"]


def test_a_broken_source_stops_the_run(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bad rows than the contract bears: nothing is trained on the rest."""
    monkeypatch.setattr(data, "SPOILED_EACH", 30)
    said: list[str] = []
    assert stages.run(pipeline.STAGES, project, say=said.append) == 1
    assert "validate" in said[-1] and "rows of sales break the contract" in said[-1]
    assert not project.models.exists()


def test_while_stopped_nothing_is_published(rebuilt: Paths) -> None:
    """The kill switch holds for the pipeline too, and its reason is said."""
    switch_of(rebuilt).stop("wrong unit", "duty")
    with pytest.raises(StageFailed, match=r"kill switch is on \(wrong unit\)"):
        pipeline.publish(rebuilt)


def test_a_rollback_is_left_alone_and_forecasts_with_the_version_before(rebuilt: Paths) -> None:
    """Daily stages run on the model that serves; the forecast names it."""
    champion, first = packages.serving(rebuilt), _live(rebuilt)
    candidates = json.loads((rebuilt.models / "candidates.json").read_text())
    packages.activate(rebuilt, candidates["challenger"])
    pipeline.publish(rebuilt)
    assert publication.read(rebuilt, _live(rebuilt)).model_version == candidates["challenger"]
    assert releases.roll_back(rebuilt, "larger errors", "duty@example.org") == champion
    for target in ("publish", "monitor"):
        assert stages.run(pipeline.STAGES, rebuilt, target, say=_quiet) == 0
    assert packages.serving(rebuilt) == champion
    planned = pl.read_parquet(rebuilt.data / "forecasts.parquet")["forecast"].unique().to_list()
    assert planned == [first] == [_live(rebuilt)]
    assert f"{first} made again" in pipeline.document(rebuilt)


@pytest.mark.parametrize("stage", [pipeline.publish, pipeline.monitor])
def test_without_a_model_that_serves_a_stage_fails_in_words(
    rebuilt: Paths, stage: Callable[[Paths], str]
) -> None:
    """Nobody is left with a traceback."""
    (rebuilt.models / "serving.json").unlink()
    with pytest.raises(StageFailed, match="nothing serves yet"):
        stage(rebuilt)


def test_a_tampered_audit_line_stops_the_run(rebuilt: Paths) -> None:
    """One reason turned, and the log no longer proves anything."""
    log = rebuilt.audit / "pipeline.jsonl"
    log.write_text(log.read_text().replace("a supplier is short", "a supplier is long", 1))
    code, last = _again(rebuilt, "evidence")
    assert code == 1 and "audit log is not intact" in last


def test_a_changed_forecast_stops_the_run(rebuilt: Paths) -> None:
    """It is not made again to the same figures, for it is not what went out."""
    file = rebuilt.var / "forecasts" / _live(rebuilt) / "issue.json"
    file.write_text(file.read_text().replace('"horizon": 1', '"horizon": 2', 1))
    code, last = _again(rebuilt, "evidence")
    assert code == 1 and "was changed since it went out" in last


def test_in_production_only_an_approved_model_is_let_serve(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without approvals none."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    (rebuilt.models / "serving.json").unlink()
    with pytest.raises(StageFailed, match=r"not released for production; .*approval of the risk"):
        pipeline.package(rebuilt)
    assert packages.serving(rebuilt) is None


def test_in_production_an_unapproved_model_publishes_nothing(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody approved it: it is refused by the stage itself, and nothing was written."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    (rebuilt.data / "forecasts.parquet").unlink()
    before = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    with pytest.raises(StageFailed, match=r"not released for production; .*approval of the risk"):
        pipeline.publish(rebuilt)
    after = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    assert after == before
