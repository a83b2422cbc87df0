"""The audit event: a CloudEvents 1.0 envelope that holds the hash of the event before it.

Its bytes are canonical JSON (RFC 8785), so that equal values have equal bytes and equal hashes.
"""

import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Self

SPECIFICATION = "1.0"
# The "previous hash" of a chain's first event.
GENESIS = "sha256:" + "0" * 64
# The field of an event's data that holds the digest of its payload.
PAYLOAD = "payload_digest"
# RFC 8785 keeps to I-JSON (RFC 7493): an integer beyond 2**53 is not the same number everywhere.
LARGEST_INTEGER = 2**53 - 1
_WORDS = {None: "null", True: "true", False: "false"}


class EventType(StrEnum):
    """What happened; the version at the end changes when the meaning of `data` does."""

    DECISION = "ai.system.decision.v1"
    OVERRIDE = "ai.system.override.v1"
    BATCH = "ai.system.batch.v1"
    APPROVAL = "ai.system.approval.v1"
    DEPLOYMENT = "ai.system.deployment.v1"
    PUBLICATION = "ai.system.publication.v1"
    THRESHOLD_CHANGE = "ai.system.threshold-change.v1"
    DRIFT_ALERT = "ai.system.drift-alert.v1"
    INCIDENT = "ai.system.incident.v1"
    KILL_SWITCH = "ai.system.kill-switch.v1"
    DISPOSAL = "ai.system.disposal.v1"
    NOTICE = "ai.system.notice.v1"
    LITERACY = "ai.system.literacy.v1"
    ACTION = "ai.system.action.v1"


# The subject of these is a person, so it is written as a keyed pseudonym, never as it was given.
ABOUT_PEOPLE = frozenset(
    {
        EventType.DECISION,
        EventType.OVERRIDE,
        EventType.NOTICE,
        EventType.LITERACY,
        EventType.ACTION,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log.

    `id`, `source`, `type`, `subject`, `time` (UTC, RFC 3339) and `data` are CloudEvents attributes;
    `sequence` is its registered extension (zero-padded, so text order is number order);
    `previoushash` and `hash` are ours. Sequence 0: held in memory, not in the log yet.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: Mapping[str, Any]
    sequence: int
    hash: str
    encoded: bytes

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """The event of a stored line; ValueError if it is none."""
        try:
            found = json.loads(line)
            named = {name: str(found[name]) for name in ("id", "source", "type", "subject", "time")}
            place, own = int(found["sequence"]), str(found["hash"])
            return cls(**named, data=found["data"], sequence=place, hash=own, encoded=line.rstrip())
        except (KeyError, TypeError) as error:
            raise ValueError("this line is not an audit event") from error

    def line(self) -> bytes:
        """The line that is stored: canonical JSON, then a newline."""
        return self.encoded + b"\n"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload with its salt; only `digest` goes into the chain."""

    salt: bytes
    content: bytes

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Sealed":
        """Seal a JSON object; ValueError for what JSON cannot carry."""
        return cls(secrets.token_bytes(32), canonical(payload))

    @property
    def digest(self) -> str:
        """SHA-256 of salt and content."""
        return "sha256:" + hashlib.sha256(self.salt + self.content).hexdigest()


@dataclass(slots=True)
class Draft:
    """An event without its place in a chain, with its payload if it has one.

    Its canonical bytes are made by the thread that records it; the thread that writes for all only
    puts sequence and hashes between them.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: Mapping[str, Any]
    sealed: Sealed | None = None
    before: bytes = b""
    after: bytes = b""

    def __post_init__(self) -> None:
        """The keys of an event stand in the order of RFC 8785."""
        self.before = b'{"data":%b,"datacontenttype":"application/json"' % canonical(self.data)
        self.after = b'"source":%b,"specversion":"%b","subject":%b,"time":"%b","type":%b}' % (
            _word(self.source), SPECIFICATION.encode(), canonical(self.subject),
            self.time.encode(), _word(self.type),
        )  # fmt: skip

    def chained(self, sequence: int, previous: str) -> Event:
        """The event at this place; its hash covers, through `previous`, all before it."""
        rest = b'"id":"%b","previoushash":"%b","sequence":"%012d",%b' % (
            self.id.encode(), previous.encode(), sequence, self.after,
        )  # fmt: skip
        own = leaf(b"%b,%b" % (self.before, rest))
        line = b'%b,"hash":"%b",%b' % (self.before, own.encode(), rest)
        return Event(
            self.id, self.source, self.type, self.subject, self.time, self.data, sequence, own, line
        )


def leaf(content: bytes) -> str:
    """The hash of an event's bytes, a leaf of the Merkle tree of RFC 9162 (leading zero byte)."""
    return "sha256:" + hashlib.sha256(b"\x00" + content).hexdigest()


def chained_hash(attributes: Mapping[str, Any]) -> str:
    """The hash of an event's attributes (all but `hash`)."""
    return leaf(canonical(attributes))


@lru_cache(maxsize=100)
def _word(value: str) -> bytes:
    """The same few words stand in every event."""
    return canonical(value)


def canonical(value: object) -> bytes:
    """The RFC 8785 bytes of a JSON value; ValueError for what JSON cannot carry."""
    return _text(value).encode("utf-8")


def _text(value: object) -> str:
    """By type, the frequent ones first: a log spends much of its time here."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, bool) or value is None:
        return _WORDS[value]
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join([_text(item) for item in value])}]"
    if isinstance(value, Mapping):
        return _object(value)
    raise ValueError(f"{type(value).__name__} is not a JSON value")


def _object(value: Any) -> str:
    write, text = encode_basestring, _text
    members = [
        written + (write(item) if type(item := value[key]) is str else text(item))
        for key, written in _ordered(tuple(value))
    ]
    return "{" + ",".join(members) + "}"


@lru_cache(maxsize=1000)
def _ordered(keys: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Keys in the order of their UTF-16 units, each with how it is written; few sets come often."""
    if odd := [key for key in keys if not isinstance(key, str)]:
        raise ValueError(f"an object key must be text, not {odd[0]!r}")
    ordered = sorted(keys, key=lambda key: str(key).encode("utf-16-be"))
    return [(key, f"{encode_basestring(key)}:") for key in ordered]


def _integer(value: int) -> str:
    if abs(value) > LARGEST_INTEGER:
        raise ValueError(f"{value} is beyond 2**53: write it as text")
    return str(value)


def _number(value: float) -> str:
    """ECMAScript's shortest form (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    if value == 0:
        return "0"
    if "e" not in (plain := repr(value)):
        return plain.removesuffix(".0")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    return "-" * sign + _placed(text, point)


def _placed(digits: str, point: int) -> str:
    """The decimal point after `point` digits: plain from 1e-6 to 1e21, else with an exponent."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
