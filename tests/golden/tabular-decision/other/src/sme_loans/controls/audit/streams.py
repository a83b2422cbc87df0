"""Sinks that are streams: syslog (RFC 5424), Kafka, OTLP logs, Splunk, a signed webhook."""

import base64
import hashlib
import hmac
import importlib
import json
import socket
import ssl
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .events import Event

PATIENCE = 10.0
# Facility 13 (log audit), severity 6 (informational).
PRIORITY = 13 * 8 + 6


class SyslogConnector:
    """Syslog over TCP or TLS, each message framed by its length (RFC 6587, RFC 5425).

    Syslog acknowledges nothing. So each batch has a connection of its own, which this side ends
    first: that the other side ends it too shows that it has read everything. What it then does
    with the messages is beyond this protocol; where that matters, take another sink besides.
    """

    def __init__(self, host: str, port: int, tls: bool = True, authorities: str = "") -> None:
        self._place = (host, port)
        self._context = ssl.create_default_context(cafile=authorities or None) if tls else None

    def write(self, events: Sequence[Event]) -> None:
        content = b"".join(frame(event) for event in events)
        with socket.create_connection(self._place, PATIENCE) as plain:
            if self._context is None:
                self._send(plain, content)
                return
            with self._context.wrap_socket(plain, server_hostname=self._place[0]) as secure:
                secure.sendall(content)
                secure.unwrap()

    def _send(self, connection: socket.socket, content: bytes) -> None:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
        if code := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, "the connection was reset")

    def close(self) -> None:
        pass


def frame(event: Event) -> bytes:
    """An RFC 5424 message with the event's line as its text, after its length in bytes."""
    name = event.type.removeprefix("ai.system.")[:32]
    head = f"<{PRIORITY}>1 {event.time} {socket.gethostname()} {_word(event.source)} - {name} - "
    message = head.encode("ascii", "replace") + b"\xef\xbb\xbf" + event.encoded
    return b"%d %b" % (len(message), message)


def _word(text: str) -> str:
    """The text as an APP-NAME: at most 48 printable characters without space."""
    return "".join(letter for letter in text if "!" <= letter <= "~")[:48] or "-"


class KafkaConnector:
    """Kafka: acknowledged by all replicas in sync, one key a source, so that order holds.

    `client` are options of confluent-kafka, such as `bootstrap.servers` and `security.protocol`;
    the secret is its `sasl.password`. Consumers keep an event once by its id.
    """

    def __init__(self, topic: str, client: Mapping[str, Any], password: str = "") -> None:
        self._kafka = importlib.import_module("confluent_kafka")
        self._topic = topic
        self._producer: Any = None
        self._options = {
            **client,
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": int(PATIENCE * 1000),
            "logger": _Quiet(),
        }
        if password:
            self._options["sasl.password"] = password

    def write(self, events: Sequence[Event]) -> None:
        failures: list[str] = []
        try:
            producer = self._opened()
            for event in events:
                self._produce(producer, event, failures)
            left = producer.flush(PATIENCE + 1)
        except (BufferError, self._kafka.KafkaException) as error:
            self._producer = None
            raise OSError(f"Kafka topic {self._topic}: {error}") from error
        if left or failures:
            self._producer = None
            raise OSError(f"Kafka topic {self._topic}: {(failures or ['no answer'])[0]}")

    def _opened(self) -> Any:
        """The producer; after a failure a new one, which holds nothing back from before."""
        if self._producer is None:
            self._producer = self._kafka.Producer(self._options)
        return self._producer

    def _produce(self, producer: Any, event: Event, failures: list[str]) -> None:
        producer.produce(
            self._topic,
            event.encoded,
            key=event.source,
            headers={"content-type": "application/cloudevents+json; charset=UTF-8"},
            on_delivery=lambda error, _: failures.append(str(error)) if error else None,
        )
        producer.poll(0)

    def close(self) -> None:
        self._producer = None


class _Quiet:
    """Failures are raised; the client need not print them as well."""

    def log(self, *_: object) -> None:
        """Say nothing."""


