"""The pipeline: each stage is a function that reads files, does one thing, and writes files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from . import data, features, model
from .controls import (
    audit,
    bom,
    classification,
    contract,
    evaluation,
    evidence,
    fairness,
    feature_policy,
    lineage,
    monitoring,
    notices,
    packages,
    registry,
    validation,
)
from .controls.audit import EventType
from .controls.card import write_card
from .controls.governance import refuse_unapproved
from .controls.lineage import RELEASED, Flow
from .controls.paths import Paths
from .controls.stages import Stage, StageFailed
from .controls.switch import switch_of
from .decision import Decider

CONTRACT = "applications.odcs.yaml"
SYSTEM = __package__ or "system"

# What each stage reads and writes. A file that is missing here is missing in the lineage.
AGREED, LIMITS = f"contracts/{CONTRACT}", "evals/thresholds.yaml"
MODELS = "var/models/candidates.json"
APPLICATIONS, OUTCOMES = "var/data/applications.parquet", "var/data/outcomes.parquet"
FEATURES, GROUPS = "var/data/features.parquet", "var/data/groups.parquet"
RAW = ("var/data/raw_applications.parquet", "var/data/raw_outcomes.parquet")
FLOWS = {
    "data": Flow(writes=RAW),
    "validate": Flow((AGREED, *RAW), (APPLICATIONS, OUTCOMES, "evidence/data-quality.json")),
    "features": Flow(
        (AGREED, APPLICATIONS, OUTCOMES), (FEATURES, GROUPS, "evidence/features.json")
    ),
    "train": Flow((FEATURES, OUTCOMES, LIMITS), (MODELS,)),
    "evaluate": Flow((FEATURES, OUTCOMES, GROUPS, LIMITS, MODELS), ("evidence/evaluation.json",)),
    "package": Flow(("evidence/evaluation.json", "evidence/features.json", MODELS), (RELEASED,)),
    "score": Flow((AGREED, FEATURES, RELEASED), ("var/data/scores.parquet",)),
    "monitor": Flow(
        (FEATURES, GROUPS, OUTCOMES, RELEASED, "ops/monitoring.yaml"), ("evidence/monitoring.json",)
    ),
}


def get_data(paths: Paths) -> str:
    """Fetch the data: here it is made up, see `data.py`."""
    found = data.extract()
    _write(paths, "raw_applications", found.applications)
    _write(paths, "raw_outcomes", found.outcomes)
    _write(paths, "planted", found.planted)
    return (
        f"{found.applications.height:,} {data.ORIGIN} applications, "
        f"{found.outcomes.height:,} outcomes"
    )


def validate(paths: Paths) -> str:
    """Check both data sets against the contract; bad rows go to quarantine."""
    tables = contract.load(paths.contracts / CONTRACT).tables
    reports = {}
    for name in ("applications", "outcomes"):
        checked = validation.guard(paths, _read(paths, f"raw_{name}"), tables[name])
        _write(paths, name, checked.clean)
        reports[name] = checked.report
    sources = [_file(paths, "raw_applications"), _file(paths, "raw_outcomes")]
    evidence.write(paths, "data-quality", reports, [paths.contracts / CONTRACT, *sources])
    rows = reports["applications"]
    return f"{rows['clean']:,} rows keep the contract, {rows['quarantined']} in quarantine"


def make_features(paths: Paths) -> str:
    """Build the model's input from declarations that keep the policy; find leaks and proxies."""
    agreed = contract.load(paths.contracts / CONTRACT)
    withheld = audit.identifying(paths)
    if wrong := feature_policy.declared(features.FEATURES, agreed, withheld):
        raise StageFailed("; ".join(f"{one.feature}: {one.sentence}" for one in wrong))
    applications = _read(paths, "applications")
    built = validation.guard(paths, features.build(applications), agreed.tables["features"])
    _write(paths, "features", built.clean)
    _write(paths, "groups", features.groups(applications))
    train = model.split(_labelled(paths)).train
    groups = train.select("application_id").join(
        _read(paths, "groups"), on="application_id", maintain_order="left"
    )
    findings, separations = feature_policy.measured(
        features.FEATURES, train, train[model.TARGET], groups.drop("application_id")
    )
    content = {
        **feature_policy.content(findings, separations),
        "quality": built.report,
        "registry": registry.content(features.FEATURES, agreed),
    }
    sources = [_file(paths, "applications"), _file(paths, "outcomes")]
    evidence.write(paths, "features", content, [paths.contracts / CONTRACT, *sources])
    return f"{len(features.FEATURES)} features, {len(findings)} findings of the feature policy"


