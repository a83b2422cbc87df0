"""A service answers for its health, and its errors repeat nothing of what was sent."""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from sme_loans.controls.audit import AuditLog, AuditUnavailable, Privacy
from sme_loans.controls.release import (
    Desk,
    Metrics,
    NotReleased,
    RecordChanged,
    UnknownDecision,
    Unreadable,
)
from sme_loans.controls.service import (
    FAILED,
    LARGEST_BODY,
    Actor,
    Flag,
    Real,
    Reason,
    Roles,
    Text,
    Whole,
    overridden,
    service,
    split,
)
from sme_loans.controls.switch import KillSwitch

WHO = {"X-Actor": "desk@example.org", "X-Roles": "desk, owner"}
UNKNOWN = uuid.UUID(int=4)


class Closed(Exception):
    """An error of the use case."""


class Letter(BaseModel):
    """What somebody sends in."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[Text, Field(min_length=3)]
    figures: dict[Text, Text | Whole | Real] = {}


class Note(BaseModel):
    """What a person says of one."""

    reason: Reason
    urgent: Flag = False


def decide(case: Mapping[str, Any]) -> dict[str, Any]:
    """Always the same."""
    return {"outcome": "answered", "model_version": "v1"}


def routes(app: FastAPI) -> None:
    """A service as small as one can be."""

    @app.post("/letters")
    def take(body: Letter, x_actor: Actor, x_roles: Roles) -> dict[str, Any]:
        return {"roles": split(x_roles), "figures": body.figures, "actor": x_actor}

    @app.get("/letters/{letter_id}")
    def look_up(letter_id: uuid.UUID, request: Request, most: int = 1) -> dict[str, Any]:
        desk: Desk = request.app.state.desk
        return desk.recorded(str(letter_id))

    @app.post("/letters/{letter_id}/override")
    def override(letter_id: uuid.UUID, body: Letter, request: Request) -> dict[str, Any]:
        desk: Desk = request.app.state.desk
        return overridden(desk, letter_id, body.subject, "seen on the page", "desk@example.org")

    @app.post("/notes")
    def note(body: Note) -> dict[str, Any]:
        return body.model_dump()

    @app.get("/failing/{error}")
    def fail(error: str) -> None:
        known = (NotReleased, AuditUnavailable, Closed, RecordChanged, Unreadable, KeyError)
        raise {one.__name__: one for one in known}[error]("its own words")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with a log and a switch of its own."""
    switch = KillSwitch(tmp_path / "kill-switch.json")
    metrics = Metrics("sme_loans", switch)
    with AuditLog(tmp_path / "a.jsonl", "/s", Privacy(b"key", frozenset())) as log:
        store = tmp_path / "decisions"
        yield Desk(log, switch, decide, lambda _: decide, store, metrics, ("answered",))


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    """The service, started."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.desk = desk
        yield

    answers = {
        UnknownDecision: (404, "there is no such letter"),
        Closed: (409, ""),
    }
    app = service("Letters", lifespan, answers, [Letter, Note])
    routes(app)
    with TestClient(app, headers=WHO) as running:
        yield running


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_body_that_is_too_large_is_refused(client: TestClient, in_parts: bool) -> None:
    """Whether it says how large it is or not: nobody fills the memory of a service."""
    parts = [b'{"subject": "', b"x" * LARGEST_BODY, b'"}']
    content = iter(parts) if in_parts else b"".join(parts)
    response = client.post("/letters", content=content, headers={"content-type": "text/json"})
    told = {"detail": f"more than {LARGEST_BODY} bytes"}
    assert (response.status_code, response.json()) == (413, told)
    assert response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("r-1", True), ("a" * 64, True), ("a b\t", False), ("x" * 65, False), ("", False)],
)
def test_a_request_keeps_its_id_if_it_is_a_plain_word(
    client: TestClient, given: str, kept: bool
) -> None:
    """Anything else is replaced by an id that names nobody."""
    back = client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert back == given if kept else uuid.UUID(back).version == 4


def test_health_readiness_and_metrics(client: TestClient, desk: Desk) -> None:
    """A stopped system is healthy and ready: people decide."""
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready", "stopped": False}
    desk.switch.stop("drill", "duty@example.org")
    assert client.get("/ready").json() == {"status": "ready", "stopped": True}
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'service_stopped{system="sme_loans"} 1.0' in metrics.text


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        ("NotReleased", 503, "its own words"),
        ("AuditUnavailable", 503, "it cannot be recorded, so it does not count"),
        ("Closed", 409, "its own words"),
        ("RecordChanged", 503, "its own words"),
        ("Unreadable", 410, "what was kept of the case cannot be read any more"),
    ],
)
def test_errors_have_a_status_and_words(
    client: TestClient, error: str, status: int, detail: str
) -> None:
    """Those of the use case, and those of every service."""
    response = client.get(f"/failing/{error}")
    assert (response.status_code, response.json()) == (status, {"detail": detail})


def test_an_error_that_nobody_expected_is_in_the_log_under_its_request(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the request id, and nothing of the error."""
    response = client.get("/failing/KeyError", headers={"X-Request-ID": "r-7"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (500, "r-7")
    assert response.json() == {"detail": FAILED}
    (logged,) = [record for record in caplog.records if record.name.endswith("controls.service")]
    assert logged.getMessage() == "request r-7 failed" and logged.exc_info


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"reason": "  seen on the page  "}, {"reason": "seen on the page", "urgent": False}),
        ({"reason": "seen, page 1", "urgent": True}, {"reason": "seen, page 1", "urgent": True}),
        ({"reason": " " * 20}, {"detail": ["too_short: reason"]}),
        ({"reason": "   seen   " + " " * 9}, {"detail": ["too_short: reason"]}),
        ({"reason": "seen on the page", "urgent": 1}, {"detail": ["bool_type: urgent"]}),
    ],
)
def test_a_reason_is_words_and_a_flag_is_no_figure(
    client: TestClient, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    """Blanks are no reason."""
    assert client.post("/notes", json=body).json() == answer


def test_yes_and_no_are_no_figures(client: TestClient) -> None:
    """A `true` would be recorded as a 1."""
    for figure in (True, False):
        response = client.post("/letters", json={"subject": "rates", "figures": {"a": figure}})
        assert response.status_code == 422


def test_what_is_not_there(client: TestClient) -> None:
    """In the words of the use case, without the id that was asked for."""
    response = client.get(f"/letters/{UNKNOWN}")
    assert (response.status_code, response.json()["detail"]) == (404, "there is no such letter")


def test_an_override_with_an_outcome_that_is_none(client: TestClient, desk: Desk) -> None:
    """Refused in words; one that is known is recorded."""
    decision = desk.release("A100001", {"words": 3})["decision_id"]
    refused = client.post(f"/letters/{decision}/override", json={"subject": "burn it"})
    assert refused.status_code == 422
    assert "an outcome among answered, refer" in refused.json()["detail"]
    done = client.post(f"/letters/{decision}/override", json={"subject": "refer"})
    assert (done.json()["from"], done.json()["to"]) == ("answered", "refer")


def test_roles_and_figures_are_read(client: TestClient) -> None:
    """Roles are separated by commas; figures are what JSON carries exactly."""
    body = {"subject": "rates", "figures": {"a": 1, "b": 0.5, "c": "x"}}
    assert client.post("/letters", json=body).json() == {
        "roles": ["desk", "owner"],
        "figures": body["figures"],
        "actor": WHO["X-Actor"],
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"subject": "Ms Eve Example", "Eve Example": 1}', ["extra_forbidden"]),
        ('{"subject": "E"}', ["too_short: subject"]),
        ('{"subject": "\\ud800 Eve Example"}', ["value_error: subject"]),
        ("Eve Example", ["json_invalid"]),
        ("{}", ["missing: subject"]),
    ],
)
def test_a_malformed_body_is_not_repeated(client: TestClient, body: str, detail: list[str]) -> None:
    """What is wrong, in which declared field; a sender's own names are not declared."""
    headers = {"Content-Type": "application/json"}
    response = client.post("/letters", content=body, headers=headers)
    assert (response.status_code, response.json()["detail"]) == (422, detail)


@pytest.mark.parametrize("figure", ["NaN", "Infinity"])
def test_a_figure_that_json_does_not_carry_is_refused(client: TestClient, figure: str) -> None:
    """It would not come back from the audit log as it went in."""
    body = f'{{"subject": "rates", "figures": {{"Eve": {figure}}}}}'
    headers = {"Content-Type": "application/json"}
    response = client.post("/letters", content=body, headers=headers)
    assert response.status_code == 422
    assert all("figures" in one and "Eve" not in one for one in response.json()["detail"])


def test_a_malformed_place_is_named(client: TestClient) -> None:
    """Path, query and header are declared by the service."""
    path = client.get("/letters/Eve?most=Eve").json()["detail"]
    assert path == ["int_parsing: most", "uuid_parsing: letter_id"]
    header = client.post("/letters", json={"subject": "rates"}, headers={"X-Actor": "E"})
    assert header.json()["detail"] == ["string_too_short: x-actor"]
