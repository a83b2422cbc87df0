"""What the log promises: an acknowledged event is there, whole, in its place, and names nobody."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sme_loans.controls import audit
from sme_loans.controls.audit import (
    REDACTED,
    AuditLog,
    Event,
    EventType,
    FileConnector,
    KeyRefused,
    Privacy,
    in_production,
    open_log,
    privacy_from,
)
from sme_loans.controls.audit.__main__ import main
from sme_loans.controls.audit.privacy import Name
from sme_loans.controls.paths import Paths

PRIVACY = audit.privacy_from({})
KILLED_WRITER = """
import sys
import threading
from pathlib import Path
from sme_loans.controls import audit

def work(name):
    while True:
        event = log.record(audit.EventType.DECISION, name, {}, payload={"of": name})
        print(event.id + "\n", end="", flush=True)

log = audit.AuditLog(Path(sys.argv[1]), "/systems/test", audit.privacy_from({}))
for number in range(4):
    threading.Thread(target=work, args=[f"person {number}"]).start()
"""
Lines = list[bytes]
IDENTIFIERS = [
    "someone@example.org", "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819",
    "4111 1111 1111 1111", "+44 20 7946 0958", "078-05-1120", "A-1001",
]  # fmt: skip


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


def test_what_is_on_disk_is_never_refused(tmp_path: Path) -> None:
    """The head cannot be written: it lags behind, and no event stands that its caller denies."""
    path = tmp_path / "a.jsonl"
    with AuditLog(path, "/s", PRIVACY) as log:
        log.record(EventType.DECISION, "p", {})
        (tmp_path / "a.head.draft").mkdir()
        assert log.record(EventType.DECISION, "p", {}).sequence == 2
        (tmp_path / "a.head.draft").rmdir()
    assert audit.verify(path).intact and audit.verify(path).sequence == 2


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
        "": "audit.yaml: it says nothing: give `source` and `sinks`",
        "[]": "it says nothing",
        "{}": "audit.yaml: `source` is None: give a text",
        "a: [": "audit.yaml: while parsing",
    }.items():
        path.write_text(wrong)
        with pytest.raises(ValueError, match=message):
            audit.settings(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        *(
            (f"{key}: {value}", f"`{key}` is .*: give a list of texts")
            for key in ("identifying_fields", "checkpoint_keys", "sinks")
            for value in ("member_number", "[123]", "[null]", "[' ']", "{ a: b }", "7")
        ),
        ("source: ", "`source` is None: give a text"),
        ("source: ' '", "`source` is ' ': give a text"),
        ("source: [/s]", "`source` is .*: give a text"),
        ("sinks: []", "`sinks` lacks `file`"),
        ("sinks: [stdout]", "`sinks` lacks `file`"),
        ("hold_events: -1", "`hold_events` is -1: give a whole number"),
        ("hold_events: true", "`hold_events` is True: give a whole number"),
        ("hold_events: 1.5", "`hold_events` is 1.5: give a whole number"),
        ("retention: [{ record: r, what: events, keep_days: -1 }]", "`keep_days` is -1"),
        ("retention: [{ record: r, what: events, keep_days: 1, types: decision }]", "`types` is"),
        ("retention: [{ record: r, what: files, keep_days: 1 }]", "`files` is None"),
        ("holds: [{ subject: C000001 }]", "controls.audit pseudonym IDENTIFIER` prints"),
        ("holds: [{ reason: dispute }]", "`subject` is None"),
    ],
)
def test_settings_of_another_form_are_refused_by_name(
    tmp_path: Path, line: str, message: str
) -> None:
    """A lone word where a list belongs would be its letters, and redact or check nothing."""
    path = tmp_path / "audit.yaml"
    plain = {"source": "source: /s", "sinks": "sinks: [file]"}
    path.write_text("\n".join({**plain, line.partition(":")[0]: line}.values()))
    with pytest.raises(ValueError, match=message) as refused:
        audit.settings(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_this_project_is_closed() -> None:
    """A system of this tier lets no outcome out that is not on record."""
    chosen = audit.settings(Paths.of(Path(__file__).parents[2]).ops / "audit.yaml")
    assert chosen.on_failure is audit.OnFailure.CLOSED


def written(folder: Path, events: int = 4) -> Path:
    """A log with some decisions in it."""
    path = folder / "service.jsonl"
    clock = lambda: datetime(2026, 1, 5, 9, 30, tzinfo=UTC)  # noqa: E731
    with audit.AuditLog(path, "/systems/test", audit.privacy_from({}), clock=clock) as log:
        for number in range(events):
            log.record(audit.EventType.DECISION, f"person {number}", {"probability": 0.1 * number})
    return path


def kinds(path: Path) -> set[str]:
    """The kinds of finding in a log."""
    return {finding.kind for finding in audit.verify(path).findings}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (1e-6, "0.000001"),
        (1e-7, "1e-7"), (1.5e-9, "1.5e-9"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (333333333.33333329, "333333333.3333333"), (4.5, "4.5"), (2e-3, "0.002"),
        (9007199254740994.0, "9007199254740994"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)  # fmt: skip
def test_numbers_have_the_one_form_of_rfc_8785(number: float, text: str) -> None:
    """The values of RFC 8785, appendix B, and the borders between plain and exponent form."""
    assert audit.canonical(number) == text.encode()


def test_keys_are_sorted_by_utf_16_units_and_text_is_not_escaped() -> None:
    """The example of RFC 8785, section 3.2.3: a code point beyond 2**16 sorts before U+FB33."""
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(audit.canonical(value)).values()) == [2, 4, 6, 7, 1, 5, 3]
    assert audit.canonical({"a": "é\n"}) == '{"a":"é\\n"}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, {1: "a"}, {"a": {1, 2}}])
def test_what_json_cannot_carry_exactly_is_refused(value: object) -> None:
    """A hash over an ambiguous value would prove nothing."""
    with pytest.raises(ValueError, match=r"JSON|2\*\*53|key"):
        audit.canonical(value)


def test_an_untouched_log_verifies(tmp_path: Path) -> None:
    """All events are counted and there is nothing to report."""
    state = audit.verify(written(tmp_path))
    assert (state.intact, state.events, state.sequence, state.findings) == (True, 4, 4, ())


def change(lines: Lines) -> Lines:
    """Turn a probability into another one."""
    return [lines[0], lines[1].replace(b"0.1}", b"0.9}"), *lines[2:]]


def rehash(lines: Lines) -> Lines:
    """Change an event and give it a hash that fits."""
    event = json.loads(change(lines)[1])
    event["hash"] = audit.events.chained_hash({k: v for k, v in event.items() if k != "hash"})
    return [lines[0], audit.canonical(event), *lines[2:]]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (change, {"altered"}),
        (rehash, {"broken-link"}),
        (lambda lines: [lines[0], *lines[2:]], {"out-of-order", "broken-link"}),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], {"out-of-order", "broken-link"}),
        (lambda lines: [lines[0], lines[0], *lines[1:]], {"out-of-order", "broken-link"}),
        (lambda lines: lines[:-1], {"truncated"}),
        (lambda lines: [], {"truncated"}),
        (lambda lines: [lines[0], b"{}", *lines[2:]], {"unreadable", "broken-link"}),
        (lambda lines: [lines[0] + b" ", *lines[1:]], {"altered"}),
    ],
)  # fmt: skip
def test_tampering_is_found(
    tmp_path: Path, tamper: Callable[[Lines], Lines], expected: set[str]
) -> None:
    """Each line changed, re-hashed, removed, reordered, doubled, cut off or emptied is found."""
    path = written(tmp_path)
    lines = tamper(path.read_bytes().splitlines())
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    assert kinds(path) == expected
    assert not audit.verify(path).intact


@pytest.mark.parametrize("left", [".head.json", ".checkpoints", ".lock", ".payloads.db"])
def test_a_log_that_is_gone_is_found_by_what_is_left(tmp_path: Path, left: str) -> None:
    """Deleting the file is the crudest cut, and any one of what lay beside it shows it."""
    path = written(tmp_path)
    path.with_suffix(".checkpoints").touch()
    with AuditLog(path, "/systems/test", PRIVACY) as log:
        log.record(EventType.DECISION, "p", {}, payload={"n": 1})
    for file in tmp_path.glob(f"{path.stem}.*"):
        if not file.name.endswith(left):
            file.unlink()
    assert [state.intact for state in audit.verify_folder(tmp_path)] == [False]


def test_a_missing_head_is_not_taken_as_proof(tmp_path: Path) -> None:
    """Without its head file the end of a log cannot be shown."""
    path = written(tmp_path)
    path.with_suffix(".head.json").unlink()
    assert kinds(path) == {"head"}


def test_a_torn_tail_is_told_apart_from_tampering(tmp_path: Path) -> None:
    """A crash leaves half a line that nobody was promised; the next writer sets it aside."""
    path = written(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"data":{"probab')
    assert audit.verify(path).torn
    assert audit.verify(path).intact
    with audit.AuditLog(path, "/systems/test", audit.privacy_from({})):
        pass
    state = audit.verify(path)
    assert (state.findings, state.events) == ((), 5)
    assert b"torn tail set aside" in path.read_bytes().splitlines()[-1]
    assert [file.read_bytes() for file in tmp_path.glob("*.torn-*")] == [b'{"data":{"probab']


def test_half_of_an_acknowledged_event_is_tampering(tmp_path: Path) -> None:
    """The head file names the last event that was acknowledged: cutting it is no torn tail."""
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert kinds(path) == {"torn", "truncated"}
    assert not audit.verify(path).intact


def test_the_command_reports_by_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 without a log, 0 when intact, 1 when not."""
    monkeypatch.setenv("PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("AUDIT_DIR", "audit")
    assert main(["verify"]) == 2
    path = written(tmp_path / "audit")
    assert main(["verify"]) == 0
    assert "intact, 4 events" in capsys.readouterr().err
    path.write_bytes(change(path.read_bytes().splitlines())[1] + b"\n")
    assert main(["verify"]) == 1
    assert "NOT INTACT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"), [(None, "there is no {}"), ("\n", "{} holds no checkpoint")]
)
def test_a_file_without_checkpoints_proves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    said: str,
) -> None:
    """A mistyped name, or an empty copy, is no comparison that went well."""
    monkeypatch.setenv("PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("AUDIT_DIR", "audit")
    written(tmp_path / "audit")
    kept = tmp_path / "kept.jsonl"
    if content is not None:
        kept.write_text(content)
    assert main(["verify", "--against", str(kept)]) == 1
    assert capsys.readouterr().err == f"audit verify: {said.format(kept)}\n"


def test_no_identifier_reaches_the_log(tmp_path: Path) -> None:
    """Not as a subject, not in a named field, not inside text, not nested, not as a key."""
    with AuditLog(tmp_path / "a.jsonl", "/s", privacy_from({}, ["Application_ID"])) as log:
        for identifier in IDENTIFIERS:
            log.record(EventType.DECISION, identifier, {"outcome": "refer"})
        for identifier in IDENTIFIERS[:-1]:
            data = {"note": f"called {identifier}.", identifier: [{"deep": [identifier]}]}
            log.record(EventType.OVERRIDE, "p", data)
            log.record(EventType.INCIDENT, f"mail from {identifier}", {})
        log.record(EventType.DECISION, "p", {"Email": "x", "application_id": "A-1001"})
    text = (tmp_path / "a.jsonl").read_text()
    assert not [identifier for identifier in IDENTIFIERS if identifier in text]


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-01 12:30:05", "2026-06-01T12:30:05Z", "0.123456789012", "model 3f2a9c",
        "sha256:" + "0123456789" * 6, "12345678-1234-4123-8123-1234567890ab", "limit 20000",
        "2026-11-26", "26.11.2026", "26/11/2026", "11/26/2026", "01.02.26", "26.11.2026 14 Uhr",
        "01.11.2026 - 05.12.2026", "01.11.2026-05.12.2026", "2026-11-26/2026-12-27",
        "26/11/2026 09:30:05",
        "01/2026 - 03/2026", "2026-11-26T09:30:00.123456+05:30", "09:30", "0,123",
        "12345678.901234", "1.2.3.4", "10.20.30.40", "192.168.100.200", "1.234.567,89",
        "1.234.567.890,12", "+1.234.567.890,12", "1,234,567.89", "120000/150000",
        "ab123456-1234-4abc-89ab-1234567890ab",
        "1234abcd-ab12-4abc-89ab-123456789012", "AB123456-1234-4ABC-89AB-1234567890AB",
        "person:ab12c3d4e5f60718293a4b5c6d7e8f90", "sha256:" + "ab12" * 16, "ab12c3d4e5f60718",
        "fy26 plan goal done here",
    ],
)  # fmt: skip
def test_what_identifies_nobody_is_kept(text: str) -> None:
    """Times, digests, ids, versions and amounts stay readable, also within a sentence."""
    privacy = Privacy(b"k")
    for sentence in ("{}", "on {}.", "on {}: it", "({}) x", "{}, then", "at {} x"):
        assert privacy.redact_text(sentence.format(text)) == sentence.format(text)


