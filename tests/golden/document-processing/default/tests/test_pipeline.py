"""The pipeline from inbox to release, and what people do with what was referred to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from document_intake import data, model, pipeline, retention
from document_intake.checks import OnFile
from document_intake.controls import audit, evidence, lineage, packages, stages
from document_intake.controls.audit import EventType, Privacy
from document_intake.controls.documents.page import Page, Word
from document_intake.controls.documents.reader import Reader
from document_intake.controls.documents.records import OriginalGone, Tokens, leaks
from document_intake.controls.paths import Paths
from document_intake.controls.review import (
    Queue,
    file_of,
    released_unreviewed,
    waiting_in,
)
from document_intake.controls.stages import StageFailed
from document_intake.controls.switch import switch_of
from document_intake.intake import (
    Processor,
    Result,
    Understanding,
    originals_of,
    processor,
)
from document_intake.review import (
    OUTCOMES,
    CorrectionRefused,
    corrected,
    review_item,
)

PRIVACY = Privacy(b"k" * 32)


def _again(paths: Paths, first: str) -> tuple[int, str]:
    """Run from a stage on, with what earlier stages have left; exit code and last line."""
    said: list[str] = []
    names = [stage.name for stage in pipeline.STAGES]
    rest = [replace(stage, needs=()) for stage in pipeline.STAGES[names.index(first) :]]
    return stages.run(rest, paths, say=said.append), said[-1]


@pytest.fixture(scope="module")
def extract() -> data.Extract:
    """What the run read, with the truth about it."""
    return data.extract()


def _events(paths: Paths) -> list[dict[str, object]]:
    return [json.loads(line) for line in (paths.audit / "pipeline.jsonl").read_text().splitlines()]


def _outcomes(paths: Paths) -> dict[str, dict[str, object]]:
    """The recorded decision of each document of the newest month."""
    found = [event["data"] for event in _events(paths) if event["type"] == EventType.DECISION]
    return {str(data["document_id"]): data for data in found if isinstance(data, dict)}


def test_a_run_leaves_its_evidence(built: Paths) -> None:
    """One file a finding, each tied to inputs that still match."""
    names = sorted(path.stem for path in built.evidence.glob("*.json"))
    assert names == ["bom", "data-quality", "evaluation", "lineage", "model", "monitoring"]
    assert {name: evidence.stale(built, name) for name in names} == {name: [] for name in names}
    assert (built.docs / "model-card.md").exists()


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
    assert {f"model:{version}", "data:var/data/labels.parquet"} <= content["components"].keys()


def test_nothing_that_identifies_anybody_stands_outside_the_originals(
    built: Paths, extract: data.Extract
) -> None:
    """Not in data, models, logs, the queue, the register, evidence or documents."""
    secrets = extract.secrets()
    assert len(secrets) > 800
    assert leaks(built.root, secrets, skip=[originals_of(built).folder]) == []
    assert leaks(originals_of(built).folder, secrets) != []


def test_every_planted_defect_is_referred(built: Paths, extract: data.Extract) -> None:
    """Of the newest month, each kind, for whatever reason; and what is only sideways is read."""
    outcomes, kinds = _outcomes(built), dict(extract.planted.iter_rows())
    seen = {kinds[name]: outcomes[name]["outcome"] for name in outcomes if name in kinds}
    assert {kind for kind, outcome in seen.items() if outcome == "refer"} >= set(data.SPOILS) - {
        "sideways"
    }
    wrong = [
        n for n in outcomes if kinds.get(n) in data.DEFECTS and outcomes[n]["outcome"] != "refer"
    ]
    assert wrong == []
    aside = next(name for name in outcomes if kinds.get(name) == "sideways")
    assert len(outcomes[aside]["fields"]) > 7  # type: ignore[arg-type]


TELLS = {
    "wrong total": ("sum: ",),
    "wrong line": ("sum: lines",),
    "missing field": ("missing: ",),
    "swapped dates": ("dates: ",),
    "bad check digit": ("check digit: ",),
    "changed account": ("sender: another account",),
    "image only": ("no text layer",),
    "torn file": ("unreadable: damaged",),
    "unknown class": ("class: ", "missing: "),  # whatever it is taken for
    "duplicate": ("duplicate of D",),
    "reissued": ("duplicate of D",),
}


@pytest.mark.parametrize("kind", sorted(TELLS))
def test_a_defect_is_found_for_what_it_is(built: Paths, extract: data.Extract, kind: str) -> None:
    """Over all months: nearly all of a kind have the finding that names it."""
    named = set(extract.planted.filter(pl.col("kind") == kind)["document_id"])
    with pipeline._served(built, pipeline._privacy(built)) as serving:
        documents = pipeline._read(built, "documents")
        results = pipeline._processed(serving, documents.filter(pl.col("document_id").is_in(named)))
    told = [any(one.startswith(TELLS[kind]) for one in result.findings) for *_, result in results]
    assert all(result.outcome == "refer" for *_, result in results)
    assert sum(told) >= len(told) - 1 > 1


def test_what_goes_out_is_right_as_often_as_promised(built: Paths) -> None:
    """On the test months, with a limit that they had no part in; and enough goes out."""
    content = evidence.read(built, "evaluation")["content"]
    found = {(row["metric"], row["slice"]): row["value"] for row in content["results"]}
    target = evidence.read(built, "model")["content"]["facts"]["release"]["target"]
    assert found["released_error_rate", "all"] <= target
    assert found["straight_through_rate", "all"] > 0.45
    assert content["gate"] == {"passed": True, "failures": []}
    fields = {part for metric, part in found if metric == "recall" and part.startswith("field=")}
    assert {"field=account_number", "field=claimant_name", "field=due_date"} <= fields


def test_the_challenger_wins_by_more_than_chance(built: Paths) -> None:
    """It reads senders whose words no rule knows."""
    content = evidence.read(built, "evaluation")["content"]
    assert content["comparison"]["winner"] == "challenger" and content["comparison"]["low"] > 0
    assert packages.load(built).facts["kind"] == "challenger"


def test_planted_drift_raises_alerts(built: Paths) -> None:
    """The new layout has words that were never seen, and is read with less confidence."""
    found = evidence.read(built, "monitoring")["content"]
    assert found["window"] == "2025-12"
    assert {alert["column"] for alert in found["alerts"]} & {"unknown_words", "confidence"}
    drift = {row["column"]: row["value"] for row in found["measurements"] if row["metric"] == "psi"}
    assert drift["unknown_words"] > 0.2 > drift["words"]
    measured = {row["metric"] for row in found["measurements"]}
    assert {"review_rate", "validation_failures", "field_confidence", "override_rate"} <= measured


def test_a_month_without_drift_raises_none(rebuilt: Paths) -> None:
    """The month before is as quiet as it should be."""
    file = rebuilt.data / "documents.parquet"
    pl.read_parquet(file).filter(pl.col("received_on") < date(2025, 12, 1)).write_parquet(file)
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["alerts"] == []


def test_every_outcome_is_on_record_and_every_referral_in_the_queue(built: Paths) -> None:
    """As many as there were documents; what went out is what the log says."""
    outcomes = _outcomes(built)
    newest = model.split(pipeline._read(built, "documents")).newest
    assert set(outcomes) == set(newest["document_id"])
    queued = {task.id for task in waiting_in(file_of(built))}
    referred = {d["decision_id"] for d in outcomes.values() if d["outcome"] == "refer"}
    assert queued == referred
    released = pipeline._read(built, "released")
    out = {name for name, data in outcomes.items() if data["outcome"] == "release"}
    assert set(released["document_id"]) == out and out
    assert [log.findings for log in audit.verify_folder(built.audit)] == [()]


def test_a_second_run_decides_on_nothing_twice(rebuilt: Paths) -> None:
    """Same evidence to the byte, no new decision, no case twice in the queue."""
    before = {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")}
    decided, waiting = len(_outcomes(rebuilt)), len(waiting_in(file_of(rebuilt)))
    assert _again(rebuilt, "evaluate")[0] == 0
    assert {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")} == before
    events = [event for event in _events(rebuilt) if event["type"] == EventType.DECISION]
    assert (len(events), len(waiting_in(file_of(rebuilt)))) == (decided, waiting)
    assert len(packages.history(rebuilt)) == 1


def test_what_slipped_through_stops_the_run(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the routing broken, the log would tell: nothing that should be seen goes unseen."""
    for name in ("var/audit", "var/review"):
        for file in (rebuilt.root / name).glob("*"):
            file.unlink()
    (rebuilt.var / "register.db").unlink()
    broken = Processor.process

    def always(self: Processor, document_id: str, digest: str) -> Result:
        return replace(broken(self, document_id, digest), outcome="release")

    monkeypatch.setattr(Processor, "process", always)
    monkeypatch.setattr(pipeline, "_released", lambda *_: iter(()))
    assert "released, 0 wait for a person" in pipeline.intake(rebuilt)
    code, last = _again(rebuilt, "evidence")
    assert code == 1 and "went out and should have been reviewed" in last