def train(paths: Paths) -> str:
    """Train champion and challenger on the past, and save both as candidates."""
    parts = model.split(_labelled(paths))
    facts = {
        "data": data.ORIGIN,
        "features": list(features.NAMES),
        "registry": registry.rows(features.FEATURES),
        "reference": model.reference(parts.train),
        "cutoffs": classification.cutoffs(paths.evals / "thresholds.yaml"),
        "trained_on": evidence.digest(_file(paths, "features")),
        "trained_until": str(parts.calibrate["applied_on"].max()),
        "rows": parts.train.height + parts.calibrate.height,
    }
    candidates = {
        "champion": packages.save(paths, model.champion(parts), {**facts, "kind": "champion"}),
        "challenger": packages.save(
            paths, model.challenger(parts), {**facts, "kind": "challenger"}
        ),
    }
    evidence.replace(_candidates(paths), json.dumps(candidates, indent=2) + "\n")
    return f"champion {candidates['champion']}, challenger {candidates['challenger']}"


def evaluate(paths: Paths) -> str:
    """Measure both candidates on later months than they were trained on; judge the better one."""
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    test = model.split(_labelled(paths)).test
    groups = test.select("application_id").join(
        _read(paths, "groups"), on="application_id", maintain_order="left"
    )
    candidates = json.loads(_candidates(paths).read_text("utf-8"))
    samples = {name: _sample(paths, version, test) for name, version in candidates.items()}
    comparison = classification.compare(samples["champion"], samples["challenger"], plan)
    chosen = samples[comparison.winner]
    results = [
        *classification.evaluate(chosen, plan),
        *fairness.evaluate(chosen, groups.drop("application_id"), plan),
    ]
    verdict = evaluation.gate(results, plan)
    content = evaluation.content(results, verdict, comparison)
    content["model_version"] = candidates[comparison.winner]
    sources = [_file(paths, "features"), _file(paths, "outcomes"), _file(paths, "groups")]
    evidence.write(paths, "evaluation", content, [paths.evals / "thresholds.yaml", *sources])
    area = results[0]
    return (
        f"{comparison.winner} wins: AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f}) "
        f"on {area.n:,} later applications"
    )


def gate(paths: Paths) -> str:
    """Stop here if a threshold is missed or a feature breaks the policy."""
    verdict = evidence.read(paths, "evaluation")["content"]["gate"]
    findings = evidence.read(paths, "features")["content"]["findings"]
    failures = [*verdict["failures"]]
    failures += [f"{item['feature']}: {item['sentence']}" for item in findings]
    if failures:
        raise StageFailed("; ".join(failures))
    return "all thresholds are met, no finding of the feature policy"


def package(paths: Paths) -> str:
    """Let the model that passed the gate serve, and record that in the audit log."""
    version: str = evidence.read(paths, "evaluation")["content"]["model_version"]
    ready = packages.load(paths, version)
    return packages.promote(paths, ready, [_file(paths, "features"), _file(paths, "outcomes")])


def score(paths: Paths) -> str:
    """Decide on the newest month; decisions are in the audit log before anyone can read them.

    It is a rehearsal, and its events say so: nobody is told of these decisions. Whoever sends them
    out takes the mark away, and each adverse one is then on the list of notices.
    """
    switch = switch_of(paths).state()
    if switch.stopped:
        raise StageFailed(f"the kill switch is on ({switch.reason}): the model decides on nobody")
    newest = _newest(_read(paths, "features"))
    decider = Decider.of(paths)
    _refuse_other_features(decider.package)
    refuse_unapproved(paths, decider.package.version, decider.package.digest)
    decisions = decider.decide_all(newest)
    ids = newest["application_id"].to_list()
    events = [
        (EventType.DECISION, number, {**decision.content(), notices.REHEARSAL: True})
        for number, decision in zip(ids, decisions, strict=True)
    ]
    with audit.open_log(paths, writer="pipeline") as log:
        log.record_all(events)
    scores = pl.DataFrame(
        {
            "application_id": ids,
            "probability": [decision.probability for decision in decisions],
            "outcome": [decision.outcome for decision in decisions],
        }
    )
    table = contract.load(paths.contracts / CONTRACT).tables["scores"]
    _write(paths, "scores", validation.guard(paths, scores, table).clean)
    counts = dict(scores.group_by("outcome").len().sort("outcome").iter_rows())
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def monitor(paths: Paths) -> str:
    """Compare the newest month with the months of training; alerts are a finding, not a failure.

    Outcomes come later: they are compared in the newest month that has enough of them. It is the
    model that serves which is watched; nothing is trained or deployed. Notices that are due are a
    matter of today: they go to the metrics, and not into evidence.
    """
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=monitoring.KINDS)
    package = packages.load(paths)
    _refuse_other_features(package)
    every = _scored(paths, package)
    newest, mature = _newest(every), _mature(every, plan.minimum_rows)
    until = date.fromisoformat(package.facts["trained_until"])
    before = every.filter((pl.col("applied_on") <= until) & pl.col(model.TARGET).is_not_null())
    report = monitoring.observe(
        before.drop("application_id", "applied_on"),
        newest.drop("application_id", "applied_on"),
        plan,
        score="probability",
        threshold=package.facts["cutoffs"]["approve_below"],
        slices=["sex", "age_band"],
        label=model.TARGET,
        outcomes=mature,
        window=_month(newest),
        outcome_window=_month(mature),
    )
    sources = [_file(paths, "features"), _file(paths, "groups")]
    line = monitoring.publish(paths, report, sources, f"{data.ORIGIN} data")
    due = notices.watch(paths, datetime.now(UTC).date(), SYSTEM)
    return f"{line}; {len(due)} notices are due"


