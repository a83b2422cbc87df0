"""The audit event: a CloudEvents 1.0 envelope that holds the hash of the event before it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .canonical import canonical

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


# The subject of these is a person, so it is written as a keyed pseudonym, never as it was given.
ABOUT_PEOPLE = frozenset({EventType.DECISION, EventType.OVERRIDE})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log.

    `id`, `source`, `type`, `subject`, `time` (UTC, RFC 3339) and `data` are CloudEvents attributes;
    `sequence` is its registered extension (zero-padded, so text order is number order);
    `previoushash` and `hash` are ours.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: Mapping[str, Any]
    sequence: int
    previous_hash: str

    def attributes(self) -> dict[str, Any]:
        """The event as CloudEvents JSON, without its own hash."""
        return {
            "specversion": SPECIFICATION,
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
            "datacontenttype": "application/json",
            "sequence": f"{self.sequence:012d}",
            "previoushash": self.previous_hash,
            "data": dict(self.data),
        }

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical event; through `previoushash` it covers all before it."""
        return chained_hash(self.attributes())

    def line(self) -> bytes:
        """The line that is stored: canonical JSON, then a newline."""
        return canonical({**self.attributes(), "hash": self.hash}) + b"\n"


def chained_hash(attributes: Mapping[str, Any]) -> str:
    """The hash of an event's attributes (all but `hash`).

    The leading zero byte marks a leaf, as in RFC 9162, so that a Merkle tree over the same events
    can be added later.
    """
    return "sha256:" + hashlib.sha256(b"\x00" + canonical(attributes)).hexdigest()