def test_no_released_document_should_have_been_reviewed(built: Paths) -> None:
    """The log of the run as it is holds none; with a higher limit it would."""
    package = packages.load(built)
    events = list(audit.read_events(built.audit / "pipeline.jsonl"))
    limit = package.facts["release"]["limit"]
    assert released_unreviewed(events, "release", {package.version: limit}) == []
    assert released_unreviewed(events, "release", {package.version: 1.0}) != []


def test_a_tampered_audit_line_stops_the_run(rebuilt: Paths) -> None:
    """One outcome turned, and the log no longer proves anything."""
    log = rebuilt.audit / "pipeline.jsonl"
    log.write_text(log.read_text().replace('"outcome":"refer"', '"outcome":"release"', 1))
    code, last = _again(rebuilt, "evidence")
    assert code == 1 and "audit log is not intact" in last


def _thresholds(paths: Paths, change: Callable[[dict[str, float]], object]) -> None:
    file = paths.evals / "thresholds.yaml"
    document = yaml.safe_load(file.read_text())
    change(document["thresholds"][0])
    file.write_text(yaml.safe_dump(document))


def test_a_missed_threshold_stops_the_version(rebuilt: Paths) -> None:
    """It is named, and the version that served before goes on serving."""
    serving = packages.serving(rebuilt)
    _thresholds(rebuilt, lambda limit: limit.update(at_least=0.999))
    code, last = _again(rebuilt, "evaluate")
    assert code == 1 and "field_exact (all)" in last and "at least 0.999" in last
    assert packages.serving(rebuilt) == serving


