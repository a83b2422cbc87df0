"""The service over HTTP, with the real version: hand in, review, stop, and what is never told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from document_intake import api, data
from document_intake.controls import governance, switch
from document_intake.controls.audit import (
    AuditLog,
    AuditUnavailable,
    read_events,
    verify_folder,
)
from document_intake.controls.documents.records import leaks
from document_intake.controls.paths import Paths
from document_intake.controls.review import file_of
from document_intake.intake import originals_of

ANNE, BEN = {"X-Actor": "anne@example.org"}, {"X-Actor": "ben@example.org"}
WHY = "compared with the original, page one"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def extract() -> data.Extract:
    """Documents that the run of the project has not seen: another seed, the same senders."""
    return data.extract(seed=7, a_month=30, known=data.vendors())


@pytest.fixture
def client(rebuilt: Paths) -> Iterator[TestClient]:
    """The running service on a finished run."""
    with TestClient(api.create(rebuilt), raise_server_exceptions=False) as started:
        yield started


def pick(extract: data.Extract, kind: str | None, source: str = "") -> tuple[bytes, data.Gold]:
    """A document of the first year with this defect, or of that source without any."""
    planted = dict(extract.planted.iter_rows())
    gold = {one.document_id: one for one in extract.gold}
    found = (
        one
        for one in extract.submissions
        if planted.get(one.document_id) == kind and (not source or one.source == source)
    )
    one = next(found)
    return one.content, gold[one.document_id]


def hand_in(client: TestClient, content: bytes) -> dict[str, Any]:
    """One document."""
    response = client.post("/documents", content=content)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def released(client: TestClient, extract: data.Extract) -> tuple[dict[str, Any], data.Gold]:
    """The first document without defect that goes out."""
    planted = set(extract.planted["document_id"])
    gold = {one.document_id: one for one in extract.gold}
    for one in extract.submissions:
        if one.document_id not in planted and one.source in ("plain", "motor"):
            answer = hand_in(client, one.content)
            if answer["outcome"] == "release":
                return answer, gold[one.document_id]
    raise AssertionError("nothing goes out")


def sample(client: TestClient, name: str) -> float | None:
    """The value of one metric, as Prometheus would read it."""
    found = [
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == name
    ]
    return found[0] if found else None


def test_a_plain_document_goes_out_with_its_values(
    client: TestClient, extract: data.Extract, rebuilt: Paths
) -> None:
    """In clear in the answer, as tokens in the record; a replay reads the same again."""
    answer, gold = released(client, extract)
    assert answer["values"] == gold.values
    recorded = client.get(f"/documents/{answer['decision_id']}").json()
    assert recorded["confidence"] == answer["confidence"] and "values" not in recorded
    replay = client.get(f"/documents/{answer['decision_id']}", params={"replay": True}).json()
    assert replay["same"] is True
    assert all(state.findings == () for state in verify_folder(rebuilt.audit))


def test_nothing_in_clear_is_left_behind(
    client: TestClient, extract: data.Extract, rebuilt: Paths
) -> None:
    """After release, referral, review with corrections, rejection: the originals alone have it."""
    released(client, extract)
    for kind in ("wrong total", "missing field", "image only", "bad check digit"):
        content, gold = pick(extract, kind)
        task = hand_in(client, content)
        client.post(f"/reviews/{task['decision_id']}/claim", headers=ANNE)
        body = {"outcome": "release", "reason": WHY, "corrections": gold.values}
        body["document_class"] = gold.document_class
        client.post(f"/reviews/{task['decision_id']}/decision", json=body, headers=ANNE)
    secrets = extract.secrets() | data.extract().secrets()
    assert leaks(rebuilt.root, secrets, skip=[originals_of(rebuilt).folder]) == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("wrong total", "sum: "),
        ("changed account", "sender: another account"),
        ("image only", "no text layer"),
        ("torn file", "unreadable: damaged"),
    ],
)
def test_a_defect_goes_to_a_person_without_its_values(
    client: TestClient, extract: data.Extract, kind: str, reason: str
) -> None:
    """The caller gets reasons, and no value that nobody has confirmed."""
    answer = hand_in(client, pick(extract, kind)[0])
    assert answer["outcome"] == "refer" and "values" not in answer
    assert any(one.startswith(reason) for one in answer["reasons"])
    assert answer["decision_id"] in {task["id"] for task in client.get("/reviews").json()}


def test_the_same_file_twice_is_a_duplicate(client: TestClient, extract: data.Extract) -> None:
    """Whoever sends it."""
    content, _ = pick(extract, None, "plain")
    hand_in(client, content)
    again = hand_in(client, content)
    assert again["outcome"] == "refer"
    assert any(one.startswith("duplicate of") for one in again["reasons"])


def test_a_person_corrects_and_releases(client: TestClient, extract: data.Extract) -> None:
    """Claim, look at the original, correct, give a reason: then the values come."""
    content, gold = pick(extract, "missing field")
    id = hand_in(client, content)["decision_id"]
    assert client.get(f"/reviews/{id}/original", headers=ANNE).status_code == 409
    opened = client.post(f"/reviews/{id}/claim", headers=ANNE).json()
    assert opened["values"].items() <= gold.values.items()
    assert client.get(f"/reviews/{id}/original", headers=ANNE).content == content
    assert client.get(f"/reviews/{id}/original", headers=BEN).status_code == 409
    lacking = {"outcome": "release", "reason": WHY}
    refused = client.post(f"/reviews/{id}/decision", json=lacking, headers=ANNE)
    assert (refused.status_code, "missing" in refused.json()["detail"]) == (422, True)
    name = "due_date" if gold.document_class == "invoice" else "policy_number"
    value = "2025-12-31" if name == "due_date" else "PN000000018"
    body = {**lacking, "corrections": {name: value}}
    answer = client.post(f"/reviews/{id}/decision", json=body, headers=ANNE)
    assert answer.status_code == 201
    assert answer.json()["values"] == {**gold.values, name: value}
    again = client.post(f"/reviews/{id}/decision", json=body, headers=ANNE)
    assert again.json() == answer.json()
    (override,) = client.get(f"/documents/{id}").json()["overrides"]
    assert (override["from"], override["to"], override["reason"]) == ("refer", "release", WHY)
    assert [change["field"] for change in override["changes"] if "field" in change] == [name]


def test_two_people_decide_on_a_changed_account(client: TestClient, extract: data.Extract) -> None:
    """The first vote releases nothing; the same person has no second one."""
    id = hand_in(client, pick(extract, "changed account")[0])["decision_id"]
    body = {"outcome": "release", "reason": "the sender confirmed it by telephone"}
    client.post(f"/reviews/{id}/claim", headers=ANNE)
    first = client.post(f"/reviews/{id}/decision", json=body, headers=ANNE).json()
    assert (first["status"], first["outcome"], "values" in first) == ("open", None, False)
    assert client.post(f"/reviews/{id}/claim", headers=ANNE).status_code == 409
    client.post(f"/reviews/{id}/claim", headers=BEN)
    second = client.post(f"/reviews/{id}/decision", json=body, headers=BEN).json()
    assert second["outcome"] == "release" and second["values"]["account_number"].startswith("XZ")


def test_a_picture_can_be_typed_in_or_rejected(client: TestClient, extract: data.Extract) -> None:
    """Nothing was read: two people tell class and values, or one sends it back."""
    content, gold = pick(extract, "image only")
    id = hand_in(client, content)["decision_id"]
    opened = client.post(f"/reviews/{id}/claim", headers=ANNE).json()
    assert opened["values"] == {}
    body = {
        "outcome": "release",
        "reason": WHY,
        "document_class": gold.document_class,
        "corrections": gold.values,
    }
    first = client.post(f"/reviews/{id}/decision", json=body, headers=ANNE).json()
    assert (first["status"], "values" in first) == ("open", False)
    same = {"X-Actor": ANNE["X-Actor"].title()}
    assert client.post(f"/reviews/{id}/claim", headers=same).status_code == 409
    client.post(f"/reviews/{id}/claim", headers=BEN)
    answer = client.post(f"/reviews/{id}/decision", json=body, headers=BEN).json()
    assert answer["values"] == gold.values
    other = hand_in(client, pick(extract, "torn file")[0])["decision_id"]
    client.post(f"/reviews/{other}/claim", headers=ANNE)
    body = {"outcome": "reject", "reason": "the file is damaged, asked for it again"}
    answer = client.post(f"/reviews/{other}/decision", json=body, headers=ANNE).json()
    assert (answer["outcome"], "values" in answer) == ("reject", False)


def test_while_stopped_people_read_everything(
    client: TestClient, extract: data.Extract, rebuilt: Paths
) -> None:
    """And get no proposal: the model is out."""
    switch.stop(rebuilt, "wrong amounts", "duty@example.org")
    assert client.get("/ready").json()["stopped"] is True
    answer = hand_in(client, pick(extract, None, "plain")[0])
    assert answer["outcome"] == "refer"
    opened = client.post(f"/reviews/{answer['decision_id']}/claim", headers=ANNE).json()
    assert opened["values"] == {} and opened["payload"]["document"]
    assert sample(client, "service_stopped") == 1.0


def test_what_cannot_be_recorded_is_not_released(
    client: TestClient, extract: data.Extract, rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the model nor by a person."""
    id = hand_in(client, pick(extract, "wrong total")[0])["decision_id"]
    client.post(f"/reviews/{id}/claim", headers=ANNE)

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    monkeypatch.setattr(AuditLog, "record", broken)
    response = client.post("/documents", content=pick(extract, None, "motor")[0])
    assert response.status_code == 503 and "values" not in response.text
    body = {"outcome": "release", "reason": WHY}
    assert client.post(f"/reviews/{id}/decision", json=body, headers=ANNE).status_code == 503
    assert id in {task["id"] for task in client.get("/reviews").json()}


