"""One contract that every connector passes, and what the delivery to them promises.

A connector of your own: give `SinkContract` a fixture `place` for it.
"""

import base64
import json
import re
import socket
import socketserver
import sqlite3
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from credit_line.controls import audit
from credit_line.controls.audit import (
    AuditLog,
    Connector,
    Event,
    EventType,
    StdoutConnector,
    delivery,
)
from credit_line.controls.audit.delivery import SINKS, Connection
from credit_line.controls.audit.events import GENESIS, Draft
from credit_line.controls.audit.stores import SqliteConnector
from credit_line.controls.audit.streams import (
    OtlpConnector,
    SplunkConnector,
    SyslogConnector,
    WebhookConnector,
    signature,
)
from credit_line.controls.paths import Paths

PRIVACY = audit.privacy_from({})
SECRET = "a secret of the receiver, 32 characters"
KEY = b"twenty-four bytes of key"
WEBHOOK_SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATIENCE = 60.0


def some_events(number: int, first: int = 1) -> list[Event]:
    """Events with text that is hard to carry."""
    found, previous = [], GENESIS
    for place in range(first, first + number):
        data = {"n": place, "text": "quotes \" ' \\ line\nend, tab\t, umlaut ü, euro €, \U0001f600"}
        draft = Draft(f"id-{place}", "/systems/test", "ai.system.incident.v1", "s", NOW, data)
        found.append(draft.chained(place, previous))
        previous = found[-1].hash
    return found


NOW = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class Place:
    """A sink under test: `received` gives the lines that it holds, `broken` makes it fail."""

    connector: Connector
    received: Callable[[], list[bytes]]
    broken: Callable[[bool], None]
    keeps_once: bool = False


