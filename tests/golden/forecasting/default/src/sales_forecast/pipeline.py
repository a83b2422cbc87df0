"""The pipeline: each stage is a function that reads files, does one thing, and writes files.

The newest three months are left out of training and backtest. A forecast that is made as from
before them, a rehearsal, is published and compared with them, so that monitoring has something to
watch from the first run on. The forecast to plan with is made after the newest month.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from . import data, model
from .controls import (
    accuracy,
    audit,
    backtest,
    bom,
    conformal,
    contract,
    evaluation,
    evidence,
    hierarchy,
    lineage,
    monitoring,
    overrides,
    packages,
    panel,
    publication,
    validation,
)
from .controls.audit import AuditLog
from .controls.card import write_card
from .controls.governance import refuse_unapproved
from .controls.lineage import RELEASED, Flow
from .controls.overrides import Override
from .controls.panel import Panel, first_day, month_number
from .controls.paths import Paths
from .controls.publication import LIVE, REHEARSAL, NotOnRecord, NotPublished
from .controls.stages import Stage, StageFailed

CONTRACT = "sales.odcs.yaml"
SYSTEM = __package__ or "system"
DIMENSIONS = ("product", "region")
SLICES = ("product", "region", "horizon", "history")
WATCHED = 3  # months between the release and the newest month
FIRST_ORIGIN = 44  # months of history before the backtest begins
TEST_ORIGINS = 12
REFIT_EVERY = 3
YOUNG = 24  # months of history below which a series counts as young
CHANCE = 3.29  # standard deviations that chance exceeds in one of a thousand measurements


# What each stage reads and writes. A file that is missing here is missing in the lineage.
AGREED, LIMITS = f"contracts/{CONTRACT}", "evals/thresholds.yaml"
MODELS = "var/models/candidates.json"
RAW = tuple(f"var/data/raw_{name}.parquet" for name in ("sales", "series", "calendar"))
CLEAN = tuple(name.replace("raw_", "") for name in RAW)
BACKTESTS = tuple(f"var/data/backtest_{kind}.parquet" for kind in model.KINDS)
FLOWS = {
    "data": Flow(writes=RAW),
    "validate": Flow((AGREED, *RAW), (*CLEAN, "evidence/data-quality.json")),
    "backtest": Flow(CLEAN, (*BACKTESTS, "evidence/backtest.json")),
    "train": Flow((*CLEAN, *BACKTESTS, LIMITS), (MODELS,)),
    "evaluate": Flow((*CLEAN, *BACKTESTS, LIMITS, MODELS), ("evidence/evaluation.json",)),
    "package": Flow(("evidence/evaluation.json", MODELS, *CLEAN), (RELEASED,)),
    "publish": Flow((AGREED, *CLEAN, RELEASED), ("var/data/forecasts.parquet",)),
    "overrides": Flow((*CLEAN, LIMITS), ("evidence/overrides.json",)),
    "monitor": Flow((*CLEAN, RELEASED, "ops/monitoring.yaml"), ("evidence/monitoring.json",)),
}


def get_data(paths: Paths) -> str:
    """Fetch the data: here it is made up, see `data.py`."""
    found = data.extract()
    for name in ("sales", "series", "calendar"):
        _write(paths, f"raw_{name}", getattr(found, name))
    _write(paths, "planted", found.planted)
    return f"{found.sales.height:,} {data.ORIGIN} rows of {found.series.height} series"


def validate(paths: Paths) -> str:
    """Check all data sets against the contract; bad rows go to quarantine."""
    tables = contract.load(paths.contracts / CONTRACT).tables
    reports = {}
    for name in ("sales", "series", "calendar"):
        checked = validation.guard(paths, _read(paths, f"raw_{name}"), tables[name])
        _write(paths, name, checked.clean)
        reports[name] = checked.report
    sources = [_file(paths, f"raw_{name}") for name in reports]
    evidence.write(paths, "data-quality", reports, [paths.contracts / CONTRACT, *sources])
    rows = reports["sales"]
    return f"{rows['clean']:,} rows keep the contract, {rows['quarantined']} in quarantine"


def look_back(paths: Paths) -> str:
    """Forecast from many past origins with both kinds of model, and prove that nothing leaks."""
    past = _released(_panel(paths))
    origins = range(past.first + FIRST_ORIGIN, past.origin)
    tested = _tested(past)
    leaking = {}
    for kind in model.KINDS:
        make = model.refitted(kind, REFIT_EVERY)
        cells = backtest.run(past, origins, make, model.naive, model.scale)
        _write(paths, f"backtest_{kind}", _with_history(past, cells))
        leaking[kind] = backtest.leaks(past, (tested[0], tested[-1]), make)
    content = {
        "first_origin": str(first_day(origins[0])),
        "tested_from": str(first_day(tested[0])),
        "tested_until": str(first_day(tested[-1])),
        "last_target": str(first_day(past.origin)),
        "horizons": model.HORIZONS,
        "cells": cells.height,
        "leaking_origins": sum(len(found) for found in leaking.values()),
    }
    evidence.write(paths, "backtest", content, _sources(paths))
    return f"{len(origins)} origins, {cells.height:,} cells, {content['leaking_origins']} leaks"


def train(paths: Paths) -> str:
    """Fit both kinds on all months until the release, and save both as candidates."""
    past = _released(_panel(paths))
    coverage = _coverage(paths)
    candidates = {}
    for kind in model.KINDS:
        cells = _read(paths, f"backtest_{kind}")
        facts = {
            "kind": kind,
            "data": data.ORIGIN,
            "series": len(past.keys),
            "inputs": list(model.INPUTS),
            "horizons": model.HORIZONS,
            "coverage": coverage,
            "widths": conformal.widths(cells, coverage, known_at=past.origin),
            "reference": _reference(_tested_cells(past, cells, coverage)),
            "trained_on": evidence.digest(_file(paths, "sales")),
            "trained_until": str(first_day(past.origin)),
        }
        candidates[kind] = packages.save(paths, model.fit(past, kind), facts)
    evidence.replace(_candidates(paths), json.dumps(candidates, indent=2) + "\n")
    return ", ".join(f"{kind} {version}" for kind, version in candidates.items())


def evaluate(paths: Paths) -> str:
    """Measure both kinds on the last origins of the backtest; judge the better one."""
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    past, coverage = _released(_panel(paths)), _coverage(paths)
    tested = {
        kind: _tested_cells(past, _read(paths, f"backtest_{kind}"), coverage)
        for kind in model.KINDS
    }
    comparison = accuracy.compare(tested["champion"], tested["challenger"], plan)
    digest = evidence.digest(_file(paths, f"backtest_{comparison.winner}"))
    results = accuracy.evaluate(tested[comparison.winner], plan, coverage, SLICES, digest)
    verdict = evaluation.gate(results, plan)
    failures = (*verdict.failures, *accuracy.not_beaten(results))
    content = evaluation.content(
        results, evaluation.Gate(passed=not failures, failures=failures), comparison
    )
    content["model_version"] = json.loads(_candidates(paths).read_text("utf-8"))[comparison.winner]
    sources = [paths.evals / "thresholds.yaml", *_sources(paths)]
    evidence.write(paths, "evaluation", content, sources)
    by_name = {(r.metric, r.slice): r for r in results}
    skill, inside = by_name["skill", "all"], by_name["coverage", "all"]
    return (
        f"{comparison.winner} wins: {skill.value:.0%} of the naive error is gone "
        f"({skill.low:.0%} to {skill.high:.0%}), coverage {inside.value:.0%} of {coverage:.0%}"
    )


def gate(paths: Paths) -> str:
    """Stop here if a threshold is missed, the naive forecast is not beaten, or the future leaks."""
    failures = [*evidence.read(paths, "evaluation")["content"]["gate"]["failures"]]
    if evidence.read(paths, "backtest")["content"]["leaking_origins"]:
        failures.append("a forecast of the backtest has used what came after its origin")
    if failures:
        raise StageFailed("; ".join(failures))
    return "all thresholds are met, the naive forecast is beaten, nothing leaks"


def package(paths: Paths) -> str:
    """Let the model that passed the gate serve, and record that in the audit log."""
    version: str = evidence.read(paths, "evaluation")["content"]["model_version"]
    return packages.promote(paths, packages.load(paths, version), _sources(paths))


def publish(paths: Paths) -> str:
    """Publish the forecast to plan with; before the first one, a rehearsal."""
    served, whole = packages.load(paths), _panel(paths)
    refuse_unapproved(paths, served.version, served.digest)
    until = month_number(datetime.fromisoformat(served.facts["trained_until"]))
    before = publication.planned_with(paths)
    try:
        with audit.open_log(paths, writer="pipeline") as log:
            if until < whole.origin and before is None:
                rehearsed = _publish(paths, log, served, whole.until(until), REHEARSAL)
                _rehearse(paths, log, rehearsed)
            name = _publish(paths, log, served, whole, LIVE)
    except NotPublished as reason:
        raise StageFailed(str(reason)) from reason
    planned = _plan_with(paths, name)
    told = f"{name}: {planned.height} cells after {first_day(whole.origin)}, on record"
    left = overrides.left_behind(paths, name) if name != before else ""
    return f"{told}; {left}" if left else told


def judge_overrides(paths: Paths) -> str:
    """Say what the planners' changes were worth, where the actual value is known by now."""
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    found = _judged(paths)
    digest = evidence.digest(_file(paths, "sales"))
    names = publication.recorded(paths)
    content = {
        "recorded": sum(len(overrides.of(paths, name)) for name in names),
        "judged": found.height,
        "files_gone": (gone := publication.still_there(paths)[1]),
        "results": evaluation.content(
            overrides.value_added(found, plan, digest), evaluation.Gate(True, ())
        )["results"],
    }
    evidence.write(paths, "overrides", content, [paths.evals / "thresholds.yaml", *_sources(paths)])
    worth = [r for r in content["results"] if (r["metric"], r["slice"]) == ("value_added", "all")]
    told = f", they took away {worth[0]['value']:.0%} of the model's error" if worth else ""
    return f"{content['recorded']} overrides, {content['judged']} judged{told}{_missing(gone)}"


