"""A durable queue of cases that a person has to decide: claim, decide, give a reason.

One SQLite file. A decision is in the audit log before it counts, and the log is what holds: should
the machine fail between the two, or an older copy of the file be put back, the case is closed with
what is on record, at the next start or before anybody decides on it a second time. The queue holds
no person's name: subjects and actors are pseudonyms, and what is put in is redacted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from ..audit import AuditLog, AuditUnavailable, EventType, Pseudonym
from ..audit.log import now
from ..paths import Paths

OPEN, CLAIMED, DECIDED = "open", "claimed", "decided"
REFER = "refer"
DISAGREEMENT = "reviewers disagree"
SHORTEST_REASON = 10
LOGGER = logging.getLogger(__name__)
TABLE = """
create table if not exists tasks (
  id text primary key, subject text not null, reasons text not null, payload text not null,
  priority integer not null, reviewers integer not null, created text not null,
  status text not null, claimed_by text, claimed_until text,
  votes text not null, outcome text, decided text
) strict
"""


ADD = "insert or ignore into tasks values (?,?,?,?,?,?,?,'open',null,null,'[]',null,null)"
CLOSE = (
    "update tasks set status = 'decided', votes = ?, outcome = ?, decided = ?,"
    " claimed_by = null, claimed_until = null where id = ?"
)
ANEW = "update tasks set votes = '[]' where id = ?"
RAISE = "update tasks set reviewers = max(reviewers, 2) where id = ?"
TAKE = "update tasks set status = 'claimed', claimed_by = ?, claimed_until = ? where id = ?"
COLUMNS = (
    *("id", "subject", "reasons", "payload", "priority", "reviewers"),
    *("created", "status", "claimed_by", "votes", "outcome"),
)


def file_of(paths: Paths) -> Path:
    """Where the queue of a project lies."""
    return paths.var / "review" / "queue.db"


class UnknownTask(LookupError):
    """No task has this id."""


class NotYours(RuntimeError):
    """The task is claimed by somebody else, decided already, or not claimed at all."""


@dataclass(frozen=True, slots=True)
class Item:
    """A case for the queue. `id` is that of the recorded decision that referred it.

    `payload` is what a reviewer needs to find the case, as plain data without identifiers.
    Higher `priority` comes first. `reviewers` is how many different people have to agree.
    """

    id: str
    subject: str
    reasons: Sequence[str]
    payload: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    reviewers: int = 1


@dataclass(frozen=True, slots=True)
class Task:
    """A case in the queue; `votes` are what people have decided so far, in order."""

    id: str
    subject: str
    reasons: tuple[str, ...]
    payload: dict[str, Any]
    priority: int
    reviewers: int
    created: str
    status: str
    claimed_by: str | None
    votes: tuple[dict[str, Any], ...]
    outcome: str | None

    @property
    def last(self) -> dict[str, Any]:
        """The vote that decided it; empty while nobody has voted."""
        return self.votes[-1] if self.votes else {}


class Queue:
    """The queue of one system. `outcomes` are what a person may decide.

    A claim holds for `lease`; then somebody else may take the case.
    """

    def __init__(
        self,
        path: Path,
        log: AuditLog,
        outcomes: tuple[str, ...],
        lease: timedelta = timedelta(minutes=30),
        clock: Callable[[], datetime] = now,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.outcomes = outcomes
        self._path, self._log, self._lease, self._clock = path, log, lease, clock
        with self._opened() as database:
            database.execute(TABLE)
        self.settle()

    def put(self, items: Iterable[Item]) -> int:
        """Add cases, durably, and return how many were new: an id that is known is left alone."""
        rows = [self._row(item) for item in items]
        with self._opened() as database:
            before = database.total_changes
            database.executemany(ADD, rows)
            return database.total_changes - before

    def _row(self, item: Item) -> tuple[Any, ...]:
        privacy = self._log.privacy
        subject = privacy.pseudonym(item.subject)
        kept = privacy.redact({"reasons": list(item.reasons), "payload": dict(item.payload)})
        reasons, payload = (
            json.dumps(kept[name], sort_keys=True) for name in ("reasons", "payload")
        )
        reviewers = max(item.reviewers, 1)
        return (item.id, subject, reasons, payload, item.priority, reviewers, self._now())

    def task(self, id: str) -> Task:
        """One case. Raises UnknownTask."""
        with self._opened() as database:
            return _task(database, id)

    def waiting(self) -> list[Task]:
        """What is open or claimed, in the order in which it should be decided."""
        with self._opened() as database:
            return _tasks(database, "where status != 'decided' order by priority desc, created, id")

    def decided(self) -> list[Task]:
        """What people have decided, in order."""
        with self._opened() as database:
            return _tasks(database, "where status = 'decided' order by decided, id")

    def claim(self, actor: str, id: str | None = None) -> Task | None:
        """Take a case, by default the next; None where nothing waits for this person.

        Who has voted on a case does not get it again. Raises UnknownTask and NotYours.
        """
        who = self._log.privacy.actor(actor)
        with self._opened() as database:
            if id is None:
                found = _tasks(
                    database,
                    "where status = 'open' or (status = 'claimed' and claimed_until < ?)"
                    " order by priority desc, created, id",
                    self._now(),
                )
                task = next((task for task in found if not _voted(task, who)), None)
            else:
                task = _task(database, id)
                self._refuse_taken(database, task, who)
            if task is None:
                return None
            until = (self._clock() + self._lease).isoformat()
            database.execute(TAKE, (who, until, task.id))
            return _task(database, task.id)

    def _refuse_taken(self, database: sqlite3.Connection, task: Task, who: str) -> None:
        if task.status == DECIDED or _voted(task, who):
            raise NotYours("it is decided, or you have decided on it before")
        if (
            task.status == CLAIMED
            and task.claimed_by != who
            and not self._lapsed(database, task.id)
        ):
            raise NotYours("somebody else has claimed it")

    def decide(
        self,
        id: str,
        actor: str,
        outcome: str,
        reason: str,
        changes: Sequence[Mapping[str, Any]] = (),
        reviewers: int = 1,
    ) -> Task:
        """Record what a person decided, then let it count.

        `changes` says what the person corrected, as rows of plain data without identifiers. With
        several reviewers it counts when as many agree on outcome and changes; who differs sends
        the case back to the start. A case that is decided on record is closed with that, and not
        decided again. `reviewers` raises how many the case needs, where the decision asks for more
        than the case did; it never lowers it. The same decision by the same person
        again is no error. Raises UnknownTask, NotYours, ValueError, and AuditUnavailable, after
        which nothing has changed.
        """
        if outcome not in self.outcomes or len(reason.strip()) < SHORTEST_REASON:
            named = ", ".join(self.outcomes)
            raise ValueError(
                f"give a reason of {SHORTEST_REASON} letters or more, and one of {named}"
            )
        who = self._log.privacy.actor(actor)
        given = {"outcome": outcome, "changes": list(changes), "reason": reason}
        vote = {**self._log.privacy.redact(given), "actor": str(who)}
        self.settle(id)
        with self._opened() as database:
            task = _task(database, id)
            if task.votes and task.last["actor"] == who and _same(task.last, vote):
                return task
            if task.status != CLAIMED or task.claimed_by != who or self._lapsed(database, id):
                raise NotYours("claim it first: a claim holds for a while only")
            needed = max(task.reviewers, reviewers)
            return self._counted(database, replace(task, reviewers=needed), vote)

    def _counted(self, database: sqlite3.Connection, task: Task, vote: dict[str, Any]) -> Task:
        """Record the vote, then write what follows from it."""
        agree = not task.votes or _same(task.last, vote)
        votes = [*task.votes, vote] if agree else []
        done = agree and len(votes) >= task.reviewers
        data = {
            "decision_id": task.id,
            "from": REFER,
            "to": vote["outcome"] if done else REFER,
            "review": DECIDED if done else ("confirmation needed" if agree else DISAGREEMENT),
            **{name: vote[name] for name in ("changes", "reason", "actor")},
        }
        self._log.record(EventType.OVERRIDE, Pseudonym(task.subject), data)
        reasons = list(task.reasons) + (
            [] if agree or DISAGREEMENT in task.reasons else [DISAGREEMENT]
        )
        database.execute(
            "update tasks set status = ?, votes = ?, outcome = ?, decided = ?, reasons = ?,"
            " reviewers = ?, claimed_by = null, claimed_until = null where id = ?",
            (
                DECIDED if done else OPEN,
                json.dumps(votes, sort_keys=True),
                vote["outcome"] if done else None,
                self._now() if done else None,
                json.dumps(reasons),
                task.reviewers,
                task.id,
            ),
        )
        return _task(database, task.id)

    def settled(self) -> set[str]:
        """The decisions that people have overridden for good, by every log beside the queue's."""
        return {id for id, told in self._on_record().items() if _final(told)}

    def settle(self, id: str | None = None) -> list[str]:
        """Close waiting cases that are decided on record; the ids of those that were.

        That happens where the queue is behind its record: put back from an older copy, or left so
        by a crash. Votes that are not the last ones on record count no more: their people vote
        anew, and still two have to agree.
        """
        waiting = {task.id for task in self.waiting()}
        if not waiting or (id is not None and id not in waiting):
            return []
        with self._opened() as database:
            told = self._on_record(id)
            tasks = _tasks(database, "where status != 'decided'")
            known = [(task, told[task.id]) for task in tasks if task.id in told]
            for task, events in known:
                self._agree(database, task, events)
        closed = sorted(task.id for task, events in known if _final(events))
        if closed:
            LOGGER.error("the queue was behind its record: closed %s", ", ".join(closed))
        return closed

    def _agree(
        self, database: sqlite3.Connection, task: Task, events: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write what the record says of a waiting case."""
        final, voted = _final(events), _votes(events)
        if final:
            outcome = str(final["data"]["to"])
            votes = json.dumps([{**vote, "outcome": outcome} for vote in voted], sort_keys=True)
            database.execute(CLOSE, (votes, outcome, final["time"], task.id))
            return
        cast, known = ([_signed(vote) for vote in some] for some in (task.votes, voted))
        if cast and known[-len(cast) :] != cast:
            database.execute(ANEW, (task.id,))
        database.execute(RAISE, (task.id,))

    def _on_record(self, id: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """The overrides of each decision, or of this one, in order of time, by all logs.

        Raises AuditUnavailable where that cannot be told.
        """
        wanted = (id or EventType.OVERRIDE).encode()
        found: dict[str, list[dict[str, Any]]] = {}
        for log in sorted(self._log.path.parent.glob("*.jsonl")):
            with log.open("rb") as lines:
                named = [line for line in lines if wanted in line and line.endswith(b"\n")]
            for event in _overrides(log, named):
                found.setdefault(str(event["data"].get("decision_id")), []).append(event)
        return {name: sorted(told, key=lambda e: str(e["time"])) for name, told in found.items()}

    def oldest_seconds(self) -> float:
        """For how long the oldest case has waited; 0 where nothing waits."""
        waiting = [datetime.fromisoformat(task.created) for task in self.waiting()]
        return max((self._clock() - min(waiting)).total_seconds(), 0.0) if waiting else 0.0

    def _lapsed(self, database: sqlite3.Connection, id: str) -> bool:
        query = "select claimed_until < ? from tasks where id = ?"
        return bool(database.execute(query, (self._now(), id)).fetchone()[0])

    def _now(self) -> str:
        return self._clock().isoformat(timespec="microseconds")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which nobody else writes into; durable when it ends well."""
        database = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            database.execute("pragma synchronous = full")
            database.execute("begin immediate")
            yield database
            database.execute("commit")
        except BaseException:
            if database.in_transaction:
                database.execute("rollback")
            raise
        finally:
            database.close()


def waiting_in(path: Path) -> list[Task]:
    """What waits in the queue of this file, for a look without a log; empty without a file."""
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return _tasks(database, "where status != 'decided' order by priority desc, created, id")


def _tasks(database: sqlite3.Connection, where: str, *values: str) -> list[Task]:
    found = database.execute(f"select {', '.join(COLUMNS)} from tasks {where}", values)
    return [_of_row(row) for row in found]


def _task(database: sqlite3.Connection, id: str) -> Task:
    found = _tasks(database, "where id = ?", id)
    if not found:
        raise UnknownTask(id)
    return found[0]


def _of_row(row: Sequence[Any]) -> Task:
    named = dict(zip(COLUMNS, row, strict=True))
    decoded = {name: json.loads(named[name]) for name in ("reasons", "payload", "votes")}
    return Task(
        **{
            **named,
            **decoded,
            "reasons": tuple(decoded["reasons"]),
            "votes": tuple(decoded["votes"]),
        }
    )


def _voted(task: Task, who: str) -> bool:
    return any(vote["actor"] == who for vote in task.votes)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two votes agree on outcome and changes, however each was written down."""
    return all(
        json.dumps(one[name], sort_keys=True) == json.dumps(other[name], sort_keys=True)
        for name in ("outcome", "changes")
    )


def _overrides(log: Path, lines: Iterable[bytes]) -> list[dict[str, Any]]:
    try:
        events = [json.loads(line) for line in lines]
        return [e for e in events if e["type"] == EventType.OVERRIDE and "decision_id" in e["data"]]
    except (ValueError, KeyError, TypeError) as error:
        raise AuditUnavailable(f"{log} does not verify: nobody decides before it does") from error


def _final(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last override that leaves nothing to decide, if there is one."""
    found = [event for event in events if event["data"].get("to", REFER) != REFER]
    return found[-1] if found else None


def _votes(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The votes on record since people last disagreed, without the outcome of those that wait."""
    votes: list[dict[str, Any]] = []
    for data in (event["data"] for event in events):
        vote = {name: data.get(name) for name in ("reason", "actor")}
        kept = {**vote, "changes": data.get("changes", [])}
        votes = [] if data.get("review") == DISAGREEMENT else [*votes, kept]
    return votes


def _signed(vote: Mapping[str, Any]) -> tuple[Any, ...]:
    return vote["actor"], vote["reason"]


def referred(events: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The recorded decisions that refer a case to a person, by id."""
    found = (event for event in events if event["type"] == EventType.DECISION)
    return {
        event["data"]["decision_id"]: event for event in found if event["data"]["outcome"] == REFER
    }


def unqueued(queue: Queue, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Recorded referrals that are in no queue, sorted: what a crash left between the two.

    Also cases that wait although they are decided on record: those of a queue that was put back
    from an older copy. Of what is in no queue, that which people have decided is none, so that a
    queue that was lost opens no case a second time. One that waited for another vote starts anew.
    """
    waiting = {task.id for task in queue.waiting()}
    missing = referred(events).keys() - waiting - {task.id for task in queue.decided()}
    settled = queue.settled() if waiting or missing else set()
    return sorted((missing - settled) | (waiting & settled))


def reconcile(
    queue: Queue, events: Sequence[Mapping[str, Any]], item: Callable[[Mapping[str, Any]], Item]
) -> int:
    """Queue every recorded referral that is in no queue; returns how many there were.

    Cases that are decided on record are closed first.
    `item` makes a case for the queue of the decision event that referred it.
    """
    queue.settle()
    by_id = referred(events)
    return queue.put(item(by_id[id]) for id in unqueued(queue, events) if id in by_id)


def released_unreviewed(
    events: Iterable[Mapping[str, Any]], release: str, limits: Mapping[str, float]
) -> list[str]:
    """Decisions that went out without a person although one should have decided, as sentences.

    `limits` are those of the model versions. Reads the audit log alone, so that it finds what a
    fault in the code that routes has let through.
    """
    found = []
    for event in events:
        data = event["data"]
        if event["type"] != EventType.DECISION or data.get("outcome") != release:
            continue
        limit = limits.get(str(data.get("model_version")))
        sure = limit is not None and float(data.get("confidence") or 0.0) >= limit
        if not sure or data.get("findings") or data.get("mode") not in (None, "model"):
            found.append(f"decision {data['decision_id']} went out and should have been reviewed")
    return found


def watch(
    registry: CollectorRegistry, system: str, queue: Queue, unqueued: Callable[[], int]
) -> None:
    """Add the metrics of the queue, as ops/alerts-review.yml expects them, to a registry."""
    figures: dict[str, tuple[str, Callable[[], float]]] = {
        "review_waiting": ("cases that wait for a person", lambda: len(queue.waiting())),
        "review_oldest_seconds": ("how long the oldest case waits", queue.oldest_seconds),
        "review_decided": ("cases that people have decided", lambda: len(queue.decided())),
        "review_unqueued": ("referrals that are in no queue", unqueued),
    }
    for name, (meaning, figure) in figures.items():
        Gauge(name, meaning, ["system"], registry=registry).labels(system).set_function(figure)
