"""Lets an outcome out only when its audit event is durable, and refers to a person when stopped."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .audit import (
    AuditLog,
    AuditUnavailable,
    EventType,
    Privacy,
    Pseudonym,
    canonical,
    read_events,
)
from .audit.events import chained_hash
from .switch import KillSwitch

# What is decided about: an application, a document, a question.
Case = Mapping[str, Any]
# Takes a case without identifiers; its answer is plain JSON data with an `outcome`.
Decide = Callable[[Case], Mapping[str, Any]]

REFER = "refer"
LOGGER = logging.getLogger(__name__)
CHANGED = "the record of this decision was changed: keep the log, tell security"
# What the store calls a case: the id of its decision.
NAMED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What a caller may call a request and find in the log as it is: a UUID, which names nobody.
REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class NotReleased(RuntimeError):
    """The outcome was withheld, because its audit event could not be made durable."""


class RecordChanged(RuntimeError):
    """What the log holds of a decision is not what was written: nobody may rely on it."""


class UnknownDecision(LookupError):
    """No decision has this id."""


class Erased(LookupError):
    """The case of this decision was deleted, so that it cannot be replayed."""


class Unreadable(Erased):
    """The case of this decision was kept, and what is left of it cannot be read."""


def sealed(privacy: Privacy, answer: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The answer as a log may hold it: of the fields named, a keyed digest and no value."""
    return {
        name: privacy.digest(value) if name in names else value for name, value in answer.items()
    }


class Metrics:
    """The metrics of the service, each with the label `system`, as ops/alerts-service.yml says."""

    def __init__(self, system: str, switch: KillSwitch) -> None:
        self.registry = CollectorRegistry()
        self._system = system
        self._decisions = self._counter("decisions", "released decisions", "outcome", "mode")
        self._overrides = self._counter("overrides", "decisions overridden by people")
        self._withheld = self._counter("withheld", "outcomes withheld for want of an audit event")
        self._tokens = self._counter("tokens", "tokens of a language model that answers took")
        self._faults = self._counter("faults", "failures of the model, each referred to a person")
        self._seconds = Histogram(
            "service_decision_seconds", "time of a decision", ["system"], registry=self.registry
        )
        stopped = Gauge(
            "service_stopped", "1 while the kill switch is on", ["system"], registry=self.registry
        )
        stopped.labels(system).set_function(lambda: float(switch.state().stopped))
        for counter in (self._overrides, self._withheld, self._faults, self._tokens):
            counter.labels(system)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"service_{name}", meaning, ["system", *labels], registry=self.registry)

    def released(self, outcome: str, mode: str, seconds: float) -> None:
        """Count a decision that went out, and the time that it took."""
        self._decisions.labels(self._system, outcome, mode).inc()
        self._seconds.labels(self._system).observe(seconds)

    def used(self, tokens: int) -> None:
        """Count what an answer has cost, whether or not it went out."""
        self._tokens.labels(self._system).inc(max(tokens, 0))

    def overridden(self) -> None:
        """Count a decision that a person overrode."""
        self._overrides.labels(self._system).inc()

    def withheld(self) -> None:
        """Count an outcome that could not be recorded."""
        self._withheld.labels(self._system).inc()

    def fault(self) -> None:
        """Count a failure of the model."""
        self._faults.labels(self._system).inc()

    def watch(self, log: AuditLog) -> None:
        """Tell how far each sink of the audit log is behind."""
        self.registry.register(_Backlogs(self._system, log))


