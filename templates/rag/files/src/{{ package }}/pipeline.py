"""The pipeline: each stage is a function that reads files, does one thing, and writes files."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from . import answering, corpus, quality, questions
from .answering import ABSTAINED, PASSAGES, PROMPT, PROMPT_FILE, SEALED, VECTORS, Assistant
from .controls import (
    access,
    audit,
    bom,
    contract,
    evaluation,
    evidence,
    lineage,
    llm,
    monitoring,
    releases,
    screening,
    validation,
)
from .controls.access import Access
from .controls.audit import EventType
from .controls.card import write_card
from .controls.governance import refuse_unapproved
from .controls.lineage import RELEASED, Flow
from .controls.monitoring import Measurement, Plan
from .controls.paths import Paths
from .controls.release import REFER, sealed
from .controls.stages import Stage, StageFailed
from .controls.switch import switch_of
from .quality import READ

CONTRACT = "corpus.odcs.yaml"
SYSTEM = __package__ or "system"
Found = TypeVar("Found")
# What is measured besides the drift of questions; ops/monitoring.yaml has a check for each.
OWN_METRICS = (
    "overdue_share",
    "interrupted_policies",
    "extract_age_days",
    "contradictions",
    "withheld_passages",
    "abstention_rate",
    "handover_rate",
    "confidence_drop",
    "tokens_per_answer",
    "slow_answer_seconds",
)
WATCHED = ("psi", "ks", "missing_rate", "prediction_rate", *OWN_METRICS)


# What each stage reads and writes. A file that is missing here is missing in the lineage.
AGREED, LIMITS = f"contracts/{CONTRACT}", "evals/thresholds.yaml"
RULES, ASKED, ATTACKS = "governance/access.yaml", "evals/questions.jsonl", "evals/injections.jsonl"
POLICIES, CANDIDATE = "corpus/*.md", "var/models/candidate.json"
RAW, DOCUMENTS = "var/data/raw_documents.parquet", "var/data/documents.parquet"
QUESTIONS, ANSWERS = "var/data/questions.parquet", "var/data/answers.parquet"
INDEX = f"var/data/{PASSAGES}"
FLOWS = {
    "corpus": Flow((POLICIES,), (RAW, QUESTIONS)),
    "validate": Flow((AGREED, RAW), (DOCUMENTS, "evidence/data-quality.json")),
    "index": Flow((AGREED, RAW, DOCUMENTS), (INDEX, "evidence/corpus.json")),
    "calibrate": Flow((INDEX, RULES, ASKED, LIMITS), (CANDIDATE,)),
    "evaluate": Flow(
        (INDEX, RULES, ASKED, ATTACKS, LIMITS, CANDIDATE), ("evidence/evaluation.json",)
    ),
    "package": Flow(("evidence/evaluation.json", CANDIDATE, INDEX, LIMITS, ASKED), (RELEASED,)),
    "answer": Flow((AGREED, QUESTIONS, RULES, RELEASED), (ANSWERS,)),
    "monitor": Flow(
        ("ops/monitoring.yaml", "evidence/corpus.json", QUESTIONS, ANSWERS, INDEX, RULES, RELEASED),
        ("evidence/monitoring.json",),
    ),
}


def get_corpus(paths: Paths) -> str:
    """Fetch the policies: here they are invented, see `corpus/`."""
    found, unread = corpus.extract(paths.root / "corpus"), corpus.unread(paths.root / "corpus")
    if found.height == len(unread):
        raise StageFailed("there is no document to answer from: `corpus/` is empty")
    _write(paths, "raw_documents", found)
    _write(paths, "questions", questions.log())
    told = f"; not read, for policies are corpus/*.md: {', '.join(unread)}" if unread else ""
    read = found.height - len(unread)
    return f"{read} {corpus.ORIGIN} documents as of {corpus.EXTRACTED_ON}{told}"


def validate(paths: Paths) -> str:
    """Check every document against the contract; bad ones go to quarantine."""
    table = contract.load(paths.contracts / CONTRACT).tables["documents"]
    fetched = _read(paths, "raw_documents")
    checked = validation.guard(paths, fetched, table)
    dated = corpus.status(checked.clean, corpus.EXTRACTED_ON, fetched)
    _write(paths, "documents", dated)
    content = {"documents": checked.report}
    sources = [paths.contracts / CONTRACT, _file(paths, "raw_documents")]
    evidence.write(paths, "data-quality", content, sources)
    live = dated.filter(pl.col("status") == corpus.IN_FORCE).height
    line = f"{live} documents are in force, {checked.report['quarantined']} in quarantine"
    keys = sorted(dated.filter(pl.col("status") == corpus.INTERRUPTED)["key"])
    return f"{line}, which interrupts {', '.join(keys)}" if keys else line


def index(paths: Paths) -> str:
    """Cut what is in force into passages, withhold orders to the machine, find disagreement."""
    dated = _read(paths, "documents")
    live = dated.filter(pl.col("status") == corpus.IN_FORCE).drop("status")
    kept, withheld = corpus.screened(corpus.passages(live))
    table = contract.load(paths.contracts / CONTRACT).tables["passages"]
    frame = pl.DataFrame([_columns(passage) for passage in kept])
    _write(paths, "passages", validation.guard(paths, frame, table).clean)
    _passages(paths).write_bytes(corpus.dumped(kept))
    clashes = screening.contradictions(
        [
            statement
            for passage in kept
            for statement in screening.statements(passage.document_id, passage.id, passage.text)
        ]
    )
    overdue = live.filter(pl.col("review_by") < corpus.EXTRACTED_ON).sort("key")
    broken = dated.filter(pl.col("status") == corpus.INTERRUPTED).sort("key")
    counted = dict(dated.group_by("status").len().sort("status").iter_rows())
    content = {
        "extracted_on": str(corpus.EXTRACTED_ON),
        "documents": counted,
        "passages": len(kept),
        "by_access": dict(live.group_by("access").len().sort("access").iter_rows()),
        "overdue": overdue.select("key", "owner", pl.col("review_by").cast(pl.String)).to_dicts(),
        "interrupted": broken.select("key", "owner").to_dicts(),
        "withheld": [
            {"passage": item.passage, "owner": item.owner, "reasons": list(item.reasons)}
            for item in withheld
        ],
        "contradictions": [
            {
                "first": pair.first.passage,
                "second": pair.second.passage,
                "figures": sorted(pair.first.figures | pair.second.figures),
                "shared": pair.shared,
            }
            for pair in clashes
        ],
    }
    evidence.write(paths, "corpus", content, [_file(paths, "raw_documents")])
    return (
        f"{len(kept)} passages, {len(withheld)} withheld, {len(clashes)} contradictions, "
        f"{overdue.height} documents overdue for review"
    )


def calibrate(paths: Paths) -> str:
    """Set the threshold of abstention on the calibration questions, and save the candidate."""
    chat, embed = answering.connected(os.environ)
    found = corpus.loaded(_passages(paths).read_bytes())
    vectors = answering.embedded(found, embed) if embed else None
    library = answering.library_of(found, embed, vectors)
    rules, given = _rules(paths), quality.questions(paths.evals / "questions.jsonl")
    wrong, silent = quality.costs(paths.evals / "thresholds.yaml")
    chosen = _asked(
        lambda: quality.calibrate(Assistant(library, chat, 0.0), rules, given, wrong, silent)
    )
    facts = {
        **answering.facts(chat, chosen.threshold, answering.retrieval_of(embed)),
        "calibration": quality.content(chosen),
        "data": corpus.ORIGIN,
        "extracted_on": str(corpus.EXTRACTED_ON),
        "documents": len({passage.document for passage in found}),
        "passages": len(found),
    }
    files = {PASSAGES: _passages(paths).read_bytes(), PROMPT_FILE: PROMPT.encode()}
    if vectors is not None:
        files[VECTORS] = json.dumps(vectors, sort_keys=True).encode()
    version = releases.save(paths, files, facts)
    evidence.replace(_candidate(paths), json.dumps({"version": version}, indent=2) + "\n")
    return (
        f"{version} says no below {chosen.threshold:.2f}: {chosen.answered} of "
        f"{chosen.questions} calibration questions answered, {chosen.wrong} of them wrong"
    )


def evaluate(paths: Paths) -> str:
    """Measure the candidate on questions and attacks that nothing was chosen on."""
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    version = json.loads(_candidate(paths).read_text("utf-8"))["version"]
    chat, embed = answering.connected(os.environ)
    assistant = Assistant.of(paths, chat, version, embed)
    sets = [paths.evals / f"{name}.jsonl" for name in ("questions", "injections")]
    given, attacks = quality.questions(sets[0]), quality.injections(sets[1])
    digest = evidence.digest(sets[0])
    results = _asked(
        lambda: quality.evaluate(assistant, _rules(paths), given, attacks, plan, digest)
    )
    content = evaluation.content(results, evaluation.gate(results, plan))
    content["model_version"] = version
    content["answerer"] = chat.label
    sources = [paths.evals / "thresholds.yaml", paths.governance / "access.yaml", *sets]
    evidence.write(paths, "evaluation", content, [*sources, _passages(paths)])
    figures = {result.metric: result.value for result in results if result.slice == "all"}
    return (
        f"recall@{answering.MOST_PASSAGES} {figures[f'recall_at_{answering.MOST_PASSAGES}']:.2f}, "
        f"{figures['answered_rate']:.0%} of the answerable answered, "
        f"{figures['refusal_rate']:.0%} of the unanswerable refused"
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
    sources = [_passages(paths), paths.evals / "thresholds.yaml", paths.evals / "questions.jsonl"]
    return releases.promote(paths, releases.load(paths, version), sources)


def answer(paths: Paths) -> str:
    """Answer the newest week of questions; each is in the audit log before anyone can read it.

    What this release has answered already is taken from there. A stop holds at once: then nothing
    of the batch is recorded, and nothing goes out.
    """
    _refuse_stopped(paths)
    rules, newest = _rules(paths), _newest(_read(paths, "questions"))
    chat, embed = answering.connected(os.environ)
    events, rows, seconds, known = [], [], [], 0
    with llm.Traces(paths, SYSTEM) as traces, audit.open_log(paths, writer="pipeline") as log:
        assistant = Assistant.of(paths, traces.watched(chat), None, embed)
        refuse_unapproved(paths, assistant.version, assistant.digest)
        answered = _on_record(paths, assistant)
        for asked in newest.to_dicts():
            _refuse_stopped(paths)
            started = time.perf_counter()
            classes = rules.cleared([asked["role"]], READ)
            text = log.privacy.redact_text(asked["question"])
            name, put = log.privacy.name(asked["question_id"]), log.privacy.digest(text)
            if before := answered.get((name, put, *sorted(classes))):
                rows.append(_answer_row(asked["question_id"], before))
                known += 1
                continue
            found = _asked(lambda t=text, c=classes: assistant.answer(t, c))  # type: ignore[misc]
            content = found.content(assistant, classes)
            data = {**sealed(log.privacy, content, SEALED), "question_id": name, "input": put}
            events.append((EventType.DECISION, log.privacy.actor(asked["asker"]), data))
            rows.append(_answer_row(asked["question_id"], content))
            seconds.append(time.perf_counter() - started)
        _refuse_stopped(paths)
        log.record_all(events)
    table = contract.load(paths.contracts / CONTRACT).tables["answers"]
    frame = pl.DataFrame(rows, schema=_schema(table))
    _write(paths, "answers", validation.guard(paths, frame, table).clean)
    if seconds or not _file(paths, "seconds").exists():
        _write(paths, "seconds", pl.DataFrame({"seconds": seconds}, {"seconds": pl.Float64}))
    counts = dict(frame.group_by("outcome").len().sort("outcome").iter_rows())
    told = ", ".join(f"{count} {name}" for name, count in counts.items()) + f" by {chat.label}"
    return f"{told}; {known} were on record already" if known else told


def monitor(paths: Paths) -> str:
    """Compare the newest week of questions with those before, and look at the corpus itself.

    Alerts are a finding, not a failure. Time is measured too, but is in no evidence: it differs
    from run to run.
    """
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=WATCHED)
    chat, embed = answering.connected(os.environ)
    assistant = Assistant.of(paths, chat, None, embed)
    every = _traits(assistant, _rules(paths), _read(paths, "questions"))
    newest = _newest(every)
    before = every.filter(pl.col("asked_on") < newest["asked_on"].dt.truncate("1w").min())
    report = monitoring.observe(
        before.drop("asked_on"),
        newest.drop("asked_on"),
        plan,
        score="confidence",
        threshold=assistant.threshold,
        window=_week(newest),
    )
    told = _of_corpus(paths, plan, newest) + _of_answers(paths, plan, before, newest)
    report = monitoring.joined(report, told)
    sources = [_file(paths, "questions"), _file(paths, "answers"), _passages(paths)]
    origin = f"{corpus.ORIGIN} data, {chat.label}"
    return monitoring.publish(paths, report, sources, origin, timed=[_slowness(paths, plan)])


def document(paths: Paths) -> str:
    """Write lineage, bills of materials and the model card; prove that the audit log is whole."""
    policies = sorted(f"corpus/{file.name}" for file in (paths.root / "corpus").glob("*.md"))
    sources = [*policies, AGREED, LIMITS, RULES, ASKED]
    datasets = lineage.record(paths, FLOWS, SYSTEM, sources, (POLICIES, INDEX))
    bom.write(paths, SYSTEM, datasets, {PROMPT_FILE: _prompt(paths)})
    write_card(paths)
    audit.refuse_broken(paths)
    return f"model card written, audit log intact, evidence: {', '.join(evidence.names(paths))}"


PLAIN = (
    Stage("corpus", get_corpus),
    Stage("validate", validate, ("corpus",)),
    Stage("index", index, ("validate",)),
    Stage("calibrate", calibrate, ("index",)),
    Stage("evaluate", evaluate, ("calibrate",)),
    Stage("gate", gate, ("evaluate",)),
    Stage("package", package, ("gate",)),
    Stage("answer", answer, ("index",)),
    Stage("monitor", monitor, ("answer",)),
    Stage("evidence", document, ("package", "answer", "monitor")),
)
STAGES = lineage.traced(PLAIN, FLOWS, SYSTEM)


def _of_corpus(paths: Paths, plan: Plan, newest: pl.DataFrame) -> list[Measurement]:
    """Is the corpus reviewed, fresh, at one with itself and free of orders to the machine?"""
    found = evidence.read(paths, "corpus")["content"]
    live = found["documents"][corpus.IN_FORCE]
    age = (newest["asked_on"].max() - corpus.EXTRACTED_ON).days  # type: ignore[operator, union-attr]
    measured = {
        "overdue_share": len(found["overdue"]) / live,
        "interrupted_policies": float(len(found["interrupted"])),
        "extract_age_days": float(max(age, 0)),
        "contradictions": float(len(found["contradictions"])),
        "withheld_passages": float(len(found["withheld"])),
    }
    return [monitoring.judge(plan, name, value, live) for name, value in measured.items()]


def _of_answers(
    paths: Paths, plan: Plan, before: pl.DataFrame, newest: pl.DataFrame
) -> list[Measurement]:
    """How often it says no or hands over, how sure retrieval is, and what an answer costs."""
    answers = _read(paths, "answers")
    drop = _mean(before["confidence"]) - _mean(newest["confidence"])
    measured = {
        "abstention_rate": _mean(answers["outcome"] == ABSTAINED),
        "handover_rate": _mean(answers["outcome"] == REFER),
        "confidence_drop": max(drop, 0.0),
        "tokens_per_answer": _mean(answers["tokens"]),
    }
    return [monitoring.judge(plan, name, value, answers.height) for name, value in measured.items()]


def _slowness(paths: Paths, plan: Plan) -> Measurement:
    """The time within which nineteen of twenty answers were there."""
    taken = _read(paths, "seconds")["seconds"]
    value = float(taken.quantile(0.95) or 0.0)
    return monitoring.judge(plan, "slow_answer_seconds", value, taken.len())


def _traits(assistant: Assistant, rules: Access, asked: pl.DataFrame) -> pl.DataFrame:
    """What is watched of each question: its length, its role, and what search finds for it."""
    rows = []
    for row in asked.to_dicts():
        classes = rules.cleared([row["role"]], READ)
        hits = assistant.library.search(row["question"], classes, 1)
        rows.append(
            {
                "asked_on": row["asked_on"],
                "words": len(row["question"].split()),
                "role": row["role"],
                "area": hits[0].passage.document_id.partition("-")[0] if hits else "none",
                "confidence": hits[0].confidence if hits else 0.0,
            }
        )
    return pl.DataFrame(rows)


def _refuse_stopped(paths: Paths) -> None:
    switch = switch_of(paths).state()
    if switch.stopped:
        raise StageFailed(f"the kill switch is on ({switch.reason}): nothing is answered")


def _on_record(paths: Paths, assistant: Assistant) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """What this very release has answered: by question, its text, and what the asker might read."""
    known, release = {}, (assistant.version, assistant.digest)
    for event in audit.read_events(paths.audit / "pipeline.jsonl"):
        said = event["data"]
        answered = event["type"] == EventType.DECISION and "question_id" in said
        if answered and (said["model_version"], said["model_digest"]) == release:
            known[said["question_id"], said["input"], *said["cleared"]] = said
    return known


def _answer_row(question_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
    reasons = [reason["code"] for reason in content["reasons"]]
    return {
        "question_id": question_id,
        "outcome": content["outcome"],
        "reason": reasons[0] if reasons else None,
        "confidence": content["confidence"],
        "tokens": content["tokens"],
    }


def _asked(use: Callable[[], Found]) -> Found:
    """What the model gives; StageFailed if it does not answer."""
    try:
        return use()
    except llm.ModelUnavailable as reason:
        raise StageFailed(f"the model does not answer: {reason}") from reason


def _prompt(paths: Paths) -> str:
    """The digest of the prompt that serves."""
    ready = releases.load(paths)
    return "sha256:" + hashlib.sha256(ready.files[PROMPT_FILE]).hexdigest()


def _rules(paths: Paths) -> Access:
    return access.load(paths.governance / "access.yaml")


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    week = pl.col("asked_on").dt.truncate("1w")
    return frame.filter(week == week.max())


def _week(frame: pl.DataFrame) -> str:
    return str(frame["asked_on"].dt.strftime("%G-W%V").max() or "none")


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).to_numpy().mean())


def _columns(passage: corpus.Passage) -> dict[str, str]:
    return {name: getattr(passage, name) for name in passage.__slots__}


def _schema(table: contract.Table) -> dict[str, Any]:
    return {column.name: validation.POLARS[column.type] for column in table.columns.values()}


def _candidate(paths: Paths) -> Path:
    return paths.models / "candidate.json"


def _passages(paths: Paths) -> Path:
    return paths.data / PASSAGES


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(_file(paths, name))
