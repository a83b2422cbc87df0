"""The pipeline: each stage is a function that reads files, does one thing, and writes files."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from . import assistant, cases, policy, quality, records, tools
from .assistant import PROMPT, SEALED
from .cases import REFER, Bank, Book, Task
from .controls import (
    access,
    agent,
    audit,
    bom,
    contract,
    evaluation,
    evidence,
    lineage,
    llm,
    monitoring,
    releases,
    validation,
)
from .controls.agent import replay
from .controls.audit import EventType
from .controls.card import write_card
from .controls.governance import refuse_unapproved
from .controls.lineage import RELEASED, Flow
from .controls.monitoring import Measurement, Plan
from .controls.paths import Paths
from .controls.release import sealed
from .controls.stages import Stage, StageFailed
from .controls.switch import switch_of
from .records import CONTRACT, TABLES

SYSTEM = __package__ or "system"
Found = TypeVar("Found")
# Who asks for the runs of the pipeline: a service account with the role of a clerk.
PREPARER, PREPARERS = "pipeline@bank.example", ("clerk",)
# What is measured besides the drift of cases; ops/monitoring.yaml has a check for each.
OWN_METRICS = (
    "referral_rate",
    "refused_call_rate",
    "halted_rate",
    "steps_per_case",
    "cost_per_case",
    "money_proposed_per_case",
    "slow_run_seconds",
)
WATCHED = ("psi", "ks", "missing_rate", "prediction_rate", *OWN_METRICS)
COLUMNS = {
    "case_id": pl.String,
    "outcome": pl.String,
    "reason": pl.String,
    "steps": pl.Int64,
    "tokens": pl.Int64,
    "cost": pl.Float64,
    "refusals": pl.Int64,
    "cents": pl.Int64,
}


# What each stage reads and writes. A file that is missing here is missing in the lineage.
AGREED, LIMITS, ATTACKS = f"contracts/{CONTRACT}", "evals/thresholds.yaml", "evals/redteam.jsonl"
RULES, ROLES, WATCH = "governance/agent.yaml", "governance/access.yaml", "ops/monitoring.yaml"
RAW = tuple(f"var/data/raw_{name}.parquet" for name in TABLES)
CLEAN = tuple(f"var/data/{name}.parquet" for name in TABLES)
CASES, PAYMENTS, _, POLICIES = CLEAN
RUNS, CANDIDATE = "var/data/runs.parquet", "var/models/candidate.json"
SCORES = "evidence/evaluation.json"
FLOWS = {
    "cases": Flow((), RAW),
    "validate": Flow((AGREED, *RAW), (*CLEAN, "evidence/data-quality.json")),
    "candidate": Flow((RULES, ROLES), (CANDIDATE,)),
    "evaluate": Flow((CANDIDATE, LIMITS, ATTACKS, RULES, ROLES, POLICIES), (SCORES,)),
    "package": Flow((SCORES, CANDIDATE, RULES, ROLES, LIMITS), (RELEASED,)),
    "work": Flow((AGREED, *CLEAN, RULES, ROLES, RELEASED), (RUNS,)),
    "monitor": Flow((WATCH, RULES, CASES, PAYMENTS, RUNS), ("evidence/monitoring.json",)),
}


def get_cases(paths: Paths) -> str:
    """Fetch cases, payments, accounts and policies: here they are made up, see `cases.py`."""
    raw = records.extract(cases.book())
    for name, frame in raw.items():
        _write(paths, f"raw_{name}", frame)
    return f"{raw['cases'].height} {cases.ORIGIN} cases over {cases.WEEKS} weeks"


def validate(paths: Paths) -> str:
    """Check every table against the contract; bad rows go to quarantine, no agent sees them."""
    found = records.checked(paths, {name: _read(paths, f"raw_{name}") for name in TABLES})
    for name, one in found.items():
        _write(paths, name, one.clean)
    reports = {name: one.report for name, one in found.items()}
    sources = [paths.contracts / CONTRACT, *(_file(paths, f"raw_{name}") for name in TABLES)]
    evidence.write(paths, "data-quality", reports, sources)
    bad = ", ".join(f"{report['quarantined']} {name}" for name, report in reports.items())
    return f"{reports['cases']['clean']} cases are clean; in quarantine: {bad}"


def candidate(paths: Paths) -> str:
    """Save what would serve: the prompt, and rules, roles and tools as they are now."""
    try:
        files = assistant.release_files(paths, Bank(Book()))
    except agent.RulesRefused as reason:
        raise StageFailed(f"governance/agent.yaml: {reason}") from reason
    by = assistant.connected(os.environ)
    facts = {**assistant.facts(by), "data": cases.ORIGIN}
    version = releases.save(paths, files, facts)
    evidence.replace(_candidate(paths), json.dumps({"version": version}, indent=2) + "\n")
    return f"{version}: the calls are chosen by {by.label}"


def evaluate(paths: Paths) -> str:
    """Measure the candidate on cases, attacks and approvals that nothing was chosen on."""
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    version = json.loads(_candidate(paths).read_text("utf-8"))["version"]
    by, attacks = assistant.connected(os.environ), paths.evals / "redteam.jsonl"
    rules, roles = agent.load(_rules(paths)), access.load(_roles(paths))
    policies = _book(paths).policies
    setting = quality.Setting(paths.var / "evaluation", rules, roles, by, PROMPT, policies)
    given, digest = quality.attacks(attacks), evidence.digest(attacks)
    results = _asked(lambda: quality.evaluate(setting, given, plan, digest))
    content = evaluation.content(results, evaluation.gate(results, plan))
    content["model_version"], content["agent"] = version, by.label
    sources = [paths.evals / "thresholds.yaml", attacks, _rules(paths), _roles(paths)]
    evidence.write(paths, "evaluation", content, [*sources, _file(paths, "policies")])
    figures = {result.metric: result.value for result in results if result.slice == "all"}
    return (
        f"{figures['task_success']:.0%} as a careful person would, "
        f"{figures['wrong_proposal_rate']:.0%} wrong proposals, "
        f"{len(given)} attacks, {figures['no_forbidden_effect']:.0%} without a forbidden effect"
    )


def gate(paths: Paths) -> str:
    """Stop here if a threshold is missed."""
    verdict = evidence.read(paths, "evaluation")["content"]["gate"]
    if verdict["failures"]:
        raise StageFailed("; ".join(verdict["failures"]))
    return "all thresholds are met"


def package(paths: Paths) -> str:
    """Let the release that passed the gate serve, and record that in the audit log."""
    version: str = evidence.read(paths, "evaluation")["content"]["model_version"]
    sources = [_rules(paths), _roles(paths), paths.evals / "thresholds.yaml"]
    return releases.promote(paths, releases.load(paths, version), sources)


def work(paths: Paths) -> str:
    """Rehearse the newest week of cases; what was prepared by this release is not again.

    Its proposals are on record and are never decided: only those of the service can be approved.
    Each decision is in the audit log before anyone can read it.
    """
    switch = switch_of(paths)
    if (state := switch.state()).stopped:
        raise StageFailed(f"the kill switch is on ({state.reason}): nothing is prepared")
    ready = releases.load(paths)
    refuse_unapproved(paths, ready.version, ready.digest)
    book = _book(paths)
    by, bank = assistant.connected(os.environ), Bank(book, paths.var / "bank.db")
    rows, seconds = [], []
    with llm.Traces(paths, SYSTEM) as traces, audit.open_log(paths, "pipeline") as log:
        guard = assistant.guard_of(paths, log, switch, bank, traces)
        worker = assistant.of_release(paths, ready, guard, bank, by)
        known = _prepared(log, ready.version)
        for task in _newest_tasks(book):
            case = task.case
            run = f"{ready.version}-{case.case_id}"
            if run not in known:
                begun = sum(one.partition("#")[0] == run for one in guard.ledger.runs)
                name = f"{run}#{begun + 1}" if begun else run  # one that a crash has cut off
                started = time.perf_counter()
                content = _asked(
                    lambda r=name, c=case: worker.work(  # type: ignore[misc]
                        r, c.case_id, c.customer_id, PREPARER, PREPARERS
                    )
                )
                seconds.append(time.perf_counter() - started)
                sums = [guard.ledger.proposals[one].amount for one in content["proposals"]]
                held = {**sealed(log.privacy, content, SEALED), "cents": sum(sums)}
                log.record(EventType.DECISION, case.customer_id, held)
                known[run] = held
            rows.append(_row(case.case_id, known[run]))
    bank.close()
    agreed = contract.load(paths.contracts / CONTRACT).tables["runs"]
    frame = validation.guard(paths, pl.DataFrame(rows, schema=COLUMNS), agreed).clean
    _write(paths, "runs", frame)
    if seconds:
        _write(paths, "seconds", pl.DataFrame({"seconds": seconds}))
    counts = dict(frame.group_by("outcome").len().sort("outcome").iter_rows())
    return ", ".join(f"{count} {name}" for name, count in counts.items()) + f" by {by.label}"


def replayed(paths: Paths) -> str:
    """Judge every run of the audit trail again: each verdict has to be the same."""
    try:
        found = replay.of_log(paths.audit / "pipeline.jsonl")
    except (LookupError, ValueError) as reason:
        raise StageFailed(str(reason)) from reason
    if wrong := [str(one) for one in found if not one.same]:
        raise StageFailed("; ".join(wrong[:3]))
    return f"{sum(one.verdicts for one in found)} verdicts of {len(found) - 1} runs are the same"


def monitor(paths: Paths) -> str:
    """Compare the newest week of cases with those before, and look at what the agent did.

    Alerts are a finding, not a failure. Time is measured too, but is in no evidence: it differs
    from run to run.
    """
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=WATCHED)
    book = _book(paths)
    every = pl.DataFrame([_traits(book, task) for task in book.tasks])
    newest = _newest(every)
    before = every.filter(pl.col("day") < newest["day"].dt.truncate("1w").min())
    report = monitoring.observe(
        before.drop("day", "case_id"),
        newest.drop("day", "case_id"),
        plan,
        score="amount",
        threshold=_most(paths) / 100,
        window=str(newest["day"].dt.strftime("%G-W%V").max()),
    )
    report = monitoring.joined(report, _of_runs(paths, plan))
    seen = [_file(paths, name) for name in ("cases", "payments", "runs")]
    origin = f"{cases.ORIGIN} data, {assistant.connected(os.environ).label}"
    timed = _slowness(paths, plan)
    return monitoring.publish(paths, report, [_rules(paths), *seen], origin, timed=timed)


def document(paths: Paths) -> str:
    """Write lineage, bills of materials and the model card; prove that the audit log is whole."""
    sources = [AGREED, LIMITS, ATTACKS, RULES, ROLES]
    datasets = lineage.record(paths, FLOWS, SYSTEM, sources, (POLICIES, ATTACKS))
    bom.write(paths, SYSTEM, datasets, _steering(paths), _services(paths))
    write_card(paths)
    audit.refuse_broken(paths)
    return f"model card written, audit log intact, evidence: {', '.join(evidence.names(paths))}"


PLAIN = (
    Stage("cases", get_cases),
    Stage("validate", validate, ("cases",)),
    Stage("candidate", candidate),
    Stage("evaluate", evaluate, ("validate", "candidate")),
    Stage("gate", gate, ("evaluate",)),
    Stage("package", package, ("gate",)),
    Stage("work", work, ("validate",)),
    Stage("replay", replayed, ("work",)),
    Stage("monitor", monitor, ("work",)),
    Stage("evidence", document, ("package", "replay", "monitor")),
)
STAGES = lineage.traced(PLAIN, FLOWS, SYSTEM)


def _steering(paths: Paths) -> dict[str, str]:
    """What decides which calls are made, by digest: the release's prompt and rules as described,
    the rules and roles as written, the code of the tools, and of the policy where it chooses.
    """
    released = evidence.read(paths, "model")["content"]
    files = releases.load(paths, released["version"]).files
    found = {name: f"sha256:{hashlib.sha256(text).hexdigest()}" for name, text in files.items()}
    found |= {name: evidence.digest(paths.root / name) for name in (RULES, ROLES)}
    chosen_by = [] if released["facts"]["generated"] else [policy]
    for module in (tools, *chosen_by):
        file = Path(str(module.__file__))
        found[f"src/{SYSTEM}/{file.name}"] = evidence.digest(file)
    return found


def _services(paths: Paths) -> list[dict[str, Any]]:
    """The tools that the release calls, and the model where one chooses the calls."""
    owner = contract.load(paths.contracts / CONTRACT).owner
    code, rules = tools.functions(Bank(Book())), agent.Rules.of(agent.load(_rules(paths))).tools
    found: list[dict[str, Any]] = [
        {"name": name, "purpose": f"{rules[name].effect}: {one.about}", "owner": owner}
        for name, one in code.items()
    ]
    facts = evidence.read(paths, "model")["content"]["facts"]
    if facts["generated"]:
        model = {"purpose": "chooses the calls", "owner": "whoever runs the endpoint"}
        found.append({"name": facts["agent"], **model, "outside": True})
    return found


def _of_runs(paths: Paths, plan: Plan) -> list[Measurement]:
    """How often a person has to look, how often the guard said no, and what a case costs."""
    runs = _read(paths, "runs")
    halted = runs["reason"].is_in(["STOPPED", "STEPS", "TOKENS", "SECONDS", "COST", "COST_OF_DAY"])
    measured = {
        "referral_rate": _mean(runs["outcome"] == REFER),
        "refused_call_rate": _mean(runs["refusals"] > 0),
        "halted_rate": _mean(halted),
        "steps_per_case": _mean(runs["steps"]),
        "cost_per_case": _mean(runs["cost"]),
        "money_proposed_per_case": _mean(runs["cents"]) / 100,
    }
    return [monitoring.judge(plan, name, value, runs.height) for name, value in measured.items()]


def _slowness(paths: Paths, plan: Plan) -> list[Measurement]:
    """The time within which nineteen of twenty runs were done, where any was."""
    file = _file(paths, "seconds")
    if not file.exists():
        return []
    taken = pl.read_parquet(file)["seconds"]
    value = float(taken.quantile(0.95) or 0.0)
    return [monitoring.judge(plan, "slow_run_seconds", value, taken.len())]


def _traits(found: Book, task: Task) -> dict[str, Any]:
    """What is watched of each case."""
    case = task.case
    cents = {one.payment_id: one.amount_cents for one in found.payments}
    return {
        "day": case.day,
        "case_id": case.case_id,
        "kind": case.kind,
        "amount": cents.get(case.payment_id, 0) / 100,
        "words": len(case.message.split()),
        "verified": str(case.verified).lower(),
    }


def _prepared(log: audit.AuditLog, version: str) -> dict[str, dict[str, Any]]:
    """The decisions that this release has come to, by run, from the log."""
    return {
        event["data"]["run"].partition("#")[0]: event["data"]
        for event in audit.read_events(log.path)
        if event["type"] == EventType.DECISION and event["data"].get("model_version") == version
    }


def _row(case_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: content[name] for name in ("outcome", "steps", "tokens", "cost", "cents")}
    reasons = content["reasons"][0]["code"]
    return {
        "case_id": case_id,
        "reason": reasons,
        "refusals": len(content["refusals"]),
        **given,
        "cost": float(content["cost"]),
    }


def _newest_tasks(found: Book) -> list[Task]:
    last: date = max(task.case.day for task in found.tasks)
    return [t for t in found.tasks if t.case.day.isocalendar()[:2] == last.isocalendar()[:2]]


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    week = pl.col("day").dt.truncate("1w")
    return frame.filter(week == week.max())


def _asked(use: Callable[[], Found]) -> Found:
    """What the model gives; StageFailed if it does not answer."""
    try:
        return use()
    except llm.ModelUnavailable as reason:
        raise StageFailed(f"the model does not answer: {reason}") from reason


def _most(paths: Paths) -> int:
    """The most that one refund may give back, in cents."""
    return agent.Rules.of(agent.load(_rules(paths))).tools[cases.REFUND].most


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).to_numpy().mean())


def _book(paths: Paths) -> Book:
    """What passed the check: nothing else is worked on."""
    return records.book_of({name: _read(paths, name) for name in TABLES})


def _rules(paths: Paths) -> Path:
    return paths.governance / "agent.yaml"


def _roles(paths: Paths) -> Path:
    return paths.governance / "access.yaml"


def _candidate(paths: Paths) -> Path:
    return paths.models / "candidate.json"


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(_file(paths, name))
