"""The service of the desk: `make serve`, then open /docs.

It does not authenticate: put it behind a gateway that does, and that sets X-Actor to the address
of the person and X-Roles to their roles, separated by commas. It trusts these headers of
whoever reaches it: never expose it without the gateway. `make serve` listens on this machine only,
the image on every address.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from . import assistant, records
from .assistant import SEALED, Assistant
from .cases import PROPOSE, REFER, Bank
from .controls import llm, releases
from .controls.access import AccessRefused
from .controls.agent import Guard, NotApproved, replay
from .controls.agent.rules import READ
from .controls.audit import (
    PayloadErased,
    Pseudonym,
    open_log,
    read_events,
)
from .controls.governance import refuse_unapproved
from .controls.paths import Paths
from .controls.release import Decide, Desk, Erased, Metrics, UnknownDecision
from .controls.releases import ReleaseRefused
from .controls.service import Actor, Reason, Roles, Text, overridden, service, split
from .controls.switch import switch_of

SYSTEM = __package__ or "system"
OVERRIDE, CASES = "override", "cases"
FORBIDDEN = ("SAME_PERSON", "NOT_ENTITLED")
# The rest of a decision that no agent came to.
ABSENT: Mapping[str, Any] = {"answer": {"summary": ""}, "proposals": [], "run": "", "agent": ""}


class Reasoned(BaseModel):
    """Why. Keep names out of it: it is logged."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Decision(Reasoned):
    """The digest of what was looked at, as GET /proposals shows it, and whether it may happen."""

    digest: Text
    approve: bool


class Override(Reasoned):
    """What a person decided instead: propose or refer."""

    outcome: Text


def create(paths: Paths | None = None) -> FastAPI:
    """The application; uvicorn calls it. It opens release and audit log when it starts."""
    answers = {
        AccessRefused: (403, "your roles allow nothing here"),
        UnknownDecision: (404, "there is no such decision"),
        Erased: (410, "the content was erased"),
        PayloadErased: (410, "the content was erased"),
        ReleaseRefused: (409, "this cannot be replayed here"),
    }
    title, lifespan = f"Desk of {SYSTEM}", _lifespan(paths or Paths.here())
    app = service(title, lifespan, answers, [Decision, Override])
    app.add_exception_handler(NotApproved, _not_approved)
    _decisions(app)
    _proposals(app)
    return app


def _lifespan(paths: Paths) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        book = records.admitted(paths)
        by, bank = assistant.connected(os.environ), Bank(book, paths.var / "bank.db")
        with llm.Traces(paths, f"{SYSTEM}-service") as traces, open_log(paths, "service") as log:
            switch = switch_of(paths)
            guard = assistant.guard_of(paths, log, switch, bank, traces)
            worker = assistant.of_release(paths, releases.load(paths), guard, bank, by)
            refuse_unapproved(paths, worker.version, worker.digest)
            app.state.guard, app.state.bank = guard, bank
            app.state.desk = Desk(
                log=log,
                switch=switch,
                decide=_decide(worker, bank),
                earlier=lambda version: _again(guard),
                store=paths.var / "decisions",
                metrics=Metrics(SYSTEM, switch),
                outcomes=(PROPOSE,),
                absent=ABSENT,
                sealed=SEALED,
            )
            yield
        bank.close()

    return run


def _decide(worker: Assistant, bank: Bank) -> Decide:
    def decide(case: Any) -> dict[str, Any]:
        customer = bank.cases[case["case_id"]].customer_id
        requester = Pseudonym(case["requester"])
        roles = tuple(case["roles"])
        return worker.work(case["run"], case["case_id"], customer, requester, roles)

    return decide


def _again(guard: Guard) -> Decide:
    """The recorded run, judged again from the audit trail: no model and no tool is called."""

    def decide(case: Any) -> dict[str, Any]:
        events = list(read_events(guard.log.path))
        found = replay.replay(events, guard.log.payloads.read, case["run"])
        if not found.same:
            raise ReleaseRefused(str(found))
        said = {"summary": _summary(guard, events, case["run"])}
        who = {"agent": found.agent, "generated": found.generated}
        return {"run": found.run, "answer": said, **who}

    return decide


