"""The service over HTTP, with the real model: decisions, replay, overrides, stop, and refusal."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from credit_line import api
from credit_line.controls import governance, notices, packages, switch
from credit_line.controls.access import AccessRefused
from credit_line.controls.audit import (
    AuditLog,
    AuditUnavailable,
    KeyRefused,
    read_events,
    verify_folder,
)
from credit_line.controls.paths import Paths

APPLICATION = {
    "income": 32000.0,
    "employment_years": 4.0,
    "housing": "rent",
    "requested_limit": 5000.0,
    "existing_debt": 9000.0,
    "utilisation": 0.35,
    "late_payments_12m": 0,
    "enquiries_6m": 1,
    "credit_history_months": 96,
}
RISKY = {**APPLICATION, "utilisation": 0.98, "late_payments_12m": 5, "enquiries_6m": 8}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
ACTOR = {"X-Actor": "handler@example.org"}
ALL_ROLES = {"X-Roles": "channel, case-handler"}


@pytest.fixture
def client(rebuilt: Paths) -> Iterator[TestClient]:
    """The running service on a finished run."""
    with TestClient(
        api.create(rebuilt), headers=ALL_ROLES, raise_server_exceptions=False
    ) as started:
        yield started


def decide(client: TestClient, **change: Any) -> dict[str, Any]:
    """One decision."""
    body = {"applicant": "A100001", "application": {**APPLICATION, **change}}
    response = client.post("/decisions", json=body)
    assert response.status_code == 201
    decision: dict[str, Any] = response.json()
    return decision


def sample(client: TestClient, name: str, **labels: str) -> float | None:
    """The value of one metric, as Prometheus would read it."""
    wanted = {"system": "credit_line", **labels}
    found = [
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == name and sample.labels == wanted
    ]
    return found[0] if found else None


def log_of(paths: Paths) -> Path:
    """The audit log of the service."""
    return paths.audit / "service.jsonl"


def test_a_decision_has_an_outcome_reasons_and_a_record(client: TestClient, rebuilt: Paths) -> None:
    """A risky application is not approved and gets reasons; the record has the same content."""
    good, bad = decide(client), decide(client, **RISKY)
    assert good["outcome"] == "approve"
    assert bad["outcome"] in {"refer", "decline"}
    assert bad["probability"] > good["probability"]
    assert {"code", "text"} <= bad["reasons"][0].keys()
    recorded = client.get(f"/decisions/{bad['decision_id']}").json()
    assert bad.items() <= recorded.items()
    assert all(state.findings == () for state in verify_folder(rebuilt.audit))


def test_a_day_is_sent_as_text_and_replayed(client: TestClient) -> None:
    """JSON has no dates; the contract has."""
    number = decide(client, applied_on="2025-03-01")["decision_id"]
    assert client.get(f"/decisions/{number}?replay=true").json()["same"] is True


def test_a_replay_by_id_gives_the_same_answer(client: TestClient) -> None:
    """From the kept application, without identifiers."""
    decision = decide(client, **RISKY)
    replay = client.get(f"/decisions/{decision['decision_id']}", params={"replay": True}).json()
    assert replay["same"] is True
    assert replay["replayed"]["probability"] == decision["probability"]


def test_the_applicant_appears_nowhere(client: TestClient, rebuilt: Paths) -> None:
    """Neither in the answer, nor in the log, nor in what is kept for replay."""
    decision = decide(client)
    kept = (rebuilt.var / "decisions" / f"{decision['decision_id']}.json").read_text()
    assert "A100001" not in json.dumps(decision) + log_of(rebuilt).read_text() + kept


def test_an_override_is_recorded(client: TestClient, rebuilt: Paths) -> None:
    """With the reason, and the person as a pseudonym."""
    decision_id = decide(client)["decision_id"]
    body = {"outcome": "decline", "reason": "the employer could not be confirmed"}
    response = client.post(f"/decisions/{decision_id}/override", json=body, headers=ACTOR)
    assert response.status_code == 201
    (override,) = client.get(f"/decisions/{decision_id}").json()["overrides"]
    assert (override["from"], override["to"]) == ("approve", "decline")
    assert override["reason"] == body["reason"]
    assert "handler@example.org" not in log_of(rebuilt).read_text()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"outcome": "decline", "reason": "the employer could not be confirmed"}, {}),
        ({"outcome": "decline", "reason": "no"}, ACTOR),
        ({"outcome": "decline", "reason": " " * 20}, ACTOR),
        ({"outcome": "maybe", "reason": "the employer could not be confirmed"}, ACTOR),
        ({"outcome": "decline", "reason": "the employer is not \ud800"}, ACTOR),
    ],
)
def test_an_override_without_person_reason_or_outcome_is_refused(
    client: TestClient, body: dict[str, str], headers: dict[str, str]
) -> None:
    """Nothing is recorded."""
    decision_id = decide(client)["decision_id"]
    where, sent = f"/decisions/{decision_id}/override", json.dumps(body)
    as_json = {"content-type": "application/json", **headers}
    response = client.post(where, content=sent, headers=as_json)
    assert response.status_code == 422
    assert client.get(f"/decisions/{decision_id}").json()["overrides"] == []


def test_the_kill_switch_refers_every_application(client: TestClient, rebuilt: Paths) -> None:
    """While the service runs, by the command that the runbook names."""
    switch.stop(rebuilt, "drill", "duty@example.org")
    decision = decide(client)
    assert (decision["outcome"], decision["mode"]) == ("refer", "stopped")
    assert client.get("/ready").json() == {"status": "ready", "stopped": True}
    switch.resume(rebuilt, "drill over", "duty@example.org")
    assert decide(client)["mode"] == "model"


def test_no_outcome_without_an_audit_event(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and no outcome, when the log cannot be written."""

    def fail(*_: object) -> None:
        raise AuditUnavailable("no space left on device")

    monkeypatch.setattr(AuditLog, "record", fail)
    body = {"applicant": "A100001", "application": APPLICATION}
    response = client.post("/decisions", json=body)
    assert response.status_code == 503
    assert "outcome" not in response.text
    assert sample(client, "service_withheld_total") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"utilisation": 1.7},
        {"housing": "castle"},
        {"income": None},
        {"income": "much"},
        {"income": True},
        {"x": 1},
    ],
)
def test_an_application_outside_the_contract_is_refused(
    client: TestClient, rebuilt: Paths, change: dict[str, Any]
) -> None:
    """422, no decision, and the answer does not repeat the values."""
    before = len(list(read_events(log_of(rebuilt))))
    body = {"applicant": "A100001", "application": {**APPLICATION, **change}}
    response = client.post("/decisions", json=body)
    assert response.status_code == 422
    assert "castle" not in response.text
    assert len(list(read_events(log_of(rebuilt)))) == before


