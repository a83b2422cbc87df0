"""The answering service: `make serve`, then open /docs.

It does not authenticate: put it behind a gateway that does, and that sets X-Actor to the address of
the person who asks and X-Roles to their roles, separated by commas. It trusts these headers of
whoever reaches it: never expose it without the gateway. `make serve` listens on this machine only,
the image on every address.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from . import answering
from .answering import ABSTAINED, ANSWERED, SEALED, Assistant
from .controls import access, llm
from .controls.access import Access, AccessRefused
from .controls.audit import EventType, open_log
from .controls.governance import refuse_unapproved
from .controls.paths import Paths
from .controls.release import REFER, Decide, Desk, Erased, Metrics, UnknownDecision
from .controls.releases import ReleaseRefused
from .controls.service import Actor, Reason, Roles, Text, overridden, service, split
from .controls.switch import switch_of
from .quality import READ

SYSTEM = __package__ or "system"
OVERRIDE = "override"
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


class Reasoned(BaseModel):
    """Why a person is to answer. Keep names out of it: it is logged."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Override(Reasoned):
    """What a person decided instead: answered, abstained or refer."""

    outcome: Text


def create(paths: Paths | None = None) -> FastAPI:
    """The application; uvicorn calls it. It opens release and audit log when it starts."""
    answers = {
        ReleaseRefused: (409, "this answer cannot be replayed here"),
        AccessRefused: (403, "your roles allow nothing here"),
        UnknownDecision: (404, "there is no such answer"),
        Erased: (410, "the question was erased"),
    }
    title, lifespan = f"Answers of {SYSTEM}", _lifespan(paths or Paths.here())
    app = service(title, lifespan, answers, [Question, Override])
    _answers(app)
    return app


def _lifespan(paths: Paths) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        plain, embed = answering.connected(os.environ)
        with llm.Traces(paths, f"{SYSTEM}-service") as traces, open_log(paths, "service") as log:
            chat = traces.watched(plain)
            assistant = Assistant.of(paths, chat, None, embed)
            refuse_unapproved(paths, assistant.version, assistant.digest)
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


def _answers(app: FastAPI) -> None:
    """Ask, look up and replay, hand over to a person, override."""

    @app.post("/answers", status_code=201)
    def ask(body: Question, request: Request, x_actor: Actor, x_roles: Roles) -> dict[str, Any]:
        """An answer with citations, or why there is none, once the audit event is on disk."""
        desk: Desk = request.app.state.desk
        classes = sorted(_cleared(request, x_roles, READ))
        case = {"question": desk.log.privacy.redact_text(body.question), "classes": classes}
        return desk.release(desk.log.privacy.actor(x_actor), case, request.state.id)

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
        answer_id: uuid.UUID, body: Reasoned, request: Request, x_actor: Actor, x_roles: Roles
    ) -> dict[str, Any]:
        """Whoever asked wants a person to answer; recorded, and counted as an override."""
        _recorded(request, answer_id, x_actor, x_roles)
        desk: Desk = request.app.state.desk
        return overridden(desk, answer_id, REFER, body.reason, x_actor)

    @app.post("/answers/{answer_id}/override", status_code=201)
    def override(
        answer_id: uuid.UUID, body: Override, request: Request, x_actor: Actor, x_roles: Roles
    ) -> dict[str, Any]:
        """The policy desk decides otherwise; recorded with the reason."""
        recorded = _recorded(request, answer_id, x_actor, x_roles)
        if not _may_override(request, recorded, x_roles):
            raise AccessRefused("these classes may not be overridden with this role")
        desk: Desk = request.app.state.desk
        return overridden(desk, answer_id, body.outcome, body.reason, x_actor)


def _cleared(request: Request, roles: str, action: str) -> frozenset[str]:
    """The classes that the caller is cleared for; AccessRefused where that is nothing."""
    rules: Access = request.app.state.rules
    found = rules.cleared(split(roles), action)
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
    own = recorded["subject"] == desk.log.privacy.actor(actor)
    concerned = own or _may_override(request, recorded, roles)
    if not concerned or not set(recorded["cleared"]) <= cleared:
        raise UnknownDecision(str(answer_id))
    return recorded


def _may_override(request: Request, recorded: Mapping[str, Any], roles: str) -> bool:
    rules: Access = request.app.state.rules
    needed = recorded["cleared"] or rules.classes[:1]
    return all(rules.may(split(roles), OVERRIDE, class_) for class_ in needed)
