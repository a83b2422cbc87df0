"""A tamper-evident audit trail: CloudEvents as JSON lines, chained by SHA-256."""

from .canonical import canonical
from .chain import Finding, Verification, read_events, verify, verify_folder
from .checkpoints import Checkpoint, Signer
from .connectors import Connector, FileConnector, MemoryConnector, StdoutConnector
from .delivery import Backlog
from .events import ABOUT_PEOPLE, Event, EventType
from .log import AuditLog, AuditUnavailable, WriterBusy, open_log
from .payloads import PayloadErased
from .privacy import REDACTED, KeyRefused, Privacy, Pseudonym, in_production, privacy_from
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
    "MemoryConnector",
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
    "in_production",
    "open_log",
    "privacy_from",
    "read_events",
    "settings",
    "verify",
    "verify_folder",
]