def _summary(guard: Guard, events: list[dict[str, Any]], run: str) -> str:
    """What the agent concluded, as the trail holds it."""
    own = [e for e in events if e["data"].get("run") == run and e["data"].get("kind") == "end"]
    return str(guard.log.payloads.read(own[-1]["id"])["output"].get("summary", ""))


def _decisions(app: FastAPI) -> None:
    """Have a case prepared, look a decision up, replay it, override it."""

    @app.post("/cases/{case_id}/runs", status_code=201)
    def prepare(case_id: str, request: Request, x_actor: Actor, x_roles: Roles) -> dict[str, Any]:
        """What the agent proposes, or that a person has to look, once that is on record."""
        desk: Desk = request.app.state.desk
        roles = _entitled(request, x_roles, READ)
        bank: Bank = request.app.state.bank
        if case_id not in bank.cases:
            raise HTTPException(404, "there is no such case")
        who = request.app.state.guard.who(x_actor)
        case = {"run": f"run-{uuid.uuid4()}", "case_id": case_id, "requester": who}
        customer = bank.cases[case_id].customer_id
        return desk.release(customer, {**case, "roles": roles}, request.state.id)

    @app.get("/decisions/{decision_id}")
    def look_up(
        decision_id: uuid.UUID, request: Request, x_roles: Roles, replay: bool = False
    ) -> dict[str, Any]:
        """The recorded decision; with `replay`, each verdict of its run is judged again."""
        _entitled(request, x_roles, READ)
        desk: Desk = request.app.state.desk
        return desk.replay(str(decision_id)) if replay else desk.recorded(str(decision_id))

    @app.post("/decisions/{decision_id}/override", status_code=201)
    def override(
        decision_id: uuid.UUID, body: Override, request: Request, x_actor: Actor, x_roles: Roles
    ) -> dict[str, Any]:
        """The desk decides otherwise; recorded with the reason. To refer voids what waits of the
        run: `withdrawn` names it. What was done stays done.
        """
        roles = _entitled(request, x_roles, OVERRIDE)
        desk: Desk = request.app.state.desk
        guard: Guard = request.app.state.guard
        with guard.lock:
            said = overridden(desk, decision_id, body.outcome, body.reason, x_actor)
            run = desk.recorded(str(decision_id))["run"]
            void = guard.withdraw(run, x_actor, roles) if body.outcome == REFER else []
        return {**said, "withdrawn": void}


def _proposals(app: FastAPI) -> None:
    """What waits for a person, and what the person says."""

    @app.get("/proposals")
    def waiting(request: Request, x_actor: Actor, x_roles: Roles) -> list[dict[str, Any]]:
        """The proposals that these roles may decide, and one's own, with their very arguments."""
        guard: Guard = request.app.state.guard
        roles, who = split(x_roles), guard.who(x_actor)
        return [
            guard.shown(one)
            for one in guard.waiting()
            if who == one.requester or guard.may_approve(one, roles)
        ]

    @app.post("/proposals/{proposal}/decision", status_code=201)
    def decide(
        proposal: str, body: Decision, request: Request, x_actor: Actor, x_roles: Roles
    ) -> dict[str, Any]:
        """Another person than the requester lets it happen, exactly as it stands, or rejects it."""
        guard: Guard = request.app.state.guard
        try:
            return guard.decide(
                proposal, x_actor, split(x_roles), body.digest, body.approve, body.reason
            )
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    @app.post("/proposals/settle", status_code=201)
    def settle(request: Request, x_actor: Actor, x_roles: Roles) -> list[dict[str, Any]]:
        """Finish what was approved and is not known to be done, for example after a crash."""
        roles = _entitled(request, x_roles, OVERRIDE)
        guard: Guard = request.app.state.guard
        return guard.settle(x_actor, roles)


def _entitled(request: Request, roles: str, action: str) -> list[str]:
    """The roles, where they may do that with cases; else AccessRefused."""
    held = split(roles)
    guard: Guard = request.app.state.guard
    if not guard.access.may(held, action, CASES):
        raise AccessRefused(f"nobody with these roles may {action} cases")
    return held


def _not_approved(request: Request, error: Exception) -> JSONResponse:
    """Why it does not take place, as a code and in words."""
    reason = error.reason if isinstance(error, NotApproved) else ""
    status = 404 if reason == "NO_PROPOSAL" else 403 if reason in FORBIDDEN else 409
    return JSONResponse({"reason": reason, "detail": str(error)}, status)