class _Backlogs(Collector):
    """Asks the log at each scrape."""

    def __init__(self, system: str, log: AuditLog) -> None:
        self._system, self._log = system, log

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Number and age of the events that a sink has not acknowledged."""
        names = ["system", "log", "sink"]
        events = GaugeMetricFamily("audit_backlog_events", "events not acknowledged", labels=names)
        age = GaugeMetricFamily("audit_backlog_age_seconds", "age of the oldest", labels=names)
        for one in self._log.backlogs():
            events.add_metric([self._system, one.log, one.sink], one.events)
            age.add_metric([self._system, one.log, one.sink], one.seconds)
        yield from (events, age)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where decisions go out. `store` keeps each case, without identifiers, for replay.

    `decide` is the model that serves, `earlier` gives the one of a version that was recorded;
    `outcomes` are what they may decide, besides to refer to a person: that is the fallback when
    the switch is on or the model fails, and `absent` is the rest of such an answer. `tokens` in an
    answer, if any, are what it has cost. Only an error
    among `refusals` is the case's own fault and goes back to the caller, undecided. Fields of an
    answer that are `sealed` go out and are kept beside the case; the log holds a keyed digest of
    them, for it may be read by people who may not read what they say.
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
    sealed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.metrics.watch(self.log)
        self._forget_unrecorded()

    def release(self, person: str, case: Case, request: str = "") -> dict[str, Any]:
        """Decide, record, and only then return the decision with its id.

        `person` is whom it is about, and is written as a pseudonym only. Of a `request` that is no
        UUID a digest is logged: it may say anything. Raises NotReleased, and what is among
        `refusals`.
        """
        started = time.perf_counter()
        kept = self.without_identifiers(case)
        mode, answer = self._answer(kept)
        decision = {"decision_id": str(uuid.uuid4()), "mode": mode, **answer}
        known = REQUEST_ID.fullmatch(request) or not request
        shown = request if known else self.log.privacy.digest(request)
        self._record(person, {**decision, "request_id": shown}, kept)
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
            self.metrics.used(int(answer.get("tokens") or 0))
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
        hidden = {name: data[name] for name in self.sealed if name in data}
        try:
            _write_durably(file, canonical({"case": kept, **hidden} if self.sealed else kept))
            logged = sealed(self.log.privacy, data, self.sealed)
            digest = self.log.privacy.digest(kept)
            self.log.record(EventType.DECISION, person, {**logged, "input": digest})
        except (AuditUnavailable, OSError, ValueError) as error:
            file.unlink(missing_ok=True)
            self.metrics.withheld()
            raise NotReleased("the decision cannot be recorded, so it is withheld") from error

    def recorded(self, decision_id: str) -> dict[str, Any]:
        """The audited decision, its time, and its overrides in order. Raises UnknownDecision.

        `subject` is the pseudonym of whom it is about, or of who asked for it.
        What is sealed comes from beside the case; of a case that was deleted, its digest is left.
        Raises RecordChanged too.
        """
        decision, *overrides = self._events(decision_id)
        return {
            **decision["data"],
            **self._unsealed(decision["data"]),
            "subject": decision["subject"],
            "time": decision["time"],
            "overrides": [event["data"] for event in overrides],
        }

    def _events(self, decision_id: str) -> list[dict[str, Any]]:
        """The decision event, then its overrides in order of time, by every log of the folder.

        The logs are the one source of what happened; another process may have decided.
        """
        found = sorted(_about(self.log.path.parent, decision_id), key=lambda event: event["time"])
        decided = [event for event in found if event["type"] == EventType.DECISION]
        if not decided:
            raise UnknownDecision(decision_id)
        return decided[:1] + [event for event in found if event["type"] == EventType.OVERRIDE]

    def _forget_unrecorded(self) -> None:
        """Delete cases that no decision names: a crash left them before the event was written.

        Nobody was told an outcome of theirs, and no erasure would find them. Where a line of a log
        cannot be read nothing is deleted: it may be the one that names a case.
        """
        kept = {file for file in self.store.glob("*.json") if NAMED.fullmatch(file.stem)}
        if not kept:
            return
        known = _decided(self.log.path.parent)
        for file in sorted(kept) if known is not None else ():
            if known is not None and file.stem not in known:
                file.unlink(missing_ok=True)
                LOGGER.warning("deleted the case %s: no decision on record names it", file.stem)

    def replay(self, decision_id: str) -> dict[str, Any]:
        """Let the recorded model decide again on the kept case: is the answer the `same`?

        `same` is None where the model did not decide (`mode` is stopped or fault). Raises
        UnknownDecision, RecordChanged, Erased where the case was deleted, and Unreadable.
        """
        recorded = self.recorded(decision_id)
        if recorded["mode"] != "model":
            return {"recorded": recorded, "replayed": None, "same": None}
        kept = self._kept(decision_id)
        if kept is None:
            raise Erased(decision_id)
        case = kept["case"] if self.sealed else kept
        answer = self.earlier(recorded["model_version"])(case)
        logged = self._events(decision_id)[0]["data"]
        again = self._as_logged(sealed(self.log.privacy, answer, self.sealed))
        same = all(logged.get(name) == value for name, value in again.items())
        unchanged = self.log.privacy.digest(case) == recorded.get("input")
        replayed = {**self._as_logged(answer), **{n: answer[n] for n in self.sealed}}
        return {"recorded": recorded, "replayed": replayed, "same": same and unchanged}

    def _as_logged(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What the log would hold of it: redacted, in canonical numbers."""
        found: dict[str, Any] = json.loads(canonical(self.log.privacy.redact(answer)))
        return found

    def _kept(self, decision_id: str) -> dict[str, Any] | None:
        """What the store holds of a decision; None where it was deleted. Raises Unreadable."""
        try:
            kept = json.loads(self._file(decision_id).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Unreadable(decision_id) from error
        if not isinstance(kept, dict) or (self.sealed and "case" not in kept):
            raise Unreadable(decision_id)
        return kept

    def _unsealed(self, logged: Mapping[str, Any]) -> dict[str, Any]:
        """The sealed fields as they went out, as far as they are kept and their digests agree."""
        try:
            kept = self._kept(logged["decision_id"]) if self.sealed else None
        except Unreadable:
            kept = None
        known = {name: kept[name] for name in self.sealed if name in kept} if kept else {}
        digests = sealed(self.log.privacy, known, self.sealed)
        return {name: value for name, value in known.items() if logged[name] == digests[name]}

    def override(self, decision_id: str, outcome: str, reason: str, actor: str) -> dict[str, Any]:
        """Record that a person decided otherwise, and why.

        Raises UnknownDecision, RecordChanged, NotReleased, and ValueError for an outcome or reason
        that is none.
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
            "actor": self.log.privacy.actor(actor),
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


def _about(folder: Path, decision_id: str) -> Iterator[dict[str, Any]]:
    """What the logs of a folder hold of one decision, each event proved by its own hash.

    Lines that do not name the decision are not looked into. Raises RecordChanged.
    """
    for log in sorted(folder.glob("*.jsonl")):
        with log.open("rb") as lines:
            for line in lines:
                if decision_id.encode() in line and line.endswith(b"\n"):
                    event = _sound(line)
                    if event["data"].get("decision_id") == decision_id:
                        yield event


def _sound(line: bytes) -> dict[str, Any]:
    """The event of a line, if its hash is its own."""
    try:
        event: dict[str, Any] = json.loads(line)
        bare = {name: value for name, value in event.items() if name != "hash"}
        if chained_hash(bare) == event["hash"] and {"type", "time", "subject"} <= event.keys():
            event["data"].get("decision_id")
            return event
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordChanged(CHANGED) from error
    raise RecordChanged(CHANGED)


def _decided(folder: Path) -> set[str] | None:
    """The ids of all decisions in the logs of a folder; None where a line cannot be read."""
    try:
        return {
            str(event["data"].get("decision_id"))
            for log in sorted(folder.glob("*.jsonl"))
            for event in read_events(log)
            if event["type"] == EventType.DECISION
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_durably(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
