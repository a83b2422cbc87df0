"""Sinks behind HTTP: OTLP logs, Splunk's event collector, and a signed webhook."""

import base64
import hashlib
import hmac
import json
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
    """OTLP/HTTP logs in JSON: one log record an event, its line as the body."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._headers = url, {"content-type": "application/json", **headers}

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
    """A batch of CloudEvents by POST, signed with HMAC-SHA-256 as standardwebhooks.com says."""

    def __init__(self, url: str, secret: str) -> None:
        self._url, self._key = url, secret.encode()

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
