"""What a fleet has prepared, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.fleet.governance.offers import Hit, Offer
from ai_factory.fleet.survey import Answer
from ai_factory.report.fleets.answers import unread_data, unread_text
from ai_factory.report.plain import count, plain

Answers = Sequence[Answer[tuple[Offer, ...]]]


def text(hits: Sequence[Hit], answers: Answers) -> str:
    """Each find with where it is, whose, and on which terms, the best first."""
    lines = [line for hit in hits for line in _offer(hit.offer)]
    told = f"{count(len(hits), 'find')} in {count(len(answers), 'system')}; ask the owner before you use it"
    return "\n".join([*lines, *unread_text(answers), told])


def _offer(one: Offer) -> Iterator[str]:
    ident = f" of {plain(one.id)}" if one.kind == "dataset" else ""
    yield f"{one.kind} {plain(one.name)}{ident} {plain(one.version)}".rstrip()
    rows = {
        "what": one.description,
        "owner": one.owner or "not stated",
        "classification": one.classification or "not stated",
        "terms": one.terms or "not stated",
        "where": f"{one.system} {one.path}",
        "tags": ", ".join(one.tags),
    }
    yield from (f"  {name}: {plain(value)}" for name, value in rows.items() if value)


def data(hits: Sequence[Hit], answers: Answers) -> dict[str, Any]:
    """The same for machines."""
    rows = [
        {**hit.offer._asdict(), "tags": list(hit.offer.tags), "columns": list(hit.offer.columns), "score": hit.score}
        for hit in hits
    ]
    return {"schema": "ai-factory/fleet-catalog/1", "offers": rows, "unread": unread_data(answers)}
