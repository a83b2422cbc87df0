"""What is about a person can be destroyed, and what is old goes; chain and proofs hold."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from late_orders.controls import audit
from late_orders.controls.audit import AuditLog, EventType, checkpoints, merkle, retention
from late_orders.controls.audit.__main__ import main
from late_orders.controls.audit.chain import leaves
from late_orders.controls.audit.payloads import Payloads
from late_orders.controls.paths import Paths

PRIVACY = audit.privacy_from({})
OLD, NEW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
SECRET = {"income": 20000, "note": "called about the second job"}
PLAN = """
source: /systems/test
sinks: [file]
retention:
  - { record: payloads, what: payloads, types: [decision], keep_days: 700 }
  - { record: decisions, what: events, types: [decision], keep_days: 800 }
  - { record: cases, what: files, files: "var/cases/*.json", keep_days: 700 }
"""


def log_of(paths: Paths, clock: datetime = NEW) -> AuditLog:
    """The log of the service."""
    return AuditLog(paths.audit / "service.jsonl", "/systems/test", PRIVACY, clock=lambda: clock)


@pytest.fixture
def home(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project with two old decisions, an old deployment, a new decision, and a case on file."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    monkeypatch.delenv("AUDIT_DIR", raising=False)
    paths.ops.mkdir()
    (paths.ops / "audit.yaml").write_text(PLAN)
    with log_of(paths, OLD) as log:
        log.record(EventType.DECISION, "A-1", {"outcome": "refer"}, payload=SECRET)
        log.record(EventType.DEPLOYMENT, "model 1", {})
        log.record(EventType.DECISION, "A-2", {"outcome": "decline"}, payload={"income": 1})
    with log_of(paths) as log:
        log.record(EventType.DECISION, "A-1", {"outcome": "approve"}, payload=SECRET)
    case = paths.var / "cases" / "1.json"
    case.parent.mkdir()
    case.write_text("{}")
    os.utime(case, (OLD.timestamp(), OLD.timestamp()))
    return paths


def state(paths: Paths) -> audit.Verification:
    """The service's log."""
    return audit.verify(paths.audit / "service.jsonl")


def test_a_payload_is_apart_from_the_chain(home: Paths) -> None:
    """It can be read back by event; the log and what sinks get hold only a salted digest."""
    first, *_ = audit.read_events(home.audit / "service.jsonl")
    assert Payloads.of(home.audit / "service.jsonl").read(first["id"]) == SECRET
    assert b"second job" not in (home.audit / "service.jsonl").read_bytes()
    digests = [e["data"].get("payload_digest") for e in audit.read_events(state(home).path)]
    assert len(set(digests)) == 4, "the same payload has another digest each time"
    assert (home.audit / "service.payloads.db").stat().st_mode & 0o077 == 0
    with log_of(home) as log, pytest.raises(ValueError, match="hand in a payload"):
        log.record(EventType.INCIDENT, "s", {"payload_digest": "sha256:00"})


def test_a_payload_that_was_changed_or_removed_is_found(home: Paths) -> None:
    """Nobody changes or loses a payload unseen."""
    with sqlite3.connect(home.audit / "service.payloads.db") as database:
        database.execute("UPDATE payload SET content = '{}' WHERE rowid = 1")
        database.execute("DELETE FROM payload WHERE rowid = 2")
    database.close()
    assert [(found.kind, found.message) for found in state(home).findings] == [
        ("payload", "the payload of event 1 was changed"),
        ("payload", "the payload of event 3 is missing"),
    ]


