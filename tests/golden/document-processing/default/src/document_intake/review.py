"""What people do with a document that was referred to them: confirm, correct, release or reject."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .checks import findings
from .controls.audit import Pseudonym
from .controls.review import Item
from .fields import CLAIM, READ, named, normal, stored
from .intake import RELEASE, Understanding

OUTCOMES = (RELEASE, "reject")
STRANGER = "another account"
UNKNOWN = "not on file"


class CorrectionRefused(ValueError):
    """A correction names a field or a value that cannot be; the message holds no value."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a document says after a person has seen it: in clear, and what changed as it is stored.

    `changes` also names each finding that the person lets stand, and each that is gone although no
    correction was about it: the document is then read as another one.
    """

    document_class: str
    values: Mapping[str, str]
    changes: tuple[Mapping[str, Any], ...]

    @property
    def reviewers(self) -> int:
        """Two people where money would go to a stranger, or to an account that a person gave.

        And where the document is made another one: by its class, or so that a finding is gone.
        """
        found = [str(change.get("finding", "")) for change in self.changes]
        strange = any(_strange(finding) for finding in found)
        gone = any(change.get("stands") is False for change in self.changes)
        given = any(
            change.get("field") in ("account_number", "document_class") for change in self.changes
        )
        return 2 if strange or gone or given else 1


def _strange(text: str) -> bool:
    """Whether a finding says that sender or account are not those on file."""
    return STRANGER in text or UNKNOWN in text


def review_item(subject: str, data: Mapping[str, Any]) -> Item:
    """A referral as a case for the queue: two people where money could go to a stranger."""
    reasons = [one if isinstance(one, str) else str(one["text"]) for one in data["reasons"]]
    payload = {name: data.get(name) for name in ("document", "document_id", "fields")}
    return Item(
        data["decision_id"],
        Pseudonym(subject) if subject.startswith("person:") else subject,
        reasons,
        {**payload, "document_class": data.get("document_class")},
        priority=int(data.get("document_class") == CLAIM),
        reviewers=2 if any(map(_strange, reasons)) else 1,
    )


def corrected(
    understanding: Understanding,
    document_class: str,
    proposed: Mapping[str, str],
    corrections: Mapping[str, str | None],
    told_class: str | None,
) -> Correction:
    """The values after corrections, which are written as on the page or normalised; None removes.

    Raises CorrectionRefused where the class is not one that is read, a field is none of it, a
    value is of another kind, or a required one is missing.
    """
    name = document_class if told_class is None else told_class
    if name not in READ:
        raise CorrectionRefused(f"give a document_class, one of {', '.join(READ)}")
    known = named(name)
    if strange := set(corrections) - set(known):
        raise CorrectionRefused(f"{len(strange)} fields are none of the class {name}")
    before = {field: value for field, value in proposed.items() if field in known}
    values = {**before, **_normalised(name, corrections)}
    values = {field: value for field, value in values.items() if value}
    if missing := [f.name for f in known.values() if f.required and f.name not in values]:
        raise CorrectionRefused(f"missing: {', '.join(missing)}")
    tokens = understanding.tokens
    changes: list[Mapping[str, Any]] = [
        {
            "field": field,
            "from": stored(field, before[field], tokens) if field in before else None,
            "to": stored(field, values[field], tokens) if field in values else None,
        }
        for field in known
        if before.get(field) != values.get(field)
    ]
    if name != document_class:
        changes.append({"field": "document_class", "from": document_class, "to": name})
    stands = _standing(understanding, name, values)
    before_it = _standing(understanding, document_class, proposed)
    touched = {str(change["field"]) for change in changes}
    gone = [one for one in before_it if one not in stands and not _about(one, touched)]
    changes += [{"finding": one, "stands": True} for one in stands]
    changes += [{"finding": one, "stands": False} for one in gone]
    return Correction(name, values, tuple(changes))


def _normalised(name: str, corrections: Mapping[str, str | None]) -> dict[str, str]:
    """Each correction in its one way of writing; a date of figures alone has to be an ISO date."""
    known, found = named(name), {}
    for field, text in corrections.items():
        value = "" if text is None else normal(known[field].kind, text)
        if value is None:
            raise CorrectionRefused(f"{field}: no value of the kind {known[field].kind}")
        found[field] = value
    return found


def _standing(understanding: Understanding, name: str, values: Mapping[str, str]) -> list[str]:
    """Findings that hold for these values; lines are the person's to compare."""
    token = understanding.tokens.token("account_number", values.get("account_number", ""))
    found = findings(name, values, [], understanding.on_file, token)
    return [one for one in found if "lines" not in one]


def _about(finding: str, fields: Collection[str]) -> bool:
    """Whether a finding names one of these fields: to correct that one is what mends it."""
    return not set(re.findall(r"\w+", finding)).isdisjoint(fields)
