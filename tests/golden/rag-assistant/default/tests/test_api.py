"""The service over HTTP: answers, look-up, hand-over, stop, and nobody learns what they may not."""

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

from policy_assistant import answering, api
from policy_assistant.controls import governance, releases, switch
from policy_assistant.controls.audit import (
    AuditLog,
    AuditUnavailable,
    KeyRefused,
    read_events,
    retention,
    verify_folder,
)
from policy_assistant.controls.llm import ModelUnavailable, Offline
from policy_assistant.controls.paths import Paths

UNKNOWN = "00000000-0000-4000-8000-000000000000"
PASSWORD = "How long must a password be?"
SALARY = "What is the salary band of grade 7?"
REASON = {"reason": "this does not fit my case"}


@pytest.fixture
def client(rebuilt: Paths) -> Iterator[TestClient]:
    """The running service on a finished run."""
    with TestClient(api.create(rebuilt), raise_server_exceptions=False) as started:
        yield started


def by(*roles: str, actor: str = "asker@example.org") -> dict[str, str]:
    """The headers that a gateway sets."""
    return {"X-Actor": actor, "X-Roles": ", ".join(roles)}


def ask(client: TestClient, question: str = PASSWORD, *roles: str) -> dict[str, Any]:
    """One answer."""
    headers = by(*(roles or ("employee",)))
    response = client.post("/answers", json={"question": question}, headers=headers)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def sample(client: TestClient, name: str, **labels: str) -> float | None:
    """The value of one metric, as Prometheus would read it."""
    wanted = {"system": "policy_assistant", **labels}
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


def test_an_answer_has_text_citations_and_a_record(client: TestClient, rebuilt: Paths) -> None:
    """What goes out is what the record says; the caller is told that software answered."""
    answer = ask(client)
    assert "14 characters" in answer["answer"]["text"]
    assert answer["citations"][0]["passage"] == "SEC-01.v6/passwords"
    assert answer["answer"]["titles"] == {"SEC-01.v6/passwords": "Passwords and sign-in"}
    assert answer["notice"].startswith("Software quotes")
    headers = by("employee")
    recorded = client.get(f"/answers/{answer['decision_id']}", headers=headers).json()
    assert answer.items() <= recorded.items()
    assert all(state.findings == () for state in verify_folder(rebuilt.audit))


def test_a_question_that_is_not_covered_gets_a_reason(client: TestClient) -> None:
    """And no text."""
    answer = ask(client, "What is the capital of Portugal?")
    assert (answer["outcome"], answer["answer"]["text"], answer["citations"]) == (
        "abstained",
        "",
        [],
    )
    assert answer["reasons"][0]["code"] == "NOT_FOUND"


def test_the_log_holds_no_words(client: TestClient, rebuilt: Paths) -> None:
    """Neither the question nor the answer nor who asked: digests and ids only."""
    answer = ask(client, f"{PASSWORD} I am jane.roe@example.org.")
    text = log_of(rebuilt).read_text()
    (event,) = [e for e in read_events(log_of(rebuilt)) if "cleared" in e["data"]]
    assert not [word for word in ("password be", "14 characters", "example.org") if word in text]
    assert event["data"]["answer"].startswith("hmac-sha256:")
    assert event["data"]["input"].startswith("hmac-sha256:")
    assert event["data"]["citations"] == answer["citations"]
    assert event["subject"].startswith("person:")
    kept = (rebuilt.var / "decisions" / f"{answer['decision_id']}.json").read_text()
    assert "jane.roe" not in kept
    assert "[redacted]" in kept


def test_a_replay_by_id_gives_the_same_answer(client: TestClient) -> None:
    """Word for word, from the kept question and the recorded release."""
    answer = ask(client)
    where = f"/answers/{answer['decision_id']}?replay=true"
    replay = client.get(where, headers=by("employee")).json()
    assert replay["same"] is True
    assert replay["replayed"]["answer"] == answer["answer"]


def test_a_replay_uses_the_release_that_answered(rebuilt: Paths) -> None:
    """Another one serves by now; without the earlier one nothing is replayed."""
    with TestClient(api.create(rebuilt)) as client:
        answer = ask(client)
    serving = releases.load(rebuilt)
    fewer = serving.files[answering.PASSAGES].replace(b"14 characters", b"8 characters")
    other = releases.save(
        rebuilt, {**serving.files, answering.PASSAGES: fewer}, dict(serving.facts)
    )
    releases.activate(rebuilt, other)
    where = f"/answers/{answer['decision_id']}?replay=true"
    with TestClient(api.create(rebuilt), raise_server_exceptions=False) as client:
        assert "8 characters" in ask(client)["answer"]["text"]
        assert client.get(where, headers=by("employee")).json()["same"] is True
        (rebuilt.models / answer["model_version"] / answering.PASSAGES).unlink()
        assert client.get(where, headers=by("employee")).status_code == 409


