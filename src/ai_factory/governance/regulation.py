"""The map: instruments, requirements and controls, as the rows of a factory's `controls/` say them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ai_factory.governance.conditions import Conditions
from ai_factory.governance.schedules import Schedules, schedules

TIERS = ("low", "medium", "high", "critical")


class Instrument(NamedTuple):
    """A law, guideline or standard; `binding` where it is law."""

    id: str
    title: str
    binding: bool
    status: str
    verified: str


class Requirement(NamedTuple):
    """A duty: what triggers it, and the ISO date from which it applies ("" for none of its own)."""

    id: str
    instrument: Instrument
    cite: str
    topic: str
    when: Any
    applies_from: str
    verified: str


class Control(NamedTuple):
    """What a system does about duties; `only_if` narrows it, `tier_floor` is the tier that requires it anyhow."""

    id: str
    title: str
    intent: str
    tier_floor: str
    owner: str
    refs: tuple[str, ...]
    only_if: Any
    by_machine: bool
    policies: tuple[str, ...] = ()  # ids of the firm's own policies
    lifecycle: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # of evidence, in words
    rule: str = ""  # what has to hold, in words
    nist: tuple[str, ...] = ()  # subcategories of the AI RMF 1.0
    nist600: tuple[str, ...] = ()  # sections of AI 600-1
    iso: tuple[str, ...] = ()  # ids of Annex A of ISO/IEC 42001


@dataclass(frozen=True, slots=True)
class Regulation:
    """The whole map."""

    as_of: str
    conditions: Conditions
    requirements: Mapping[str, Requirement]
    controls: Mapping[str, Control]
    schedules: Schedules


def regulation(documents: Mapping[str, Any]) -> Regulation:
    """The map from its documents, all but tiers and assessment; they were parsed and checked."""
    instruments = {
        name: Instrument(name, row["title"], row["binding"], row["status"], row["verified"])
        for name, row in documents["instruments"]["instruments"].items()
    }
    facts = documents["facts"]["facts"]
    orders = {name: tuple(row["values"]) for name, row in facts.items() if row["type"] == "ordered"}
    return Regulation(
        as_of=documents["requirements"]["as_of"],
        conditions=Conditions(documents["conditions"]["conditions"], orders),
        requirements={
            name: _requirement(name, row, instruments)
            for name, row in documents["requirements"]["requirements"].items()
        },
        controls={row["id"]: _control(row) for row in documents["controls"]["controls"]},
        schedules=schedules(documents),
    )


def _requirement(name: str, row: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> Requirement:
    start = row["applies_from"] or ""
    return Requirement(
        name, instruments[row["instrument"]], row["cite"], row["topic"], row["when"], start, row["verified"]
    )


def _control(row: Mapping[str, Any]) -> Control:
    return Control(
        row["id"],
        row["title"],
        row["intent"],
        row["tier_floor"],
        row["owner"],
        tuple(row["refs"]),
        row.get("only_if"),
        row["verify"]["by"] == "machine",
        tuple(row.get("policies", ())),
        tuple(row["lifecycle"]),
        tuple(_kind(one) for one in row["evidence"]),
        row["verify"]["rule"],
        *(tuple(row.get(name, ())) for name in ("nist", "nist600", "iso")),
    )


def _kind(row: Mapping[str, str]) -> str:
    return f"{row['kind']}: {row['name']}" + (f" ({row['format']})" if "format" in row else "")
