"""What the system is made of: CycloneDX 1.6 for models, datasets and services, and for libraries.

`bom/ml-bom.cdx.json` has the released model with its card, the data that it goes back to, and what
governance/dependencies.yaml adds. `bom/sbom.cdx.json` has the distributions of this environment
with their licences. Both hold no time: the same system gives the same bytes.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import yaml

from . import evidence
from .paths import Paths

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
SPECIFICATION = "1.6"
PROMPT = "configuration"  # what CycloneDX calls text that steers a model
Parts = list[dict[str, Any]]
NONE: Mapping[str, str] = {}


def write(
    paths: Paths,
    system: str,
    datasets: Mapping[str, str],
    prompts: Mapping[str, str] = NONE,
    services: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Write both bills and the evidence `bom`; `datasets` and `prompts` are files and digests.

    `prompts` are those of the release, and `services` those that it calls (name, purpose, owner,
    outside), besides what governance/dependencies.yaml names; of a name its entry there counts.

    Raises ValueError for a prompt in governance/dependencies.yaml that is not there.
    """
    declared = dependencies(paths)
    named = {one["name"]: dict(one) for one in [*services, *declared["services"]]}
    declared["services"] = list(named.values())
    models = _bill(system, ml_parts(paths, datasets, prompts, declared), _services(declared))
    libraries = _bill(system, library_parts(distributions(), leave_out=system), [])
    for name, bill in (("ml-bom", models), ("sbom", libraries)):
        evidence.replace(paths.root / "bom" / f"{name}.cdx.json", json.dumps(bill, indent=2) + "\n")
    content = {
        "components": {part["bom-ref"]: _digest(part) for part in models["components"]},
        "services": sorted(service["name"] for service in models["services"]),
        "consumers": sorted(consumer["name"] for consumer in declared["consumers"]),
        "dependencies": {one["ref"]: one["dependsOn"] for one in models["dependencies"]},
        "distributions": len(libraries["components"]),
    }
    inputs = [paths.governance / "dependencies.yaml"]
    inputs += [paths.evidence / f"{name}.json" for name in ("model", "evaluation")]
    evidence.write(paths, "bom", content, [path for path in inputs if path.exists()])


def dependencies(paths: Paths) -> dict[str, Parts]:
    """governance/dependencies.yaml: services, prompts and consumers, each a list."""
    found = _read(paths.governance / "dependencies.yaml")
    return {kind: found.get(kind) or [] for kind in ("services", "prompts", "consumers")}


def ml_parts(
    paths: Paths,
    datasets: Mapping[str, str],
    prompts: Mapping[str, str],
    declared: Mapping[str, Parts],
) -> Parts:
    """The released model, its data, and prompts."""
    parts = [_data(f"data:{name}", name, digest, "dataset") for name, digest in datasets.items()]
    parts += [_data(f"prompt:{name}", name, digest, PROMPT) for name, digest in prompts.items()]
    for prompt in declared["prompts"]:
        file = paths.root / prompt["path"]
        if not file.is_file():
            raise ValueError(f"governance/dependencies.yaml names {prompt['path']}: it is missing")
        reference = f"prompt:{prompt['path']}"
        parts.append(_data(reference, prompt["path"], evidence.digest(file), PROMPT))
    return [*_model(paths, [part["bom-ref"] for part in parts]), *parts]


def library_parts(found: Iterable[Distribution], leave_out: str) -> Parts:
    """Installed distributions by name, with version, package URL and licence as they state it."""
    parts = {}
    for one in found:
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        if name != re.sub(r"[-_.]+", "-", leave_out):
            url = f"pkg:pypi/{name}@{one.version}"
            part = {"type": "library", "bom-ref": url, "name": name, "version": one.version}
            parts[name] = {**part, "purl": url, **_licences(one)}
    return [parts[name] for name in sorted(parts)]


