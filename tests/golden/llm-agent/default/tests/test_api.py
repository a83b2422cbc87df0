"""The service: runs, proposals and their decisions, over HTTP, with what may go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispute_desk import api, cases
from dispute_desk.controls import governance, switch
from dispute_desk.controls.agent import Guard, replay
from dispute_desk.controls.audit import AuditUnavailable, read_events
from dispute_desk.controls.paths import Paths

CLERK = {"X-Actor": "clerk@bank.example", "X-Roles": "clerk"}
APPROVER = {"X-Actor": "approver@bank.example", "X-Roles": "approver"}
WHY = {"reason": "seen in the account of the customer"}


@pytest.fixture
def client(rebuilt: Paths) -> Iterator[TestClient]:
    with TestClient(api.create(rebuilt)) as made:
        yield made


def _case(scenario: str) -> str:
    return next(t.case.case_id for t in cases.book().tasks if t.scenario == scenario)


def _run(client: TestClient, scenario: str = "duplicate", **headers: str) -> dict[str, Any]:
    answer = client.post(f"/cases/{_case(scenario)}/runs", headers={**CLERK, **headers})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _decide(
    client: TestClient,
    proposal: str,
    approve: bool = True,
    digest: str = "",
    headers: Mapping[str, str] = APPROVER,
) -> Any:
    listed = client.get("/proposals", headers=APPROVER).json()
    seen = next((one["digest"] for one in listed if one["id"] == proposal), "none")
    body = {**WHY, "digest": digest or seen, "approve": approve}
    return client.post(f"/proposals/{proposal}/decision", json=body, headers=dict(headers))


def _bank(client: TestClient) -> cases.Bank:
    bank: cases.Bank = client.app.state.bank  # type: ignore[attr-defined]
    return bank


def test_a_case_is_prepared_approved_and_done_once(client: TestClient) -> None:
    """Proposed by the agent, opened by a person, done, and the next run knows."""
    decision = _run(client)
    assert (decision["outcome"], decision["agent"]) == ("propose", "scripted:dispute-rules")
    assert "no language model" in decision["notice"]
    (proposal,) = decision["proposals"]
    (shown,) = client.get("/proposals", headers=APPROVER).json()
    assert (shown["tool"], shown["arguments"]["reason"]) == ("refund_payment", "duplicate")
    row = shown["rows"]["list_payments"]
    assert row["payment_id"] == shown["arguments"]["payment_id"]
    assert _bank(client).effects() == []
    done = _decide(client, proposal)
    assert (done.status_code, done.json()["status"]) == (201, "done")
    assert [tool for tool, _ in _bank(client).effects()] == ["refund_payment"]
    assert _decide(client, proposal).json()["reason"] == "DECIDED"
    again = _run(client)
    (shown,) = client.get("/proposals", headers=APPROVER).json()
    assert shown["arguments"]["template"] == "already_refunded"
    assert again["proposals"] == [shown["id"]]


def test_who_asked_may_not_approve(client: TestClient) -> None:
    """Whatever roles they bring; they see what they have asked for."""
    (proposal,) = _run(client)["proposals"]
    assert len(client.get("/proposals", headers=CLERK).json()) == 1
    assert client.get("/proposals", headers={**CLERK, "X-Actor": "other@bank.example"}).json() == []
    own = {**APPROVER, "X-Actor": "Clerk@Bank.example"}
    answer = _decide(client, proposal, headers=own)
    assert (answer.status_code, answer.json()["reason"]) == (403, "SAME_PERSON")
    answer = _decide(client, proposal, headers={**APPROVER, "X-Roles": "auditor"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "NOT_ENTITLED")
    assert _bank(client).effects() == []


def test_an_approval_covers_what_was_looked_at(client: TestClient) -> None:
    """Another digest, no proposal, no reason, no decision: nothing is done."""
    (proposal,) = _run(client)["proposals"]
    answer = _decide(client, proposal, digest="hmac-sha256:00")
    assert (answer.status_code, answer.json()["reason"]) == (409, "OTHER_CALL")
    assert _decide(client, "p-0").status_code == 404
    body = {"digest": "x", "approve": True, "reason": "ok"}
    answer = client.post(f"/proposals/{proposal}/decision", json=body, headers=APPROVER)
    assert answer.status_code == 422
    assert "ok" not in answer.text.replace("token", "")
    assert _bank(client).effects() == []


def test_a_rejection(client: TestClient) -> None:
    """It is final; the decision can be overridden besides, with a reason."""
    decision = _run(client)
    answer = _decide(client, decision["proposals"][0], approve=False)
    assert answer.json()["status"] == "rejected"
    place = f"/decisions/{decision['decision_id']}"
    body = {**WHY, "outcome": "refer"}
    assert client.post(f"{place}/override", json=body, headers=CLERK).status_code == 403
    answer = client.post(f"{place}/override", json=body, headers=APPROVER)
    assert (answer.status_code, answer.json()["withdrawn"]) == (201, [])
    wrong = {**WHY, "outcome": "pay"}
    assert client.post(f"{place}/override", json=wrong, headers=APPROVER).status_code == 422
    recorded = client.get(place, headers=CLERK).json()
    assert recorded["overrides"][0]["to"] == "refer"


def test_to_refer_voids_what_waits(client: TestClient) -> None:
    """A decision that was overridden cannot be approved any more; one that stands can."""
    decision, place = _run(client), "/decisions/{}/override"
    (proposal,) = decision["proposals"]
    other = _run(client, "fee_due")
    same = {**WHY, "outcome": "propose"}
    answer = client.post(place.format(other["decision_id"]), json=same, headers=APPROVER)
    assert answer.json()["withdrawn"] == []
    refer = {**WHY, "outcome": "refer"}
    answer = client.post(place.format(decision["decision_id"]), json=refer, headers=APPROVER)
    assert answer.json()["withdrawn"] == [proposal]
    listed = client.get("/proposals", headers=APPROVER).json()
    assert [one["id"] for one in listed] == other["proposals"]
    guard: Guard = client.app.state.guard  # type: ignore[attr-defined]
    digest = guard.ledger.proposals[proposal].digest
    assert _decide(client, proposal, digest=digest).json()["reason"] == "DECIDED"
    assert _bank(client).effects() == []


def test_what_a_person_has_to_look_at(client: TestClient) -> None:
    """No proposal, one sentence, and a reason."""
    decision = _run(client, "unrecognised")
    assert (decision["outcome"], decision["proposals"]) == ("refer", [])
    assert "fraud desk" in decision["answer"]["summary"]


def test_a_trainee_gets_no_refund_prepared(client: TestClient) -> None:
    """The tool is not offered; the policy's try is refused, and a person has the case."""
    decision = _run(client, **{"X-Roles": "trainee"})
    assert (decision["outcome"], decision["proposals"]) == ("refer", [])
    assert (decision["refusals"], decision["reasons"][0]["code"]) == (["ROLE"], "REFERRED")