@pytest.mark.parametrize(
    "body",
    [
        '{"applicant": "A100001", "application": {"income": NaN}}',
        '{"applicant": "A100001", "application": {"income": -Infinity}}',
        '{"applicant": "A100001", "application": {"income": 1e999}}',
        '{"applicant": "A100001", "application": {"income": 9007199254740992}}',
        '{"applicant": "A100001", "application": {"housing": "\\ud800"}}',
        '{"applicant": "A100001", "application": {"\\ud800": 1}}',
        '{"applicant": "A100001\\ud800", "application": {}}',
        '{"applicant": ["A100001"], "application": {}}',
        '{"applicant": "p", "application": {"A100001": []}}',
        '{"applicant": "p", "application": {}, "A100001": 1}',
        '{"applicant": "A100001"',
    ],
)
def test_a_malformed_request_is_refused_and_not_repeated(client: TestClient, body: str) -> None:
    """422, whatever JSON can and cannot carry; the answer holds nothing that was sent."""
    headers = {"content-type": "application/json"}
    full = body.replace('": {', '": ' + json.dumps(APPLICATION)[:-1] + ", ").replace(", }", "}")
    for sent in (body, full):
        response = client.post("/decisions", content=sent, headers=headers)
        assert response.status_code == 422
        assert "A100001" not in response.text
        assert response.json()["detail"]