def test_a_changed_threshold_makes_the_evidence_stale(rebuilt: Paths) -> None:
    """The verdict was on other limits."""
    _thresholds(rebuilt, lambda limit: limit.update(at_least=0.5))
    assert evidence.stale(rebuilt, "evaluation") == ["evals/thresholds.yaml"]


def test_while_stopped_nothing_is_read(rebuilt: Paths) -> None:
    """The kill switch holds for the pipeline too, and its reason is said."""
    switch_of(rebuilt).stop("wrong amounts", "duty")
    with pytest.raises(StageFailed, match=r"kill switch is on \(wrong amounts\)"):
        pipeline.intake(rebuilt)


@pytest.mark.parametrize("stage", [pipeline.monitor, pipeline.intake])
def test_without_a_version_that_serves_a_stage_fails_in_words(
    rebuilt: Paths, stage: Callable[[Paths], str]
) -> None:
    """Nobody is left with a traceback."""
    (rebuilt.models / "serving.json").unlink()
    with pytest.raises(StageFailed, match="nothing serves yet"):
        stage(rebuilt)


def test_labels_in_clear_are_refused(rebuilt: Paths) -> None:
    """The contract lets no name into the labels."""
    file = rebuilt.data / "raw_labels.parquet"
    clear = pl.when(pl.col("field") == "claimant_name").then(pl.lit("Orsa Wexling"))
    pl.read_parquet(file).with_columns(value=clear.otherwise("value")).write_parquet(file)
    with pytest.raises(StageFailed, match="what identifies a person is a token"):
        pipeline.validate(rebuilt)


