"""The map as an OSCAL catalogue: controls by family, and the requirements behind them as resources."""

from __future__ import annotations

from collections.abc import Mapping

from ai_factory.governance.regulation import Control, Regulation, Requirement
from ai_factory.report.exports import oscal
from ai_factory.report.exports.oscal import Node

FAMILIES: Mapping[str, str] = {  # a control's id begins with its family
    "GOV": "Governance",
    "DATA": "Data",
    "MOD": "Models",
    "SEC": "Security",
    "HUM": "Human oversight",
    "TRA": "Transparency",
    "AUD": "Audit trail",
    "MON": "Monitoring",
    "INC": "Incidents",
    "RES": "End of life",
}
LEVELS = ("recall", "secondary", "corroborated")  # how far a row was checked, from least on
SAYS = (
    "What a governed AI system does about its duties, in the words of the map. Each requirement has its cite, what it "
    "is about, and how far the row was checked (recall: from general knowledge, no source consulted)."
)


def document(regulation: Regulation) -> bytes:
    """The catalogue of a map, with the overlay of its firm."""
    title, date = "Controls of governed AI systems", regulation.as_of
    owners = sorted({one.owner for one in regulation.controls.values()})
    roles = [{"id": owner, "title": owner.replace("_", " ")} for owner in owners]
    body = {
        "metadata": oscal.metadata(title, date, date, SAYS, roles=roles),
        "groups": _groups(regulation),
        "back-matter": {"resources": [_resource(row) for row in regulation.requirements.values()]},
    }
    return oscal.written("catalog", body)


def resource_id(requirement: str) -> str:
    """The UUID of a requirement."""
    return oscal.identifier("requirement", requirement)


def _groups(regulation: Regulation) -> list[Node]:
    families: dict[str, list[Node]] = {}
    for one in regulation.controls.values():
        families.setdefault(one.id.partition("-")[0], []).append(_control(one, regulation))
    return [
        {"id": name, "class": "family", "title": FAMILIES.get(name, name), "controls": controls}
        for name, controls in families.items()
    ]


def _control(one: Control, regulation: Regulation) -> Node:
    rows = [regulation.requirements[name] for name in one.refs]
    made = {
        "id": one.id,
        "class": "control",
        "title": oscal.prose(one.title),
        "props": _props(one, rows),
        "links": [_link(row) for row in rows],
        "parts": [
            {"id": f"{one.id}_smt", "name": "statement", "prose": oscal.prose(one.intent)},
            {"id": f"{one.id}_gdn", "name": "guidance", "prose": oscal.prose(_guidance(one))},
            {"id": oscal.objective(one.id), "name": "assessment-objective", "prose": oscal.prose(one.rule)},
        ],
    }
    return oscal.filled(made)


def _props(one: Control, rows: list[Requirement]) -> list[Node]:
    levels = [row.verified for row in rows]
    return [
        {"name": "label", "value": one.id},
        oscal.prop("tier-floor", one.tier_floor),
        oscal.prop("owner", one.owner),
        oscal.prop("checked-by", "machine" if one.by_machine else "machine and person"),
        *oscal.props("verification-level", [min(levels, key=LEVELS.index)] if levels else []),
        *oscal.props("lifecycle", one.lifecycle),
        *oscal.props("nist-ai-rmf", one.nist),
        *oscal.props("nist-ai-600-1", one.nist600),
        *oscal.props("iso-42001", one.iso),
        *oscal.props("policy", one.policies),
    ]


def _guidance(one: Control) -> str:
    return (
        f"Required from tier {one.tier_floor} on, or where law asks for it. Kinds of evidence: {'; '.join(one.kinds)}"
    )


def _link(row: Requirement) -> Node:
    return {"href": f"#{resource_id(row.id)}", "rel": "reference", "text": oscal.prose(f"{row.id}: {row.cite}")}


def _resource(row: Requirement) -> Node:
    return {
        "uuid": resource_id(row.id),
        "title": oscal.prose(f"{row.id}: {row.cite}"),
        "description": oscal.prose(row.topic),
        "props": [
            oscal.prop("requirement", row.id),
            oscal.prop("instrument", row.instrument.id),
            oscal.prop("instrument-status", row.instrument.status),
            oscal.prop("binding", "yes" if row.instrument.binding else "no"),
            oscal.prop("applies-from", row.applies_from or "no date of its own"),
            oscal.prop("verification-level", row.verified),
        ],
        "citation": {"text": oscal.prose(f"{row.instrument.title}, {row.cite}")},
    }
