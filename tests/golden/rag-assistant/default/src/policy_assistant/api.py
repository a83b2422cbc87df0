"""The answering service: `make serve`, then open /docs.

It does not authenticate: put it behind a gateway that does, and that sets X-Actor to the address of
the person who asks and X-Roles to their roles, separated by commas. It trusts these headers of
whoever reaches it: never expose it without the gateway. `make serve` listens on this machine only,
the image on every address.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from . import answering
from .answering import ABSTAINED, ANSWERED, SEALED, Assistant
from .controls import access, llm
from .controls.access import Access, AccessRefused
from .controls.audit import EventType, in_production, open_log
from .controls.governance import check_serving, release_findings
from .controls.paths import Paths
from .controls.release import REFER, Decide, Desk, Erased, Metrics, NotReleased, UnknownDecision
from .controls.releases import ReleaseRefused
from .controls.switch import switch_of
from .quality import READ

SYSTEM = __package__ or "system"
OVERRIDE = "override"
REQUEST_ID = re.compile(r"[\w.-]{1,64}")
# What JSON carries exactly: the audit log takes no lone surrogates.
Text = Annotated[str, AfterValidator(lambda text: text.encode().decode())]
Actor = Annotated[str, Header(min_length=3, max_length=100)]
Roles = Annotated[str, Header(min_length=1, max_length=200)]
# The rest of an answer that no assistant gave.
ABSENT: Mapping[str, Any] = {
    "answer": {"text": "", "quotes": [], "titles": {}},
    "citations": [],
    "confidence": None,
    "cleared": [],
}


class Question(BaseModel):
    """What somebody wants to know. Keep names out of it."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[Text, Field(min_length=3, max_length=1000)]