def _bill(system: str, parts: Parts, services: Parts) -> dict[str, Any]:
    root = {"type": "application", "bom-ref": f"system:{system}", "name": system}
    models = [part["bom-ref"] for part in parts if part["type"] == "machine-learning-model"]
    rest = [part["bom-ref"] for part in parts if part["bom-ref"] not in models]
    top = [*(models or rest), *(service["bom-ref"] for service in services)]
    edges = [{"ref": root["bom-ref"], "dependsOn": top}]
    edges += [{"ref": model, "dependsOn": rest} for model in models]
    body = {"components": parts, "services": services, "dependencies": edges}
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, system + json.dumps(body))}",
        "version": 1,
        "metadata": {"component": root},
        **body,
    }


def _model(paths: Paths, data: list[str]) -> Parts:
    """The model of evidence/model.json, with a card of what the evaluation found."""
    if not (paths.evidence / "model.json").exists():
        return []
    released = evidence.read(paths, "model")["content"]
    part = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{released['version']}",
        "name": _read(paths.governance / "system.yaml").get("name", "model"),
        "version": released["version"],
        "hashes": _hashes(released["model"]),
        "modelCard": {
            "modelParameters": {"datasets": [{"ref": reference} for reference in data]},
            "quantitativeAnalysis": {"performanceMetrics": _metrics(paths)},
            "considerations": _considerations(paths),
        },
    }
    return [part]


def _metrics(paths: Paths) -> Parts:
    if not (paths.evidence / "evaluation.json").exists():
        return []
    results = evidence.read(paths, "evaluation")["content"]["results"]
    return [
        {
            "type": result["metric"],
            "value": str(result["value"]),
            "slice": result["slice"],
            "confidenceInterval": {
                "lowerBound": str(result["low"]),
                "upperBound": str(result["high"]),
            },
        }
        for result in results
    ]


def _considerations(paths: Paths) -> dict[str, Any]:
    """The purpose, what it is not for, and how it could be misused, as people wrote them."""
    purpose = _read(paths.governance / "system.yaml").get("purpose")
    scope = _read(paths.governance / "scope.yaml")
    return {
        "useCases": [purpose] if purpose else [],
        "technicalLimitations": _sentences(scope.get("out_of_scope")),
        "ethicalConsiderations": [
            {"name": text} for text in _sentences(scope.get("foreseeable_misuse"))
        ],
    }


def _sentences(rows: list[Any] | None) -> list[str]:
    """What people wrote, also where a colon made YAML take it for a mapping."""
    return [
        ", ".join(f"{key}: {value}" for key, value in row.items())
        if isinstance(row, dict)
        else str(row)
        for row in rows or []
    ]


def _services(declared: Mapping[str, Parts]) -> Parts:
    return [
        {
            "bom-ref": f"service:{one['name']}",
            "name": one["name"],
            "provider": {"name": one["owner"]},
            "description": one["purpose"],
            "x-trust-boundary": bool(one.get("outside", False)),
        }
        for one in declared["services"]
    ]


def _data(reference: str, name: str, digest: str, kind: str) -> dict[str, Any]:
    data = [{"type": kind, "name": name}]
    part = {"type": "data", "bom-ref": reference, "name": name, "hashes": _hashes(digest)}
    return {**part, "data": data}


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]


def _digest(part: Mapping[str, Any]) -> str:
    return f"sha256:{part['hashes'][0]['content']}"


def _licences(one: Distribution) -> dict[str, Any]:
    """An SPDX expression where the distribution has one, else the words of its classifiers."""
    if expression := _first(one, "License-Expression"):
        return {"licenses": [{"expression": expression}]}
    prefix = "License :: OSI Approved :: "
    named = one.metadata.get_all("Classifier") or []
    words = [row.removeprefix(prefix) for row in named if row.startswith(prefix)]
    short = _first(one, "License")
    if not words and short and len(short.splitlines()) == 1:
        words = [short]
    return {"licenses": [{"license": {"name": word}} for word in words]} if words else {}


def _first(one: Distribution, header: str) -> str:
    return str((one.metadata.get_all(header) or [""])[0]).strip()


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    found = yaml.safe_load(file.read_text("utf-8"))
    return found if isinstance(found, dict) else {}
