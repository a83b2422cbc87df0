"""The pipeline: what it leaves behind, what stops it, and that it can be run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dispute_desk import assistant, cases, pipeline, tools
from dispute_desk.__main__ import main
from dispute_desk.controls import (
    audit,
    evidence,
    lineage,
    stages,
    switch,
)
from dispute_desk.controls.agent import replay
from dispute_desk.controls.paths import Paths

LABEL = "scripted:dispute-rules"


def test_every_record_says_that_no_model_chose(built: Paths) -> None:
    """The evidence, the card, the log, the traces and the report."""
    assert evidence.read(built, "model")["content"]["facts"]["generated"] is False
    files = (
        built.evidence / "model.json",
        built.evidence / "evaluation.json",
        built.docs / "model-card.md",
        built.audit / "pipeline.jsonl",
        built.var / "traces" / f"{pipeline.SYSTEM}.jsonl",
        built.reports / "monitoring.html",
    )
    assert [file.name for file in files if LABEL not in file.read_text("utf-8")] == []


def test_the_release_goes_back_to_its_sources(built: Paths) -> None:
    """Contract, thresholds, attacks, rules and roles; what evidence rests on, its stage read."""
    content = evidence.read(built, "lineage")["content"]
    settings = [pipeline.AGREED, pipeline.LIMITS, pipeline.ATTACKS, pipeline.RULES, pipeline.ROLES]
    assert content["sources"] == sorted([*settings, *pipeline.RAW])
    assert pipeline.POLICIES in content["upstream"]
    for flow in pipeline.FLOWS.values():
        for name in flow.writes:
            if name.startswith("evidence/") and name != lineage.RELEASED:
                assert evidence.read(built, Path(name).stem)["inputs"].keys() <= set(flow.reads)


def test_the_bill_of_materials_names_what_steers(built: Paths) -> None:
    """Policy or model, prompt, tools and rules by digest; each tool is a service."""
    content = evidence.read(built, "bom")["content"]
    parts, source = content["components"], Path(str(tools.__file__))
    prompt = hashlib.sha256(assistant.PROMPT.encode()).hexdigest()
    version = evidence.read(built, "model")["content"]["version"]
    assert parts[f"prompt:{assistant.PROMPT_FILE}"] == f"sha256:{prompt}"
    assert parts[f"prompt:src/{pipeline.SYSTEM}/tools.py"] == evidence.digest(source)
    assert parts["prompt:governance/agent.yaml"] == evidence.digest(built.root / pipeline.RULES)
    assert {f"model:{version}", f"prompt:src/{pipeline.SYSTEM}/policy.py"} <= parts.keys()
    assert {"prompt:rules.json", "prompt:governance/access.yaml"} <= parts.keys()
    assert {"data:var/data/policies.parquet", "data:evals/redteam.jsonl"} <= parts.keys()
    assert content["services"] == sorted(tools.functions(cases.Bank(cases.Book())))


def test_a_model_that_chooses_is_a_service_of_others(rebuilt: Paths) -> None:
    """Then the written policy is no part of the system."""
    file = rebuilt.evidence / "model.json"
    record = json.loads(file.read_text("utf-8"))
    record["content"]["facts"] |= {"agent": "endpoint:some-model", "generated": True}
    file.write_text(json.dumps(record), "utf-8")
    named = {one["name"]: one.get("outside", False) for one in pipeline._services(rebuilt)}
    assert [name for name, outside in named.items() if outside] == ["endpoint:some-model"]
    assert f"src/{pipeline.SYSTEM}/policy.py" not in pipeline._steering(rebuilt)


def test_a_policy_that_breaks_the_contract_stops_the_run(rebuilt: Paths) -> None:
    """One zero too many in a limit is nothing that a quarantine could heal."""
    file = rebuilt.data / "raw_policies.parquet"
    pl.read_parquet(file).with_columns(most_cents=pl.col("most_cents") * 10).write_parquet(file)
    with pytest.raises(stages.StageFailed, match="rows of policies break the contract"):
        pipeline.validate(rebuilt)


def test_each_step_is_in_the_trail_and_replays(built: Paths) -> None:
    """Every run of the newest week: begun, decided, ended, and each verdict the same."""
    log = built.audit / "pipeline.jsonl"
    events = list(audit.read_events(log))
    names = replay.runs(events)
    decided = [e["data"]["run"] for e in events if e["type"] == audit.EventType.DECISION]
    assert sorted(names) == sorted(decided)
    assert len(names) >= 30
    assert all(one.same for one in replay.of_log(log))
    chosen = {e["data"]["agent"] for e in events if "run" in e["data"] and "agent" in e["data"]}
    assert chosen == {LABEL}


def test_nothing_was_done_and_nobody_is_named(built: Paths) -> None:
    """The pipeline proposes; log and traces hold no customer, no account, no message."""
    log = built.audit / "pipeline.jsonl"
    kinds = {event["data"].get("kind") for event in audit.read_events(log)}
    assert "call" in kinds
    assert not kinds & {"effect", "done", "approval"}
    for file in (log, built.var / "traces" / f"{pipeline.SYSTEM}.jsonl"):
        text = file.read_text("utf-8")
        assert not [word for word in ("K00", '"A00', "charged twice", "Mill Lane") if word in text]


def test_the_wave_is_noticed(built: Paths) -> None:
    """More unrecognised payments, more left to people: alerts with an owner and a page to read."""
    alerts = evidence.read(built, "monitoring")["content"]["alerts"]
    metrics = {alert["metric"] for alert in alerts}
    assert {"psi", "referral_rate"} <= metrics
    assert not metrics & {"refused_call_rate", "halted_rate", "money_proposed_per_case"}
    assert all(alert["owner"] and alert["runbook"] for alert in alerts)


def test_a_second_run_works_on_nothing_twice(rebuilt: Paths) -> None:
    """The same evidence to the byte; the log has no second run of a case."""
    before = {file.name: file.read_bytes() for file in rebuilt.evidence.glob("*.json")}
    log = rebuilt.audit / "pipeline.jsonl"
    count = len(replay.runs(list(audit.read_events(log))))
    stage = {stage.name: stage for stage in pipeline.STAGES}
    for name in ("work", "replay", "monitor"):
        stage[name].run(rebuilt)
    assert len(replay.runs(list(audit.read_events(log)))) == count
    assert {file.name: file.read_bytes() for file in rebuilt.evidence.glob("*.json")} == before


def test_a_run_that_was_cut_off_is_made_again(rebuilt: Paths) -> None:
    """Under another name, so that the first stays what it is in the trail."""
    log = rebuilt.audit / "pipeline.jsonl"
    run = replay.runs(list(audit.read_events(log)))[0]
    version, _, case = run.rpartition("-")
    for place in (log, *log.parent.glob("pipeline.*")):
        place.unlink(missing_ok=True)
    bank = cases.Bank(cases.book())
    with audit.open_log(rebuilt, "pipeline") as opened:
        guard = assistant.guard_of(rebuilt, opened, switch.switch_of(rebuilt), bank)
        worker = assistant.Assistant(guard, assistant.connected({}), version=version)
        worker.work(run, case, "K1", "pipeline@bank.example", ("clerk",))
    bank.close()
    pipeline.work(rebuilt)
    pipeline.replayed(rebuilt)
    names = replay.runs(list(audit.read_events(log)))
    assert [name for name in names if name.endswith("#2")] == [f"{run}#2"]
    assert pl.read_parquet(rebuilt.data / "runs.parquet").height == len(names) - 1


def _widen(paths: Paths) -> None:
    file = paths.governance / "agent.yaml"
    file.write_text(file.read_text("utf-8").replace("most: 25000", "most: 24000"), "utf-8")


def _odd(paths: Paths) -> None:
    file = paths.governance / "agent.yaml"
    file.write_text(file.read_text("utf-8").replace("effect: write", "effect: maybe"), "utf-8")


def _stop(paths: Paths) -> None:
    switch.stop(paths, "drill", "duty@bank.example")


def _miss(paths: Paths) -> None:
    file = paths.evidence / "evaluation.json"
    record = json.loads(file.read_text("utf-8"))
    record["content"]["gate"] = {"passed": False, "failures": ["task_success is too low"]}
    file.write_text(json.dumps(record), "utf-8")


def _tamper(paths: Paths) -> None:
    log = paths.audit / "pipeline.jsonl"
    log.write_text(
        log.read_text("utf-8").replace('"outcome":"refer"', '"outcome":"other"'), "utf-8"
    )


STOPPED: dict[str, tuple[Callable[[Paths], None], str, str]] = {
    "other rules than evaluated": (_widen, "work", "evaluated with other rules"),
    "rules that cannot be read": (_odd, "candidate", "agent.yaml"),
    "the kill switch": (_stop, "work", "kill switch"),
    "a missed threshold": (_miss, "gate", "too low"),
    "a changed trail": (_tamper, "replay", "not intact"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_must_not_go_on_does_not(name: str, rebuilt: Paths) -> None:
    """The stage refuses, and says why."""
    change, stage, word = STOPPED[name]
    change(rebuilt)
    action = next(one.run for one in pipeline.STAGES if one.name == stage)
    with pytest.raises(stages.StageFailed, match=word):
        action(rebuilt)


def test_another_model_needs_another_release(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was evaluated with the written policy does not serve with a model."""
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("LLM_MODEL", "some-model")
    with pytest.raises(stages.StageFailed, match="endpoint:some-model"):
        pipeline.work(rebuilt)


def test_an_endpoint_that_is_not_there_stops_the_evaluation(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made up in its place."""
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("LLM_MODEL", "some-model")
    pipeline.candidate(rebuilt)
    with pytest.raises(stages.StageFailed, match="does not answer"):
        pipeline.evaluate(rebuilt)


def test_production_needs_approvals(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has approved this project."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    with pytest.raises(stages.StageFailed, match="not released for production"):
        pipeline.package(rebuilt)


def test_the_command_runs_one_stage(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what it needs."""
    monkeypatch.setenv("PROJECT_ROOT", str(rebuilt.root))
    assert main(["cases"]) == 0
    assert "324 synthetic cases" in capsys.readouterr().out
    assert pl.read_parquet(rebuilt.data / "raw_cases.parquet").height == 324


def test_in_production_an_unapproved_release_prepares_nothing(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody approved it: it is refused by the stage itself, and nothing was written."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    (rebuilt.data / "runs.parquet").unlink()
    before = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    with pytest.raises(stages.StageFailed, match=r"not released for production; .*approval of"):
        pipeline.work(rebuilt)
    after = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    assert after == before
