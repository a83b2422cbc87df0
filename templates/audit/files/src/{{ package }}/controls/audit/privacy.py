"""What may be written about a person: keyed pseudonyms, redaction, and payloads apart.

Personal content of events is kept apart from the chain so that it can be destroyed. The chain
holds a digest of the payload with 32 random bytes of salt. Both lie in a database beside the log
and go together: without the salt nobody can guess what the digest stood for, and chain and proofs
hold as before. Payloads never leave for a sink, so no copy is out of reach when a person asks for
erasure, not even in storage that nobody can delete from. Destroying one key a person would reach
no further, for whoever had a copy of the key, and has to be managed for ever.
"""

import hmac
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .events import Sealed, canonical

REDACTED = "[redacted]"
# Fine on a laptop, known to everyone: `privacy_from` refuses it in production.
DEVELOPMENT_KEY = "development-only-key-do-not-use-in-production"
SHORTEST_KEY = 32
ENVIRONMENTS = ("development", "production")

IDENTIFYING_FIELDS = frozenset(
    {
        *("name", "first_name", "last_name", "full_name", "surname"),
        *("date_of_birth", "birth_date", "address", "street", "postcode", "email", "phone"),
        *("account_number", "iban", "national_id", "passport", "social_security_number", "ssn"),
        *("tax_id", "applicant_id", "customer_id"),
    }
)
# Text that identifies a person wherever it stands: e-mail; IBAN, US SSN, card, account, phone.
IDENTIFYING_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Between its digits: a space or a hyphen of any width; in a phone number, also what else is usual.
GAP = r"[ \u00a0\u2007\u2009\u202f\u2010-\u2012-]"
LOOSE = r"(?:GAP|[./()])"
# An account in small letters has digits in each group behind the bank's: other words have none.
# Four letters and digits also begin a digest or a UUID, which are no account.
ACCOUNT = (
    r"[A-Za-z]{2}\d{2}"
    r"(?!(?<=[a-f]{2}\d\d)\d*[a-f][0-9a-f]*\b|[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-)"
    r"(?:(?<=[A-Z]{2}\d\d)(?:GAP?[A-Z0-9]{4}){3,7}(?:GAP?[A-Z0-9]{1,3})?\b"
    r"|(?:GAP?[A-Za-z]{4})?(?:GAP?(?=[A-Za-z]{0,3}\d)[A-Za-z0-9]{4}){2,7}"
    r"(?:GAP?(?=[A-Za-z]{0,2}\d)[A-Za-z0-9]{1,3})?\b)"
)
# What digits begin that are no number of a person: a day or a month, an amount with a sign.
DAY = (
    r"(?:19|20)\d\d([./-])[01]\d\1[0-3]\d(?!\d|[./-]\d)"
    r"|(?:[0-3]?\d[./-])?[01]?\d[./-](?:19|20)\d\d(?!\d|[./]\d)"
    r"|[0-3]\d([./])[01]\d\2\d\d(?!\d|[./]\d)"
    r"|\+\d{1,3}(?:\.\d{3})+,\d"
)
PHONE = (
    r"\+[1-9](?:LOOSE{0,3}\d){8,17}"  # of any country
    r"|(?<!\d/)0\d(?:LOOSE{0,3}\d){7,16}"  # within a country
    r"|(?:1LOOSE?)?\(?\d{3}\)?(?:LOOSE|(?<=\)))GAP?\d{3}LOOSE\d{4}"  # of the US
    r"|\((?:0\d{1,5}\)GAP?\d(?:GAP?\d){5,12}|\d{2,3}\)GAP?\d{3,5}GAP\d{4})"
    r"|\d(?:GAP?\d){8,18}"  # of an account or a card, too
)
IDENTIFYING_NUMBER = re.compile(
    (
        r"(?<!\w)(?:(?<![0-9A-Fa-f]-)(?:" + ACCOUNT + r")|\d{3}-\d{2}-\d{4}\b"
        r"|(?=[\d+(])(?<!\d[.:])(?<!-)(?!" + DAY + r")(?:" + PHONE + r")(?!\w|[:-]\w|\.\d))"
    )
    .replace("LOOSE", LOOSE)
    .replace("GAP", GAP)
)
# No such number is without two digits next to each other: most text is passed over fast.
DIGITS = re.compile(r"\d" + GAP + r"?\d")
KEYED_NAME = "keyed:"
HARMLESS = frozenset({bool, float, int, type(None)})
# secure_delete overwrites what is deleted; DELETE leaves no journal behind that still holds it.
SETTINGS = ("secure_delete = ON", "journal_mode = DELETE", "synchronous = FULL")
TABLE = (
    "CREATE TABLE IF NOT EXISTS payload "
    "(event TEXT PRIMARY KEY, subject TEXT, salt BLOB NOT NULL, content BLOB NOT NULL)"
)
BLOBS = "CAST(salt AS BLOB), CAST(content AS BLOB)"
PATIENCE = 30.0