def monitor(paths: Paths) -> str:
    """Compare what was published with what came true; alerts are a finding, not a failure."""
    plan = monitoring.load(
        paths.ops / "monitoring.yaml",
        required=["bias", "group_bias", "error_drift", "coverage_drop", "stale_series"],
    )
    served, whole = packages.load(paths), _panel(paths)
    watched = _watched(paths, whole)
    months = sorted(watched["period"].unique().to_list())
    report = monitoring.Report(
        window=f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}" if months else "none",
        reference_rows=int(served.facts["reference"]["cells"]),
        current_rows=watched.height,
        measurements=(
            *_measured(plan, served, watched),
            _freshness(plan, whole),
            *_of_overrides(plan, paths, watched),
        ),
        plan=plan,
    )
    told = monitoring.publish(paths, report, _sources(paths), f"{data.ORIGIN} data")
    return told + _missing(publication.still_there(paths)[1])


def document(paths: Paths) -> str:
    """Write lineage, bills and card; remake the forecast planned with; the log has to be whole."""
    datasets = lineage.record(paths, FLOWS, SYSTEM, [*RAW, AGREED, LIMITS])
    bom.write(paths, SYSTEM, datasets)
    write_card(paths)
    audit.refuse_broken(paths)
    planned = publication.planned_with(paths) or "the forecast to plan with"
    try:
        same = publication.reproduced(paths, planned, lambda *made: again(paths, *made))
    except NotOnRecord as reason:
        raise StageFailed(str(reason)) from reason
    if not same:
        raise StageFailed(f"{planned} cannot be made again: model or libraries have changed")
    known = ", ".join(evidence.names(paths))
    return f"model card written, {planned} made again, audit log intact, evidence: {known}"