@pytest.mark.parametrize(
    "text",
    [
        "(555) 123-4567", "(555)123-4567", "555.123.4567", "555/123-4567", "1 (555) 123-4567",
        "1.555.123.4567", "+1 (555) 123-4567", "+1.5551234567", "+49 (0)171 5551234",
        "0171/5551234", "0171 / 555 12 34", "0171.5551234", "(0171) 5551234", "(030) 123 456",
        "(11) 98765-4321",
        "01.23.45.67.89", "0171\u00a0555\u00a01234", "0171\u202f555\u202f1234",
        "0171\u2009555\u20091234", "0171\u20115551234", "123456789", "de89370400440532013000",
        "De89 3704 0044 0532 0130 00", "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
        "gb29 nwbk 6016 1331 9268 19", "nl91abna0417164300", "at61 1904 3002 3457 3201",
        "be68539007547034", "fr1420041010050500013m02606",
    ],
)  # fmt: skip
def test_a_number_of_a_person_is_redacted_however_it_is_written(text: str) -> None:
    """With the separators of many countries, accounts in small letters too, and in a sentence."""
    privacy = Privacy(b"k")
    for sentence in ("{}", "call {}.", "call {}: nobody", "{}, then", "tel:{}", "{} called"):
        assert privacy.redact_text(sentence.format(text)) == sentence.format(REDACTED)


