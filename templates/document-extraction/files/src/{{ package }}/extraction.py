"""The port of extractors, and the champion: rules that know the words of known senders.

An extractor is anything with `read`: the rules here, the trained one in `trained.py`, a language
model in `extras.py`. Which one serves is decided by measurement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from .fields import FIELDS
from .segments import Candidate, Found


class Extractor(Protocol):
    """Reads the fields of one class of document."""

    def read(self, document_class: str, found: Sequence[Candidate]) -> Mapping[str, Found]:
        """The fields that it found; a field that is absent was not found."""
        ...  # pragma: no cover


WORDS: Mapping[str, str] = {
    "invoice_number": r"(invoice|bill) (no|number|id)|our reference",
    "vendor_id": r"(seller |company )?tax (id|no)|vat reg|registration",
    "issue_date": r"(invoice |bill |billing )?date|issued",
    "due_date": r"due date|payable by|pay before|due on|payment due",
    "currency": r"currency|all amounts in",
    "net_total": r"net total|subtotal|goods and services|taxable value|total excl tax",
    "tax_total": r"vat|(sales )?tax( amount)?",
    "gross_total": r"(grand |invoice )?total( due| incl tax)?|amount due",
    "account_number": r"iban|(bank )?account( for payment)?|ac no|pay( claim)? to( account)?",
    "purchase_order": r"your order|po number|order( no)?|purchase order",
    "claim_number": r"claim (number|ref)|our claim",
    "policy_number": r"policy( number)?|contract",
    "loss_date": r"date of (accident|loss)|event of",
    "notice_date": r"date reported|notified on|received by broker",
    "claimant_name": r"name of claimant|policyholder|on behalf of",
    "claimant_address": r"(insured )?address|living at",
    "claimed_total": r"total claimed|sum claimed|demand",
}
PATTERNS = {name: re.compile(pattern) for name, pattern in WORDS.items()}


class Rules:
    """Takes the value of the right kind beside or below a word that is known for the field."""

    def read(self, document_class: str, found: Sequence[Candidate]) -> Mapping[str, Found]:
        """A value beside its word is surer than one below; one of several is less sure."""
        read = {}
        for field in FIELDS[document_class]:
            of_kind = [one for one in found if one.kind == field.kind]
            beside = [one for one in of_kind if _says(field.name, one.left)]
            below = [one for one in of_kind if _says(field.name, one.above) and one not in beside]
            if chosen := [*beside, *below]:
                score = (0.9 if beside else 0.8) / len(chosen)
                margin = 1.0 if len(chosen) == 1 else 0.0
                read[field.name] = Found(chosen[0].text, score, margin, chosen[0].segment)
        return read


def _says(name: str, word: str) -> bool:
    return bool(PATTERNS[name].fullmatch(re.sub(r"[^a-z ]", "", word.lower()).strip()))
