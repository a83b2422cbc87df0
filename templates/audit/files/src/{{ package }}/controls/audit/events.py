"""The audit event: a CloudEvents 1.0 envelope that holds the hash of the event before it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from .canonical import canonical
from .payloads import Sealed

SPECIFICATION = "1.0"
# The "previous hash" of a chain's first event.
GENESIS = "sha256:" + "0" * 64


class EventType(StrEnum):
    """What happened; the version at the end changes when the meaning of `data` does."""

    DECISION = "ai.system.decision.v1"
    OVERRIDE = "ai.system.override.v1"
    BATCH = "ai.system.batch.v1"
    APPROVAL = "ai.system.approval.v1"
    DEPLOYMENT = "ai.system.deployment.v1"
    THRESHOLD_CHANGE = "ai.system.threshold-change.v1"
    DRIFT_ALERT = "ai.system.drift-alert.v1"
    INCIDENT = "ai.system.incident.v1"
    KILL_SWITCH = "ai.system.kill-switch.v1"
    DISPOSAL = "ai.system.disposal.v1"
    ACTION = "ai.system.action.v1"


# The subject of these is a person, so it is written as a keyed pseudonym, never as it was given.
ABOUT_PEOPLE = frozenset({EventType.DECISION, EventType.OVERRIDE, EventType.ACTION})


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
        self.after = b'"source":%b,"specversion":"%b","subject":%b,"time":%b,"type":%b}' % (
            canonical(self.source), SPECIFICATION.encode(), canonical(self.subject),
            canonical(self.time), canonical(self.type),
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
