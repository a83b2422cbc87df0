"""A tamper-evident audit trail: CloudEvents as JSON lines, chained by SHA-256."""

from .chain import Finding, Verification, read_events, verify, verify_folder
from .checkpoints import Checkpoint, Signer
from .delivery import (
    Backlog,
    Connector,
    FileConnector,
    MemoryConnector,
    StdoutConnector,
)
from .events import ABOUT_PEOPLE, Event, EventType, canonical
from .log import (
    AuditLog,
    AuditUnavailable,
    LogBroken,
    WriterBusy,
    identifying,
    open_log,
    refuse_broken,
)
from .privacy import (
    REDACTED,
    KeyRefused,
    Name,
    PayloadErased,
    Privacy,
    Pseudonym,
    in_production,
    privacy_from,
)
from .settings import OnFailure, Settings, settings

__all__ = [
    "ABOUT_PEOPLE",
    "REDACTED",
    "AuditLog",
    "AuditUnavailable",
    "Backlog",
    "Checkpoint",
    "Connector",
    "Event",
    "EventType",
    "FileConnector",
    "Finding",
    "KeyRefused",
    "LogBroken",
    "MemoryConnector",
    "Name",
    "OnFailure",
    "PayloadErased",
    "Privacy",
    "Pseudonym",
    "Settings",
    "Signer",
    "StdoutConnector",
    "Verification",
    "WriterBusy",
    "canonical",
    "identifying",
    "in_production",
    "open_log",
    "privacy_from",
    "read_events",
    "refuse_broken",
    "settings",
    "verify",
    "verify_folder",
]