def test_redaction_keeps_what_is_needed_and_leaves_the_input_alone() -> None:
    """A redacted copy has the same shape."""
    given = {"email": "x", "reasons": ["INCOME_LOW"], "nested": {"phone": 1, "probability": 0.25}}
    redacted = Privacy(b"k").redact(given)
    assert redacted == {
        "email": REDACTED,
        "reasons": ["INCOME_LOW"],
        "nested": {"phone": REDACTED, "probability": 0.25},
    }
    assert given["email"] == "x"


def test_a_name_that_the_system_gave_is_written_as_it_is() -> None:
    """At any depth; but not in a field that identifies a person."""
    node = Name("product=4006381333931")
    given = {"node": node, "nodes": [{"node": node}], "reason": str(node), "phone": node}
    assert Privacy(b"k").redact(given) == {
        "node": "product=4006381333931",
        "nodes": [{"node": "product=4006381333931"}],
        "reason": f"product={REDACTED}",
        "phone": REDACTED,
    }


def test_a_name_from_outside_is_kept_where_it_identifies_nobody() -> None:
    """Else it is keyed: the same text has the same name, and looking like one is of no use."""
    one, other, number = Privacy(b"one"), Privacy(b"other"), "20251100000001"
    keyed = one.name(number)
    assert one.name("D-4711") == "D-4711"
    assert keyed == one.name(number) and len(keyed) == len("keyed:") + 32
    assert number not in keyed and one.redact({"id": keyed}) == {"id": keyed}
    assert len({keyed, one.name("20251100000002"), other.name(number), one.name(str(keyed))}) == 4


