"""The decision service: `make serve`, then open /docs.

It does not authenticate: put it behind a gateway that does, and that sets X-Actor to the address of
the person who calls, and X-Roles to their roles, separated by commas. What a role may do stands in
governance/access.yaml. It trusts these headers of whoever reaches it: never expose it without the
gateway. `make serve` listens on this machine only, the image on every address.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from .controls import access
from .controls.access import Access, AccessRefused
from .controls.audit import EventType, open_log
from .controls.governance import refuse_unapproved
from .controls.packages import ReleaseRefused
from .controls.paths import Paths
from .controls.release import Decide, Desk, Erased, Metrics, UnknownDecision
from .controls.service import (
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
from .controls.switch import switch_of
from .decision import APPROVE, DECLINE, ApplicationRefused, Decider

SYSTEM = __package__ or "system"
# The classes of governance/access.yaml: what was decided and why, and what people applied with.
DECISIONS, APPLICATIONS = "decisions", "applications"


class Application(BaseModel):
    """Who applies, and the application by columns of the data contract."""

    model_config = ConfigDict(extra="forbid")

    applicant: Annotated[Text, Field(min_length=1, max_length=100)]
    application: dict[Text, Text | Whole | Real | Flag | None]


class Override(BaseModel):
    """What a person decided instead, and why. Keep names out of the reason: it is logged."""

    model_config = ConfigDict(extra="forbid")

    outcome: Text
    reason: Reason


def create(paths: Paths | None = None) -> FastAPI:
    """The application; uvicorn calls it. It opens model and audit log when it starts."""
    answers = {
        AccessRefused: (403, "your roles do not allow this"),
        ApplicationRefused: (422, ""),
        ReleaseRefused: (409, ""),
        UnknownDecision: (404, "there is no such decision"),
        Erased: (410, "the application was erased"),
    }
    title, lifespan = f"Decisions of {SYSTEM}", _lifespan(paths or Paths.here())
    app = service(title, lifespan, answers, [Application, Override])
    _decisions(app)
    return app


def _lifespan(paths: Paths) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        decider = Decider.of(paths)
        refuse_unapproved(paths, decider.package.version, decider.package.digest)
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
        x_actor: Actor,
        x_roles: Roles,
    ) -> dict[str, Any]:
        """A person decides otherwise; recorded with the reason."""
        _require(request, x_roles, "override", DECISIONS)
        desk: Desk = request.app.state.desk
        return overridden(desk, decision_id, body.outcome, body.reason, x_actor)


def _require(request: Request, roles: str, action: str, class_: str) -> None:
    """AccessRefused, before anything is looked up, unless one of the roles may do this."""
    rules: Access = request.app.state.rules
    if class_ not in rules.cleared(split(roles), action):
        raise AccessRefused(f"{action} {class_}")
