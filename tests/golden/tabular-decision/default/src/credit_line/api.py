"""The decision service: `make serve`, then open /docs.

It does not authenticate: put it behind a gateway that does, and that sets X-Actor to the address of
the person who calls, and X-Roles to their roles, separated by commas. What a role may do stands in
governance/access.yaml. It trusts these headers of whoever reaches it: never expose it without the
gateway. `make serve` listens on this machine only, the image on every address.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .controls import access
from .controls.access import Access, AccessRefused
from .controls.audit import EventType, in_production, open_log
from .controls.governance import check_serving, release_findings
from .controls.packages import Package, ReleaseRefused
from .controls.paths import Paths
from .controls.release import Decide, Desk, Erased, Metrics, NotReleased, UnknownDecision
from .controls.switch import switch_of
from .decision import APPROVE, DECLINE, ApplicationRefused, Decider

SYSTEM = __package__ or "system"
# The classes of governance/access.yaml: what was decided and why, and what people applied with.
DECISIONS, APPLICATIONS = "decisions", "applications"
Roles = Annotated[str, Header(min_length=1, max_length=200)]
REQUEST_ID = re.compile(r"[\w.-]{1,64}")
# What JSON carries exactly (no lone surrogates, NaN or infinity): the audit log takes nothing else.
Text = Annotated[str, AfterValidator(lambda text: text.encode().decode())]
Whole = Annotated[int, Field(ge=1 - 2**53, le=2**53 - 1)]
Real = Annotated[float, Field(allow_inf_nan=False)]


class Application(BaseModel):
    """Who applies, and the application by columns of the data contract."""

    model_config = ConfigDict(extra="forbid")

    applicant: Annotated[Text, Field(min_length=1, max_length=100)]
    application: dict[Text, Text | Whole | Real | None]


class Override(BaseModel):
    """What a person decided instead, and why. Keep names out of the reason: it is logged."""

    model_config = ConfigDict(extra="forbid")

    outcome: Text
    reason: Annotated[Text, Field(min_length=10, max_length=2000)]


class NotApproved(RuntimeError):
    """In production only a model serves whose approvals hold."""


def create(paths: Paths | None = None) -> FastAPI:
    """The application; uvicorn calls it. It opens model and audit log when it starts."""
    app = FastAPI(title=f"Decisions of {SYSTEM}", lifespan=_lifespan(paths or Paths.here()))
    app.middleware("http")(_with_request_id)
    app.add_exception_handler(NotReleased, _answer(503))
    app.add_exception_handler(AccessRefused, _answer(403, "your roles do not allow this"))
    app.add_exception_handler(ApplicationRefused, _answer(422))
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(ReleaseRefused, _answer(409))
    app.add_exception_handler(UnknownDecision, _answer(404, "there is no such decision"))
    app.add_exception_handler(Erased, _answer(410, "the application was erased"))
    _decisions(app)
    _operations(app)
    return app


def _lifespan(paths: Paths) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        decider = Decider.of(paths)
        if in_production(os.environ):
            _refuse_unapproved(paths, decider.package)
        with open_log(paths, "service") as log:
            switch = switch_of(paths)
            app.state.rules = access.load(paths.governance / "access.yaml")
            app.state.desk = Desk(
                log=log,
                switch=switch,
                decide=_decide(decider),
                earlier=lambda version: _decide(Decider.of(paths, version)),
                store=paths.var / "decisions",
                metrics=Metrics(SYSTEM, switch),
                outcomes=(APPROVE, DECLINE),
                absent={"probability": None},
                refusals=(ApplicationRefused,),
            )
            facts = {"action": "service started", "model": decider.package.digest}
            log.record(EventType.DEPLOYMENT, decider.package.version, facts)
            yield

    return run


def _decide(decider: Decider) -> Decide:
    return lambda application: decider.decide(application).content()


def _refuse_unapproved(paths: Paths, package: Package) -> None:
    found = release_findings(paths, datetime.now(UTC).date())
    if found := [*found, *check_serving(paths, package.version, package.digest)]:
        raise NotApproved("\n".join(["not released for production:", *map(str, found)]))


def _decisions(app: FastAPI) -> None:
    """Decide, look up and replay, override."""

    @app.post("/decisions", status_code=201)
    def decide(body: Application, request: Request, x_roles: Roles) -> dict[str, Any]:
        """Outcome (approve, refer, decline) with reasons, once the audit event is on disk."""
        _require(request, x_roles, "decide", APPLICATIONS)
        desk: Desk = request.app.state.desk
        return desk.release(body.applicant, body.application, request.state.id)

    @app.get("/decisions/{decision_id}")
    def look_up(
        decision_id: uuid.UUID, request: Request, x_roles: Roles, replay: bool = False
    ) -> dict[str, Any]:
        """The recorded decision with its overrides; with `replay` it is decided again."""
        _require(request, x_roles, "read", APPLICATIONS if replay else DECISIONS)
        desk: Desk = request.app.state.desk
        return desk.replay(str(decision_id)) if replay else desk.recorded(str(decision_id))

    @app.post("/decisions/{decision_id}/override", status_code=201)
    def override(
        decision_id: uuid.UUID,
        body: Override,
        request: Request,
        x_actor: Annotated[str, Header(min_length=3, max_length=100)],
        x_roles: Roles,
    ) -> dict[str, Any]:
        """A person decides otherwise; recorded with the reason."""
        _require(request, x_roles, "override", DECISIONS)
        desk: Desk = request.app.state.desk
        try:
            return desk.override(str(decision_id), body.outcome, body.reason, x_actor)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error


def _require(request: Request, roles: str, action: str, class_: str) -> None:
    """AccessRefused, before anything is looked up, unless one of the roles may do this."""
    rules: Access = request.app.state.rules
    if class_ not in rules.cleared((role.strip() for role in roles.split(",")), action):
        raise AccessRefused(f"{action} {class_}")


def _operations(app: FastAPI) -> None:
    """Health, readiness and metrics."""

    @app.get("/health")
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/ready")
    def ready(request: Request) -> dict[str, Any]:
        """Model and audit log are open; `stopped` tells whether people decide at present."""
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
    known = {*Application.model_fields, *Override.model_fields, "decision_id", "replay"}
    known |= {"x-actor", "x-roles"}
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    places = {(fault["type"], *known.intersection(fault["loc"])) for fault in faults}
    return JSONResponse({"detail": sorted(": ".join(place) for place in places)}, 422)