class KeyRefused(RuntimeError):
    """ENVIRONMENT is no known word, or the pseudonym key is not fit for production."""


class Pseudonym(str):
    """A pseudonym that this system made; text from outside never is one, whatever it looks like."""

    __slots__ = ()


class Name(str):
    """A name of a thing, no person, that is read back from the log: it is written as it is.

    The system or its contract gave it, or `Privacy.name` made it of text from outside.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Privacy:
    """Turns people into pseudonyms and takes identifiers out of event data.

    Without the key a pseudonym cannot be tied to a person, not even by trying all customer numbers.
    """

    key: bytes
    fields: frozenset[str] = IDENTIFYING_FIELDS

    def pseudonym(self, subject: str) -> Pseudonym:
        """The same person has the same pseudonym under one key (128 bits of HMAC-SHA-256).

        A Pseudonym is returned as it is, so that later events on a case carry the same one.
        """
        if isinstance(subject, Pseudonym):
            return subject
        return Pseudonym(f"person:{self._keyed(b'subject', subject.encode())[:32]}")

    def actor(self, address: str) -> Pseudonym:
        """The pseudonym of a person who acts, however they write their address."""
        known = isinstance(address, Pseudonym)
        return self.pseudonym(address if known else address.strip().casefold())

    def name(self, given: str) -> Name:
        """A thing's name from outside: as it is, or a keyed one where it may identify a person.

        The same text has the same name under one key. Text that looks like a keyed name gets one.
        """
        if _hidden(given) == given and not given.startswith(KEYED_NAME):
            return Name(given)
        return Name(f"{KEYED_NAME}{self._keyed(b'name', given.encode())[:32]}")

    def digest(self, value: object) -> str:
        """A keyed digest of a JSON value: proves which input was used, reveals nothing of it."""
        return f"hmac-sha256:{self._keyed(b'value', canonical(value))}"

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of `data` with identifying fields and identifying text replaced."""
        found, fields = {}, self.fields
        for name, value in data.items():
            shown, lower = _field(name)
            if lower in fields:
                found[shown] = REDACTED
            elif type(value) is str:
                found[shown] = _hidden(value)
            else:
                found[shown] = value if type(value) in HARMLESS else self._value(value)
        return found

    def redact_text(self, text: str) -> str:
        """The text with e-mail addresses, account, card and phone numbers replaced."""
        return _hidden(text)

    def _keyed(self, purpose: bytes, content: bytes) -> str:
        made = _hmac(self.key).copy()
        made.update(purpose + b"\x00" + content)
        return made.hexdigest()

    def _value(self, value: Any) -> Any:
        """By type, the frequent ones first: a log spends much of its time here."""
        kind = type(value)
        if kind is str:
            return _hidden(value)
        if kind in HARMLESS:
            return value
        if kind is dict or isinstance(value, Mapping):
            return self.redact(value)
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        return _hidden(value) if _is_text(value) else value


@lru_cache(maxsize=8)
def _hmac(key: bytes) -> hmac.HMAC:
    """Made once a key. `hmac.digest` would give way to another thread at each call, which costs
    more than all else where many record at the same time."""
    return hmac.new(key, digestmod="sha256")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Name)


def _hidden(text: str) -> str:
    if "@" in text:
        text = IDENTIFYING_ADDRESS.sub(REDACTED, text)
    return IDENTIFYING_NUMBER.sub(REDACTED, text) if DIGITS.search(text) else text


@lru_cache(maxsize=1000)
def _field(name: str) -> tuple[str, str]:
    """A field's name as it is shown, and as it is compared; the same few come again and again."""
    return _hidden(name), name.lower()


def in_production(environment: Mapping[str, str]) -> bool:
    """What `ENVIRONMENT` says, in any case; KeyRefused for a word that is not known."""
    word = environment.get("ENVIRONMENT", "development")
    if word.lower() not in ENVIRONMENTS:
        raise KeyRefused(f"ENVIRONMENT is {word!r}: it must be {' or '.join(ENVIRONMENTS)}")
    return word.lower() == "production"


def privacy_from(environment: Mapping[str, str], fields: Iterable[str] = ()) -> Privacy:
    """Privacy with the key in `AUDIT_KEY`; KeyRefused in production without a real secret."""
    key = environment.get("AUDIT_KEY") or DEVELOPMENT_KEY
    weak = key == DEVELOPMENT_KEY or len(key) < SHORTEST_KEY
    if in_production(environment) and weak:
        raise KeyRefused(f"in production AUDIT_KEY must be a secret of {SHORTEST_KEY} characters")
    return Privacy(key.encode(), identifying_fields(fields))


def identifying_fields(own: Iterable[str]) -> frozenset[str]:
    """The names of fields that identify people, in small letters: ours, and a project's own."""
    return IDENTIFYING_FIELDS | {field.lower() for field in own}


class PayloadErased(LookupError):
    """The payload was destroyed, or there never was one."""


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
