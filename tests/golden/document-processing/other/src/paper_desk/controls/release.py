"""Lets an outcome out only when its audit event is durable, and refers to a person when stopped."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .audit import AuditLog, AuditUnavailable, EventType, Pseudonym, canonical, read_events
from .switch import KillSwitch

# What is decided about: an application, a document, a question.
Case = Mapping[str, Any]
# Takes a case without identifiers; its answer is plain JSON data with an `outcome`.
Decide = Callable[[Case], Mapping[str, Any]]

REFER = "refer"


class NotReleased(RuntimeError):
    """The outcome was withheld, because its audit event could not be made durable."""


class UnknownDecision(LookupError):
    """No decision has this id."""


class Erased(LookupError):
    """The case of this decision was deleted, so that it cannot be replayed."""


class Metrics:
    """The metrics of the service, each with the label `system`, as ops/alerts-service.yml says."""

    def __init__(self, system: str, switch: KillSwitch) -> None:
        self.registry = CollectorRegistry()
        self._system = system
        self._decisions = self._counter("decisions", "released decisions", "outcome", "mode")
        self._overrides = self._counter("overrides", "decisions overridden by people")
        self._withheld = self._counter("withheld", "outcomes withheld for want of an audit event")
        self._faults = self._counter("faults", "failures of the model, each referred to a person")
        self._seconds = Histogram(
            "service_decision_seconds", "time of a decision", ["system"], registry=self.registry
        )
        stopped = Gauge(
            "service_stopped", "1 while the kill switch is on", ["system"], registry=self.registry
        )
        stopped.labels(system).set_function(lambda: float(switch.state().stopped))
        for counter in (self._overrides, self._withheld, self._faults):
            counter.labels(system)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"service_{name}", meaning, ["system", *labels], registry=self.registry)

    def released(self, outcome: str, mode: str, seconds: float) -> None:
        """Count a decision that went out, and the time that it took."""
        self._decisions.labels(self._system, outcome, mode).inc()
        self._seconds.labels(self._system).observe(seconds)

    def overridden(self) -> None:
        """Count a decision that a person overrode."""
        self._overrides.labels(self._system).inc()

    def withheld(self) -> None:
        """Count an outcome that could not be recorded."""
        self._withheld.labels(self._system).inc()

    def fault(self) -> None:
        """Count a failure of the model."""
        self._faults.labels(self._system).inc()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where decisions go out. `store` keeps each case, without identifiers, for replay.

    `decide` is the model that serves, `earlier` gives the one of a version that was recorded;
    `outcomes` are what they may decide, besides to refer to a person: that is the fallback when
    the switch is on or the model fails, and `absent` is the rest of such an answer. Only an error
    among `refusals` is the case's own fault and goes back to the caller, undecided.
    """

    log: AuditLog
    switch: KillSwitch
    decide: Decide
    earlier: Callable[[str], Decide]
    store: Path
    metrics: Metrics
    outcomes: tuple[str, ...]
    absent: Mapping[str, Any] = field(default_factory=dict)
    refusals: tuple[type[Exception], ...] = ()

    def release(self, person: str, case: Case, request: str = "") -> dict[str, Any]:
        """Decide, record, and only then return the decision with its id.

        `person` is whom it is about, and is written as a pseudonym only. Raises NotReleased,
        and what is among `refusals`.
        """
        started = time.perf_counter()
        kept = self.without_identifiers(case)
        mode, answer = self._answer(kept)
        decision = {"decision_id": str(uuid.uuid4()), "mode": mode, **answer}
        self._record(person, {**decision, "request_id": request}, kept)
        self.metrics.released(str(decision["outcome"]), mode, time.perf_counter() - started)
        return decision

    def without_identifiers(self, case: Case) -> dict[str, Any]:
        """What the model may see and the store may keep."""
        hidden = self.log.privacy.fields
        return {name: value for name, value in case.items() if name.lower() not in hidden}

    def _answer(self, case: Case) -> tuple[str, Mapping[str, Any]]:
        """The mode (model, stopped, fault) and the answer; whatever goes wrong is referred."""
        if self.switch.state().stopped:
            return "stopped", self._referral("the model is switched off")
        try:
            answer = self.decide(case)
            if answer["outcome"] not in (*self.outcomes, REFER):
                raise ValueError(f"unknown outcome {answer['outcome']!r}")
        except self.refusals:
            raise
        except Exception:
            self.metrics.fault()
            return "fault", self._referral("the model could not decide")
        return "model", answer

    def _referral(self, why: str) -> dict[str, Any]:
        reason = {"code": "REFERRED", "text": f"A person will decide: {why}."}
        return {**self.absent, "outcome": REFER, "reasons": [reason], "model_version": None}

    def _record(self, person: str, data: Mapping[str, Any], kept: Case) -> None:
        file = self._file(data["decision_id"])
        try:
            _write_durably(file, canonical(kept))
            digest = self.log.privacy.digest(kept)
            self.log.record(EventType.DECISION, person, {**data, "input": digest})
        except (AuditUnavailable, OSError, ValueError) as error:
            file.unlink(missing_ok=True)
            self.metrics.withheld()
            raise NotReleased("the decision cannot be recorded, so it is withheld") from error

    def recorded(self, decision_id: str) -> dict[str, Any]:
        """The audited decision, its time, and its overrides in order. Raises UnknownDecision."""
        decision, *overrides = self._events(decision_id)
        return {
            **decision["data"],
            "time": decision["time"],
            "overrides": [event["data"] for event in overrides],
        }

    def _events(self, decision_id: str) -> list[dict[str, Any]]:
        """The decision event and its overrides, from the log: the one source of what happened."""
        events = read_events(self.log.path)
        found = [event for event in events if event["data"].get("decision_id") == decision_id]
        if not found:
            raise UnknownDecision(decision_id)
        return found

    def replay(self, decision_id: str) -> dict[str, Any]:
        """Let the recorded model decide again on the kept case: is the answer the `same`?

        `same` is None where the model did not decide (`mode` is stopped or fault). Raises
        UnknownDecision, and Erased where the case was deleted.
        """
        recorded = self.recorded(decision_id)
        if recorded["mode"] != "model":
            return {"recorded": recorded, "replayed": None, "same": None}
        try:
            kept = json.loads(self._file(decision_id).read_bytes())
        except FileNotFoundError as error:
            raise Erased(decision_id) from error
        decide = self.earlier(recorded["model_version"])
        replayed = json.loads(canonical(self.log.privacy.redact(decide(kept))))
        same = all(recorded.get(name) == value for name, value in replayed.items())
        unchanged = self.log.privacy.digest(kept) == recorded["input"]
        return {"recorded": recorded, "replayed": replayed, "same": same and unchanged}

    def override(self, decision_id: str, outcome: str, reason: str, actor: str) -> dict[str, Any]:
        """Record that a person decided otherwise, and why.

        Raises UnknownDecision, NotReleased, and ValueError for an outcome or reason that is none.
        """
        known = (*self.outcomes, REFER)
        if outcome not in known or not reason.strip():
            raise ValueError(f"give a reason, and an outcome among {', '.join(known)}")
        events = self._events(decision_id)
        last = events[-1]["data"]
        data = {
            "decision_id": decision_id,
            "from": last.get("to", last.get("outcome")),
            "to": outcome,
            "reason": reason,
            "actor": self.log.privacy.pseudonym(actor),
        }
        try:
            self.log.record(EventType.OVERRIDE, Pseudonym(events[0]["subject"]), data)
        except AuditUnavailable as error:
            self.metrics.withheld()
            raise NotReleased("the override cannot be recorded, so it does not count") from error
        self.metrics.overridden()
        return self.log.privacy.redact(data)

    def _file(self, decision_id: str) -> Path:
        return self.store / f"{uuid.UUID(decision_id)}.json"


def _write_durably(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