def test_a_pseudonym_follows_the_person_and_the_key() -> None:
    """Same person and key, same pseudonym; text that looks like a pseudonym is not trusted."""
    one, other = Privacy(b"one"), Privacy(b"other")
    assert one.pseudonym("A-1") == one.pseudonym("A-1")
    assert one.pseudonym(one.pseudonym("A-1")) == one.pseudonym("A-1")
    assert one.pseudonym(str(one.pseudonym("A-1"))) != one.pseudonym("A-1")
    assert len({one.pseudonym("A-1"), one.pseudonym("A-2"), other.pseudonym("A-1")}) == 3


def test_a_person_who_acts_has_one_pseudonym() -> None:
    """However they write their address; a pseudonym stays what it is."""
    privacy = Privacy(b"one")
    assert privacy.actor(" Anna@B.example ") == privacy.actor("anna@b.example")
    assert privacy.actor("anna@b.example") == privacy.pseudonym("anna@b.example")
    assert privacy.actor(privacy.actor("anna@b.example")) == privacy.actor("anna@b.example")


@pytest.mark.parametrize(
    "text", ["XZ34-1888-3321-8657-7821-49", "XZ10-986335884352505156", "XZ34 1888-33218657782149"]
)
def test_an_account_is_redacted_however_it_is_grouped(text: str) -> None:
    """Also with hyphens."""
    assert Privacy(b"k").redact_text(f"paid to {text} today") == f"paid to {REDACTED} today"


