"""What each service does alike: request ids, health and metrics, and errors that name nobody."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .audit import AuditUnavailable
from .release import Desk, NotReleased, RecordChanged, Unreadable

# What JSON carries exactly (no lone surrogates, NaN or infinity): the audit log takes nothing else.
Text = Annotated[str, AfterValidator(lambda text: text.encode().decode())]
Whole = Annotated[int, Field(strict=True, ge=1 - 2**53, le=2**53 - 1)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# Yes or no, which is no figure: `true` must not become a 1.
Flag = Annotated[bool, Field(strict=True)]
# Why a person decided: blanks around it do not count. Keep names out of it: it is logged.
Reason = Annotated[Text, AfterValidator(str.strip), Field(min_length=10, max_length=2000)]
# Who calls, and their roles, separated by commas: set by the gateway, and trusted.
Actor = Annotated[str, Header(min_length=3, max_length=100)]
Roles = Annotated[str, Header(min_length=1, max_length=200)]
LARGEST_BODY = 2**20  # bytes; whoever takes in files says how large they may be
REQUEST_ID = re.compile(r"[\w.-]{1,64}")
LOGGER = logging.getLogger(__name__)
FAILED = "something went wrong here; the service's log has it under this request id"
# The parts of a request whose names the service gave; a body may hold names of its sender.
DECLARED = ("path", "query", "header")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Answers = Mapping[type[Exception], tuple[int, str]]
UNRECORDED: Answers = {
    NotReleased: (503, ""),
    RecordChanged: (503, ""),
    Unreadable: (410, "what was kept of the case cannot be read any more"),
    AuditUnavailable: (503, "it cannot be recorded, so it does not count"),
}


def service(
    title: str,
    lifespan: Lifespan,
    answers: Answers,
    bodies: Collection[type[BaseModel]],
    largest: int = LARGEST_BODY,
) -> FastAPI:
    """An application with /health, /ready and /metrics; `lifespan` sets `app.state.desk`.

    `answers` gives the status of each error, and what is said: "" for the error's own words. A
    malformed request is told what is wrong in which field of `bodies`, never what was sent: that
    may identify a person. A body of more than `largest` bytes is refused, and not read to its end.
    """
    app = FastAPI(title=title, lifespan=lifespan)
    app.add_middleware(_Bounded, largest=largest)
    app.middleware("http")(_with_request_id)
    for error, (status, text) in {**UNRECORDED, **answers}.items():
        app.add_exception_handler(error, _answer(status, text))
    known = {name for body in bodies for name in body.model_fields}
    app.add_exception_handler(RequestValidationError, _malformed(known))
    _operations(app)
    return app


def split(roles: str) -> list[str]:
    """The roles that a caller has."""
    return [role.strip() for role in roles.split(",")]


def overridden(
    desk: Desk, decision_id: uuid.UUID, outcome: str, reason: str, actor: str
) -> dict[str, Any]:
    """The recorded override; 422 where outcome or reason is none."""
    try:
        return desk.override(str(decision_id), outcome, reason, actor)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


def _operations(app: FastAPI) -> None:
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


class _Bounded:
    """Ends a request whose body is larger than `largest` bytes with 413, whoever reads it."""

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self.app, self.largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.largest:
                raise HTTPException(413, f"more than {self.largest} bytes")
            return message

        await self.app(scope, counted, send)


async def _with_request_id(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Take the caller's X-Request-ID if it is a plain word, else make one; send it back.

    An error that nobody expected is logged under it, and says nothing of itself to the caller.
    """
    given = request.headers.get("x-request-id", "")
    request.state.id = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
    try:
        response = await call_next(request)
    except Exception:
        LOGGER.exception("request %s failed", request.state.id)
        response = JSONResponse({"detail": FAILED}, 500)
    response.headers["X-Request-ID"] = request.state.id
    return response


def _answer(status: int, text: str) -> Callable[[Request, Exception], JSONResponse]:
    def answer(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": text or str(error)}, status)

    return answer


def _malformed(known: Collection[str]) -> Callable[[Request, Exception], JSONResponse]:
    def named(place: tuple[int | str, ...]) -> list[str]:
        part, *names = map(str, place)
        return [name for name in names if part in DECLARED or name in known]

    def answer(request: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        told = {": ".join((fault["type"], *named(fault["loc"]))) for fault in faults}
        return JSONResponse({"detail": sorted(told)}, 422)

    return answer
