"""The pipeline: each stage is a function that reads files, does one thing, and writes files."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from . import data, fields, measure, model
from .checks import Register
from .controls import (
    audit,
    bom,
    contract,
    evaluation,
    evidence,
    lineage,
    monitoring,
    packages,
    validation,
)
from .controls.audit import EventType, Privacy
from .controls.card import write_card
from .controls.documents.reader import ReadRefused
from .controls.documents.records import Tokens
from .controls.governance import refuse_unapproved
from .controls.lineage import RELEASED, Flow
from .controls.paths import Paths
from .controls.review import (
    NEVER,
    Item,
    Queue,
    controlled_limit,
    file_of,
    reconcile,
    released_unreviewed,
)
from .controls.stages import Stage, StageFailed
from .controls.switch import switch_of
from .extraction import PageClasses, Rules
from .intake import (
    RELEASE,
    Memo,
    Processor,
    Result,
    Understanding,
    extractor_of,
    on_file,
    originals_of,
    processor,
    read_once,
    reader_of,
)
from .model import CHALLENGER, CHAMPION, Labelled
from .review import OUTCOMES, review_item

CONTRACT = "documents.odcs.yaml"
SYSTEM = __package__ or "system"
# What each stage reads and writes. A file that is missing here is missing in the lineage. Originals
# are in it through the documents' table, which has the digest of each.
AGREED, LIMITS = f"contracts/{CONTRACT}", "evals/thresholds.yaml"
MODELS = "var/models/candidates.json"
RAW = tuple(f"var/data/raw_{name}.parquet" for name in ("documents", "labels", "vendors"))
DOCUMENTS, LABELS, VENDORS = CLEAN = tuple(name.replace("raw_", "") for name in RAW)
FLOWS = {
    "data": Flow(writes=RAW),
    "validate": Flow((AGREED, *RAW), (*CLEAN, "evidence/data-quality.json")),
    "train": Flow((*CLEAN, LIMITS), (MODELS,)),
    "evaluate": Flow((*CLEAN, LIMITS, MODELS), ("evidence/evaluation.json",)),
    "package": Flow(("evidence/evaluation.json", MODELS, DOCUMENTS, LABELS), (RELEASED,)),
    "intake": Flow((AGREED, DOCUMENTS, VENDORS, RELEASED), ("var/data/released.parquet",)),
    "monitor": Flow(
        (DOCUMENTS, VENDORS, RELEASED, "ops/monitoring.yaml"), ("evidence/monitoring.json",)
    ),
}
# Pages that this process has read, in memory only: what is on them is written nowhere.
_READ = Memo()


def get_data(paths: Paths) -> str:
    """Fetch the documents: here they are made up, see `data.py`. Originals go to their store."""
    found = data.extract()
    tokens = Tokens(_privacy(paths))
    originals = originals_of(paths)
    rows = [
        {
            "document_id": one.document_id,
            "received_on": one.received_on,
            "source": one.source,
            "digest": originals.put(one.content, one.received_on),
            "size": len(one.content),
        }
        for one in found.submissions
    ]
    _write(paths, "raw_documents", pl.DataFrame(rows))
    _write(paths, "raw_labels", pl.DataFrame(list(_labels(found.gold, tokens))))
    _write(paths, "raw_vendors", pl.DataFrame([_vendor(one, tokens) for one in found.vendors]))
    _write(paths, "planted", found.planted)
    return f"{len(rows):,} {data.ORIGIN} documents of {data.MONTHS} months, with gold labels"


def _labels(gold: Sequence[data.Gold], tokens: Tokens) -> Iterator[dict[str, str | None]]:
    """One row a field, tokens in place of what identifies somebody; one row at least a document."""
    for one in gold:
        known = {"document_id": one.document_id, "document_class": one.document_class}
        yield {**known, "field": "document_class", "value": one.document_class}
        for name, value in one.values.items():
            yield {**known, "field": name, "value": fields.stored(name, value, tokens)}


def _vendor(one: data.Vendor, tokens: Tokens) -> dict[str, str]:
    account = tokens.token("account_number", one.account_number)
    named = {"vendor_id": one.vendor_id, "source": one.style, "currency": one.currency}
    return {**named, "order": one.order, "account": account}


def validate(paths: Paths) -> str:
    """Check documents, labels and senders against the contract; bad rows go to quarantine."""
    tables = contract.load(paths.contracts / CONTRACT).tables
    reports = {}
    for name in ("documents", "labels", "vendors"):
        checked = validation.guard(paths, _read(paths, f"raw_{name}"), tables[name])
        _write(paths, name, checked.clean)
        reports[name] = checked.report
    sources = [_file(paths, f"raw_{name}") for name in reports]
    evidence.write(paths, "data-quality", reports, [paths.contracts / CONTRACT, *sources])
    count = reports["documents"]
    return f"{count['clean']:,} documents keep the contract, {count['quarantined']} in quarantine"


def train(paths: Paths) -> str:
    """Train on the first months, choose the limit of release on later ones, save candidates."""
    settings = yaml.safe_load((paths.evals / "thresholds.yaml").read_text("utf-8"))["release"]
    parts = model.split(_read(paths, "documents"))
    known, tokens = on_file(paths), Tokens(_privacy(paths))
    learn = _labelled(paths, parts.train)
    classes = model.page_classes(learn)
    candidates, told = {}, []
    for kind, extractor in model.kinds(os.environ).items():
        made = model.trained(extractor, learn, classes, known, tokens)
        limit = _limit(paths, made, extractor, parts.calibrate, settings)
        facts = {
            "kind": kind,
            "data": data.ORIGIN,
            "extractor": extractor,
            "fields": {name: [f.name for f in of] for name, of in fields.FIELDS.items()},
            "release": {**settings, "limit": limit.value},
            "limit": {
                name: getattr(limit, name) for name in ("rows", "released", "errors", "bound")
            },
            "trained_on": evidence.digest(_file(paths, "documents")),
            "trained_until": str(parts.train["received_on"].max()),
            "calibrated_until": str(parts.calibrate["received_on"].max()),
            "rows": len(learn),
        }
        candidates[kind] = packages.save(paths, made, facts)
        told.append(f"{kind} {candidates[kind]} (limit {limit.value:.3f})")
    evidence.replace(_candidates(paths), json.dumps(candidates, indent=2) + "\n")
    return ", ".join(told)


def _limit(
    paths: Paths,
    made: Mapping[str, Any],
    kind: str,
    calibrate: pl.DataFrame,
    settings: Mapping[str, Any],
) -> Any:
    """The limit of release, chosen on documents that nothing but low confidence speaks against."""
    classes = PageClasses(made["pages"], made["known"])
    extractor, tokens = extractor_of(made, kind), Tokens(_privacy(paths))
    understanding = Understanding(classes, extractor, Rules(), on_file(paths), tokens)
    facts = {"release": {"limit": NEVER, "sample": 0.0}}
    with reader_of(os.environ) as reader:
        trial = Processor(
            understanding, made["weigh"], facts, "", "", originals_of(paths), reader, memo=_READ
        )
        cases = measure.cases(_processed(trial, calibrate), _gold(paths))
    clear = [case for case in cases if not case.findings]
    return controlled_limit(
        [case.confidence for case in clear],
        [case.exact for case in clear],
        target=settings["target"],
        certainty=settings["certainty"],
    )


def evaluate(paths: Paths) -> str:
    """Measure both candidates on months that neither training nor the limit has seen."""
    plan = evaluation.load(paths.evals / "thresholds.yaml")
    test = model.split(_read(paths, "documents")).test
    candidates = json.loads(_candidates(paths).read_text("utf-8"))
    cases = {kind: _cases(paths, version, test) for kind, version in candidates.items()}
    comparison = measure.compare(cases[CHAMPION], cases[CHALLENGER], plan)
    chosen = cases[comparison.winner]
    results = measure.results(chosen, plan, evidence.digest(_file(paths, "labels")))
    verdict = evaluation.gate(results, plan)
    content = evaluation.content(results, verdict, comparison)
    content["model_version"] = candidates[comparison.winner]
    sources = [_file(paths, "documents"), _file(paths, "labels")]
    evidence.write(paths, "evaluation", content, [paths.evals / "thresholds.yaml", *sources])
    found = {(r.metric, r.slice): r.value for r in results}
    return (
        f"{comparison.winner} wins: {found['field_exact', 'all']:.1%} of fields right, "
        f"{found['straight_through_rate', 'all']:.0%} released, "
        f"{found['released_error_rate', 'all']:.1%} of these with an error"
    )


def gate(paths: Paths) -> str:
    """Stop here if a threshold is missed."""
    verdict = evidence.read(paths, "evaluation")["content"]["gate"]
    if verdict["failures"]:
        raise StageFailed("; ".join(verdict["failures"]))
    return "all thresholds are met"


def package(paths: Paths) -> str:
    """Let the version that passed the gate serve, and record that in the audit log."""
    version: str = evidence.read(paths, "evaluation")["content"]["model_version"]
    ready = packages.load(paths, version)
    return packages.promote(paths, ready, [_file(paths, "documents"), _file(paths, "labels")])


def intake(paths: Paths) -> str:
    """Work on the newest month: release what may go out, queue the rest for people.

    Every outcome is in the audit log before it is written anywhere else; a document that was
    decided on is not decided on again.
    """
    switch = switch_of(paths).state()
    if switch.stopped:
        raise StageFailed(f"the kill switch is on ({switch.reason}): people read every document")
    documents = _read(paths, "documents")
    newest = model.split(documents).newest
    with audit.open_log(paths, writer="pipeline") as log, _served(paths, log.privacy) as serving:
        refuse_unapproved(paths, serving.version, serving.digest)
        for one in documents.filter(pl.col("received_on") < newest["received_on"].min()).to_dicts():
            serving.process(one["document_id"], one["digest"])  # so that duplicates are known
        results = _processed(serving, newest)
        queue = Queue(file_of(paths), log, OUTCOMES)
        done = {event["data"].get("decision_id") for event in audit.read_events(log.path)}
        log.record_all(
            (EventType.DECISION, document_id, decision)
            for document_id, digest, result in results
            if (decision := _decision(document_id, digest, result))["decision_id"] not in done
        )
        reconcile(queue, list(audit.read_events(log.path)), _item)
    released = [row for one in results if one[2].outcome == RELEASE for row in _released(*one)]
    table = contract.load(paths.contracts / CONTRACT).tables["released"]
    types = {name: validation.POLARS[column.type] for name, column in table.columns.items()}
    frame = pl.DataFrame(released, schema=types)
    _write(paths, "released", validation.guard(paths, frame, table).clean)
    out = sum(1 for *_, result in results if result.outcome == RELEASE)
    return f"{out} of {len(results)} documents released, {len(results) - out} wait for a person"


def _decision(document_id: str, digest: str, result: Result) -> dict[str, Any]:
    """The event of an outcome; its id follows from document and version, so that none is twice."""
    named = uuid.uuid5(uuid.NAMESPACE_OID, f"{document_id} {result.model_version}")
    return {
        "decision_id": str(named),
        "mode": "model",
        **_named(document_id, digest),
        **result.content(),
    }


def _named(document_id: str, digest: str) -> dict[str, str]:
    return {"document_id": document_id, "document": digest}


def _item(event: Mapping[str, Any]) -> Item:
    """The case for the queue that a recorded referral gives."""
    return review_item(event["subject"], event["data"])


def _released(document_id: str, digest: str, result: Result) -> Iterator[dict[str, Any]]:
    for one in result.fields:
        yield {"document_id": document_id, "document_class": result.document_class, **one}


def monitor(paths: Paths) -> str:
    """Compare the newest month with the months after training; alerts are a finding, no failure."""
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=measure.WATCHED)
    parts = model.split(_read(paths, "documents"))
    with _served(paths, _privacy(paths)) as serving:
        limit = serving.facts["release"]["limit"]
        before = measure.frame(_processed(serving, pl.concat([parts.calibrate, parts.test])))
        after = measure.frame(_processed(serving, parts.newest))
    window = str(parts.newest["received_on"].dt.strftime("%Y-%m").max())
    report = measure.observed(before, after, plan, limit, window)
    report = monitoring.joined(report, measure.overridden(plan, _decided(paths)))
    sources = [_file(paths, "documents"), _file(paths, "vendors")]
    return monitoring.publish(paths, report, sources, f"{data.ORIGIN} data")


def document(paths: Paths) -> str:
    """Write lineage, bills of materials and card; prove that nothing slipped through."""
    datasets = lineage.record(paths, FLOWS, SYSTEM, [*RAW, AGREED, LIMITS])
    bom.write(paths, SYSTEM, datasets)
    write_card(paths)
    audit.refuse_broken(paths)
    if slipped := _slipped(paths):
        raise StageFailed("; ".join(slipped))
    return f"model card written, audit log intact, evidence: {', '.join(evidence.names(paths))}"


def _slipped(paths: Paths) -> list[str]:
    """Released documents that a person should have seen, by the log and the limits of versions."""
    loaded = {version: packages.load(paths, version) for version in packages.versions(paths)}
    limits = {name: one.facts["release"]["limit"] for name, one in loaded.items()}
    return [
        sentence
        for log in sorted(paths.audit.glob("*.jsonl"))
        for sentence in released_unreviewed(audit.read_events(log), RELEASE, limits)
    ]


PLAIN = (
    Stage("data", get_data),
    Stage("validate", validate, ("data",)),
    Stage("train", train, ("validate",)),
    Stage("evaluate", evaluate, ("train",)),
    Stage("gate", gate, ("evaluate",)),
    Stage("package", package, ("gate",)),
    Stage("intake", intake, ("validate",)),
    Stage("monitor", monitor, ("validate",)),
    Stage("evidence", document, ("package", "intake", "monitor")),
)
STAGES = lineage.traced(PLAIN, FLOWS, SYSTEM)


def _processed(serving: Processor, documents: pl.DataFrame) -> list[tuple[str, str, Result]]:
    """Document, digest and result of each row, in order."""
    rows = documents.select("document_id", "digest").iter_rows()
    return [(name, digest, serving.process(name, digest)) for name, digest in rows]


def _cases(paths: Paths, version: str, documents: pl.DataFrame) -> list[measure.Case]:
    """Results of one version beside the gold labels."""
    with reader_of(os.environ) as reader:
        serving = processor(paths, reader, _privacy(paths), version, memo=_READ)
        found = measure.cases(_processed(serving, documents), _gold(paths))
    sources = dict(documents.select("document_id", "source").iter_rows())
    return [case.of(sources[case.document_id]) for case in found]


def _gold(paths: Paths) -> dict[str, tuple[str, dict[str, str]]]:
    """The gold class of each document, and its values as they are stored."""
    gold: dict[str, tuple[str, dict[str, str]]] = {}
    for row in _read(paths, "labels").iter_rows(named=True):
        values = gold.setdefault(row["document_id"], (row["document_class"], {}))[1]
        if row["field"] != "document_class":
            values[row["field"]] = row["value"]
    return gold


def _labelled(paths: Paths, documents: pl.DataFrame) -> list[Labelled]:
    """Documents that can be read, with their gold labels."""
    gold, found = _gold(paths), []
    with reader_of(os.environ) as reader:
        for row in documents.iter_rows(named=True):
            pages = read_once(reader, originals_of(paths), row["digest"], _READ)
            if not isinstance(pages, ReadRefused) and row["document_id"] in gold:
                name, values = gold[row["document_id"]]
                known = (row["document_id"], row["source"], row["digest"])
                found.append(Labelled(*known, pages, name, values))
    return found


@contextmanager
def _served(paths: Paths, privacy: Privacy) -> Iterator[Processor]:
    """The processor of the version that serves; ReleaseRefused if there is none that is sound."""
    register = Register(paths.var / "register.db")
    with reader_of(os.environ) as reader:
        yield processor(paths, reader, privacy, register=register, memo=_READ)


def _decided(paths: Paths) -> list[bool]:
    """For each case that people have decided, whether they changed what was proposed."""
    events = [
        event["data"]
        for log in sorted(paths.audit.glob("*.jsonl"))
        for event in audit.read_events(log)
        if event["type"] == EventType.OVERRIDE and event["data"].get("review") == "decided"
    ]
    return [
        data["to"] != RELEASE or any("field" in change for change in data["changes"])
        for data in events
    ]


def _privacy(paths: Paths) -> Privacy:
    chosen = audit.settings(paths.ops / "audit.yaml")
    return audit.privacy_from(os.environ, chosen.identifying_fields)


def _candidates(paths: Paths) -> Path:
    return paths.models / "candidates.json"


def _file(paths: Paths, name: str) -> Path:
    return paths.data / f"{name}.parquet"


def _read(paths: Paths, name: str) -> pl.DataFrame:
    return pl.read_parquet(_file(paths, name))


def _write(paths: Paths, name: str, frame: pl.DataFrame) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(_file(paths, name))
