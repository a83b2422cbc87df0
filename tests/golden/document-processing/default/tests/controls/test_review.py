"""The queue loses nothing and one person decides; what goes out by itself was measured."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from document_intake.controls.audit import (
    AuditLog,
    AuditUnavailable,
    EventType,
    Privacy,
    read_events,
)
from document_intake.controls.paths import Paths
from document_intake.controls.review import (
    Item,
    NotYours,
    Queue,
    Task,
    UnknownTask,
    file_of,
    reconcile,
    released_unreviewed,
    routing,
    unqueued,
    waiting_in,
    watch,
)
from document_intake.controls.review.__main__ import main
from document_intake.controls.review.routing import (
    controlled_limit,
    error_bound,
    route,
    sampled,
)

ANNE, BEN = "anne@example.org", "ben@example.org"
WHY = "compared with the original"


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2025, 6, 1, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A quarter past nothing: the time stands still until a test moves it."""
    return Clock()


@pytest.fixture
def log(paths: Paths) -> Iterator[AuditLog]:
    """The audit log."""
    with AuditLog(paths.audit / "service.jsonl", "/test", Privacy(b"k" * 32)) as opened:
        yield opened


@pytest.fixture
def queue(paths: Paths, log: AuditLog, clock: Clock) -> Queue:
    """A queue with three cases."""
    made = Queue(file_of(paths), log, ("release", "reject"), clock=clock)
    made.put(
        [Item("a", "D1", ["total"]), Item("b", "D2", ["date"], priority=5), Item("c", "D3", [])]
    )
    return made


def taken(queue: Queue, id: str, actor: str = ANNE) -> Task:
    """A case that this person has claimed."""
    task = queue.claim(actor, id)
    assert task is not None
    return task


def test_cases_come_by_priority_then_age(queue: Queue, clock: Clock) -> None:
    """A case is given to one person at a time."""
    first, second = queue.claim(ANNE), queue.claim(BEN)
    assert first is not None and second is not None
    assert (first.id, second.id) == ("b", "a")
    assert [task.id for task in queue.waiting()] == ["b", "a", "c"]
    with pytest.raises(NotYours):
        queue.claim(BEN, "b")


def test_a_claim_lapses(queue: Queue, clock: Clock) -> None:
    """So that a case whose reviewer went home is not lost; the late reviewer decides no more."""
    taken(queue, "b")
    clock.now += timedelta(minutes=31)
    assert taken(queue, "b", BEN).id == "b"
    with pytest.raises(NotYours):
        queue.decide("b", ANNE, "release", WHY)


def test_a_decision_has_a_reason_and_is_on_record(queue: Queue, log: AuditLog) -> None:
    """With what was changed; the people in it are pseudonyms."""
    taken(queue, "a")
    changes = [{"field": "gross_total", "from": "10.00", "to": "12.00"}]
    task = queue.decide("a", ANNE, "release", WHY, changes)
    assert (task.status, task.outcome, task.last["changes"]) == ("decided", "release", changes)
    assert [done.id for done in queue.decided()] == ["a"]
    (event,) = read_events(log.path)
    assert event["type"] == EventType.OVERRIDE
    assert event["data"] == {
        "decision_id": "a",
        "from": "refer",
        "to": "release",
        "review": "decided",
        "changes": changes,
        "reason": WHY,
        "actor": log.privacy.pseudonym(ANNE),
    }
    assert event["subject"] == log.privacy.pseudonym("D1")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("maybe", WHY), ("refer", WHY), ("release", "ok"), ("release", " " * 20)],
)
def test_a_decision_without_reason_or_outcome_does_not_count(
    queue: Queue, outcome: str, reason: str
) -> None:
    """The case stays with its reviewer."""
    taken(queue, "a")
    with pytest.raises(ValueError, match="give a reason"):
        queue.decide("a", ANNE, outcome, reason)
    assert queue.task("a").status == "claimed"


