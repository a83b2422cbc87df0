"""Personal content of events, kept apart from the chain so that it can be destroyed.

The chain holds a digest of the payload with 32 random bytes of salt. Both lie in a database beside
the log and go together: without the salt nobody can guess what the digest stood for, and chain and
proofs hold as before. Payloads never leave for a sink, so no copy is out of reach when a person
asks for erasure, not even in storage that nobody can delete from. Destroying one key a person
would reach no further, for whoever had a copy of the key, and has to be managed for ever.
"""

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .canonical import canonical

# secure_delete overwrites what is deleted; DELETE leaves no journal behind that still holds it.
SETTINGS = ("secure_delete = ON", "journal_mode = DELETE", "synchronous = FULL")
TABLE = (
    "CREATE TABLE IF NOT EXISTS payload "
    "(event TEXT PRIMARY KEY, subject TEXT, salt BLOB NOT NULL, content BLOB NOT NULL)"
)
BLOBS = "CAST(salt AS BLOB), CAST(content AS BLOB)"
PATIENCE = 30.0
# The field of an event's data that holds the digest of its payload.
PAYLOAD = "payload_digest"


class PayloadErased(LookupError):
    """The payload was destroyed, or there never was one."""


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


@dataclass(frozen=True, slots=True)
class Payloads:
    """The payloads of one log; each call opens the database anew, so processes may share it."""

    path: Path

    @classmethod
    def of(cls, log: Path) -> "Payloads":
        """The database beside a log."""
        return cls(log.with_suffix(".payloads.db"))

    def put(self, rows: Iterable[tuple[str, str, Sealed]]) -> None:
        """Keep payloads by event id and subject, durable when this returns; OSError if not."""
        values = [(event, subject, sealed.salt, sealed.content) for event, subject, sealed in rows]
        if not values:
            return
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        with self._open() as database:
            database.execute(TABLE)
            database.executemany("INSERT OR REPLACE INTO payload VALUES (?, ?, ?, ?)", values)

    def read(self, event: str) -> dict[str, Any]:
        """The payload of an event; PayloadErased if it is gone."""
        for _, _, sealed in self._rows(" WHERE event = ?", event):
            found: dict[str, Any] = json.loads(sealed.content)
            return found
        raise PayloadErased(event)

    def events_of(self, subject: str) -> list[str]:
        """The ids of the events whose payloads are about this person (a pseudonym)."""
        return [event for event, _, _ in self._rows(" WHERE subject = ?", subject)]

    def digests(self) -> dict[str, str]:
        """What each payload that is there hashes to, by event id."""
        return {event: sealed.digest for event, _, sealed in self._rows("")}

    def destroy(self, events: Iterable[str]) -> None:
        """Overwrite and delete the payloads of these events, salts included."""
        values = [(event,) for event in events]
        if values and self.path.is_file():
            with self._open() as database:
                database.executemany("DELETE FROM payload WHERE event = ?", values)

    def _rows(self, condition: str, *values: str) -> Iterator[tuple[str, str, Sealed]]:
        if not self.path.is_file():
            return
        with self._open() as database:
            found = database.execute(
                f"SELECT event, subject, {BLOBS} FROM payload{condition}", values
            ).fetchall()
        for event, subject, salt, content in found:
            yield event, subject, Sealed(salt, content)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as database:
                for setting in SETTINGS:
                    database.execute(f"PRAGMA {setting}")
                with database:
                    yield database
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: {error}") from error