def test_erasure_destroys_one_person_and_nothing_else(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run first; then both payloads are gone, and log, checkpoint and proof still hold."""
    kept = state(home).checkpoint()
    tree = leaves(home.audit / "service.jsonl")
    proof, root = merkle.inclusion(tree, 0), merkle.root(tree)
    assert main(["erase", "--subject", "A-1"]) == 0
    assert "payloads of 2 events in service.jsonl (1, 4)" in capsys.readouterr().out
    assert state(home).findings == ()
    assert main(["erase", "--subject", "A-1", "--apply"]) == 0
    store = Payloads.of(home.audit / "service.jsonl")
    events = list(audit.read_events(home.audit / "service.jsonl"))
    for place in (0, 3):
        with pytest.raises(audit.PayloadErased):
            store.read(events[place]["id"])
    assert store.read(events[2]["id"]) == {"income": 1}
    assert b"second job" not in (home.audit / "service.payloads.db").read_bytes()
    checked = audit.verify(home.audit / "service.jsonl", [kept])
    assert checked.findings == ()
    assert merkle.included(leaves(checked.path)[0], 0, 4, proof, root)
    logged = list(audit.read_events(home.audit / "operations.jsonl"))
    assert [event["type"] for event in logged] == ["ai.system.disposal.v1"]
    assert logged[0]["data"]["sequences"] == [[1, 1], [4, 4]]
    assert "A-1" not in (home.audit / "operations.jsonl").read_text()


def test_the_rule_disposes_of_what_is_due_and_says_so(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dry run, then: old payloads and decisions go, the rest stays; each disposal is on record."""
    kept = state(home).checkpoint()
    assert main(["dispose"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "payloads: payloads of 2 events in service.jsonl (1, 3)",
        "decisions: events of 2 events in service.jsonl (1, 3)",
        "cases: 1 files, var/cases/1.json … var/cases/1.json",
    ]
    assert state(home).sequence == 4
    assert main(["dispose", "--apply"]) == 0
    log = home.audit / "service.jsonl"
    assert [event["sequence"] for event in audit.read_events(log)] == [f"{n:012d}" for n in (2, 4)]
    assert audit.verify(log, [kept]).findings == ()
    assert len(list(audit.read_events(home.audit / "operations.jsonl"))) == 3
    assert not list((home.var / "cases").iterdir())
    assert main(["verify"]) == 0
    with log_of(home) as again:
        assert again.record(EventType.DECISION, "A-9", {}).sequence == 5
    assert retention.due(home, NEW) == []


def test_an_event_that_vanished_without_a_record_is_found(home: Paths) -> None:
    """Putting a stub in place of an event hides nothing, nor does losing the record."""
    retention.dispose(home, retention.due(home, NEW))
    for file in home.audit.glob("operations.*"):
        file.unlink()
    assert [found.kind for found in state(home).findings] == ["disposed", "disposed"]
    assert not state(home).intact


def test_a_hold_stops_everything(home: Paths) -> None:
    """Neither the rule nor a request touches a person on hold."""
    held = PRIVACY.pseudonym("A-1")
    plan = PLAN + "holds: [{ subject: '" + held + "', reason: dispute }]\n"
    (home.ops / "audit.yaml").write_text(plan)
    assert [due.places for due in retention.due(home, NEW)] == [(3,), (3,), ()]
    assert main(["erase", "--subject", "A-1", "--apply"]) == 1
    assert len(Payloads.of(state(home).path).digests()) == 3


def test_nothing_is_disposed_of_that_a_sink_has_not_got(home: Paths) -> None:
    """The log is the spool: what waits in it stays."""
    (home.ops / "audit.yaml").write_text(PLAN.replace("[file]", "[file, stdout]"))
    assert [due.record for due in retention.due(home, NEW)] == ["payloads", "cases"]


def test_a_log_in_use_is_not_shortened(home: Paths) -> None:
    """The writer would go on behind the old end; nothing is recorded either."""
    decisions = [due for due in retention.due(home, NEW) if due.what == "events"]
    with log_of(home), pytest.raises(audit.WriterBusy):
        retention.dispose(home, decisions)
    assert not (home.audit / "operations.jsonl").exists()
    assert state(home).intact


def test_a_payload_without_its_event_goes_at_the_next_start(home: Paths) -> None:
    """A crash between the two leaves nothing about a person behind."""
    path = home.audit / "service.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    path.with_suffix(".head.json").write_text(
        '{"sequence": 0, "hash": "' + audit.events.GENESIS + '"}'
    )
    assert len(state(home).orphans) == 1
    with log_of(home):
        assert state(home).orphans == ()


def test_the_rules_of_this_project_can_be_applied(project: Paths) -> None:
    """ops/audit.yaml as it stands disposes of nothing on its first day."""
    chosen = audit.settings(project.ops / "audit.yaml")
    assert {rule.what for rule in chosen.retention} == {"payloads", "events", "files"}
    assert min(rule.keep_days for rule in chosen.retention) >= 183
    assert retention.due(project, datetime.now(UTC) + timedelta(days=1)) == []
    assert checkpoints.read(project.audit / "none") == []