def test_in_production_only_an_approved_version_is_let_serve(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without approvals none."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    (rebuilt.models / "serving.json").unlink()
    with pytest.raises(StageFailed, match=r"not released for production; .*approval of the risk"):
        pipeline.package(rebuilt)
    assert packages.serving(rebuilt) is None


def test_corrections_by_people_are_counted(rebuilt: Paths) -> None:
    """The override rate is the share of reviews in which something was changed."""
    with audit.open_log(rebuilt, "service") as log:
        queue = Queue(file_of(rebuilt), log, OUTCOMES)
        tasks = [task for task in queue.waiting() if task.reviewers == 1][:4]
        for number, task in enumerate(tasks):
            queue.claim("a@example.org", task.id)
            changes = [{"field": "due_date", "from": None, "to": "2025-12-01"}] if number else []
            queue.decide(task.id, "a@example.org", "release", "seen on the page", changes)
    assert sorted(pipeline._decided(rebuilt)) == [False, True, True, True]
    pipeline.monitor(rebuilt)
    rows = evidence.read(rebuilt, "monitoring")["content"]["measurements"]
    (override,) = [row for row in rows if row["metric"] == "override_rate"]
    assert (override["value"], override["rows"], override["breached"]) == (0.75, 4, False)


def test_originals_end_when_their_time_is_over(rebuilt: Paths) -> None:
    """But not while a person has still to decide; and it is on record."""
    waiting = {str(task.payload["document"]) for task in waiting_in(file_of(rebuilt))}
    gone = retention.disposed(rebuilt, date(2031, 1, 1))
    kept = {one.digest for one in originals_of(rebuilt).all()}
    assert kept == waiting and gone
    with pytest.raises(OriginalGone):
        originals_of(rebuilt).get(gone[0])
    lines = (rebuilt.audit / "operations.jsonl").read_text().splitlines()
    assert len(lines) == len(gone)
    assert retention.disposed(rebuilt, date(2025, 12, 31)) == []


def test_a_hold_on_whom_it_is_about_keeps_the_original(rebuilt: Paths) -> None:
    """Of a decision of the run, and of one of the service, whose document the stored case names."""
    events = list(audit.read_events(rebuilt.audit / "pipeline.jsonl"))
    first = next(e for e in events if e["type"] == EventType.DECISION and "document" in e["data"])
    with audit.open_log(rebuilt, "service") as log:
        other = log.record(EventType.DECISION, "D-served", {"decision_id": "served"})
    case = rebuilt.var / "decisions" / "served.json"
    case.parent.mkdir(exist_ok=True)
    case.write_text('{"document": "' + "a" * 64 + '"}')
    file = rebuilt.ops / "audit.yaml"
    holds = [{"subject": str(one)} for one in (first["subject"], other.subject)]
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "holds": holds}))
    kept = {first["data"]["document"], "a" * 64}
    assert retention.held(rebuilt) == kept
    assert kept.isdisjoint(retention.disposed(rebuilt, date(2031, 1, 1)))