def test_nobody_decides_what_is_not_claimed(queue: Queue) -> None:
    """Not an open case, not another's, not twice, and not one that is not there."""
    with pytest.raises(NotYours):
        queue.decide("a", ANNE, "release", WHY)
    taken(queue, "a")
    with pytest.raises(NotYours):
        queue.decide("a", BEN, "release", WHY)
    queue.decide("a", ANNE, "release", WHY)
    with pytest.raises(NotYours):
        queue.decide("a", ANNE, "reject", WHY)
    with pytest.raises(NotYours):
        queue.claim(BEN, "a")
    with pytest.raises(UnknownTask):
        queue.claim(ANNE, "zzz")


def test_the_same_decision_again_is_no_error(queue: Queue, log: AuditLog) -> None:
    """A caller that lost the answer may ask again; it is recorded once."""
    taken(queue, "a")
    once = queue.decide("a", ANNE, "release", WHY)
    assert queue.decide("a", ANNE, "release", WHY) == once
    assert len(list(read_events(log.path))) == 1


def test_what_cannot_be_recorded_does_not_count(
    queue: Queue, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is as it was, and can be decided when the log is back."""

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    taken(queue, "a")
    with monkeypatch.context() as patch:
        patch.setattr(log, "record", broken)
        with pytest.raises(AuditUnavailable):
            queue.decide("a", ANNE, "release", WHY)
    assert (queue.task("a").status, queue.task("a").votes) == ("claimed", ())
    assert queue.decide("a", ANNE, "release", WHY).outcome == "release"


def test_two_reviewers_have_to_agree(queue: Queue) -> None:
    """One alone decides nothing, and does not get the case a second time."""
    queue.put([Item("two", "D4", ["account"], priority=9, reviewers=2)])
    taken(queue, "two")
    assert queue.decide("two", ANNE, "release", WHY).status == "open"
    again = queue.claim(ANNE)
    assert again is not None and again.id == "b"
    with pytest.raises(NotYours):
        queue.claim(ANNE, "two")
    taken(queue, "two", BEN)
    assert queue.decide("two", BEN, "release", WHY).outcome == "release"


def test_reviewers_who_disagree_start_anew(queue: Queue, log: AuditLog) -> None:
    """Neither vote counts; both are on record."""
    queue.put([Item("two", "D4", ["account"], reviewers=2)])
    taken(queue, "two")
    queue.decide("two", ANNE, "release", WHY)
    taken(queue, "two", BEN)
    task = queue.decide("two", BEN, "reject", WHY)
    assert (task.status, task.votes, task.outcome) == ("open", (), None)
    assert task.reasons == ("account", "reviewers disagree")
    assert [event["data"]["review"] for event in read_events(log.path)] == [
        "confirmation needed",
        "reviewers disagree",
    ]


def test_the_queue_survives_a_restart_and_knows_its_cases(queue: Queue, log: AuditLog) -> None:
    """What was put, claimed and decided is there, and a case that is known is not put twice."""
    taken(queue, "a")
    queue.decide("a", ANNE, "reject", WHY)
    later = Queue(queue._path, log, ("release", "reject"))
    assert later.put([Item("a", "D1", []), Item("b", "D2", [])]) == 0
    assert later.task("a").outcome == "reject"
    assert [task.id for task in later.waiting()] == ["b", "c"]


def test_nothing_in_the_file_names_a_person(queue: Queue, paths: Paths) -> None:
    """Subjects and actors are pseudonyms; payload and reasons are redacted."""
    queue.put(
        [Item("x", "Mirel Quarrow", ["mail to mirel@example.org"], {"address": "9 Weir Close"})]
    )
    taken(queue, "x")
    queue.decide("x", ANNE, "release", "asked mirel@example.org about it", [{"iban": "XZ12"}])
    content = file_of(paths).read_bytes()
    for secret in (b"Mirel", b"mirel@", b"Weir Close", b"anne@", b"XZ12"):
        assert secret not in content


def test_many_people_at_once_never_get_the_same_case(paths: Paths, log: AuditLog) -> None:
    """Eight at a time, forty cases: each is claimed once."""
    busy = Queue(paths.var / "busy.db", log, ("release",))
    busy.put(Item(f"t{number:02}", "D", []) for number in range(40))
    got: list[str] = []

    def work(name: str) -> None:
        while task := busy.claim(f"{name}@example.org"):
            got.append(task.id)
            busy.decide(task.id, f"{name}@example.org", "release", WHY)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [f"t{number:02}" for number in range(40)]
    assert len(busy.decided()) == 40


def event(id: str, outcome: str, **data: Any) -> dict[str, Any]:
    """A recorded decision."""
    known = {"decision_id": id, "outcome": outcome, "model_version": "m-1", "confidence": 0.9}
    return {"type": EventType.DECISION, "subject": "person:1", "data": {**known, **data}}


def item(found: Mapping[str, Any]) -> Item:
    """The case that a recorded referral gives."""
    return Item(found["data"]["decision_id"], found["subject"], ["late"])


def test_a_referral_that_a_crash_left_out_is_queued(queue: Queue) -> None:
    """The log says that it was referred: it is found, queued once, and nothing else is."""
    events = [event("a", "refer"), event("lost", "refer"), event("out", "release")]
    assert unqueued(queue, events) == ["lost"]
    assert (reconcile(queue, events, item), reconcile(queue, events, item)) == (1, 0)
    assert queue.task("lost").reasons == ("late",)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({}, 0),
        ({"confidence": 0.79}, 1),
        ({"confidence": None}, 1),
        ({"findings": ["total"]}, 1),
        ({"model_version": "m-2"}, 1),
        ({"mode": "model"}, 0),
        ({"mode": "stopped"}, 1),
    ],
)
def test_what_went_out_and_should_not_have_is_found(data: dict[str, Any], found: int) -> None:
    """Below the limit, with a finding, by an unknown version, or while stopped."""
    events = [event("x", "release", **data), event("y", "refer", confidence=0.1)]
    assert len(released_unreviewed(events, "release", {"m-1": 0.8})) == found


def test_metrics_tell_what_waits_and_what_is_lost(queue: Queue, clock: Clock) -> None:
    """With the names that the alert rules use."""
    registry = CollectorRegistry()
    watch(registry, "s", queue, lambda: 2)
    clock.now += timedelta(hours=2)
    taken(queue, "a")
    queue.decide("a", ANNE, "release", WHY)
    names = ("waiting", "oldest_seconds", "decided", "unqueued")
    values = [registry.get_sample_value(f"review_{name}", {"system": "s"}) for name in names]
    assert values == [2.0, 7200.0, 1.0, 2.0]
    rules = (Path(__file__).parents[2] / "ops" / "alerts-review.yml").read_text()
    assert "review_oldest_seconds" in rules and "review_unqueued" in rules


def test_an_empty_queue_has_no_age(paths: Paths, log: AuditLog) -> None:
    """And nobody is given a case."""
    empty = Queue(paths.var / "empty.db", log, ("release",))
    assert (empty.oldest_seconds(), empty.claim(ANNE)) == (0.0, None)


def test_the_command_lists_what_waits(
    queue: Queue, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a queue it says that nothing waits."""
    assert main(paths) == 0
    text = capsys.readouterr().out
    assert "3 cases wait" in text and "total" in text
    assert waiting_in(paths.var / "none.db") == []
    assert json.loads(json.dumps(queue.task("a").payload)) == {}


@pytest.mark.parametrize(
    ("errors", "rows", "bound"),
    [
        (0, 59, 0.0495),
        (0, 100, 0.0295),
        (1, 100, 0.0466),
        (5, 100, 0.1023),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_the_bound_is_that_of_clopper_and_pearson(errors: int, rows: int, bound: float) -> None:
    """Against published values for a certainty of 95 percent."""
    assert error_bound(errors, rows, 0.95) == pytest.approx(bound, abs=1e-4)


def test_the_limit_is_the_lowest_that_holds() -> None:
    """Errors stand below 0.7: that is where it stops, and it says what it counted."""
    confidence = [0.7 + 0.001 * number for number in range(200)] + [0.5] * 40
    correct = [True] * 200 + [False] * 40
    found = controlled_limit(confidence, correct, target=0.05, certainty=0.95)
    assert found.value == pytest.approx(0.505, abs=0.2) and found.value > 0.5
    assert (found.rows, found.released, found.errors) == (240, 200, 0)
    assert found.bound < 0.05


def test_too_few_cases_show_nothing() -> None:
    """Fifty right ones in a row do not prove that fewer than one in twenty is wrong."""
    found = controlled_limit([0.99] * 50, [True] * 50, target=0.05, certainty=0.95)
    assert found.value == routing.NEVER
    assert not route(1.0, found.value).release


def test_errors_at_the_top_close_the_way() -> None:
    """Where even the surest are wrong, everything is referred."""
    correct = [number % 4 > 0 for number in range(400)]
    assert controlled_limit([0.99] * 400, correct, target=0.05, certainty=0.95).value > 1


def test_the_promise_holds_in_repeated_trials() -> None:
    """On new cases the target is missed in few of many trials, as the certainty says."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        sure = rng.random(600)
        correct = rng.random(600) < 0.6 + 0.4 * sure
        limit = controlled_limit(sure.tolist(), correct.tolist(), target=0.1, certainty=0.9).value
        # The true share of errors above the limit: the mean of 0.4 - 0.4 u over u from it to 1.
        missed += limit <= 1 and 0.4 - 0.4 * (limit + 1) / 2 > 0.1
    assert missed / 200 < 0.1 + 0.05


@pytest.mark.parametrize(
    ("confidence", "findings", "sample", "release", "reasons"),
    [
        (0.9, (), False, True, ()),
        (0.8, (), False, True, ()),
        (0.79, (), False, False, ("low confidence",)),
        (0.99, ("total",), False, False, ("total",)),
        (0.1, ("total", "date"), True, False, ("total", "date", "low confidence")),
        (0.9, (), True, False, ("quality sample",)),
        (float("nan"), (), False, False, ("low confidence",)),
    ],
)
def test_a_case_goes_out_only_without_any_reason_not_to(
    confidence: float, findings: tuple[str, ...], sample: bool, release: bool, reasons: object
) -> None:
    """At the limit it does; with a finding, below it, or in the sample a person decides."""
    found = route(confidence, 0.8, findings, sample)
    assert (found.release, found.reasons) == (release, reasons)


def test_the_sample_is_drawn_by_the_digest() -> None:
    """About the share that was asked for, the same every time."""
    numbers = (str(number).encode() for number in range(5000))
    digests = [f"sha256:{hashlib.sha256(number).hexdigest()}" for number in numbers]
    drawn = [digest for digest in digests if sampled(digest, 0.05)]
    assert 0.03 < len(drawn) / 5000 < 0.07
    assert drawn == [digest for digest in digests if sampled(digest, 0.05)]
    assert not any(sampled(digest, 0.0) for digest in digests)
    assert all(sampled(digest, 1.0) for digest in digests)


def test_one_person_is_one_reviewer_however_they_write_their_address(queue: Queue) -> None:
    """A capital letter or a space gives no second vote."""
    queue.put([Item("two", "D4", ["account"], reviewers=2)])
    taken(queue, "two")
    queue.decide("two", ANNE, "release", WHY)
    for other in ("Anne@example.org", " anne@Example.org "):
        with pytest.raises(NotYours):
            queue.claim(other, "two")


def test_a_decision_can_ask_for_more_people_than_the_case_did(queue: Queue) -> None:
    """It raises how many have to agree, and does not lower it again."""
    taken(queue, "a")
    first = queue.decide("a", ANNE, "release", WHY, reviewers=2)
    assert (first.status, first.reviewers) == ("open", 2)
    taken(queue, "a", BEN)
    assert queue.decide("a", BEN, "release", WHY).status == "decided"


def rolled_back(queue: Queue, log: AuditLog, copy: bytes) -> Queue:
    """The queue as it starts on an older copy of its file."""
    queue._path.write_bytes(copy)
    return Queue(queue._path, log, ("release", "reject"), clock=queue._clock)


def test_a_queue_that_was_rolled_back_closes_what_is_decided(queue: Queue, log: AuditLog) -> None:
    """At its start, with the outcome, reason and person on record."""
    taken(queue, "a")
    copy = queue._path.read_bytes()
    done = queue.decide("a", ANNE, "reject", WHY)
    later = rolled_back(queue, log, copy)
    assert later.task("a") == done
    assert [task.id for task in later.waiting()] == ["b", "c"]


def test_a_rollback_while_it_runs_lets_no_second_outcome_out(queue: Queue, log: AuditLog) -> None:
    """It is told in the metric; to decide again is refused, and writes nothing."""
    taken(queue, "a")
    copy = queue._path.read_bytes()
    done = queue.decide("a", ANNE, "reject", WHY)
    queue._path.write_bytes(copy)
    assert unqueued(queue, [event("a", "refer")]) == ["a"]
    with pytest.raises(NotYours):
        queue.decide("a", ANNE, "release", WHY)
    assert (queue.task("a"), len(list(read_events(log.path)))) == (done, 1)
    queue._path.write_bytes(copy)
    assert queue.decide("a", ANNE, "reject", WHY) == done
    queue._path.write_bytes(copy)
    assert reconcile(queue, [event("a", "refer")], item) == 0
    assert (queue.task("a"), len(list(read_events(log.path)))) == (done, 1)


def test_votes_that_are_not_on_record_count_no_more(queue: Queue, log: AuditLog) -> None:
    """A vote that was voided comes not back with an older copy; one that was lost is given anew."""
    taken(queue, "a")
    before = queue._path.read_bytes()
    queue.decide("a", ANNE, "release", WHY, reviewers=2)
    copy = queue._path.read_bytes()
    lost = rolled_back(queue, log, before).task("a")
    assert (lost.status, lost.votes, lost.reviewers) == ("claimed", (), 2)
    queue._path.write_bytes(copy)
    taken(queue, "a", BEN)
    queue.decide("a", BEN, "reject", WHY)
    later = rolled_back(queue, log, copy)
    assert (later.task("a").status, later.task("a").votes) == ("open", ())
    for actor, status in ((BEN, "open"), (ANNE, "decided")):
        taken(later, "a", actor)
        assert later.decide("a", actor, "release", WHY).status == status
    assert later.task("a").outcome == "release"


def test_nobody_decides_while_the_record_cannot_be_read(queue: Queue, log: AuditLog) -> None:
    """It may be what settles the case."""
    taken(queue, "a")
    with log.path.open("ab") as file:
        file.write(b'{"a": ai.system.override.v1\n')
    with pytest.raises(AuditUnavailable, match="does not verify"):
        Queue(queue._path, log, ("release",))


def test_a_lost_queue_opens_no_decided_case_again(queue: Queue, log: AuditLog) -> None:
    """The logs say what people have decided; one vote of two is none, and both start anew."""
    queue.put([Item("two", "D4", ["account"], reviewers=2)])
    for id in ("a", "two"):
        taken(queue, id)
        queue.decide(id, ANNE, "release", WHY)
    queue._path.unlink()
    empty = Queue(queue._path, log, ("release", "reject"))
    events = [event(id, "refer") for id in ("a", "b", "two")]
    assert unqueued(empty, events) == ["b", "two"]
    assert reconcile(empty, events, item) == 2
