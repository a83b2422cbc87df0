"""Sinks that are streams: syslog (RFC 5424) and Kafka."""

import importlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

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