PLAIN = (
    Stage("data", get_data),
    Stage("validate", validate, ("data",)),
    Stage("backtest", look_back, ("validate",)),
    Stage("train", train, ("backtest",)),
    Stage("evaluate", evaluate, ("train",)),
    Stage("gate", gate, ("evaluate",)),
    Stage("package", package, ("gate",)),
    Stage("publish", publish, ("validate",)),
    Stage("overrides", judge_overrides, ("validate",)),
    Stage("monitor", monitor, ("validate",)),
    Stage("evidence", document, ("package", "publish", "overrides", "monitor")),
)
STAGES = lineage.traced(PLAIN, FLOWS, SYSTEM)


def again(paths: Paths, version: str, inputs: str) -> pl.DataFrame:
    """The cells that a packaged version makes of the inputs of a forecast."""
    return _cells(packages.load(paths, version), panel.parse(inputs))


def _cells(package: packages.Package, cut: Panel) -> pl.DataFrame:
    """Points and intervals of all nodes after the panel's origin, periods as dates."""
    points = model.forecast(package.estimator, cut)
    cells = backtest.cells(cut, {"point": points}, model.scale(cut))
    ready = conformal.with_intervals(cells, package.facts["widths"])
    return ready.with_columns(period=pl.Series([first_day(n) for n in ready["period"]]))


