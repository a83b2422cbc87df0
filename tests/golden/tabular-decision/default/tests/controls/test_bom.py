"""The bills of materials name what is there, with digests, and hold no time."""

import json
from email.message import Message
from importlib.metadata import Distribution, version
from pathlib import Path
from typing import Any

import pytest

from credit_line.controls import bom, evidence
from credit_line.controls.paths import Paths

DIGEST = "sha256:" + "ab" * 32
DATA = {"var/data/a.parquet": "sha256:" + "01" * 32}
RESULT = {"metric": "auc", "slice": "all", "value": 0.8, "low": 0.75, "high": 0.85}
DECLARED = """
services: [{ name: bureau, purpose: history, owner: data-platform, outside: true }]
prompts: [{ path: prompts/answer.md, purpose: instructions }]
consumers: [{ name: portal, purpose: shows it, owner: channels }]
"""


def cyclonedx(paths: Paths, name: str) -> dict[str, Any]:
    """A bill that was written."""
    found: dict[str, Any] = json.loads((paths.root / "bom" / f"{name}.cdx.json").read_text())
    return found


@pytest.fixture
def made(paths: Paths) -> Paths:
    """A project with a released model, a prompt, and bills of materials."""
    paths.governance.mkdir()
    (paths.root / "prompts").mkdir()
    (paths.root / "prompts" / "answer.md").write_text("answer")
    (paths.governance / "dependencies.yaml").write_text(DECLARED)
    (paths.governance / "system.yaml").write_text("name: test\npurpose: to test\n")
    (paths.governance / "scope.yaml").write_text("out_of_scope: [firms, prices: not tested]\n")
    model = {"version": "m-1", "model": DIGEST, "facts": {}}
    source = [paths.governance / "system.yaml"]
    evidence.write(paths, "model", model, source)
    evidence.write(paths, "evaluation", {"results": [RESULT]}, source)
    bom.write(paths, "test", DATA)
    return paths


def test_the_model_has_its_digest_and_card(made: Paths) -> None:
    """What was evaluated, on what, for what, and what it is not for."""
    model = cyclonedx(made, "ml-bom")["components"][0]
    assert (model["type"], model["version"]) == ("machine-learning-model", "m-1")
    assert model["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    card = model["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {
            "type": "auc",
            "value": "0.8",
            "slice": "all",
            "confidenceInterval": {"lowerBound": "0.75", "upperBound": "0.85"},
        }
    ]
    assert card["considerations"]["useCases"] == ["to test"]
    assert card["considerations"]["technicalLimitations"] == ["firms", "prices: not tested"]


def test_every_reference_resolves(made: Paths) -> None:
    """Data of the model card and both sides of each dependency are components or services."""
    for name in ("ml-bom", "sbom"):
        bill = cyclonedx(made, name)
        known = {part["bom-ref"] for part in [*bill["components"], *bill["services"]]}
        known.add(bill["metadata"]["component"]["bom-ref"])
        edges = bill["dependencies"]
        assert {edge["ref"] for edge in edges} <= known
        assert {ref for edge in edges for ref in edge["dependsOn"]} <= known
        assert len(known) == len(bill["components"]) + len(bill["services"]) + 1
    model = cyclonedx(made, "ml-bom")["components"][0]
    references = [one["ref"] for one in model["modelCard"]["modelParameters"]["datasets"]]
    assert references == ["data:var/data/a.parquet", "prompt:prompts/answer.md"]


def test_what_people_declared_is_in(made: Paths) -> None:
    """Services with their owners, prompts with digests, consumers in the evidence."""
    bill = cyclonedx(made, "ml-bom")
    assert [(one["name"], one["x-trust-boundary"]) for one in bill["services"]] == [
        ("bureau", True)
    ]
    content = evidence.read(made, "bom")["content"]
    prompt = evidence.digest(made.root / "prompts" / "answer.md")
    assert content["components"]["prompt:prompts/answer.md"] == prompt
    assert content["consumers"] == ["portal"]
    assert content["dependencies"]["system:test"] == ["model:m-1", "service:bureau"]


def test_a_prompt_that_is_missing_is_told(made: Paths) -> None:
    """A map that names what is not there is wrong."""
    (made.root / "prompts" / "answer.md").unlink()
    with pytest.raises(ValueError, match=r"prompts/answer\.md: it is missing"):
        bom.write(made, "test", DATA)


def test_the_same_system_gives_the_same_bytes(made: Paths) -> None:
    """No time, no random number; another model is another bill."""
    names = [*(made.root / "bom").iterdir(), made.evidence / "bom.json"]
    before = [file.read_bytes() for file in names]
    bom.write(made, "test", DATA)
    assert [file.read_bytes() for file in names] == before
    number = cyclonedx(made, "ml-bom")["serialNumber"]
    bom.write(made, "test", {})
    assert cyclonedx(made, "ml-bom")["serialNumber"] != number


def test_installed_distributions_are_all_in(made: Paths) -> None:
    """By normal name, exact version and package URL, in order, without the project itself."""
    parts = cyclonedx(made, "sbom")["components"]
    names = [part["name"] for part in parts]
    assert names == sorted(set(names))
    assert {"name": "pyyaml", "purl": f"pkg:pypi/pyyaml@{version('pyyaml')}"}.items() <= parts[
        names.index("pyyaml")
    ].items()
    own = bom.library_parts([_made("Some.Project", {})], leave_out="some_project")
    assert own == []


class _Made(Distribution):
    """A distribution with this metadata."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    @property
    def metadata(self) -> Any:
        return self._headers

    def read_text(self, filename: str) -> None:
        return None

    def locate_file(self, path: Any) -> Path:
        return Path(path)


def _made(name: str, licence: dict[str, str]) -> Distribution:
    headers = Message()
    for key, value in {"Name": name, "Version": "1.0", **licence}.items():
        headers[key] = value
    return _Made(headers)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"License-Expression": "MIT OR Apache-2.0"}, [{"expression": "MIT OR Apache-2.0"}]),
        (
            {"Classifier": "License :: OSI Approved :: BSD License", "License": "a text"},
            [{"license": {"name": "BSD License"}}],
        ),
        ({"License": "BSD-3-Clause"}, [{"license": {"name": "BSD-3-Clause"}}]),
        ({"License": "Copyright\n all of a licence"}, None),
        ({}, None),
    ],
)
def test_licences_are_what_a_distribution_states(
    stated: dict[str, str], expected: list[dict[str, Any]] | None
) -> None:
    """The expression first, then classifiers, then one short line; nothing is guessed."""
    (part,) = bom.library_parts([_made("a", stated)], leave_out="test")
    assert part.get("licenses") == expected


def test_without_a_model_the_data_is_listed(paths: Paths) -> None:
    """A project whose pipeline has released nothing yet still has a bill."""
    bom.write(paths, "test", DATA)
    content = evidence.read(paths, "bom")["content"]
    assert content["dependencies"] == {"system:test": ["data:var/data/a.parquet"]}
