"""Small systems with what a run of a stamped project leaves: contracts, evidence, dependencies, facts; and a fleet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ai_factory import documents
from tests.approving import ROOT
from tests.kit import commit, put

DAY = ("--as-of", "2026-11-26")
DIGESTS = {name: f"sha256:{number:064x}" for number, name in enumerate(("model", "data", "prompt", "other"), 1)}


def system(place: Path, pattern: Path, files: Mapping[str, Any]) -> str:
    """A copy of a stamped project with more files, committed; its address. Values are written as JSON or YAML."""
    shutil.copytree(pattern, place, symlinks=True)
    put(place, {path: content(path, value) for path, value in files.items()})
    commit(place)
    return str(place)


def content(path: str, value: Any) -> str | bytes:
    if isinstance(value, str | bytes):
        return value
    return json.dumps(value) if path.endswith(".json") else documents.write(value)


def facts(archetype: str, **change: Any) -> dict[str, Any]:
    """`governance/facts.yaml` of an archetype."""
    told = documents.load((ROOT / f"tests/archetypes/{archetype}.yaml").read_bytes(), archetype)
    return {"schema": 1, "facts": {**told, **change}}


def about(name: str, owner: str) -> dict[str, Any]:
    return {"name": name, "purpose": f"what {name} is for", "owner_team": owner, "contact": f"{owner}@example.org"}


def contract(name: str, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    columns = [
        {"name": "id", "classification": "restricted", "description": "a number"},
        {"name": "income", "classification": "confidential", "description": "what comes in"},
    ]
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "name": f"The {name}",
        "version": version,
        "domain": "lending",
        "tags": ["synthetic"],
        "description": {"usage": "training", "limitations": "invented"},
        "customProperties": [{"property": "lawfulBasis", "value": "nobody is in it"}],
        "schema": [{"name": "applications", "description": "one row an application", "properties": columns}],
        "team": {"name": "data-platform"},
        "slaProperties": [{"property": "retention", "value": 5, "unit": "y"}],
        **more,
    }


def evidence(name: str, content: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"schema": "evidence/1", "name": name, "commit": "c" * 40, "content": content, "inputs": inputs or {}}


def bom(model: str = "r-1", digest: str = DIGESTS["model"], services: tuple[str, ...] = ()) -> dict[str, Any]:
    """The bill of materials of a system with a model that was made from data and a prompt."""
    ref = f"model:{model}"
    return evidence(
        "bom",
        {
            "components": {ref: digest, "data:var/data/x": DIGESTS["data"], "prompt:prompt.txt": DIGESTS["prompt"]},
            "dependencies": {
                ref: ["data:var/data/x", "prompt:prompt.txt"],
                "system:it": [ref, *(f"service:{one}" for one in services)],
            },
        },
    )


def result(metric: str, value: float, dataset: Any = DIGESTS["data"], **more: Any) -> dict[str, Any]:
    row = {"metric": metric, "slice": "all", "value": value, "low": value - 0.1, "high": value + 0.1, "n": 100}
    judged = {"threshold": None, "direction": None, "verdict": "not judged", "dataset_digest": dataset}
    return {**row, **judged, **more}


def registry(folder: Path, factory: Path, *rows: Mapping[str, Any]) -> Path:
    """fleet.yaml of these projects, which trusts the factory; its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"factories": [{"url": str(factory)}], "projects": [dict(row) for row in rows]}
    put(folder, {"fleet.yaml": documents.write(data)})
    return folder