def _publish(
    paths: Paths, log: AuditLog, package: packages.Package, cut: Panel, purpose: str
) -> str:
    model_of = (package.version, package.digest)
    cells = _cells(package, cut)
    return publication.publish(paths, log, cells, cut.text(), model_of, DIMENSIONS, purpose)


def _plan_with(paths: Paths, name: str) -> pl.DataFrame:
    """Write what to plan with: the forecast with its overrides."""
    planned = overrides.effective(paths, name).with_columns(forecast=pl.lit(name))
    columns = ["forecast", "node", "level", "period", "point", "low", "high", "final"]
    table = contract.load(paths.contracts / CONTRACT).tables["forecasts"]
    _write(paths, "forecasts", validation.guard(paths, planned.select(columns), table).clean)
    return planned


def _rehearse(paths: Paths, log: AuditLog, forecast: str) -> None:
    """Put the made-up changes of `data.planners` on record, once."""
    cells = publication.read(paths, forecast).cells
    for note in data.planners():
        node = f"product={note.product}|region={note.region}"
        mine = (pl.col("node") == node) & (pl.col("horizon") == note.horizon)
        for cell in cells.filter(mine).to_dicts():
            value = round(cell["point"] * note.factor)
            change = Override(forecast, node, cell["period"], value, note.kind, note.reason)
            overrides.record(paths, log, change, actor=f"planner of {note.region} ({data.ORIGIN})")


def _judged(paths: Paths) -> pl.DataFrame:
    return overrides.judged(paths, _actuals(_panel(paths)))


def _missing(gone: Sequence[str]) -> str:
    """The forecasts that nobody can look at any more: that they are gone is said in each run."""
    return f"; files are gone of {', '.join(gone)}: bring var/forecasts back" if gone else ""