def test_roles_and_cases_that_are_none(client: TestClient) -> None:
    """403 and 404, without a word on what there is."""
    place = f"/cases/{_case('duplicate')}/runs"
    assert client.post(place, headers={**CLERK, "X-Roles": "stranger"}).status_code == 403
    for unknown in ("C99999", "C90001"):  # the second lies in quarantine
        assert client.post(f"/cases/{unknown}/runs", headers=CLERK).status_code == 404
    assert client.post(place).status_code == 422
    place = "/decisions/3f2a0000-0000-4000-8000-000000000000"
    assert client.get(place, headers=CLERK).status_code == 404


def test_a_decision_is_replayed_from_the_trail(client: TestClient, rebuilt: Paths) -> None:
    """Each verdict is judged again; erased content is gone, and said to be."""
    decision = _run(client)
    place = f"/decisions/{decision['decision_id']}"
    found = client.get(place, params={"replay": True}, headers=CLERK).json()
    assert found["same"] is True
    assert all(one.same for one in replay.of_log(rebuilt.audit / "service.jsonl"))
    guard: Guard = client.app.state.guard  # type: ignore[attr-defined]
    text = (rebuilt.audit / "service.jsonl").read_text("utf-8").splitlines()
    guard.log.payloads.destroy(json.loads(line)["id"] for line in text)
    assert client.get(place, params={"replay": True}, headers=CLERK).status_code == 410