def test_nobody_reads_what_a_colleague_asked(client: TestClient) -> None:
    """A question may tell of an illness: it is for who asked, and for the policy desk."""
    where = f"/answers/{ask(client, 'When do I need a medical certificate?')['decision_id']}"
    other = by("employee", actor="colleague@example.org")
    assert client.get(where, headers=by("employee")).status_code == 200
    assert client.get(where, headers=by("policy-desk", actor="desk@example.org")).status_code == 200
    assert client.get(where, headers=other).status_code == 404
    assert client.get(f"{where}?replay=true", headers=other).status_code == 404
    assert client.post(f"{where}/handover", json=REASON, headers=other).status_code == 404


def test_whoever_asks_is_one_person_in_any_spelling(client: TestClient, rebuilt: Paths) -> None:
    """They look up, hand over and have erased what they asked, however they write the address."""
    asked = by("employee", actor="Jane.Doe@example.org")
    answer = client.post("/answers", json={"question": PASSWORD}, headers=asked).json()
    where = f"/answers/{answer['decision_id']}"
    again = by("employee", actor=" jane.doe@example.org")
    assert client.get(where, headers=again).status_code == 200
    assert client.post(f"{where}/handover", json=REASON, headers=again).status_code == 201
    subject = client.app.state.desk.log.privacy.actor("jane.doe@example.org")  # type: ignore[attr-defined]
    (file,) = retention.erasure(rebuilt, {subject})
    assert file.files == (f"var/decisions/{answer['decision_id']}.json",)


def test_an_answer_is_looked_up_only_by_who_may_read_as_much(client: TestClient) -> None:
    """To all others it is as if it did not exist: look-up, replay, hand-over and override."""
    answer = ask(client, SALARY, "hr")
    assert "61,000" in answer["answer"]["text"]
    where = f"/answers/{answer['decision_id']}"
    assert client.get(where, headers=by("hr")).status_code == 200
    body = {**REASON, "outcome": "abstained"}
    unknown = client.get(f"/answers/{UNKNOWN}", headers=by("employee"))
    refused = [
        client.get(where, headers=by("employee")),
        client.get(f"{where}?replay=true", headers=by("finance")),
        client.post(f"{where}/handover", json=REASON, headers=by("employee")),
        client.post(f"{where}/override", json=body, headers=by("policy-desk")),
    ]
    assert {(one.status_code, one.text) for one in refused} == {(404, unknown.text)}


def test_what_may_not_be_read_looks_like_what_does_not_exist(client: TestClient) -> None:
    """The same outcome, reason and form, whether a policy is restricted or there is none."""
    restricted = ask(client, "Which insurer does the board aim to acquire?")
    absent = ask(client, "Which zebra does the moon aim to acquire?")
    differing = {"decision_id", "confidence"}
    assert {k: v for k, v in restricted.items() if k not in differing} == {
        k: v for k, v in absent.items() if k not in differing
    }


@pytest.mark.parametrize("roles", [["owner"], ["employee", "root"], ["EMPLOYEE"], [" "]])
def test_a_role_that_is_not_known_is_refused(client: TestClient, roles: list[str]) -> None:
    """403, before anything is searched."""
    response = client.post("/answers", json={"question": PASSWORD}, headers=by(*roles))
    assert (response.status_code, response.json()) == (
        403,
        {"detail": "your roles allow nothing here"},
    )


def test_roles_add_up(client: TestClient) -> None:
    """One person, two roles."""
    assert ask(client, SALARY, "finance", "hr")["cleared"] == [
        "finance",
        "internal",
        "people",
        "public",
    ]


def test_a_person_can_be_asked(client: TestClient, rebuilt: Paths) -> None:
    """The hand-over is recorded with its reason; who asked is a pseudonym."""
    answer = ask(client)
    where = f"/answers/{answer['decision_id']}"
    response = client.post(f"{where}/handover", json=REASON, headers=by("employee"))
    assert response.status_code == 201
    (entry,) = client.get(where, headers=by("employee")).json()["overrides"]
    assert (entry["from"], entry["to"], entry["reason"]) == ("answered", "refer", REASON["reason"])
    assert "asker@example.org" not in log_of(rebuilt).read_text()
    assert sample(client, "service_overrides_total") == 1


def test_only_the_policy_desk_overrides(client: TestClient) -> None:
    """And only what it may read; an outcome has to be one."""
    answer = ask(client)
    where = f"/answers/{answer['decision_id']}/override"
    body = {**REASON, "outcome": "abstained"}
    assert client.post(where, json=body, headers=by("employee")).status_code == 403
    desk = by("policy-desk", actor="desk@example.org")
    assert client.post(where, json={**body, "outcome": "maybe"}, headers=desk).status_code == 422
    assert client.post(where, json=body, headers=desk).status_code == 201


def test_the_kill_switch_refers_every_question(client: TestClient, rebuilt: Paths) -> None:
    """While the service runs, by the command that the runbook names; the record can be read."""
    switch.stop(rebuilt, "drill", "duty@example.org")
    answer = ask(client)
    assert (answer["outcome"], answer["mode"], answer["answer"]["text"]) == ("refer", "stopped", "")
    where = f"/answers/{answer['decision_id']}"
    assert client.get(where, headers=by("employee")).json()["mode"] == "stopped"
    assert client.get("/ready").json() == {"status": "ready", "stopped": True}
    switch.resume(rebuilt, "drill over", "duty@example.org")
    assert ask(client)["mode"] == "model"


