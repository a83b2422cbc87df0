"""What may be written about a person: keyed pseudonyms, and redaction of identifiers."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .canonical import canonical

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
# Text that identifies a person wherever it stands: e-mail, IBAN, US SSN, card, account, phone.
IDENTIFYING_TEXT = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
    r"|\b\d{3}-\d{2}-\d{4}\b"
    r"|(?<![\w.:-])\+?\d(?:[ -]?\d){8,18}(?![\w:-]|\.\d)"
)


class KeyRefused(RuntimeError):
    """ENVIRONMENT is no known word, or the pseudonym key is not fit for production."""


class Pseudonym(str):
    """A pseudonym that this system made; text from outside never is one, whatever it looks like."""

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

    def digest(self, value: object) -> str:
        """A keyed digest of a JSON value: proves which input was used, reveals nothing of it."""
        return f"hmac-sha256:{self._keyed(b'value', canonical(value))}"

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of `data` with identifying fields and identifying text replaced."""
        return {
            self.redact_text(name): REDACTED if name.lower() in self.fields else self._value(value)
            for name, value in data.items()
        }

    def redact_text(self, text: str) -> str:
        """The text with e-mail addresses, account, card and phone numbers replaced."""
        return IDENTIFYING_TEXT.sub(REDACTED, text)

    def _keyed(self, purpose: bytes, content: bytes) -> str:
        return hmac.new(self.key, purpose + b"\x00" + content, hashlib.sha256).hexdigest()

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact_text(value)
        if isinstance(value, Mapping):
            return self.redact(value)
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        return value


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
    return Privacy(key.encode(), IDENTIFYING_FIELDS | {field.lower() for field in fields})
