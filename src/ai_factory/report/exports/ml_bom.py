"""The project's bill of materials (CycloneDX), with what the gate found and the components of the factory added.

Everything that the run wrote stays: model cards, data, services. What is added is valid from CycloneDX 1.5 on.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ai_factory.governance.checking import Subject
from ai_factory.project.export import State, bill
from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.exports.oscal import as_bytes
from ai_factory.report.plain import plain

OURS = "ai-factory:"  # before the names of what is added
MODEL = "machine-learning-model"
CARD = "docs/model-card.md"
PAPERS: Mapping[str, str] = {  # papers about the system, and what CycloneDX calls them
    "governance/risk-assessment.yaml": "risk-assessment",
    "governance/applicability.json": "attestation",
    "docs/model-card.md": "documentation",
}

Part = dict[str, Any]


def document(found: State) -> bytes:
    """The enriched bill. Raises ProjectError where the project's run wrote none."""
    subject = found.gated.subject
    before = bill(subject)
    root = before["metadata"]["component"]
    added = [_component(name, version) for name, version in sorted(subject.lock.components.items())]
    refs = [part["bom-ref"] for part in added]
    kept = [_carded(part, subject) for part in before["components"] if part.get("bom-ref") not in refs]
    after = {
        **before,
        "metadata": {**before["metadata"], "component": _system(root, found)},
        "components": [*kept, *added],
        "dependencies": _dependencies(before["dependencies"], root["bom-ref"], refs),
    }
    return as_bytes({**after, "serialNumber": f"urn:uuid:{_identifier(after)}"})


def _identifier(bill: Mapping[str, Any]) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill))


def _component(name: str, version: str) -> Part:
    return {
        "type": "library",
        "bom-ref": f"{OURS}component:{plain(name)}",
        "group": "ai-factory",
        "name": plain(name),
        "version": plain(version),
        "description": "component of the factory that the project was stamped from",
    }


def _system(root: Mapping[str, Any], found: State) -> Part:
    """The system itself: how it stands, and where its papers lie."""
    subject = found.gated.subject
    papers = [_reference(subject, path, kind) for path, kind in PAPERS.items() if path in subject.files]
    own = [row for row in _rows(root, "properties") if not str(row.get("name")).startswith(OURS)]
    told = [{"name": f"{OURS}{name}", "value": plain(value)} for name, value in _properties(found)]
    made = {**root, "properties": [*own, *told]}
    return {**made, "externalReferences": _joined(root, papers)} if papers else made


def _properties(found: State) -> Iterable[tuple[str, str]]:
    applies, origin = found.gated.applies, found.gated.subject.lock.factory
    yield "tier", applies.tier
    yield "gate", "passed" if found.gated.passed else "not passed"
    yield "as-of", applies.as_of
    yield "map", found.gated.subject.known.regulation.as_of
    yield "factory", f"{origin.url} {origin.version}"
    yield "note", UNREVIEWED
    for one in found.applying:
        yield f"control:{one.judgement.control.id}", one.status.value


def _carded(part: Part, subject: Subject) -> Part:
    """A model with a pointer to its card, where there is one."""
    if part.get("type") != MODEL or CARD not in subject.files:
        return part
    return {**part, "externalReferences": _joined(part, [_reference(subject, CARD, "model-card")])}


def _reference(subject: Subject, path: str, kind: str) -> Part:
    digest = subject.digest(path).removeprefix("sha256:")
    return {"type": kind, "url": quote(path), "hashes": [{"alg": "SHA-256", "content": digest}]}


def _joined(part: Mapping[str, Any], references: list[Part]) -> list[Part]:
    """The references that a part has, and ours; CycloneDX wants none twice."""
    own = _rows(part, "externalReferences")
    return [*own, *(one for one in references if one not in own)]


def _dependencies(rows: list[Part], root: str, refs: list[str]) -> list[Part]:
    """The system builds on the components as well."""
    named = [row for row in rows if row.get("ref") == root]
    first = named[0] if named else {"ref": root}
    wanted = {**first, "dependsOn": list(dict.fromkeys([*_names(first), *refs]))}
    return [wanted, *(row for row in rows if row not in named)]


def _names(row: Mapping[str, Any]) -> list[str]:
    found = row.get("dependsOn")
    return [str(one) for one in found] if isinstance(found, list) else []


def _rows(part: Mapping[str, Any], key: str) -> list[Part]:
    found = part.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