def test_a_model_that_is_down_refers_to_a_person(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted as a fault; nothing of the error goes out."""

    def fails(*_: object) -> None:
        raise ModelUnavailable("secret address")

    monkeypatch.setattr(Offline, "complete", fails)
    answer = ask(client)
    assert (answer["outcome"], answer["mode"]) == ("refer", "fault")
    assert "secret address" not in json.dumps(answer)
    assert sample(client, "service_faults_total") == 1


def test_no_answer_without_an_audit_event(
    client: TestClient, rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and no answer, when the log cannot be written; nothing is kept."""

    def fail(*_: object) -> None:
        raise AuditUnavailable("no space left on device")

    monkeypatch.setattr(AuditLog, "record", fail)
    response = client.post("/answers", json={"question": PASSWORD}, headers=by("employee"))
    assert response.status_code == 503
    assert "14 characters" not in response.text
    assert sample(client, "service_withheld_total") == 1
    assert list((rebuilt.var / "decisions").glob("*")) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ('{"question": "Jane Roe\\ud800"}', by("employee")),
        ('{"question": "JR"}', by("employee")),
        ('{"question": ["Jane Roe"]}', by("employee")),
        ('{"question": "Jane Roe?", "Jane Roe": 1}', by("employee")),
        ('{"question": "Jane Roe"', by("employee")),
        ('{"question": "Jane Roe?"}', {"X-Actor": "a@example.org"}),
        ('{"question": "Jane Roe?"}', {"X-Roles": "employee"}),
    ],
)
def test_a_malformed_request_is_refused_and_not_repeated(
    client: TestClient, body: str, headers: dict[str, str]
) -> None:
    """422; the answer holds nothing that was sent."""
    as_json = {"content-type": "application/json", **headers}
    response = client.post("/answers", content=body, headers=as_json)
    assert response.status_code == 422
    assert "Jane" not in response.text
    assert response.json()["detail"]


def test_an_erased_question_cannot_be_replayed(client: TestClient, rebuilt: Paths) -> None:
    """410, while that there was an answer, and what it rested on, is still on record."""
    answer = ask(client)
    (rebuilt.var / "decisions" / f"{answer['decision_id']}.json").unlink()
    where = f"/answers/{answer['decision_id']}"
    assert client.get(f"{where}?replay=true", headers=by("employee")).status_code == 410
    recorded = client.get(where, headers=by("employee")).json()
    assert recorded["citations"] == answer["citations"]
    assert recorded["answer"].startswith("hmac-sha256:")


def test_health_and_metrics_answer(client: TestClient) -> None:
    """Counted by outcome and mode."""
    ask(client)
    assert client.get("/health").json() == {"status": "ok"}
    assert sample(client, "service_decisions_total", mode="model", outcome="answered") == 1


def test_another_model_than_the_evaluated_one_does_not_start(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting an endpoint is not enough: the release has to be made with it."""
    monkeypatch.setenv("LLM_BASE_URL", "https://gateway.example/v1")
    monkeypatch.setenv("LLM_MODEL", "some-model")
    refused = pytest.raises(releases.ReleaseRefused, match="here it is endpoint:some-model")
    with refused, TestClient(api.create(rebuilt)):
        pass


def test_production_starts_only_when_released(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new project has no approvals: in production it refuses, and says what is missing."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    refused = pytest.raises(governance.NotApproved, match="approval of the risk: missing")
    with refused, TestClient(api.create(rebuilt)):
        pass


@pytest.mark.parametrize("word", ["prod", "staging", ""])
def test_an_unknown_environment_does_not_start(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """A typing error must not skip the approvals."""
    monkeypatch.setenv("ENVIRONMENT", word)
    refused = pytest.raises(KeyRefused, match="must be development or production")
    with refused, TestClient(api.create(rebuilt)):
        pass


def test_production_starts_once_people_have_answered_accepted_and_approved(
    approved: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to production is open: facts, risks, and four roles on the present digests."""
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    with TestClient(api.create(approved)) as client:
        assert ask(client)["mode"] == "model"


def test_production_refuses_wider_access_than_was_approved(
    approved: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may read what is a subject of the approvals."""
    file = approved.governance / "access.yaml"
    wider = "employee: { read: [public, internal, people] }"
    file.write_text(file.read_text().replace("employee: { read: [public, internal] }", wider))
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    changed = r"governance/access\.yaml has changed since"
    refused = pytest.raises(governance.NotApproved, match=changed)
    with refused, TestClient(api.create(approved)):
        pass


def test_production_refuses_a_release_that_was_not_approved(
    approved: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approvals that hold are of no use to another release that was activated since."""
    serving = releases.load(approved)
    other = releases.save(approved, serving.files, {**serving.facts, "threshold": 0.0})
    releases.activate(approved, other)
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    refused = pytest.raises(governance.NotApproved, match=f"serving model: {other} serves")
    with refused, TestClient(api.create(approved)):
        pass


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