def test_a_declined_person_can_be_told_why_in_time(client: TestClient, rebuilt: Paths) -> None:
    """The notice is due, gives the very reasons of the decision, and is due no more once sent."""
    decision = decide(client, **RISKY)
    assert decision["outcome"] == "decline"
    today = datetime.now(UTC).date()
    (due,) = notices.waiting(rebuilt, today)
    assert (due.case.id, due.days_left) == (decision["decision_id"], 30)
    text = notices.text(rebuilt, due.case.id, "EU")
    assert all(reason["text"] in text for reason in decision["reasons"])
    assert notices.sent(rebuilt, due.case.id, "EU", (), "letter", "handler@example.org")
    assert notices.waiting(rebuilt, today) == []
    assert client.get(f"/decisions/{due.case.id}?replay=true").json()["same"] is True


ALLOWED = {  # what each role may do: decide, read, replay, override
    "channel": (201, 403, 403, 403),
    "case-handler": (403, 200, 200, 201),
    "customer-service": (403, 200, 403, 403),
    "validator": (403, 200, 200, 403),
    "visitor": (403, 403, 403, 403),
    "channel, visitor": (403, 403, 403, 403),
    "validator, channel": (201, 200, 200, 403),
    "": (422, 422, 422, 422),
}


@pytest.mark.parametrize("roles", ALLOWED)
def test_each_role_may_do_what_the_file_grants(
    client: TestClient, rebuilt: Paths, roles: str
) -> None:
    """And nothing else, whatever else is right; a role that nobody knows spoils the others."""
    where = f"/decisions/{decide(client)['decision_id']}"
    before = log_of(rebuilt).read_bytes()
    head = {"X-Roles": roles, **ACTOR}
    body = {"applicant": "A100001", "application": APPLICATION}
    change = {"outcome": "decline", "reason": "the employer could not be confirmed"}
    answers = (
        client.post("/decisions", json=body, headers=head),
        client.get(where, headers=head),
        client.get(f"{where}?replay=true", headers=head),
        client.post(f"{where}/override", json=change, headers=head),
    )
    assert tuple(answer.status_code for answer in answers) == ALLOWED[roles]
    written = sum(answer.status_code == 201 for answer in answers)
    assert len(log_of(rebuilt).read_bytes().splitlines()) == len(before.splitlines()) + written


def test_what_the_file_no_longer_grants_is_refused(rebuilt: Paths) -> None:
    """The rules are read at the start; without them there is no service."""
    file = rebuilt.governance / "access.yaml"
    file.write_text(file.read_text().replace("override: [decisions]", "override: []"))
    with TestClient(api.create(rebuilt), headers=ALL_ROLES) as client:
        where = f"/decisions/{decide(client)['decision_id']}/override"
        change = {"outcome": "decline", "reason": "the employer could not be confirmed"}
        assert client.post(where, json=change, headers=ACTOR).status_code == 403
    file.write_text("roles: {}")
    with pytest.raises(AccessRefused), TestClient(api.create(rebuilt)):
        pass


def test_an_unknown_decision_is_not_found(client: TestClient) -> None:
    """Looked up, replayed or overridden."""
    assert client.get(f"/decisions/{UNKNOWN}").status_code == 404
    assert client.get(f"/decisions/{UNKNOWN}?replay=true").status_code == 404
    body = {"outcome": "decline", "reason": "there is no such decision"}
    response = client.post(f"/decisions/{UNKNOWN}/override", json=body, headers=ACTOR)
    assert response.status_code == 404


def test_an_erased_application_cannot_be_replayed(client: TestClient, rebuilt: Paths) -> None:
    """410, while the decision itself is still on record."""
    decision_id = decide(client)["decision_id"]
    (rebuilt.var / "decisions" / f"{decision_id}.json").unlink()
    assert client.get(f"/decisions/{decision_id}?replay=true").status_code == 410
    assert client.get(f"/decisions/{decision_id}").status_code == 200


@pytest.mark.parametrize(("given", "kept"), [("r-1", True), ("a b\t", False), ("x" * 65, False)])
def test_a_request_keeps_its_id_if_it_is_a_plain_word(
    client: TestClient, rebuilt: Paths, given: str, kept: bool
) -> None:
    """The id goes back, and its digest into the audit event; anything strange is replaced."""
    body = {"applicant": "A100001", "application": APPLICATION}
    response = client.post("/decisions", json=body, headers={"X-Request-ID": given})
    assert (response.headers["X-Request-ID"] == given) is kept
    (*_, event) = read_events(log_of(rebuilt))
    logged = event["data"]["request_id"]
    assert logged.startswith("hmac-sha256:") if kept else logged == response.headers["X-Request-ID"]