class SinkContract:
    """What every connector has to do."""

    def test_events_arrive_whole_and_in_order(self, place: Place) -> None:
        """Each line byte for byte: whoever has them can check hashes and chain."""
        events = some_events(20)
        place.connector.write(events[:1])
        place.connector.write(events[1:])
        assert place.received() == [event.encoded for event in events]

    def test_a_big_batch_arrives(self, place: Place) -> None:
        """As many as delivery ever hands over at once."""
        events = some_events(delivery.BATCH)
        place.connector.write(events)
        assert place.received() == [event.encoded for event in events]

    def test_an_event_that_comes_twice_counts_once(self, place: Place) -> None:
        """By its id; a place that can tell keeps it once itself."""
        events = some_events(5)
        for batch in (events[:3], events[:3], events):
            place.connector.write(batch)
        lines = place.received()
        assert list(dict.fromkeys(lines)) == [event.encoded for event in events]
        assert {Event.parse(line).id for line in lines} == {event.id for event in events}
        if place.keeps_once:
            assert len(lines) == len(events)

    def test_what_fails_raises_and_can_be_tried_again(self, place: Place) -> None:
        """OSError in good time, never a silent loss; the same connector works afterwards."""
        events = some_events(4)
        place.connector.write(events[:1])
        place.broken(True)
        started = time.monotonic()
        with pytest.raises(OSError):
            place.connector.write(events[1:])
        assert time.monotonic() - started < PATIENCE
        place.broken(False)
        place.connector.write(events[1:])
        lines = place.received()
        assert list(dict.fromkeys(lines)) == [event.encoded for event in events]

    def test_it_can_be_closed_and_used_again(self, place: Place) -> None:
        """Closing gives connections back, and loses nothing that was acknowledged."""
        events = some_events(2)
        place.connector.write(events[:1])
        place.connector.close()
        place.connector.write(events[1:])
        assert place.received() == [event.encoded for event in events]

    def test_a_log_delivers_while_the_sink_fails_and_recovers(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Recording is never held up; what waits is measured, and goes out in order."""
        monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.05)
        monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.1)
        place.broken(True)
        path = tmp_path / "log" / "a.jsonl"
        with AuditLog(path, "/s", PRIVACY, sinks={"sink": place.connector}) as log:
            for number in range(30):
                log.record(EventType.INCIDENT, "s", {"n": number})
            waits = log.backlogs()[0]
            assert (waits.sink, waits.events) == ("sink", 30)
            assert 0 < waits.seconds < PATIENCE
            place.broken(False)
            until(lambda: log.backlogs()[0].events == 0)
        assert list(dict.fromkeys(place.received())) == path.read_bytes().splitlines()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen in good time"
        time.sleep(0.01)


@dataclass
class Receiver:
    """An HTTP service on this machine that checks what it gets as the real one does."""

    kind: str
    acknowledges: bool = False
    broken: bool = False
    lines: list[bytes] = field(default_factory=list)
    asked: int = 0

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON."""
        if self.broken:
            return 503, {}
        return {"otlp": self._otlp, "splunk": self._splunk, "webhook": self._webhook}[self.kind](
            path, headers, body
        )

    def _otlp(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        if (path, headers["content-type"]) != ("/v1/logs", "application/json"):
            return 415, {}
        for resource in json.loads(body)["resourceLogs"]:
            for record in resource["scopeLogs"][0]["logRecords"]:
                event = Event.parse(record["body"]["stringValue"].encode())
                seconds = datetime.fromisoformat(event.time).timestamp()
                assert abs(int(record["timeUnixNano"]) / 1e9 - seconds) < 1e-5
                self.lines.append(event.encoded)
        return 200, {"partialSuccess": {}}

    def _splunk(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        if headers["authorization"] != f"Splunk {SECRET}":
            return 403, {"text": "Invalid token", "code": 4}
        if path == "/services/collector/ack":
            self.asked += 1
            return 200, {"acks": {str(n): self.asked % 2 == 0 for n in json.loads(body)["acks"]}}
        for line in body.splitlines():
            self.lines.append(audit.canonical(json.loads(line)["event"]))
        return 200, {"text": "Success", "code": 0} | ({"ackId": 7} if self.acknowledges else {})

    def _webhook(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        now = int(headers["webhook-timestamp"])
        expected = signature(KEY, body, now)
        if headers["webhook-signature"] != expected["webhook-signature"]:
            return 401, {}
        self.lines += [audit.canonical(event) for event in json.loads(body)]
        return 200, {}


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    """The address of a receiver while it listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = receiver.answer(self.path, self.headers, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class SyslogServer(socketserver.ThreadingTCPServer):
    """Reads frames as RFC 6587 says and messages as RFC 5424 says; `broken` resets."""

    daemon_threads = True
    MESSAGE = re.compile(rb"<110>1 (\S+) (\S+) /systems/test|<110>1 (\S+) (\S+) /s", re.DOTALL)

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _SyslogHandler)
        self.context, self.broken, self.lines = context, False, list[bytes]()

    def shutdown_request(self, request: Any) -> None:
        """Close at once, as a daemon that dies does."""
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A reset is meant."""


class _SyslogHandler(socketserver.BaseRequestHandler):
    server: SyslogServer

    def handle(self) -> None:
        if self.server.broken:
            self.request.recv(1)  # not before the client has begun: its TLS would lose its socket
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        context = self.server.context
        connection = (
            context.wrap_socket(self.request, server_side=True) if context else self.request
        )
        with connection, connection.makefile("rb") as stream:
            while length := self._length(stream):
                message = stream.read(length)
                assert self.server.MESSAGE.match(message)
                self.server.lines.append(message.split(b"\xef\xbb\xbf", 1)[1])
            if context:
                connection.unwrap()

    @staticmethod
    def _length(stream: Any) -> int:
        digits = b""
        while (byte := stream.read(1)) not in (b" ", b""):
            digits += byte
        return int(digits or 0)


@contextmanager
def syslog(folder: Path, tls: bool) -> Iterator[Place]:
    """A syslog server with a certificate of its own, or without."""
    context, authorities = None, ""
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authorities = certificate(folder)
        context.load_cert_chain(authorities)
    with SyslogServer(context) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        connector = SyslogConnector("127.0.0.1", server.server_address[1], tls, authorities)
        yield Place(connector, lambda: server.lines, lambda yes: setattr(server, "broken", yes))
        server.shutdown()


def certificate(folder: Path) -> str:
    """A file with a key and a certificate for 127.0.0.1."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "server.pem"
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return str(file)


@contextmanager
def web(kind: str, acknowledges: bool = False) -> Iterator[Place]:
    """A connector to a receiver."""
    receiver = Receiver(kind, acknowledges)
    with listening(receiver) as url:
        made: dict[str, Connector] = {
            "otlp": OtlpConnector(f"{url}/v1/logs", {}),
            "splunk": SplunkConnector(f"{url}/services/collector/event", SECRET, pause=0.01),
            "webhook": WebhookConnector(f"{url}/audit", KEY),
        }
        yield Place(
            made[kind], lambda: receiver.lines, lambda yes: setattr(receiver, "broken", yes)
        )


@contextmanager
def sqlite(folder: Path) -> Iterator[Place]:
    """A SQLite file; broken, it is locked by somebody who does not let go."""
    file, stack = folder / "events.db", ExitStack()

    def lines() -> list[bytes]:
        with closing(sqlite3.connect(file)) as database:
            rows = database.execute("SELECT event FROM audit_event ORDER BY sequence").fetchall()
        return [str(row[0]).encode() for row in rows]

    def broken(yes: bool) -> None:
        stack.close()
        if yes:
            blocker = stack.enter_context(closing(sqlite3.connect(file)))
            blocker.execute("BEGIN EXCLUSIVE")

    with stack:
        yield Place(SqliteConnector(file, patience=0.1), lines, broken, keeps_once=True)


class Flaky:
    """The file or the standard output, with a switch that makes it fail like a full disk."""

    def __init__(self, make: Callable[[], Connector]) -> None:
        self.broken, self._make = False, make
        self._inner: Connector | None = None

    def write(self, events: Sequence[Event]) -> None:
        """Fail, or hand on."""
        if self.broken:
            raise OSError(28, "no space left on device")
        self._inner = self._inner or self._make()
        self._inner.write(events)

    def close(self) -> None:
        """Close, and be ready to be used again."""
        if self._inner is not None:
            self._inner.close()
            self._inner = None


@pytest.fixture(
    params=["file", "stdout", "sqlite", "otlp", "splunk", "splunk with acks", "webhook", "syslog",
            "syslog over TLS"]
)  # fmt: skip
def place(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    """Each sink that can be had on this machine without installing anything."""
    kind = str(request.param)
    with ExitStack() as stack:
        if kind in ("file", "stdout"):
            file = tmp_path / "sink.jsonl"
            flaky = Flaky(partial(audit.FileConnector, file) if kind == "file" else StdoutConnector)
            read: dict[str, Callable[[], bytes]] = {
                "file": file.read_bytes,
                "stdout": lambda: capsys.readouterr().out.encode(),
            }
            yield Place(
                flaky, lambda: read[kind]().splitlines(), lambda yes: setattr(flaky, "broken", yes)
            )
            flaky.close()
        elif kind == "sqlite":
            yield stack.enter_context(sqlite(tmp_path))
        elif kind.startswith("syslog"):
            yield stack.enter_context(syslog(tmp_path, tls="TLS" in kind))
        else:
            yield stack.enter_context(web(kind.split()[0], acknowledges="acks" in kind))


class TestSinks(SinkContract):
    """Every connector that needs no further client."""


def test_a_restart_goes_on_behind_the_cursor(tmp_path: Path) -> None:
    """What was acknowledged is not sent again; what was not, is, also when the cursor is lost."""
    path, memory = tmp_path / "a.jsonl", audit.MemoryConnector()
    for number in range(2):
        with AuditLog(path, "/s", PRIVACY, sinks={"sink": memory}) as log:
            log.record(EventType.INCIDENT, "s", {"n": number})
    assert [event.sequence for event in memory.events] == [1, 2]
    (tmp_path / "a.sink.cursor").write_text("{")
    with AuditLog(path, "/s", PRIVACY, sinks={"sink": memory}):
        pass
    assert [event.sequence for event in memory.events] == [1, 2, 1, 2]


class Unreachable:
    """A sink that does not answer."""

    def write(self, events: object) -> None:
        """Fail as a network does."""
        raise ConnectionError("the sink does not answer")

    def close(self) -> None:
        """Nothing to close."""


def test_a_sink_that_is_down_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Other sinks get their events, the log closes in good time, and the backlog is told."""
    path, memory = tmp_path / "audit" / "a.jsonl", audit.MemoryConnector()
    sinks: dict[str, Connector] = {"down": Unreachable(), "up": memory}
    with AuditLog(path, "/s", PRIVACY, sinks=sinks) as log:
        log.record_all([(EventType.INCIDENT, "s", {})] * 3)
        until(lambda: len(memory.events) == 3)
    assert "audit sink down is behind: the sink does not answer" in caplog.text
    later = datetime.now(UTC) + timedelta(hours=1)
    down, up = delivery.backlogs(path.parent, ["down", "up"], later)
    assert (down.events, up.events, up.seconds) == (3, 0, 0.0)
    assert 3600 <= down.seconds < 3700
    text = delivery.metrics("test", [down, up])
    assert 'audit_backlog_events{system="test",log="a",sink="down"} 3\n' in text
    assert 'audit_backlog_age_seconds{system="test",log="a",sink="up"} 0.000\n' in text


def test_a_partial_success_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service answers besides 200 counts: rejected records, a missing acknowledgement."""
    receiver = Receiver("otlp")
    with listening(receiver) as url:
        monkeypatch.setattr(
            receiver, "answer", lambda *_: (200, {"partialSuccess": {"rejectedLogRecords": "1"}})
        )
        with pytest.raises(OSError, match="rejected"):
            OtlpConnector(f"{url}/v1/logs", {}).write(some_events(1))
        splunk = SplunkConnector(f"{url}/event", SECRET, pause=0.01, patience=0.1)
        monkeypatch.setattr(receiver, "answer", lambda *_: (200, {"code": 0, "ackId": 1}))
        with pytest.raises(OSError, match="has not indexed"):
            splunk.write(some_events(1))
        monkeypatch.setattr(receiver, "answer", lambda *_: (200, {"code": 9, "text": "busy"}))
        with pytest.raises(OSError, match="busy"):
            splunk.write(some_events(1))


def test_events_follow_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that sends elsewhere gets neither events nor the secret there."""
    receiver = Receiver("webhook")
    with listening(receiver) as url:
        monkeypatch.setattr(receiver, "answer", lambda *_: (307, {}))
        with pytest.raises(OSError, match="answered 307"):
            WebhookConnector(url, KEY).write(some_events(1))
    with pytest.raises(ValueError, match="no address of a web service"):
        WebhookConnector("file:///etc/passwd", KEY).write(some_events(1))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """TLS without trust would send the trail to anybody."""
    with syslog(tmp_path, tls=True) as place, pytest.raises(OSError, match="CERTIFICATE_VERIFY"):
        port = place.connector._place[1]  # type: ignore[attr-defined]
        SyslogConnector("127.0.0.1", port, tls=True).write(some_events(1))


def test_sinks_are_opened_as_the_settings_say(tmp_path: Path) -> None:
    """By name; a secret that is not set is named, and is nowhere in the file."""
    secret = {"S": WEBHOOK_SECRET}
    to = Connection({"url": "http://127.0.0.1/x", "secret": "S"}, tmp_path, secret)
    assert isinstance(SINKS["webhook"](to), WebhookConnector)
    assert isinstance(SINKS["splunk"](to), SplunkConnector)
    unset = Connection(to.options, tmp_path, {})
    with pytest.raises(ValueError, match="set S"):
        SINKS["webhook"](unset)
    plain: dict[str, dict[str, Any]] = {
        "stdout": {},
        "sqlite": {"path": "var/events.db"},
        "otlp": {"url": "http://127.0.0.1", "headers": {}},
        "syslog": {"host": "127.0.0.1", "port": 1, "tls": True, "authorities": ""},
    }
    for name, options in plain.items():
        SINKS[name](Connection(options, tmp_path, {})).close()


@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_a_webhook_is_signed_as_its_standard_says(tmp_path: Path, prefix: str) -> None:
    """The signature that the library standardwebhooks makes of the same secret and message."""
    secret = {"S": prefix + "dHdlbnR5LWZvdXIgYnl0ZXMgb2Yga2V5"}
    key = Connection({"secret": "S"}, tmp_path, secret).key()
    assert signature(key, '[{"text":"umlaut ü"}]'.encode(), 1750000000) == {
        "webhook-id": "26aeb5b52665bbb2fed45186a4e87583",
        "webhook-timestamp": "1750000000",
        "webhook-signature": "v1,W/aX8nKBRFEXUuVe6ZhzvGbCuKR8STPxlCGgo302cPc=",
    }


@pytest.mark.parametrize("secret", [SECRET, "whsec_", "c2hvcnQ=", "whsec_ü", "-" * 32])
def test_a_secret_that_no_webhook_can_have_is_refused(tmp_path: Path, secret: str) -> None:
    """Not base64, or too short to keep anybody out."""
    to = Connection({"url": "http://127.0.0.1/x", "secret": "S"}, tmp_path, {"S": secret})
    with pytest.raises(ValueError) as why:
        SINKS["webhook"](to)
    wanted = "24 bytes or more in base64, with or without `whsec_` before it"
    assert str(why.value) == f"S must be {wanted}"


@pytest.mark.parametrize(
    ("connections", "said"),
    [
        ("{}", "sink sqlite: `connections` in ops/audit.yaml does not say `path`"),
        ("{ sqlite: }", "sink sqlite: `connections` in ops/audit.yaml does not say `path`"),
        ("{ webhook: {} }", "sink webhook: `connections` in ops/audit.yaml does not say `url`"),
        (
            "{ splunk: { url: x, secret: NOT_SET } }",
            "sink splunk: set NOT_SET: a sink in ops/audit.yaml needs it",
        ),
        (
            "{ postgres: { secret: DSN } }",
            "sink postgres: the package psycopg is not installed: "
            "add it to the dependencies in pyproject.toml",
        ),
        (
            "{ kafka: { topic: t, client: {}, secret: DSN } }",
            "sink kafka: the package confluent_kafka is broken",
        ),
    ],
)
def test_a_sink_that_is_not_set_up_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: str, said: str
) -> None:
    """By a sentence that says what it lacks, before anything is written."""

    def absent(name: str) -> None:
        if name == "psycopg":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        raise ImportError(f"the package {name}\nis broken")

    monkeypatch.setattr("importlib.import_module", absent)
    monkeypatch.delenv("AUDIT_DIR", raising=False)
    sink = said.split()[1].rstrip(":")
    (tmp_path / "ops").mkdir()
    plan = f"source: /systems/test\nsinks: [file, {sink}]\nconnections: {connections}\n"
    (tmp_path / "ops" / "audit.yaml").write_text(plan)
    here = {"ENVIRONMENT": "production", "AUDIT_KEY": "s" * 32, "DSN": "host=127.0.0.1"}
    with pytest.raises(ValueError) as why:
        audit.open_log(Paths.of(tmp_path), "service", here)
    assert str(why.value) == said
    assert list(tmp_path.iterdir()) == [tmp_path / "ops"]


def test_outside_production_a_sink_may_wait_for_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and the log goes on; with the secret the sink gets what it has not got."""
    monkeypatch.delenv("AUDIT_DIR", raising=False)
    (tmp_path / "ops").mkdir()
    with listening(Receiver("splunk")) as url:
        at = json.dumps({"splunk": {"url": f"{url}/event", "secret": "TOKEN"}})
        plan = f"source: /systems/test\nsinks: [file, splunk]\nconnections: {at}\n"
        (tmp_path / "ops" / "audit.yaml").write_text(plan)
        with audit.open_log(Paths.of(tmp_path), "service", {}) as log:
            log.record(EventType.INCIDENT, "s", {"n": 1})
            assert log.backlogs() == []
        said = "sink splunk: set TOKEN: a sink in ops/audit.yaml needs it"
        assert caplog.messages == [f"{said}; outside production the log goes on without it"]
        with audit.open_log(Paths.of(tmp_path), "service", {"TOKEN": SECRET}) as log:
            until(lambda: log.backlogs()[0].events == 0)


@pytest.mark.parametrize(
    ("secret", "sent"), [({"secret": "S"}, f"Bearer {SECRET}"), ({"secret": ""}, None), ({}, None)]
)
def test_a_collector_gets_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: dict[str, str], sent: str | None
) -> None:
    """From the environment, with the other headers; an older entry without `secret` works."""
    receiver, got = Receiver("otlp"), list[Any]()

    def answer(path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        got.append((headers["authorization"], headers["x-tenant"]))
        return 200, {}

    monkeypatch.setattr(receiver, "answer", answer)
    with listening(receiver) as url:
        options = {"url": url, "headers": {"x-tenant": "bank"}, **secret}
        SINKS["otlp"](Connection(options, tmp_path, {"S": SECRET})).write(some_events(1))
    assert got == [(sent, "bank")]
    if sent:
        with pytest.raises(ValueError, match=r"^set S: a sink in ops/audit.yaml needs it$"):
            SINKS["otlp"](Connection(options, tmp_path, {}))


def test_the_commands_deliver_and_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job sends what a batch process left behind; Prometheus reads the rest."""
    from credit_line.controls.audit.__main__ import main

    monkeypatch.setenv("PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("AUDIT_DIR", "audit")
    (tmp_path / "ops").mkdir()
    plan = "source: /systems/test\nsinks: [file, sqlite]\nconnections: { sqlite: { path: x.db } }\n"
    (tmp_path / "ops" / "audit.yaml").write_text(plan)
    with AuditLog(tmp_path / "audit" / "batch.jsonl", "/systems/test", PRIVACY) as log:
        log.record_all([(EventType.INCIDENT, "s", {})] * 3)
    assert main(["backlog"]) == 0
    labels = '{system="test",log="batch",sink="sqlite"}'
    assert f"audit_backlog_events{labels} 3" in capsys.readouterr().out
    assert main(["deliver"]) == 0
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        assert database.execute("SELECT count(*) FROM audit_event").fetchone() == (3,)
    (tmp_path / "x.db").unlink()
    (tmp_path / "x.db").mkdir()
    (tmp_path / "audit" / "batch.sqlite.cursor").unlink()
    assert main(["deliver"]) == 1
    assert "sqlite: 3 events of batch wait" in capsys.readouterr().err
