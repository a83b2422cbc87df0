"""What the writer promises: an acknowledged event is there, whole, and from one writer."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from claims_router.controls import audit
from claims_router.controls.audit import (
    AuditLog,
    Event,
    EventType,
    FileConnector,
)

PRIVACY = audit.privacy_from({})
KILLED_WRITER = """
import sys
from pathlib import Path
from claims_router.controls import audit

log = audit.AuditLog(Path(sys.argv[1]), "/systems/test", audit.privacy_from({}))
while True:
    print(log.record(audit.EventType.DECISION, "person", {}).sequence, flush=True)
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


class Unreachable:
    """A sink that does not answer."""

    def write(self, events: Sequence[Event]) -> None:
        """Fail as a network does."""
        raise ConnectionError("the sink does not answer")


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


def test_a_sink_that_fails_is_reported_while_the_chain_stays_whole(tmp_path: Path) -> None:
    """The caller learns that a copy is missing; the file has the event and later ones follow it."""
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY, [Unreachable()]) as log:
        for _ in range(2):
            with pytest.raises(audit.AuditUnavailable, match="does not answer"):
                log.record(EventType.DECISION, "person", {})
    assert audit.verify(tmp_path / "a.jsonl").events == 2


def test_each_connector_gets_the_same_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mirrors see what the file holds, in order."""
    memory = audit.MemoryConnector()
    mirrors: list[audit.Connector] = [memory, audit.StdoutConnector()]
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY, mirrors) as log:
        log.record_all([(EventType.INCIDENT, "a", {}), (EventType.KILL_SWITCH, "b", {})])
    stored = (tmp_path / "a.jsonl").read_bytes()
    assert b"".join(event.line() for event in memory.events) == stored
    assert capsys.readouterr().out.encode() == stored


def test_a_damaged_log_is_not_written_to(tmp_path: Path) -> None:
    """Going on after tampering would bury it."""
    with AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY) as log:
        log.record(EventType.DECISION, "p", {"n": 1})
    content = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(content.replace(b'"n":1', b'"n":2'))
    with pytest.raises(audit.AuditUnavailable, match="was changed"):
        AuditLog(tmp_path / "a.jsonl", "/systems/test", PRIVACY)


def test_an_acknowledged_event_survives_a_kill(tmp_path: Path) -> None:
    """A process that is killed while it writes loses nothing that `record` had returned for."""
    arguments = [sys.executable, "-c", KILLED_WRITER, str(tmp_path / "a.jsonl")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
    state = audit.verify(tmp_path / "a.jsonl")
    assert state.intact
    assert state.sequence >= int(acknowledged[-1])


def test_settings_name_the_sinks(tmp_path: Path) -> None:
    """`ops/audit.yaml` decides; an unknown sink is refused by name."""
    path = tmp_path / "audit.yaml"
    path.write_text("source: /s\nsinks: [file, stdout]\nidentifying_fields: [card]\n")
    assert audit.settings(path) == audit.Settings("/s", ("file", "stdout"), ("card",))
    path.write_text("source: /s\nsinks: [file, fax]\nidentifying_fields: []\n")
    with pytest.raises(ValueError, match="unknown sink fax"):
        audit.settings(path)