def test_health_and_metrics_answer(client: TestClient) -> None:
    """Counted by outcome and mode."""
    decide(client)
    assert client.get("/health").json() == {"status": "ok"}
    assert sample(client, "service_decisions_total", mode="model", outcome="approve") == 1


def test_production_starts_only_when_released(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new project has no approvals: in production it refuses, and says what is missing."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    refused = pytest.raises(governance.NotApproved, match="approval of the risk: missing")
    with refused, TestClient(api.create(rebuilt), headers=ALL_ROLES):
        pass


@pytest.mark.parametrize("word", ["prod", "staging", ""])
def test_an_unknown_environment_does_not_start(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """A typing error must not skip the approvals."""
    monkeypatch.setenv("ENVIRONMENT", word)
    refused = pytest.raises(KeyRefused, match="must be development or production")
    with refused, TestClient(api.create(rebuilt), headers=ALL_ROLES):
        pass


def test_production_starts_once_people_have_answered_accepted_and_approved(
    approved: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to production is open: facts, risks, and four roles on the present digests."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    with TestClient(api.create(approved), headers=ALL_ROLES) as client:
        assert decide(client)["mode"] == "model"


def test_production_refuses_a_model_that_was_not_approved(
    approved: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approvals that hold are of no use to another model that was activated since."""
    (other,) = set(packages.versions(approved)) - {packages.serving(approved)}
    packages.activate(approved, other)
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    refused = pytest.raises(governance.NotApproved, match=f"serving model: {other} serves")
    with refused, TestClient(api.create(approved), headers=ALL_ROLES):
        pass


def test_a_replay_uses_the_model_that_decided(rebuilt: Paths) -> None:
    """Another model serves by now; without the earlier package nothing is replayed."""
    with TestClient(api.create(rebuilt), headers=ALL_ROLES) as client:
        decision = decide(client)
    (other,) = set(packages.versions(rebuilt)) - {decision["model_version"]}
    packages.activate(rebuilt, other)
    where = f"/decisions/{decision['decision_id']}?replay=true"
    with TestClient(api.create(rebuilt), headers=ALL_ROLES) as client:
        assert client.get(where).json()["same"] is True
        (rebuilt.models / decision["model_version"] / packages.MODEL).unlink()
        assert client.get(where).status_code == 409


@pytest.fixture
def approved(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A finished run that people have committed, reviewed and approved."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    later = datetime.now(UTC).date() + timedelta(days=30)
    document = edit(rebuilt.governance / "facts.yaml")
    facts, screen = document["facts"], document["screen"]
    facts |= {fact: False for fact, value in facts.items() if value is None}
    facts |= {"jurisdictions": ["EU"], "roles": ["deployer"], "persons_per_year": 1000}
    screen["answers"] = dict.fromkeys(screen["answers"], False)
    screen |= {"answered_by": "owner@example.org", "reviewed_by": "legal@example.org"}
    save(rebuilt, "facts", document)
    save(rebuilt, "system", edit(rebuilt.governance / "system.yaml") | {"status": "production"})
    approvals = edit(rebuilt.governance / "approvals.yaml")
    approvals["approvals"] = [
        {
            "role": role,
            "approver": f"{role.replace(' ', '.')}@example.org",
            "author": "author@example.org",
            "decision": "approved",
            "approved_on": later - timedelta(days=30),
            "expires": later,
            "covers": governance.subjects(rebuilt, approvals),
        }
        for role in governance.needed_roles(rebuilt, approvals)
    ]
    save(rebuilt, "approvals", approvals)
    identity = ["-c", "user.name=a", "-c", "user.email=author@example.org"]
    commit = ["-c", "commit.gpgsign=false", "commit", "-qm", "release", "--no-verify"]
    for command in (["init", "-q"], ["add", *governance.subjects(rebuilt, approvals)], commit):
        subprocess.run(["git", "-C", str(rebuilt.root), *identity, *command], check=True)
    return rebuilt


def edit(file: Path) -> dict[str, Any]:
    """The content of a register."""
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content


def save(paths: Paths, name: str, content: dict[str, Any]) -> None:
    """Write a register."""
    (paths.governance / f"{name}.yaml").write_text(yaml.safe_dump(content))