class Reason(BaseModel):
    """Why a person is to answer. Keep names out of it: it is logged."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Text, Field(min_length=10, max_length=2000)]


class Override(Reason):
    """What a person decided instead: answered, abstained or refer."""

    outcome: Text


class NotApproved(RuntimeError):
    """In production only a release serves whose approvals hold."""


def create(paths: Paths | None = None) -> FastAPI:
    """The application; uvicorn calls it. It opens release and audit log when it starts."""
    app = FastAPI(title=f"Answers of {SYSTEM}", lifespan=_lifespan(paths or Paths.here()))
    app.middleware("http")(_with_request_id)
    app.add_exception_handler(NotReleased, _answer(503))
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(ReleaseRefused, _answer(409, "this answer cannot be replayed here"))
    app.add_exception_handler(AccessRefused, _answer(403, "your roles allow nothing here"))
    app.add_exception_handler(UnknownDecision, _answer(404, "there is no such answer"))
    app.add_exception_handler(Erased, _answer(410, "the question was erased"))
    _answers(app)
    _operations(app)
    return app


def _lifespan(paths: Paths) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        plain, embed = answering.connected(os.environ)
        with llm.Traces(paths, f"{SYSTEM}-service") as traces, open_log(paths, "service") as log:
            chat = traces.watched(plain)
            assistant = Assistant.of(paths, chat, None, embed)
            if in_production(os.environ):
                _refuse_unapproved(paths, assistant)
            switch = switch_of(paths)
            app.state.rules = access.load(paths.governance / "access.yaml")
            app.state.desk = Desk(
                log=log,
                switch=switch,
                decide=_decide(assistant),
                earlier=lambda version: _decide(Assistant.of(paths, chat, version, embed)),
                store=paths.var / "decisions",
                metrics=Metrics(SYSTEM, switch),
                outcomes=(ANSWERED, ABSTAINED),
                absent=ABSENT,
                sealed=SEALED,
            )
            facts = {"action": "service started", "model": assistant.digest}
            log.record(EventType.DEPLOYMENT, assistant.version, facts)
            yield

    return run


def _decide(assistant: Assistant) -> Decide:
    def decide(case: Any) -> dict[str, Any]:
        found = assistant.answer(case["question"], case["classes"])
        return found.content(assistant, case["classes"])

    return decide


def _refuse_unapproved(paths: Paths, assistant: Assistant) -> None:
    found = release_findings(paths, datetime.now(UTC).date())
    if found := [*found, *check_serving(paths, assistant.version, assistant.digest)]:
        raise NotApproved("\n".join(["not released for production:", *map(str, found)]))


def _answers(app: FastAPI) -> None:
    """Ask, look up and replay, hand over to a person, override."""

    @app.post("/answers", status_code=201)
    def ask(body: Question, request: Request, x_actor: Actor, x_roles: Roles) -> dict[str, Any]:
        """An answer with citations, or why there is none, once the audit event is on disk."""
        desk: Desk = request.app.state.desk
        classes = sorted(_cleared(request, x_roles, READ))
        case = {"question": desk.log.privacy.redact_text(body.question), "classes": classes}
        return desk.release(x_actor, case, request.state.id)

    @app.get("/answers/{answer_id}")
    def look_up(
        answer_id: uuid.UUID,
        request: Request,
        x_actor: Actor,
        x_roles: Roles,
        replay: bool = False,
    ) -> dict[str, Any]:
        """The recorded answer, to who asked and to the policy desk; with `replay`, made again."""
        recorded = _recorded(request, answer_id, x_actor, x_roles)
        desk: Desk = request.app.state.desk
        return desk.replay(str(answer_id)) if replay else recorded

    @app.post("/answers/{answer_id}/handover", status_code=201)
    def hand_over(
        answer_id: uuid.UUID, body: Reason, request: Request, x_actor: Actor, x_roles: Roles
    ) -> dict[str, Any]:
        """Whoever asked wants a person to answer; recorded, and counted as an override."""
        _recorded(request, answer_id, x_actor, x_roles)
        desk: Desk = request.app.state.desk
        return _overridden(desk, answer_id, REFER, body.reason, x_actor)

    @app.post("/answers/{answer_id}/override", status_code=201)
    def override(
        answer_id: uuid.UUID, body: Override, request: Request, x_actor: Actor, x_roles: Roles
    ) -> dict[str, Any]:
        """The policy desk decides otherwise; recorded with the reason."""
        recorded = _recorded(request, answer_id, x_actor, x_roles)
        if not _may_override(request, recorded, x_roles):
            raise AccessRefused("these classes may not be overridden with this role")
        desk: Desk = request.app.state.desk
        return _overridden(desk, answer_id, body.outcome, body.reason, x_actor)


def _cleared(request: Request, roles: str, action: str) -> frozenset[str]:
    """The classes that the caller is cleared for; AccessRefused where that is nothing."""
    rules: Access = request.app.state.rules
    found = rules.cleared((role.strip() for role in roles.split(",")), action)
    if not found:
        raise AccessRefused(f"nobody with these roles may {action} anything")
    return found


def _recorded(request: Request, answer_id: uuid.UUID, actor: str, roles: str) -> dict[str, Any]:
    """The recorded answer, to who asked and to who may override it; to all others there is none.

    Both still have to be cleared for what the asker was cleared for.
    """
    desk: Desk = request.app.state.desk
    cleared = _cleared(request, roles, READ)
    recorded = desk.recorded(str(answer_id))
    own = recorded["subject"] == desk.log.privacy.pseudonym(actor)
    concerned = own or _may_override(request, recorded, roles)
    if not concerned or not set(recorded["cleared"]) <= cleared:
        raise UnknownDecision(str(answer_id))
    return recorded


def _may_override(request: Request, recorded: Mapping[str, Any], roles: str) -> bool:
    rules: Access = request.app.state.rules
    held = [role.strip() for role in roles.split(",")]
    needed = recorded["cleared"] or rules.classes[:1]
    return all(rules.may(held, OVERRIDE, class_) for class_ in needed)


def _overridden(
    desk: Desk, answer_id: uuid.UUID, outcome: str, reason: str, actor: str
) -> dict[str, Any]:
    try:
        return desk.override(str(answer_id), outcome, reason, actor)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


def _operations(app: FastAPI) -> None:
    """Health, readiness and metrics."""

    @app.get("/health")
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/ready")
    def ready(request: Request) -> dict[str, Any]:
        """Release and audit log are open; `stopped` tells whether people answer at present."""
        desk: Desk = request.app.state.desk
        return {"status": "ready", "stopped": desk.switch.state().stopped}

    @app.get("/metrics")
    def metrics(request: Request) -> Response:
        """Metrics in Prometheus' text format."""
        desk: Desk = request.app.state.desk
        return Response(generate_latest(desk.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _with_request_id(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Take the caller's X-Request-ID if it is a plain word, else make one; send it back."""
    given = request.headers.get("x-request-id", "")
    request.state.id = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
    response = await call_next(request)
    response.headers["X-Request-ID"] = request.state.id
    return response


def _answer(status: int, text: str = "") -> Callable[[Request, Exception], JSONResponse]:
    def answer(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": text or str(error)}, status)

    return answer


def _malformed(request: Request, error: Exception) -> JSONResponse:
    """What is wrong where, without what was sent: it may identify a person."""
    known = {"question", "reason", "outcome", "answer_id", "replay", "x-actor", "x-roles"}
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    places = {(fault["type"], *known.intersection(fault["loc"])) for fault in faults}
    return JSONResponse({"detail": sorted(": ".join(place) for place in places)}, 422)