def test_a_retention_that_states_no_days_is_refused_in_a_sentence(
    rebuilt: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is deleted; it names file and row."""
    file = rebuilt.contracts / "documents.odcs.yaml"
    content = yaml.safe_load(file.read_text())
    (row,) = [row for row in content["slaProperties"] if row["property"] == "retention"]
    for unit, value in (("y", 2), ("d", "x")):
        row.update(unit=unit, value=value)
        file.write_text(yaml.safe_dump(content))
        assert retention.main(rebuilt) == 1
        assert capsys.readouterr().err == (
            f"documents.odcs.yaml: slaProperties, property: retention: {value}{unit} "
            "is no whole number of days (unit: d)\n"
        )


@pytest.fixture(scope="module")
def known(built: Paths) -> Iterator[Understanding]:
    """What serves after a run."""
    with Reader() as reader:
        yield processor(built, reader, PRIVACY).understanding


@pytest.fixture(scope="module")
def claim() -> Mapping[str, str]:
    """A claim without defects, in clear."""
    extract = data.extract(a_month=30)
    spoiled = set(extract.planted["document_id"])
    return next(
        gold.values
        for gold in extract.gold
        if gold.document_class == "claim" and gold.document_id not in spoiled
    )


def test_a_confirmation_changes_nothing(known: Understanding, claim: Mapping[str, str]) -> None:
    """The values stay, and nothing is written but that."""
    found = corrected(known, "claim", claim, {}, None)
    assert (found.values, found.changes, found.document_class) == (claim, (), "claim")


def test_a_correction_is_written_as_tokens_where_it_names_somebody(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """In clear in memory, never in what is stored."""
    corrections = {"claimant_name": "Calla  Hartlo", "claimed_total": "1,000.50"}
    found = corrected(known, "claim", claim, corrections, None)
    assert found.values["claimant_name"] == "Calla Hartlo"
    tokens = Tokens(PRIVACY)
    assert list(found.changes) == [
        {
            "field": "claimant_name",
            "from": tokens.token("claimant_name", claim["claimant_name"]),
            "to": tokens.token("claimant_name", "Calla Hartlo"),
        },
        {"field": "claimed_total", "from": claim["claimed_total"], "to": "1000.50"},
    ]


@pytest.mark.parametrize(
    ("corrections", "told", "message"),
    [
        ({"colour": "red"}, None, "1 fields are none of the class claim"),
        ({"claimed_total": "much"}, None, "claimed_total: no value of the kind amount"),
        ({"loss_date": "03/11"}, None, "loss_date: no value of the kind date"),
        ({"claimant_name": None}, None, "missing: claimant_name"),
        ({}, "letter", "give a document_class, one of invoice, claim"),
        ({}, "invoice", "missing: invoice_number"),
    ],
)
def test_what_cannot_be_is_refused(
    known: Understanding,
    claim: Mapping[str, str],
    corrections: dict[str, str | None],
    told: str | None,
    message: str,
) -> None:
    """With a message that holds none of the values."""
    with pytest.raises(CorrectionRefused, match=message) as refused:
        corrected(known, "claim", claim, corrections, told)
    assert not [value for value in claim.values() if value in str(refused.value)]


def test_what_a_person_lets_stand_is_written_too(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """A check digit that fails on the page may be so: who releases it, says so."""
    wrong = claim["policy_number"][:-1] + str((int(claim["policy_number"][-1]) + 1) % 10)
    found = corrected(known, "claim", claim, {"policy_number": wrong}, None)
    assert found.changes[-1] == {"finding": "check digit: policy_number", "stands": True}


def test_a_document_that_was_not_read_can_be_typed_in(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """The class is told, and every field; all of it counts as changed."""
    found = corrected(known, "unread", {}, dict(claim), "claim")
    assert found.values == claim
    assert len(found.changes) == len(claim) + 1
    assert found.changes[-1] == {"field": "document_class", "from": "unread", "to": "claim"}


@pytest.mark.parametrize(
    ("reasons", "reviewers"),
    [
        (["low confidence"], 1),
        (["sender: another account than on file"], 2),
        (["sender: not on file", "low confidence"], 2),
    ],
)
def test_two_people_decide_where_money_could_go_to_a_stranger(
    reasons: list[str], reviewers: int
) -> None:
    """One is enough for the rest; claims come before invoices."""
    event = {"decision_id": "a", "reasons": reasons, "document_class": "claim", "fields": []}
    item = review_item("person:1", event)
    assert (item.reviewers, item.priority) == (reviewers, 1)
    assert review_item("D1", {**event, "document_class": "invoice"}).priority == 0


def test_two_people_decide_on_an_account_that_a_person_gave(
    known: Understanding, claim: Mapping[str, str]
) -> None:
    """Corrected or typed in: what goes out counts, not what was read. The rest takes one."""
    other = {"account_number": "GB82WEST12345698765432"}
    assert corrected(known, "claim", claim, {}, None).reviewers == 1
    assert corrected(known, "claim", claim, {"claimed_total": "1.00"}, None).reviewers == 1
    assert corrected(known, "claim", claim, other, None).reviewers == 2
    assert corrected(known, "unread", {}, dict(claim), "claim").reviewers == 2


@pytest.fixture(scope="module")
def bill() -> Mapping[str, str]:
    """An invoice without defects, in clear."""
    extract = data.extract(a_month=30)
    spoiled = set(extract.planted["document_id"])
    return next(
        gold.values
        for gold in extract.gold
        if gold.document_class == "invoice" and gold.document_id not in spoiled
    )


def test_two_people_decide_on_a_document_of_another_class(
    known: Understanding, bill: Mapping[str, str], claim: Mapping[str, str]
) -> None:
    """Else an invoice of a stranger would go out as a claim, for claims have no sender on file."""
    strange = {**bill, "vendor_id": "VT000000000", "account_number": claim["account_number"]}
    assert corrected(known, "invoice", strange, {}, None).reviewers == 2
    rest = {name: value for name, value in claim.items() if name != "account_number"}
    renamed = corrected(known, "invoice", strange, rest, "claim")
    assert renamed.values["account_number"] == strange["account_number"]
    assert renamed.changes[-2:] == (
        {"field": "document_class", "from": "invoice", "to": "claim"},
        {"finding": "sender: not on file", "stands": False},
    )
    assert renamed.reviewers == 2
    plain = {"account_number": claim["account_number"]}
    assert corrected(known, "other", plain, rest, "claim").reviewers == 2


def test_two_people_decide_where_a_finding_is_gone_that_no_correction_was_about(
    known: Understanding, bill: Mapping[str, str]
) -> None:
    """Another sender, on file, hides a stranger; a currency that was misread takes one person."""
    account = Tokens(PRIVACY).token("account_number", bill["account_number"])
    sender = OnFile("dmy", bill["currency"], account)
    known = replace(known, on_file={bill["vendor_id"]: sender})
    strange = {**bill, "vendor_id": "VT000000000"}
    other = corrected(known, "invoice", strange, {"vendor_id": bill["vendor_id"]}, None)
    assert other.changes == (
        {"field": "vendor_id", "from": "VT000000000", "to": bill["vendor_id"]},
        {"finding": "sender: not on file", "stands": False},
    )
    assert other.reviewers == 2
    misread = {**bill, "currency": "USD" if bill["currency"] != "USD" else "EUR"}
    assert corrected(known, "invoice", misread, {}, None).changes == (
        {"finding": "sender: another currency than on file", "stands": True},
    )
    mended = corrected(known, "invoice", misread, {"currency": bill["currency"]}, None)
    assert (len(mended.changes), mended.reviewers) == (1, 1)


def test_hidden_text_sends_a_document_to_a_person(known: Understanding) -> None:
    """Whatever else was read."""
    word = Word("invoice", 50, 50, 90, 60)
    for hidden in (True, False):
        page = Page(595, 842, 0, 0, (word,), hidden=hidden)
        assert ("hidden text" in known.read([page]).findings) is hidden


def test_in_production_an_unapproved_version_releases_nothing(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody approved it: it is refused by the stage itself, and nothing was written."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    (rebuilt.data / "released.parquet").unlink()
    before = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    with pytest.raises(StageFailed, match=r"not released for production; .*approval of the risk"):
        pipeline.intake(rebuilt)
    after = {file: file.read_bytes() for file in rebuilt.root.rglob("*") if file.is_file()}
    assert after == before
