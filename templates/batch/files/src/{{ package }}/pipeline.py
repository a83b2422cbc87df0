"""The pipeline: each stage is a function that reads files, does one thing, and writes files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from . import data, model
from .controls import (
    audit,
    batch,
    bom,
    classification,
    contract,
    evaluation,
    evidence,
    lineage,
    monitoring,
    packages,
    reference,
    validation,
)
from .controls.batch import Night, Scorer, Why
from .controls.card import write_card
from .controls.governance import refuse_unapproved
from .controls.lineage import RELEASED, Flow
from .controls.paths import Paths
from .controls.stages import Stage, StageFailed
from .controls.switch import switch_of

CONTRACT = "orders.odcs.yaml"
SYSTEM = __package__ or "system"
# Above this probability somebody looks at the order.
THRESHOLD = 0.5
WATCHED = (
    *("psi", "ks", "missing_rate", "prediction_rate"),
    *("dead_letter_rate", "late_rate", "volume_change"),
)


# What each stage reads and writes. A file that is missing here is missing in the lineage.
AGREED, LIMITS = f"contracts/{CONTRACT}", "evals/thresholds.yaml"
RAW, HISTORY = "var/data/raw_history.parquet", "var/data/history.parquet"
CANDIDATE, RECEIVED = "var/models/candidate.txt", "var/data/nights/*.parquet"
NIGHTS, ASIDE = "var/batches/*/scores.parquet", "var/batches/*/dead.parquet"
FLOWS = {
    "data": Flow(writes=(RAW,)),
    "validate": Flow((AGREED, RAW), (HISTORY, "evidence/data-quality.json")),
    "train": Flow((HISTORY,), (CANDIDATE,)),
    "evaluate": Flow((HISTORY, LIMITS, CANDIDATE), ("evidence/evaluation.json",)),
    "package": Flow(("evidence/evaluation.json", CANDIDATE, HISTORY), (RELEASED,)),
    "nights": Flow(  # it fetches the rows itself, and keeps them as they came
        (AGREED, "ops/batch.yaml", RELEASED),
        (RECEIVED, NIGHTS, ASIDE, "evidence/batches.json"),
    ),
    "monitor": Flow(
        ("ops/monitoring.yaml", "evidence/batches.json", HISTORY, RECEIVED, NIGHTS, RELEASED),
        ("evidence/monitoring.json",),
    ),
}


def get_data(paths: Paths) -> str:
    """Fetch the history: here it is made up, see `data.py`."""
    found = data.history()
    _write(paths, "raw_history", found)
    return f"{found.height:,} {data.ORIGIN} orders with their outcome"


def validate(paths: Paths) -> str:
    """Check the history against the contract; bad rows go to quarantine."""
    file = paths.contracts / CONTRACT
    table = contract.load(file).tables["history"]
    checked = validation.guard(paths, _read(paths, "raw_history"), table)
    _write(paths, "history", checked.clean)
    sources = [file, _file(paths, "raw_history")]
    evidence.write(paths, "data-quality", {"history": checked.report}, sources)
    return f"{checked.clean.height:,} rows keep the contract"


def train(paths: Paths) -> str:
    """Train on the past, and package the model with what it has seen."""
    parts = model.split(_read(paths, "history"))
    facts = {
        "kind": "logistic regression",
        "data": data.ORIGIN,
        "features": list(model.INPUTS),
        "reference": reference.describe(parts.train, model.INPUTS),
        "trained_on": evidence.digest(_file(paths, "history")),
        "trained_until": str(parts.train["ordered_on"].max()),
        "rows": parts.train.height,
    }
    version = packages.save(paths, model.fit(parts.train), facts)
    evidence.replace(paths.models / "candidate.txt", f"{version}\n")
    return f"{version}, on {parts.train.height:,} orders"


def evaluate(paths: Paths) -> str:
    """Measure the candidate on later days than it was trained on."""
    version = (paths.models / "candidate.txt").read_text("utf-8").strip()
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    test = model.split(_read(paths, "history")).test
    found = model.predict(packages.load(paths, version).estimator, test)
    outcome = test[model.TARGET].to_numpy().astype(np.float64)
    digest = evidence.digest(_file(paths, "history"))
    sample = classification.Sample(found, outcome, found < THRESHOLD, digest)
    results = classification.evaluate(sample, plan)
    content = evaluation.content(results, evaluation.gate(results, plan))
    content["model_version"] = version
    sources = [paths.evals / "thresholds.yaml", _file(paths, "history")]
    evidence.write(paths, "evaluation", content, sources)
    area = results[0]
    return f"AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f}) on {area.n:,} later orders"


def gate(paths: Paths) -> str:
    """Stop here if a threshold is missed."""
    if failures := evidence.read(paths, "evaluation")["content"]["gate"]["failures"]:
        raise StageFailed("; ".join(failures))
    return "all thresholds are met"


def package(paths: Paths) -> str:
    """Let the model that passed the gate serve, and record that in the audit log."""
    version: str = evidence.read(paths, "evaluation")["content"]["model_version"]
    return packages.promote(paths, packages.load(paths, version), [_file(paths, "history")])


def score(paths: Paths) -> str:
    """Score every night that was not published; those that were stay, whatever model serves."""
    for day in data.days():
        _scored(paths, day, None)
    done = batch.nights(paths)
    content = {"nights": [_told(night) for night in done]}
    evidence.write(paths, "batches", content, [paths.ops / "batch.yaml"])
    rows, dead = sum(night.scored for night in done), sum(_dead(night) for night in done)
    return f"{len(done)} nights: {rows:,} scored, {dead} set aside, all accounted for"


def score_night(paths: Paths, day: date, why: Why | None) -> str:
    """Score one night; the line says what became of its rows."""
    night = _scored(paths, day, why)
    for other in batch.stale(paths):
        try:
            _scored(paths, date.fromisoformat(other.day), None)
        except StageFailed as reason:
            told = f"{day} is published; {other.day} has to be scored again: {batch.MOVED}"
            raise StageFailed(f"{told}; {reason}") from reason
    return (
        f"{night.day} by {night.version}: {night.scored} scored ({night.late} late), "
        f"{night.repeated} known already, {_dead(night)} set aside"
    )


def monitor(paths: Paths) -> str:
    """Compare the newest night with the training; alerts are a finding, not a failure.

    Both are scored by the model that scored the night, which may have been retrained since.
    Nothing is trained or deployed.
    """
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=WATCHED)
    nights = batch.nights(paths)
    newest = nights[-1]
    before = _learned_from(paths, newest.version)
    day = date.fromisoformat(newest.day)
    now = _read(paths, f"nights/{day}").join(batch.scores(paths, day), on="order_id", how="inner")
    columns = [*model.INPUTS, "score"]
    report = monitoring.observe(
        before.select(columns),
        now.select(columns),
        plan,
        score="score",
        threshold=THRESHOLD,
        window=newest.day,
    )
    report = monitoring.joined(report, _of_nights(plan, nights))
    sources = [paths.evidence / "batches.json"]
    origin = f"{data.ORIGIN} data, scored by {newest.version}"
    return monitoring.publish(paths, report, sources, origin)


def document(paths: Paths) -> str:
    """Write lineage, bills of materials and card; prove that audit log and nights are whole."""
    datasets = lineage.record(paths, FLOWS, SYSTEM, [RAW, AGREED, LIMITS])
    bom.write(paths, SYSTEM, datasets)
    write_card(paths)
    audit.refuse_broken(paths)
    if odd := batch.disagreements(paths):
        raise StageFailed("; ".join(odd))
    return f"model card written, audit log intact, evidence: {', '.join(evidence.names(paths))}"


PLAIN = (
    Stage("data", get_data),
    Stage("validate", validate, ("data",)),
    Stage("train", train, ("validate",)),
    Stage("evaluate", evaluate, ("train",)),
    Stage("gate", gate, ("evaluate",)),
    Stage("package", package, ("gate",)),
    Stage("nights", score),
    Stage("monitor", monitor, ("validate", "nights")),
    Stage("evidence", document, ("package", "monitor")),
)
STAGES = lineage.traced(PLAIN, FLOWS, SYSTEM)


def _scored(paths: Paths, day: date, why: Why | None) -> Night:
    switch = switch_of(paths).state()
    if switch.stopped:
        raise StageFailed(f"the kill switch is on ({switch.reason}): nothing is scored")
    if day not in data.days():
        raise StageFailed(f"the source has no night of {day}")
    table = contract.load(paths.contracts / CONTRACT).tables["orders"]
    rule = batch.load(paths.ops / "batch.yaml")
    rows = data.night(day)
    night = None if why else batch.kept(paths, day, rows)
    if night is None:
        scorer = _scorer(paths, day, why)
        night = batch.run(paths, day, rows, table, scorer, rule, why)
    _write(paths, f"nights/{day}", rows)
    return night


def _scorer(paths: Paths, day: date, why: Why | None) -> Scorer:
    """The model that serves; for a night on record the one that scored it, unless one says why."""
    known = None if why else batch.on_record(paths, day)
    scorer = model.scorer(paths, known.version if known else None)
    refuse_unapproved(paths, scorer.version, scorer.digest)
    return scorer


def _of_nights(plan: monitoring.Plan, nights: list[Night]) -> list[monitoring.Measurement]:
    """What the counts of the newest night say beside those of the nights before it."""
    newest, before = nights[-1], nights[:-1]
    usual = sum(night.received for night in before) / len(before) if before else newest.received
    received = max(newest.received, 1)
    figures = {
        "dead_letter_rate": _dead(newest) / received,
        "late_rate": newest.late / received,
        "volume_change": newest.received / usual - 1 if usual else 0.0,
    }
    return [
        monitoring.judge(plan, metric, value, newest.received) for metric, value in figures.items()
    ]


def _learned_from(paths: Paths, version: str) -> pl.DataFrame:
    """The history that a model was trained on, with its own scores."""
    until = date.fromisoformat(packages.load(paths, version).facts["trained_until"])
    frame = _read(paths, "history").filter(pl.col("ordered_on") <= until)
    return frame.with_columns(score=model.scorer(paths, version).score(frame))


def _told(night: Night) -> dict[str, object]:
    return {
        "day": night.day,
        "version": night.version,
        "input": night.input,
        "output": night.output,
        "aside": night.aside,
        "received": night.received,
        "scored": night.scored,
        "late": night.late,
        "repeated": night.repeated,
        "dead": dict(night.dead),
    }


def _dead(night: Night) -> int:
    return sum(night.dead.values())


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    file = _file(paths, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(file)