def document(paths: Paths) -> str:
    """Write lineage, bills of materials and the model card; prove that the audit log is whole."""
    datasets = lineage.record(paths, FLOWS, SYSTEM, [*RAW, AGREED, LIMITS])
    bom.write(paths, SYSTEM, datasets)
    write_card(paths)
    audit.refuse_broken(paths)
    return f"model card written, audit log intact, evidence: {', '.join(evidence.names(paths))}"


PLAIN = (
    Stage("data", get_data),
    Stage("validate", validate, ("data",)),
    Stage("features", make_features, ("validate",)),
    Stage("train", train, ("features",)),
    Stage("evaluate", evaluate, ("train",)),
    Stage("gate", gate, ("evaluate",)),
    Stage("package", package, ("gate",)),
    Stage("score", score, ("features",)),
    Stage("monitor", monitor, ("features",)),
    Stage("evidence", document, ("package", "score", "monitor")),
)
STAGES = lineage.traced(PLAIN, FLOWS, SYSTEM)


def _labelled(paths: Paths) -> pl.DataFrame:
    """Features with the outcomes that are known."""
    outcomes = _read(paths, "outcomes").select("application_id", "observed_on", model.TARGET)
    return _read(paths, "features").join(outcomes, on="application_id", maintain_order="left")


def _refuse_other_features(package: packages.Package) -> None:
    """A model is shown the features that it learnt from, in the version in which it learnt them."""
    if package.facts["registry"] != registry.rows(features.FEATURES):
        hint = "run the whole pipeline"
        raise StageFailed(f"{package.version} learnt from features that have changed since: {hint}")


def _scored(paths: Paths, package: packages.Package) -> pl.DataFrame:
    """All applications with features, groups, probability, and the outcome or null."""
    built = _read(paths, "features")
    found = model.predict(package.estimator, model.matrix(built))
    outcomes = _read(paths, "outcomes").select("application_id", model.TARGET)
    return (
        built.with_columns(probability=pl.Series(found))
        .join(_read(paths, "groups"), on="application_id", maintain_order="left")
        .join(outcomes, on="application_id", how="left", maintain_order="left")
    )


def _sample(paths: Paths, version: str, test: pl.DataFrame) -> classification.Sample:
    candidate = packages.load(paths, version)
    found = model.predict(candidate.estimator, model.matrix(test))
    return classification.Sample(
        probability=found,
        outcome=test[model.TARGET].to_numpy().astype(np.float64),
        approved=found < candidate.facts["cutoffs"]["approve_below"],
        digest=evidence.digest(_file(paths, "features")),
    )


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    month = pl.col("applied_on").dt.truncate("1mo")
    return frame.filter(month == month.max())


def _mature(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The newest month of which so many outcomes are known; no rows if there is none."""
    month = pl.col("applied_on").dt.truncate("1mo")
    known = frame.filter(pl.col(model.TARGET).is_not_null())
    return _newest(known.filter(pl.len().over(month) >= rows))


def _month(frame: pl.DataFrame) -> str:
    return str(frame["applied_on"].dt.strftime("%Y-%m").max() or "none")


def _candidates(paths: Paths) -> Path:
    return paths.models / "candidates.json"


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(_file(paths, name))
