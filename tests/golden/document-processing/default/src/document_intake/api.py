"""The document service: hand in a document, work the review queue; `make serve`, then open /docs.

It does not authenticate: put it behind a gateway that does, and that sets X-Actor to the address of
the person who calls. It trusts this header of whoever reaches it: never expose it without the
gateway. `make serve` listens on this machine only, the image on every address. Values in clear are
in its answers, and nowhere else but in the originals.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from .checks import Register
from .controls.audit import EventType, open_log, read_events
from .controls.documents.reader import Bounds
from .controls.documents.records import OriginalChanged, OriginalGone
from .controls.governance import refuse_unapproved
from .controls.paths import Paths
from .controls.release import (
    Decide,
    Desk,
    Erased,
    Metrics,
    NotReleased,
    UnknownDecision,
)
from .controls.releases import ReleaseRefused
from .controls.review import (
    Item,
    NotYours,
    Queue,
    Task,
    UnknownTask,
    file_of,
    reconcile,
    unqueued,
    watch,
)
from .controls.service import Actor, Reason, Text, service
from .controls.switch import switch_of
from .intake import RELEASE, Processor, processor, reader_of
from .review import OUTCOMES, Correction, CorrectionRefused, corrected, review_item

SYSTEM = __package__ or "system"
LARGEST = Bounds().size


class Verdict(BaseModel):
    """What a person decided on a document. Keep names out of the reason: it is logged."""

    model_config = ConfigDict(extra="forbid")

    outcome: Text
    reason: Reason
    document_class: Text | None = None
    corrections: Annotated[
        dict[Text, Annotated[Text, Field(max_length=300)] | None], Field(max_length=40)
    ] = {}


@dataclass(frozen=True, slots=True)
class Office:
    """What the service works with: the desk that releases, the processor, and the queue."""

    desk: Desk
    serving: Processor
    queue: Queue

    def clear(self, decision: Mapping[str, Any]) -> dict[str, str]:
        """What was read, in clear: read anew from the original. Raises OriginalGone."""
        return dict(self.serving.process(decision["document_id"], decision["document"]).values)

    def lost(self) -> int:
        """How many referrals are in no queue."""
        return len(unqueued(self.queue, read_events(self.desk.log.path)))


def create(paths: Paths | None = None) -> FastAPI:
    """The application; uvicorn calls it. It opens model, queue and audit log when it starts."""
    answers = {
        ReleaseRefused: (409, ""),
        NotYours: (409, ""),
        OriginalChanged: (409, "the original was changed: tell security"),
        UnknownDecision: (404, "there is no such document"),
        UnknownTask: (404, "there is no such case"),
        OriginalGone: (410, "the original was deleted"),
        Erased: (410, "the case is not kept here, so that it cannot be read again"),
        CorrectionRefused: (422, ""),
    }
    title, lifespan = f"Documents of {SYSTEM}", _lifespan(paths or Paths.here())
    app = service(title, lifespan, answers, [Verdict], LARGEST)
    _documents(app)
    _reviews(app)
    return app


def _lifespan(paths: Paths) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as opened:
            reader = opened.enter_context(reader_of(os.environ))
            log = opened.enter_context(open_log(paths, "service"))
            register = Register(paths.var / "register.db")
            serving = processor(paths, reader, log.privacy, register=register)
            refuse_unapproved(paths, serving.version, serving.digest)
            switch = switch_of(paths)
            desk = Desk(
                log=log,
                switch=switch,
                decide=_decide(serving),
                earlier=lambda v: _decide(processor(paths, reader, log.privacy, v, register)),
                store=paths.var / "decisions",
                metrics=Metrics(SYSTEM, switch),
                outcomes=(RELEASE,),
                absent={"document_class": None, "confidence": 0.0, "fields": [], "findings": []},
                refusals=(OriginalGone, OriginalChanged),
            )
            queue = Queue(file_of(paths), log, OUTCOMES)
            office = Office(desk, serving, queue)
            reconcile(queue, list(read_events(log.path)), _item(desk))
            watch(desk.metrics.registry, SYSTEM, queue, office.lost)
            app.state.desk, app.state.office = desk, office
            facts = {"action": "service started", "model": serving.digest}
            log.record(EventType.DEPLOYMENT, serving.version, facts)
            yield

    return run


def _decide(serving: Processor) -> Decide:
    return lambda case: serving.process(case["document_id"], case["document"]).content()


def _item(desk: Desk) -> Callable[[Mapping[str, Any]], Item]:
    """The case for the queue that a recorded referral gives, with the document that was kept."""

    def item(event: Mapping[str, Any]) -> Item:
        kept = desk.store / f"{event['data']['decision_id']}.json"
        case = json.loads(kept.read_bytes()) if kept.exists() else {}
        return review_item(event["subject"], {**event["data"], **case})

    return item


def _documents(app: FastAPI) -> None:
    """Hand in a document, look it up."""

    @app.post("/documents", status_code=201)
    async def hand_in(request: Request) -> dict[str, Any]:
        """The body is a PDF file. Fields are in the answer only if the outcome is `release`."""
        content = await _body(request)
        office: Office = request.app.state.office
        return await run_in_threadpool(_handed_in, office, content, request.state.id)

    @app.get("/documents/{decision_id}")
    def look_up(decision_id: uuid.UUID, request: Request, replay: bool = False) -> dict[str, Any]:
        """The record without anything in clear; with `replay` the same version reads again."""
        desk: Desk = request.app.state.desk
        return desk.replay(str(decision_id)) if replay else desk.recorded(str(decision_id))


async def _body(request: Request) -> bytes:
    if content := await request.body():
        return content
    raise HTTPException(422, "the body is a PDF file")


def _handed_in(office: Office, content: bytes, request: str) -> dict[str, Any]:
    """Keep the original, decide, record; queue what is referred, give out what is released."""
    originals = office.serving.originals
    new = not originals.holds(content)
    digest = originals.put(content, datetime.now(UTC).date())
    document_id = str(uuid.uuid4())
    case = {"document_id": document_id, "document": digest}
    try:
        decision = office.desk.release(document_id, case, request)
    except NotReleased:
        # Nothing on record leads to a new one, so that nobody would find it again.
        if new and not any(digest in kept.read_text() for kept in office.desk.store.glob("*.json")):
            originals.forget(digest)
        raise
    if decision["outcome"] == RELEASE:
        return {**_public(decision), "values": office.clear(case)}
    office.queue.put([review_item(document_id, {**decision, **case})])
    return _public(decision)


def _public(decision: Mapping[str, Any]) -> dict[str, Any]:
    names = ("decision_id", "outcome", "document_class", "confidence", "reasons", "model_version")
    return {name: decision[name] for name in names}


def _reviews(app: FastAPI) -> None:
    """Work the queue: look, claim, see the original, decide."""

    @app.get("/reviews")
    def waiting(
        request: Request, most: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> list[dict[str, Any]]:
        """What waits for a person, the next one first; nothing in clear."""
        office: Office = request.app.state.office
        return [asdict(task) for task in office.queue.waiting()[:most]]

    @app.post("/reviews/claim")
    def claim_next(request: Request, x_actor: Actor) -> dict[str, Any] | None:
        """Take the next case: what was read, in clear, and why a person is asked. Or nothing."""
        office: Office = request.app.state.office
        task = office.queue.claim(x_actor)
        return _opened(office, task) if task else None

    @app.post("/reviews/{id}/claim")
    def claim(id: uuid.UUID, request: Request, x_actor: Actor) -> dict[str, Any]:
        """Take a case by its id."""
        office: Office = request.app.state.office
        task = office.queue.claim(x_actor, str(id))
        assert task is not None
        return _opened(office, task)

    @app.get("/reviews/{id}/original")
    def original(id: uuid.UUID, request: Request, x_actor: Actor) -> Response:
        """The original, for the person who has claimed the case."""
        office: Office = request.app.state.office
        task = office.queue.task(str(id))
        if task.claimed_by != office.desk.log.privacy.actor(x_actor):
            raise NotYours("claim it first")
        content = office.serving.originals.get(str(task.payload["document"]))
        return Response(content, media_type="application/pdf")

    @app.post("/reviews/{id}/decision", status_code=201)
    def decide(id: uuid.UUID, body: Verdict, request: Request, x_actor: Actor) -> dict[str, Any]:
        """Release, with corrections, or reject. Values come back once the decision counts."""
        return _decided(request.app.state.office, str(id), body, x_actor)


def _opened(office: Office, task: Task) -> dict[str, Any]:
    """A claimed case with what was read, in clear."""
    return {**asdict(task), "values": _proposed(office, task)}


def _proposed(office: Office, task: Task) -> dict[str, str]:
    """What was read, in clear; nothing where the model was not asked, as while it is stopped."""
    return office.clear(task.payload) if task.payload.get("fields") else {}


def _decided(office: Office, id: str, body: Verdict, actor: str) -> dict[str, Any]:
    task = office.queue.task(id)
    if body.outcome not in OUTCOMES:
        raise HTTPException(422, f"the outcome is one of {', '.join(OUTCOMES)}")
    made = Correction(str(task.payload.get("document_class")), {}, ())
    if body.outcome == RELEASE:
        known = office.serving.understanding
        proposed = _proposed(office, task)
        made = corrected(
            known, made.document_class, proposed, body.corrections, body.document_class
        )
    given = (body.outcome, body.reason, made.changes, made.reviewers)
    try:
        done = office.queue.decide(id, actor, *given)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    if done.outcome is not None:
        office.desk.metrics.overridden()
    answer = {"decision_id": id, "status": done.status, "outcome": done.outcome}
    if done.outcome != RELEASE:
        return answer
    return {**answer, "document_class": made.document_class, "values": dict(made.values)}