def test_an_input_digest_needs_the_key() -> None:
    """Without the key nobody can try inputs until the digest fits."""
    value = {"income": 1000, "term": 12}
    assert Privacy(b"one").digest(value) == Privacy(b"one").digest(dict(reversed(value.items())))
    assert Privacy(b"one").digest(value) != Privacy(b"other").digest(value)


@pytest.mark.parametrize("key", ["", "short", "development-only-key-do-not-use-in-production"])
def test_production_refuses_a_key_that_is_no_secret(key: str, project: Paths) -> None:
    """No log opens in production without a secret of 32 characters."""
    environment = {"ENVIRONMENT": "production", "AUDIT_KEY": key}
    with pytest.raises(KeyRefused, match="AUDIT_KEY"):
        open_log(project, "service", environment)
    open_log(project, "service", {"ENVIRONMENT": "production", "AUDIT_KEY": "s" * 32}).close()


@pytest.mark.parametrize("word", ["prod", "production ", "staging", ""])
def test_an_unknown_environment_is_refused(word: str, project: Paths) -> None:
    """A typing error must not turn production into development."""
    with pytest.raises(KeyRefused, match="it must be development or production"):
        open_log(project, "service", {"ENVIRONMENT": word, "AUDIT_KEY": "s" * 32})


def test_the_environment_is_read_in_any_case() -> None:
    """Nothing said is development."""
    assert in_production({"ENVIRONMENT": "Production"})
    assert not in_production({"ENVIRONMENT": "DEVELOPMENT"})
    assert not in_production({})


def test_a_log_that_is_broken_stops_a_pipeline(project: Paths) -> None:
    """Evidence of a run is worth as much as the trail that it left."""
    with audit.open_log(project, "pipeline") as log:
        log.record(EventType.DECISION, "A-1", {"outcome": "approve"})
    audit.refuse_broken(project)
    file = project.audit / "pipeline.jsonl"
    file.write_bytes(file.read_bytes().replace(b"approve", b"decline"))
    with pytest.raises(audit.LogBroken) as why:
        audit.refuse_broken(project)
    found = "pipeline.jsonl: line 1 was changed: its hash differs"
    assert str(why.value) == f"the audit log is not intact: {found}"