def test_the_kill_switch_reaches_runs_and_approvals(client: TestClient, rebuilt: Paths) -> None:
    """Nothing is prepared, nothing is done, and what waited waits."""
    (proposal,) = _run(client)["proposals"]
    switch.stop(rebuilt, "drill", "duty@bank.example")
    stopped = _run(client)
    assert (stopped["outcome"], stopped["mode"]) == ("refer", "stopped")
    answer = _decide(client, proposal)
    assert (answer.status_code, answer.json()["reason"]) == (409, "STOPPED")
    assert client.post("/proposals/settle", headers=APPROVER).status_code == 409
    assert client.get("/ready").json()["stopped"] is True
    switch.resume(rebuilt, "over", "duty@bank.example")
    assert _decide(client, proposal).status_code == 201


def test_an_effect_that_failed_is_settled(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved, the bank is down, and later it is done, once."""
    (proposal,) = _run(client)["proposals"]

    def down(*_: Any) -> None:
        raise OSError("down")

    with monkeypatch.context() as patch:
        patch.setattr(cases.Bank, "take_effect", down)
        answer = _decide(client, proposal)
        assert (answer.status_code, "down" in answer.text) == (500, False)
    assert client.post("/proposals/settle", headers=CLERK).status_code == 403
    answer = client.post("/proposals/settle", headers=APPROVER)
    assert [one["status"] for one in answer.json()] == ["done"]
    guard: Guard = client.app.state.guard  # type: ignore[attr-defined]
    said = [event["data"] for event in read_events(guard.log.path)]
    actors = [one["actor"] for one in said if one.get("kind") == "settle"]
    assert actors == [guard.who(APPROVER["X-Actor"])]
    nobody = {"X-Roles": "approver"}
    assert client.post("/proposals/settle", headers=nobody).status_code == 422
    assert len(_bank(client).effects()) == 1


def test_what_cannot_be_recorded_is_not_done(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run without a record, and no effect without its event."""
    (proposal,) = _run(client)["proposals"]
    guard: Guard = client.app.state.guard  # type: ignore[attr-defined]
    digest = guard.ledger.proposals[proposal].digest

    def full(*_: Any, **__: Any) -> None:
        raise AuditUnavailable("the disk is full")

    monkeypatch.setattr(guard.log, "record", full)
    assert client.post(f"/cases/{_case('fee_due')}/runs", headers=CLERK).status_code == 503
    assert _decide(client, proposal, digest=digest).status_code == 503
    assert _bank(client).effects() == []


def test_the_store_names_nobody(client: TestClient, rebuilt: Paths) -> None:
    """Kept cases and log hold pseudonyms; metrics count."""
    _run(client)
    texts = [file.read_text("utf-8") for file in (rebuilt.var / "decisions").glob("*.json")]
    texts.append((rebuilt.audit / "service.jsonl").read_text("utf-8"))
    assert not [w for w in ("clerk@", "K00", "charged twice") for text in texts if w in text]
    metrics = client.get("/metrics").text
    assert 'service_decisions_total{mode="model",outcome="propose"' in metrics
    assert client.get("/health").json() == {"status": "ok"}


def test_production_needs_approvals(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service does not start with a release that nobody approved."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "a-secret-of-more-than-thirty-two-characters")
    with pytest.raises(governance.NotApproved, match="approv"), TestClient(api.create(rebuilt)):
        pass