def _actuals(whole: Panel) -> pl.DataFrame:
    """What came true, a row a series and month."""
    rows = [
        (hierarchy.named(whole, row), first_day(whole.first + column), float(value))
        for row, line in enumerate(whole.values)
        for column, value in enumerate(line)
        if np.isfinite(value)
    ]
    schema = {"node": pl.String, "period": pl.Date, "actual": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _watched(paths: Paths, whole: Panel) -> pl.DataFrame:
    """Published months of series in the window with what came true; of several the last one."""
    since = first_day(whole.origin - WATCHED + 1)
    issues, gone = publication.still_there(paths)
    cells = [issue.cells.with_columns(origin=pl.lit(issue.origin)) for issue in issues]
    if not cells:
        raise StageFailed(f"nothing to watch: run the stage `publish` first{_missing(gone)}")
    series = pl.concat(cells).filter(pl.col("level") == "series", pl.col("period") >= since)
    by_age = series.sort("origin", maintain_order=True)
    newest = by_age.unique(["node", "period"], keep="last", maintain_order=True)
    parted = [pl.col("node").str.extract(rf"(?:^|\|){d}=([^|]*)").alias(d) for d in DIMENSIONS]
    known = newest.join(_actuals(whole), on=["node", "period"], maintain_order="left")
    return known.with_columns(*parted, weight=pl.col("actual").mean().over("node"))


def _measured(
    plan: monitoring.Plan, served: packages.Package, watched: pl.DataFrame
) -> list[monitoring.Measurement]:
    """Bias, error and coverage of what was published, against the same figures of the backtest."""
    before, rows = served.facts["reference"], watched.height
    if not rows:
        return []
    now = _figures(watched, served.facts["coverage"])
    found = [
        monitoring.judge(
            plan, "bias", now["bias"], rows, chance=CHANCE * before["bias_spread"]["all"]
        ),
        monitoring.judge(
            plan,
            "error_drift",
            max(now["scaled_error"] / before["scaled_error"] - 1, 0.0),
            rows,
            chance=CHANCE * before["error_spread"] / before["scaled_error"],
        ),
        monitoring.judge(
            plan,
            "coverage_drop",
            max(served.facts["coverage"] - now["coverage"], 0.0),
            rows,
            chance=CHANCE * before["coverage_spread"],
        ),
    ]
    for name in DIMENSIONS:
        chance = CHANCE * before["bias_spread"][name]
        for (value,), part in sorted(watched.partition_by(name, as_dict=True).items()):
            bias = _figures(part, served.facts["coverage"])["bias"]
            found.append(
                monitoring.judge(
                    plan, "group_bias", bias, part.height, group=f"{name}={value}", chance=chance
                )
            )
    return found


def _freshness(plan: monitoring.Plan, whole: Panel) -> monitoring.Measurement:
    active = whole.active()
    stale = active & ~np.isfinite(whole.values[:, -1])
    return monitoring.judge(
        plan, "stale_series", float(stale.sum() / active.sum()), int(active.sum())
    )


def _of_overrides(
    plan: monitoring.Plan, paths: Paths, watched: pl.DataFrame
) -> list[monitoring.Measurement]:
    """Harm by kind of override, and how much of what was published people have changed."""
    judged = _judged(paths)
    by_kind = judged.with_columns(error=(pl.col("actual") - pl.col("point")).abs())
    totals = by_kind.group_by("kind").agg(pl.col("gained", "error").sum(), rows=pl.len())
    found = [
        monitoring.judge(
            plan,
            "override_harm",
            max(-row["gained"] / max(row["error"], 1.0), 0.0),
            row["rows"],
            group=f"kind={row['kind']}",
        )
        for row in totals.sort("kind").to_dicts()
    ]
    changed = watched.join(judged, on=["node", "period"], how="semi").height
    share = changed / max(watched.height, 1)
    return [*found, monitoring.judge(plan, "override_share", share, watched.height)]


def _reference(tested: pl.DataFrame) -> dict[str, Any]:
    """What monitoring compares with: the figures of the backtest, and their spread over origins."""
    near = accuracy.scored(tested).filter(
        (pl.col("level") == "series") & (pl.col("horizon") <= WATCHED)
    )
    coverage = 0.5  # only figures that do not depend on it are kept
    whole = _figures(near, coverage)
    by_origin = [_figures(part, coverage) for part in near.partition_by("origin")]
    return {
        "cells": near.height,
        "scaled_error": whole["scaled_error"],
        "error_spread": _spread(row["scaled_error"] for row in by_origin),
        "coverage_spread": _spread(row["coverage"] for row in by_origin),
        "bias_spread": {
            "all": _spread(row["bias"] for row in by_origin),
            **{
                name: _spread(
                    _figures(part, coverage)["bias"] for part in near.partition_by("origin", name)
                )
                for name in DIMENSIONS
            },
        },
    }


def _figures(cells: pl.DataFrame, coverage: float) -> dict[str, float]:
    """The metrics of some cells with actuals, weights and intervals."""
    return {
        name: float(cells.select((above.sum() / below.sum()).alias(name)).item())
        for name, (above, below) in accuracy.ratios(coverage).items()
    }


def _spread(values: Any) -> float:
    return float(np.std(list(values), ddof=1))


def _tested(past: Panel) -> range:
    """The last origins of the backtest of which every horizon is known."""
    last = past.origin - model.HORIZONS
    return range(last - TEST_ORIGINS + 1, last + 1)


def _tested_cells(past: Panel, cells: pl.DataFrame, coverage: float) -> pl.DataFrame:
    return backtest.covered(cells, _tested(past), coverage)


def _with_history(past: Panel, cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with a word on how much history a series had at the origin; null for sums."""
    known = np.cumsum(np.isfinite(past.values), axis=1)
    places = {hierarchy.named(past, row): row for row in range(len(past.keys))}
    words = []
    for node, origin in cells.select("node", "origin").iter_rows():
        row = places.get(node)
        months = None if row is None else known[row, origin - past.first]
        words.append(None if months is None else "young" if months < YOUNG else "established")
    return cells.with_columns(history=pl.Series(words, dtype=pl.String))


def _released(whole: Panel) -> Panel:
    return whole.until(whole.origin - WATCHED)


def _panel(paths: Paths) -> Panel:
    sales, series, calendar = (_read(paths, name) for name in ("sales", "series", "calendar"))
    return panel.build(sales, series, calendar, DIMENSIONS, "units", model.HORIZONS)


def _coverage(paths: Paths) -> float:
    """How often the actual value shall lie in the interval."""
    document = yaml.safe_load((paths.evals / "thresholds.yaml").read_text("utf-8"))
    return float(document["interval"]["coverage"])


def _sources(paths: Paths) -> list[Path]:
    return [_file(paths, name) for name in ("sales", "series", "calendar")]


def _candidates(paths: Paths) -> Path:
    return paths.models / "candidates.json"


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(_file(paths, name))
