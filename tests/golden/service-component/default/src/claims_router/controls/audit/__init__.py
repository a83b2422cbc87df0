"""A tamper-evident audit trail: CloudEvents as JSON lines, chained by SHA-256."""

from .canonical import canonical
from .chain import Finding, Verification, checkpoint, read_events, verify, verify_folder
from .connectors import Connector, FileConnector, MemoryConnector, StdoutConnector
from .events import ABOUT_PEOPLE, Event, EventType
from .log import AuditLog, AuditUnavailable, Settings, WriterBusy, open_log, settings
from .privacy import REDACTED, KeyRefused, Privacy, Pseudonym, in_production, privacy_from

__all__ = [
    "ABOUT_PEOPLE",
    "REDACTED",
    "AuditLog",
    "AuditUnavailable",
    "Connector",
    "Event",
    "EventType",
    "FileConnector",
    "Finding",
    "KeyRefused",
    "MemoryConnector",
    "Privacy",
    "Pseudonym",
    "Settings",
    "StdoutConnector",
    "Verification",
    "WriterBusy",
    "canonical",
    "checkpoint",
    "in_production",
    "open_log",
    "privacy_from",
    "read_events",
    "settings",
    "verify",
    "verify_folder",
]