def test_the_original_of_a_case_that_is_not_recorded_does_not_stay(
    client: TestClient, extract: data.Extract, rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would lead to it again; one that was there before stays."""
    content = pick(extract, "wrong total")[0]
    hand_in(client, content)
    before = {one.digest for one in originals_of(rebuilt).all()}

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    monkeypatch.setattr(AuditLog, "record", broken)
    for one in (content, pick(extract, None, "motor")[0]):
        assert client.post("/documents", content=one).status_code == 503
    assert {one.digest for one in originals_of(rebuilt).all()} == before


def test_a_document_of_the_pipeline_is_looked_up_as_it_was_decided(
    client: TestClient, rebuilt: Paths
) -> None:
    """Its decision is in another log; what people decided comes after it, not in its place."""
    task = next(task for task in client.get("/reviews").json() if task["reviewers"] == 1)
    before = client.get(f"/documents/{task['id']}").json()
    assert (before["outcome"], before["overrides"]) == ("refer", [])
    client.post(f"/reviews/{task['id']}/claim", headers=ANNE)
    body = {"outcome": "reject", "reason": WHY}
    client.post(f"/reviews/{task['id']}/decision", json=body, headers=ANNE)
    after = client.get(f"/documents/{task['id']}").json()
    (override,) = after.pop("overrides")
    assert {**after, "overrides": []} == before
    assert (override["from"], override["to"]) == ("refer", "reject")
    assert client.get(f"/documents/{task['id']}?replay=true").status_code == 410


def test_a_reason_of_blanks_is_refused(client: TestClient, extract: data.Extract) -> None:
    """In words, as other reasons that are none; the case stays."""
    id = hand_in(client, pick(extract, "wrong total")[0])["decision_id"]
    client.post(f"/reviews/{id}/claim", headers=ANNE)
    body = {"outcome": "reject", "reason": " " * 20}
    response = client.post(f"/reviews/{id}/decision", json=body, headers=ANNE)
    assert (response.status_code, response.json()) == (422, {"detail": ["too_short: reason"]})
    assert client.get("/reviews").json() != []


def test_a_referral_that_a_crash_lost_is_queued_at_the_next_start(
    extract: data.Extract, rebuilt: Paths
) -> None:
    """The log has it: with the document, so that a person can find it."""
    with TestClient(api.create(rebuilt)) as client:
        id = hand_in(client, pick(extract, "image only")[0])["decision_id"]
        file_of(rebuilt).unlink()
    with TestClient(api.create(rebuilt)) as client:
        assert sample(client, "review_unqueued") == 0.0
        opened = client.post(f"/reviews/{id}/claim", headers=ANNE).json()
        assert client.get(f"/reviews/{id}/original", headers=ANNE).status_code == 200
        assert opened["reasons"][0] == "no text layer"


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 422), (b"x" * (api.LARGEST + 1), 413), (b"MZ a program", 201)]
)
def test_what_is_no_document(client: TestClient, content: bytes, status: int) -> None:
    """Nothing and too much are refused; what is no PDF goes to a person."""
    response = client.post("/documents", content=content)
    assert response.status_code == status
    if status == 201:
        assert response.json()["reasons"] == ["unreadable: kind", "low confidence"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", f"/documents/{UNKNOWN}", 404),
        ("post", f"/reviews/{UNKNOWN}/claim", 404),
        ("get", f"/reviews/{UNKNOWN}/original", 404),
        ("get", "/documents/1", 422),
        ("get", "/health", 200),
    ],
)
def test_what_is_not_there(client: TestClient, method: str, path: str, status: int) -> None:
    """Is said so."""
    assert getattr(client, method)(path, headers=ANNE).status_code == status


def test_errors_do_not_repeat_what_was_sent(client: TestClient) -> None:
    """It may identify a person."""
    body = {"outcome": "release", "reason": "no", "Orsa Wexling": "XZ12"}
    response = client.post(f"/reviews/{UNKNOWN}/decision", json=body, headers=ANNE)
    assert response.status_code == 422
    assert "Orsa" not in response.text and "XZ12" not in response.text
    named = client.post(f"/reviews/{UNKNOWN}/decision", json={"outcome": "a", "reason": WHY})
    assert named.status_code == 422 and "x-actor" in json.dumps(named.json())


def test_metrics_tell_what_waits(client: TestClient, extract: data.Extract) -> None:
    """As the alert rules expect it."""
    before = sample(client, "review_waiting")
    hand_in(client, pick(extract, "wrong total")[0])
    assert before is not None and sample(client, "review_waiting") == before + 1
    assert sample(client, "review_unqueued") == 0.0


def test_in_production_it_starts_only_with_approvals(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without, it says what is missing; with them it starts."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 40)
    refused = pytest.raises(governance.NotApproved, match="not released for production")
    with refused, TestClient(api.create(rebuilt)):
        pass
    assert os.environ["ENVIRONMENT"] == "production"
    monkeypatch.setattr(governance, "production_findings", lambda *_: [])
    with TestClient(api.create(rebuilt)) as client:
        assert client.get("/health").json() == {"status": "ok"}


def test_the_log_of_the_service_names_nobody(
    client: TestClient, extract: data.Extract, rebuilt: Paths
) -> None:
    """Reviewers are pseudonyms, and documents are known by digest."""
    id = hand_in(client, pick(extract, "wrong total")[0])["decision_id"]
    client.post(f"/reviews/{id}/claim", headers=ANNE)
    body = {"outcome": "reject", "reason": WHY}
    client.post(f"/reviews/{id}/decision", json=body, headers=ANNE)
    log = Path(rebuilt.audit / "service.jsonl")
    assert "anne@" not in log.read_text()
    types = [event["type"].split(".")[2] for event in read_events(log)]
    assert types == ["deployment", "decision", "override"]