class _NoRedirect(HTTPRedirectHandler):
    """Events and secrets go where ops/audit.yaml says, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """The JSON answer to a POST; OSError for anything but success."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is no address of a web service")
    request = Request(url, body, dict(headers), method="POST")
    try:
        with build_opener(_NoRedirect).open(request, timeout=PATIENCE) as answer:
            content = answer.read()
    except HTTPError as error:
        with error:
            raise OSError(f"{url} answered {error.code}") from error
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def nanoseconds(event: Event) -> int:
    """The event's time since 1970, exact to the microsecond that it holds."""
    moment = datetime.fromisoformat(event.time)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


class OtlpConnector:
    """OTLP/HTTP logs in JSON: one log record an event, its line as the body.

    A token goes along as `authorization: Bearer …`.
    """

    def __init__(self, url: str, headers: Mapping[str, str], token: str = "") -> None:
        self._url, self._headers = url, {"content-type": "application/json", **headers}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def write(self, events: Sequence[Event]) -> None:
        body = json.dumps({"resourceLogs": [self._logs(events)]}).encode()
        answer = post(self._url, body, self._headers)
        refused = answer.get("partialSuccess", {})
        if int(refused.get("rejectedLogRecords", 0)):
            raise OSError(f"{self._url} rejected records: {refused.get('errorMessage', '')}")

    def _logs(self, events: Sequence[Event]) -> dict[str, Any]:
        resource = {"attributes": [_attribute("service.name", events[0].source)]}
        records = [self._record(event) for event in events]
        return {
            "resource": resource,
            "scopeLogs": [{"scope": {"name": "audit"}, "logRecords": records}],
        }

    def _record(self, event: Event) -> dict[str, Any]:
        named = {
            "cloudevents.event_id": event.id,
            "cloudevents.event_type": event.type,
            "cloudevents.event_subject": event.subject,
        }
        return {
            "timeUnixNano": str(nanoseconds(event)),
            "severityNumber": 9,
            "severityText": "INFO",
            "body": {"stringValue": event.encoded.decode()},
            "attributes": [_attribute(name, value) for name, value in named.items()],
        }

    def close(self) -> None:
        pass


def _attribute(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value}}


class SplunkConnector:
    """Splunk's HTTP event collector; with indexer acknowledgement it waits until all is indexed.

    `url` ends in `/services/collector/event`. Searches keep an event once by `dedup id`.
    """

    def __init__(self, url: str, token: str, pause: float = 0.5, patience: float = 60.0) -> None:
        self._url, self._pause, self._patience = url, pause, patience
        channel = str(uuid.uuid4())
        self._headers = {"authorization": f"Splunk {token}", "x-splunk-request-channel": channel}

    def write(self, events: Sequence[Event]) -> None:
        body = b"\n".join(json.dumps(self._entry(event)).encode() for event in events)
        answer = post(self._url, body, self._headers)
        if answer.get("code") != 0:
            raise OSError(f"{self._url}: {answer.get('text', 'no answer of the collector')}")
        if "ackId" in answer:
            self._wait_for(answer["ackId"])

    def _entry(self, event: Event) -> dict[str, Any]:
        return {
            "time": nanoseconds(event) / 10**9,
            "source": event.source,
            "sourcetype": "_json",
            "event": json.loads(event.encoded),
            "fields": {"id": event.id},
        }

    def _wait_for(self, number: int) -> None:
        url = self._url.rsplit("/", 1)[0] + "/ack"
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            answer = post(url, json.dumps({"acks": [number]}).encode(), self._headers)
            if answer.get("acks", {}).get(str(number)):
                return
            time.sleep(self._pause)
        raise OSError(f"{self._url} has not indexed the events after {self._patience:.0f} s")

    def close(self) -> None:
        pass


class WebhookConnector:
    """A batch of CloudEvents by POST, signed with HMAC-SHA-256 as standardwebhooks.com says.

    `key` is the secret once it is decoded from base64.
    """

    def __init__(self, url: str, key: bytes) -> None:
        self._url, self._key = url, key

    def write(self, events: Sequence[Event]) -> None:
        body = b"[" + b",".join(event.encoded for event in events) + b"]"
        headers = {"content-type": "application/cloudevents-batch+json; charset=UTF-8"}
        post(self._url, body, {**headers, **signature(self._key, body, int(time.time()))})

    def close(self) -> None:
        pass


def signature(key: bytes, body: bytes, now: int) -> dict[str, str]:
    """The headers of a signed message; the receiver checks them with the same key."""
    name = hashlib.sha256(body).hexdigest()[:32]
    made = hmac.new(key, f"{name}.{now}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }
