"""What the writer promises: an acknowledged event is there, whole, and from one writer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from late_orders.controls import audit
from late_orders.controls.audit import (
    AuditLog,
    Event,
    EventType,
    FileConnector,
)
from late_orders.controls.paths import Paths

PRIVACY = audit.privacy_from({})
KILLED_WRITER = """
import sys
import threading
from pathlib import Path
from late_orders.controls import audit

def work(name):
    while True:
        event = log.record(audit.EventType.DECISION, name, {}, payload={"of": name})
        print(event.id + "\n", end="", flush=True)

log = audit.AuditLog(Path(sys.argv[1]), "/systems/test", audit.privacy_from({}))
for number in range(4):
    threading.Thread(target=work, args=[f"person {number}"]).start()
"""


class FullDisk(FileConnector):
    """A disk on which the second write ends half-way."""

    writes = 0

    def _append(self, content: bytes) -> None:
        self.writes += 1
        if self.writes > 1:
            self._file.write(content[:10])
            raise OSError(28, "no space left on device")
        super()._append(content)


class SlowDisk(FileConnector):
    """A disk that takes its time, and counts the events of each write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[int] = []

    def write(self, events: Sequence[Event]) -> None:
        """Write after a while."""
        time.sleep(0.02)
        self.batches.append(len(events))
        super().write(events)


class BrokenDisk(FileConnector):
    """A disk that takes nothing until it is mended."""

    broken = True

    def _append(self, content: bytes) -> None:
        if self.broken:
            raise OSError(5, "input/output error")
        super()._append(content)


def test_an_event_has_the_cloudevents_attributes(tmp_path: Path) -> None:
    """The required attributes of CloudEvents 1.0, names of its allowed letters, and the chain."""
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY) as log:
        log.record(EventType.DEPLOYMENT, "model 1", {"digest": "sha256:00"})
    event = json.loads((tmp_path / "a.jsonl").read_text())
    assert event.keys() >= {"id", "source", "specversion", "type", "time", "subject", "data"}
    assert all(name.isalnum() and name.islower() for name in event)
    assert event["specversion"] == "1.0"
    assert event["sequence"] == "000000000001"
    assert event["time"].endswith("Z")
    assert event["previoushash"] == audit.events.GENESIS


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Opening again continues sequence and chain."""
    for _ in range(2):
        with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY) as log:
            log.record_all([(EventType.DECISION, "p", {})] * 3)
    assert audit.verify(tmp_path / "a.jsonl").sequence == 6


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Two chains in one file would both be broken; when the first closes, a second may write."""
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY):
        with pytest.raises(audit.WriterBusy, match="another process"):
            AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY)
        AuditLog(tmp_path / "b.jsonl", "/systems/test", PRIVACY).close()
    AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY).close()


def test_threads_share_one_chain(tmp_path: Path) -> None:
    """Concurrent requests in one process are put in order."""
    log = AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY)
    with log, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: log.record(EventType.DECISION, str(n), {"n": n}), range(40)))
    state = audit.verify(tmp_path / "a.jsonl")
    assert (state.events, state.findings) == (40, ())


def test_a_write_that_fails_leaves_no_trace_and_is_reported(tmp_path: Path) -> None:
    """A full disk raises AuditUnavailable, and what was half written is taken back."""
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY, ledger=FullDisk) as log:
        log.record(EventType.DECISION, "first", {})
        with pytest.raises(audit.AuditUnavailable, match="no space left"):
            log.record_all([(EventType.DECISION, "second", {})])
    state = audit.verify(tmp_path / "a.jsonl")
    assert (state.events, state.findings) == (1, ())


def test_threads_share_one_fsync(tmp_path: Path) -> None:
    """While one write is under way others gather, and all of them go with the next one."""
    ledgers: list[SlowDisk] = []

    def slow(path: Path) -> SlowDisk:
        ledgers.append(SlowDisk(path))
        return ledgers[0]

    log = AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY, ledger=slow)
    with log, ThreadPoolExecutor(16) as pool:
        events = list(pool.map(lambda n: log.record(EventType.DECISION, str(n), {}), range(64)))
    assert sorted(event.sequence for event in events) == list(range(1, 65))
    assert sum(ledgers[0].batches) == 64
    assert len(ledgers[0].batches) <= 32


def test_the_bytes_of_an_event_are_canonical(tmp_path: Path) -> None:
    """The log puts them together from parts; the parts are those of RFC 8785."""
    data = {"ü": 1.0, "a": [None, True, 1e-7, 'q"\n'], "A": {"z": 1, "y": -0.0}}
    with AuditLog(tmp_path / "a.jsonl", '/systems/"test"', PRIVACY) as log:
        event = log.record(EventType.INCIDENT, 'a "subject"', data)
    stored = json.loads(event.encoded)
    assert audit.canonical(stored) == event.encoded
    assert audit.Event.parse(event.line()) == event
    own = {name: value for name, value in stored.items() if name != "hash"}
    assert audit.events.chained_hash(own) == event.hash


def failing(path: Path, policy: audit.OnFailure, hold: int = 2) -> tuple[AuditLog, BrokenDisk]:
    """A log on a disk that is broken until told otherwise."""
    ledger = BrokenDisk(path)
    made = AuditLog(path, "/s", PRIVACY, ledger=lambda _: ledger, on_failure=policy, hold=hold)
    return made, ledger


def test_closed_lets_nothing_out(tmp_path: Path) -> None:
    """Each event that cannot be made durable raises, and nothing is kept in memory."""
    log, ledger = failing(tmp_path / "a.jsonl", audit.OnFailure.CLOSED)
    with log:
        for _ in range(3):
            with pytest.raises(audit.AuditUnavailable):
                log.record(EventType.DECISION, "p", {})
        ledger.broken = False
        assert log.record(EventType.DECISION, "p", {}).sequence == 1


def test_degrade_holds_a_few_and_then_closes(tmp_path: Path) -> None:
    """Two are held, the third is refused; when the disk is back they are written, after a note."""
    log, ledger = failing(tmp_path / "a.jsonl", audit.OnFailure.DEGRADE)
    with log:
        held = [log.record(EventType.DECISION, "p", {"n": n}) for n in range(2)]
        assert [event.sequence for event in held] == [0, 0]
        with pytest.raises(audit.AuditUnavailable):
            log.record(EventType.DECISION, "p", {"n": 2})
        ledger.broken = False
        assert log.record(EventType.DECISION, "p", {"n": 3}).sequence == 4
    note, *rest = audit.read_events(tmp_path / "a.jsonl")
    assert note["data"] == {"kind": "audit log was unavailable", "held": 2, "lost": 0}
    assert [event["data"]["n"] for event in rest] == [0, 1, 3]
    assert [event["id"] for event in rest[:2]] == [event.id for event in held]


def test_open_counts_what_it_lost(tmp_path: Path) -> None:
    """Outcomes go on; beyond what memory holds events are lost, and the log says how many."""
    log, ledger = failing(tmp_path / "a.jsonl", audit.OnFailure.OPEN)
    with log:
        for number in range(5):
            assert log.record(EventType.DECISION, "p", {"n": number}).sequence == 0
        ledger.broken = False
    note, *rest = audit.read_events(tmp_path / "a.jsonl")
    assert note["data"] == {"kind": "audit log was unavailable", "held": 2, "lost": 3}
    assert [event["data"]["n"] for event in rest] == [0, 1]
    assert audit.verify(tmp_path / "a.jsonl").intact


def test_a_damaged_log_is_not_written_to(tmp_path: Path) -> None:
    """Going on after tampering would bury it."""
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY) as log:
        log.record(EventType.DECISION, "p", {"n": 1})
    content = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(content.replace(b'"n":1', b'"n":2'))
    with pytest.raises(audit.AuditUnavailable, match="was changed"):
        AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY)


def test_an_acknowledged_event_survives_a_kill(tmp_path: Path) -> None:
    """A process killed while its threads write loses nothing that `record` had returned for."""
    path = tmp_path / "a.jsonl"
    for _ in range(3):
        arguments = [sys.executable, "-c", KILLED_WRITER, str(path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged = [process.stdout.readline().strip() for _ in range(40)]
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += process.stdout.read().split("\n")[:-1]
        assert audit.verify(path).intact
        stored = [event["id"] for event in audit.read_events(path)]
        assert set(acknowledged) - {""} <= set(stored)
        assert len(stored) == len(set(stored))


def test_settings_name_sinks_tier_and_rules(tmp_path: Path) -> None:
    """`ops/audit.yaml` decides; a word that is not known is refused by name."""
    path = tmp_path / "audit.yaml"
    plain = "source: /s\nsinks: [file, stdout]\nidentifying_fields: [card]\n"
    path.write_text(plain)
    assert audit.settings(path) == audit.Settings("/s", ("file", "stdout"), ("card",))
    path.write_text(plain + "risk_tier: low\non_audit_failure: { low: degrade }\n")
    assert audit.settings(path).on_failure is audit.OnFailure.DEGRADE
    for wrong, message in {
        plain.replace("stdout", "fax"): "unknown sink fax",
        plain + "risk_tier: odd\n": "nothing of the risk tier 'odd'",
        plain + "retention: [{ record: r, what: all, keep_days: 1 }]": "none of payloads",
        plain + "retention: [{ record: r, what: events, keep_days: 1, types: [x] }]": "'x'",
        plain + "retention: [{ record: r, what: events, keep_days: 1, types: [disposal] }]": "no",
        plain.replace("source", "sauce"): "source",
    }.items():
        path.write_text(wrong)
        with pytest.raises(ValueError, match=message):
            audit.settings(path)


def test_this_project_is_closed() -> None:
    """A system of this tier lets no outcome out that is not on record."""
    chosen = audit.settings(Paths.of(Path(__file__).parents[2]).ops / "audit.yaml")
    assert chosen.on_failure is audit.OnFailure.CLOSED
