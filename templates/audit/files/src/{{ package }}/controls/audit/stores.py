"""Sinks that keep events for look-ups and for long: SQLite, PostgreSQL, S3 with object lock.

`Outbox` is the way in from a PostgreSQL database: an event that is written in the caller's own
transaction, so that neither the business record nor its audit event is there without the other.
"""

import hashlib
import importlib
import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .chain import read_events
from .events import Event
from .privacy import Privacy, Pseudonym

if TYPE_CHECKING:
    from .log import AuditLog

PATIENCE = 10
COLUMNS = "(id, source, type, subject, time, sequence, event)"
TABLE = (
    "CREATE TABLE IF NOT EXISTS audit_event (id TEXT PRIMARY KEY, source TEXT NOT NULL, "
    "type TEXT NOT NULL, subject TEXT NOT NULL, time TEXT NOT NULL, sequence BIGINT NOT NULL, "
    "event TEXT NOT NULL)"
)
OUTBOX = (
    "CREATE TABLE IF NOT EXISTS audit_outbox (place BIGINT GENERATED ALWAYS AS IDENTITY "
    "PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, "
    "person BOOLEAN NOT NULL, data TEXT NOT NULL)"
)


def row(event: Event) -> tuple[Any, ...]:
    """The columns of an event; the last one is its line, so the chain can be checked again."""
    named = (event.id, event.source, event.type, event.subject, event.time)
    return (*named, event.sequence, event.encoded.decode())


class SqliteConnector:
    """A table in a SQLite file, for look-ups by subject, type and time."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._patience = path, patience

    def write(self, events: Sequence[Event]) -> None:
        try:
            with closing(sqlite3.connect(self._path, timeout=self._patience)) as database:
                database.execute("PRAGMA synchronous = FULL")
                with database:
                    database.execute(TABLE)
                    insert = f"INSERT OR IGNORE INTO audit_event {COLUMNS} VALUES (?,?,?,?,?,?,?)"
                    database.executemany(insert, map(row, events))
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from error

    def close(self) -> None:
        pass


class PostgresConnector:
    """A table in PostgreSQL. Give the writing role INSERT and SELECT on it, and nothing else."""

    def __init__(self, dsn: str) -> None:
        self._dsn, self._psycopg = dsn, importlib.import_module("psycopg")
        self._connection: Any = None

    def write(self, events: Sequence[Event]) -> None:
        insert = (
            f"INSERT INTO audit_event {COLUMNS} VALUES (%s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (id) DO NOTHING"
        )
        try:
            connection = self._connected()
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(insert, [row(event) for event in events])
        except self._psycopg.Error as error:
            self.close()
            raise OSError(f"PostgreSQL: {error}") from error

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=PATIENCE
            )
            found = self._connection.execute("SELECT to_regclass('audit_event')").fetchone()
            if found == (None,):
                self._connection.execute(TABLE)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Outbox:
    """Events that wait in PostgreSQL for their place in the chain.

    `put` belongs to the caller's transaction. `relay` moves what was committed into a log: each
    event once and in order, also when it is killed between the two. So one connection at a time
    relays, until it is closed: it holds a lock of its session, which a pooler that shares out
    sessions would give to others too.
    """

    def __init__(self, connection: Any, privacy: Privacy) -> None:
        self._connection, self._privacy = connection, privacy
        self._relays, self._unsure = False, True

    def create(self) -> None:
        """Make the table, once."""
        self._connection.execute(OUTBOX)

    def put(self, type: str, subject: str, data: Mapping[str, Any], person: bool = True) -> str:
        """Write an event with what else the transaction does; nothing identifying is stored.

        `person` says that the subject is one, and is to become a pseudonym.
        """
        name = str(uuid.uuid4())
        hide = self._privacy.pseudonym if person else self._privacy.redact_text
        self._connection.execute(
            "INSERT INTO audit_outbox (id, type, subject, person, data) VALUES (%s,%s,%s,%s,%s)",
            (name, type, hide(subject), person, json.dumps(self._privacy.redact(data))),
        )
        return name

    def relay(self, log: "AuditLog", limit: int = 500) -> int:
        """Move up to `limit` waiting events into the log, and say how many.

        None while another connection relays: call again later, and this one takes over.
        """
        unsure, self._unsure = self._unsure, True
        with self._connection.transaction():
            if not self._alone():
                return 0
            rows = self._connection.execute(
                "SELECT place, id, type, subject, person, data FROM audit_outbox "
                "ORDER BY place LIMIT %s",
                (limit,),
            ).fetchall()
            # One that was killed may have recorded some of these and not taken them out.
            known = {event["id"] for event in read_events(log.path)} if rows and unsure else set()
            waiting = [
                (name, type, Pseudonym(subject) if person else subject, json.loads(data))
                for _, name, type, subject, person, data in rows
                if name not in known
            ]
            log.adopt(waiting)
            places = [place for place, *_ in rows]
            self._connection.execute("DELETE FROM audit_outbox WHERE place = ANY(%s)", (places,))
        self._unsure = unsure and len(rows) == limit
        return len(waiting)

    def _alone(self) -> bool:
        """Whether this connection is the one that relays: the server lets it go when it ends."""
        if not self._relays:
            taken = "SELECT pg_try_advisory_lock('audit_outbox'::regclass::oid::bigint)"
            (self._relays,) = self._connection.execute(taken).fetchone()
        return self._relays


class S3Connector:
    """S3 with object lock in compliance mode: nobody, not even the account, deletes before time.

    One object a batch; its name holds first and last sequence and a digest, so that a batch that
    is sent again is stored once. After a crash an event may lie in two objects: `id` tells.
    The bucket needs object lock; credentials are those that boto3 finds.
    """

    def __init__(self, bucket: str, prefix: str, keep_days: int, endpoint: str = "") -> None:
        boto3 = importlib.import_module("boto3")
        self._errors = importlib.import_module("botocore.exceptions")
        config = importlib.import_module("botocore.config").Config(
            connect_timeout=PATIENCE, read_timeout=PATIENCE, retries={"total_max_attempts": 2}
        )
        self._client = boto3.client("s3", endpoint_url=endpoint or None, config=config)
        self._bucket, self._prefix, self._days = bucket, prefix.strip("/"), keep_days

    def write(self, events: Sequence[Event]) -> None:
        body = b"".join(event.line() for event in events)
        first, last = events[0], events[-1]
        digest = hashlib.sha256(body).hexdigest()[:16]
        source = first.source.strip("/")
        place = f"{self._prefix}/{source}/{first.sequence:012d}-{last.sequence:012d}-{digest}.jsonl"
        until = datetime.now(UTC) + timedelta(days=self._days)
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=place,
                Body=body,
                IfNoneMatch="*",
                ContentType="application/jsonl",
                ChecksumAlgorithm="SHA256",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        except self._errors.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                raise OSError(f"S3 bucket {self._bucket}: {error}") from error
        except self._errors.BotoCoreError as error:
            raise OSError(f"S3 bucket {self._bucket}: {error}") from error

    def close(self) -> None:
        self._client.close()
