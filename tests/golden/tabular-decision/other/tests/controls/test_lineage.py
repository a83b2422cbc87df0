"""Where each result came from, and bills of materials that name what is there, with digests."""

import json
from datetime import datetime
from email.message import Message
from importlib.metadata import Distribution, version
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from sme_loans.controls import bom, evidence, lineage, stages
from sme_loans.controls.lineage import Flow, Step
from sme_loans.controls.paths import Paths
from sme_loans.controls.stages import Stage, StageFailed

ROOT = Path(__file__).parents[2]
FLOWS = {
    "get": Flow(writes=("var/raw.txt",)),
    "clean": Flow(reads=("var/raw.txt", "rules.yaml"), writes=("var/clean-*.txt",)),
    "train": Flow(reads=("var/clean-*.txt",), writes=("evidence/model.json",)),
}
DIGEST = "sha256:" + "ab" * 32
DATA = {"var/data/a.parquet": "sha256:" + "01" * 32}
RESULT = {"metric": "auc", "slice": "all", "value": 0.8, "low": 0.75, "high": 0.85}
DECLARED = """
services: [{ name: bureau, purpose: history, owner: data-platform, outside: true }]
prompts: [{ path: prompts/answer.md, purpose: instructions }]
consumers: [{ name: portal, purpose: shows it, owner: channels }]
"""


def write(name: str, text: str) -> Any:
    """A stage that writes one file."""

    def run(paths: Paths) -> str:
        (paths.root / name).parent.mkdir(parents=True, exist_ok=True)
        (paths.root / name).write_text(text)
        return "done"

    return run


def plain(text: str = "one") -> tuple[Stage, ...]:
    """A pipeline of three stages."""
    return (
        Stage("get", write("var/raw.txt", text)),
        Stage("clean", write("var/clean-1.txt", text.upper()), ("get",)),
        Stage("train", write("evidence/model.json", text * 2), ("clean",)),
    )


def events(paths: Paths) -> list[dict[str, Any]]:
    """All events so far."""
    return [json.loads(line) for line in lineage.events_file(paths).read_text().splitlines()]


@pytest.fixture
def ran(paths: Paths) -> Paths:
    """A project in which the pipeline ran once."""
    (paths.root / "rules.yaml").write_text("all: of them")
    assert stages.run(lineage.traced(plain(), FLOWS, "test"), paths, say=lambda _: None) == 0
    return paths


def test_each_stage_starts_and_completes(ran: Paths) -> None:
    """Two events of one run each, in OpenLineage's form."""
    told = events(ran)
    assert [(event["job"]["name"], event["eventType"]) for event in told] == [
        (name, kind) for name in FLOWS for kind in ("START", "COMPLETE")
    ]
    for start, end in zip(told[::2], told[1::2], strict=True):
        assert start["run"]["runId"] == end["run"]["runId"]
        assert UUID(start["run"]["runId"]).version == 4
        assert datetime.fromisoformat(start["eventTime"]) <= datetime.fromisoformat(
            end["eventTime"]
        )
        assert {"producer", "schemaURL", "run", "job", "inputs", "outputs"} <= start.keys()
        assert start["outputs"] == []


def test_an_event_holds_the_digest_of_each_file(ran: Paths) -> None:
    """Globs are told file by file, with what was in them."""
    end = events(ran)[3]
    named = {
        (kind, one["name"]): one["facets"]["version"]["datasetVersion"]
        for kind in ("inputs", "outputs")
        for one in end[kind]
    }
    assert named == {
        ("inputs", "rules.yaml"): evidence.digest(ran.root / "rules.yaml"),
        ("inputs", "var/raw.txt"): evidence.digest(ran.root / "var/raw.txt"),
        ("outputs", "var/clean-1.txt"): evidence.digest(ran.root / "var/clean-1.txt"),
    }


def test_a_stage_that_fails_says_so(paths: Paths) -> None:
    """FAIL with the reason, and the failure goes on to the runner."""

    def refuse(_: Paths) -> str:
        raise StageFailed("too many bad rows")

    broken = lineage.traced((Stage("get", refuse),), {"get": FLOWS["get"]}, "test")
    said: list[str] = []
    assert stages.run(broken, paths, say=said.append) == 1
    assert "too many bad rows" in said[-1]
    last = events(paths)[-1]
    assert last["eventType"] == "FAIL"
    assert last["run"]["facets"]["errorMessage"]["message"] == "too many bad rows"
    assert lineage.graph(paths, FLOWS, "test") == []


def test_a_flow_of_no_stage_is_refused() -> None:
    """A stage that was renamed must not drop out of the lineage unseen."""
    with pytest.raises(ValueError, match="no stage train"):
        lineage.traced(plain()[:2], FLOWS, "test")


def test_the_graph_is_the_last_run_of_each_stage(ran: Paths) -> None:
    """A second run replaces the first, and gives the same plain content when nothing changed."""
    before = lineage.content(lineage.graph(ran, FLOWS, "test"), "evidence/model.json")
    stages.run(lineage.traced(plain(), FLOWS, "test"), ran, say=lambda _: None)
    after = lineage.content(lineage.graph(ran, FLOWS, "test"), "evidence/model.json")
    assert before == after
    assert after["sources"] == ["rules.yaml", "var/raw.txt"]
    assert after["upstream"] == ["rules.yaml", "var/clean-1.txt", "var/raw.txt"]
    assert lineage.files(lineage.graph(ran, FLOWS, "test")).keys() == {
        "rules.yaml", "var/clean-1.txt", "var/raw.txt", "evidence/model.json",
    }  # fmt: skip
    assert lineage.graph(ran, FLOWS, "another system") == []


def test_a_whole_line_has_no_findings(ran: Paths) -> None:
    """The release goes back to every source that was named."""
    steps = lineage.graph(ran, FLOWS, "test")
    assert lineage.findings(steps, "evidence/model.json", ["var/raw.txt", "rules.yaml"]) == []


def test_a_release_from_nowhere_is_found(ran: Paths) -> None:
    """Neither a file that no stage wrote nor a source that it does not go back to passes."""
    steps = lineage.graph(ran, FLOWS, "test")
    assert lineage.findings(steps, "evidence/other.json", []) == [
        "no stage wrote evidence/other.json"
    ]
    assert lineage.findings(steps, "evidence/model.json", ["var/more.txt"]) == [
        "evidence/model.json does not go back to var/more.txt"
    ]


def test_a_stage_that_read_another_file_is_found(ran: Paths) -> None:
    """Data that was changed between two stages, or new data that a later stage has not seen."""
    (ran.root / "var/clean-1.txt").write_text("made up")
    lineage.traced(plain(), FLOWS, "test")[2].run(ran)
    found = lineage.findings(lineage.graph(ran, FLOWS, "test"), "evidence/model.json", [])
    assert found == ["train read another var/clean-1.txt than clean wrote: run from there again"]


def test_the_line_is_evidence(ran: Paths) -> None:
    """It rests on every file that a stage read or wrote; data that matches comes back."""
    found = lineage.record(ran, FLOWS, "test", ["var/raw.txt"], data=["var/*.txt"])
    assert found.keys() == {"var/raw.txt", "var/clean-1.txt"}
    written = evidence.read(ran, "lineage")
    assert written["inputs"].keys() == {"rules.yaml", *found}
    assert written["content"]["released"] == "evidence/model.json"


def test_a_broken_line_is_no_evidence(ran: Paths) -> None:
    """The run stops with the reason."""
    with pytest.raises(StageFailed, match="does not go back to var/more"):
        lineage.record(ran, FLOWS, "test", ["var/more.txt"])
    assert not (ran.evidence / "lineage.json").exists()


def test_a_circle_ends() -> None:
    """Files that are made from each other do not keep the search going."""
    steps = [Step("a", {"x": "1"}, {"y": "1"}), Step("b", {"y": "1"}, {"x": "1"})]
    assert lineage.upstream(steps, "x") == {"x", "y"}


def test_the_catalogue_entry_is_of_this_project() -> None:
    """A component, owned by a group, under a name that a catalogue takes."""
    entry = yaml.safe_load((ROOT / "catalog-info.yaml").read_text("utf-8"))
    assert (entry["apiVersion"], entry["kind"]) == ("backstage.io/v1alpha1", "Component")
    assert entry["metadata"]["name"].replace("-", "_") == "sme_loans"
    assert entry["spec"]["owner"].startswith("group:")


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


def test_prompts_of_the_release_are_in(made: Paths) -> None:
    """Such as a file of the release, with its digest."""
    bom.write(made, "test", DATA, {"prompt.txt": DIGEST})
    parts = {part["bom-ref"]: part for part in cyclonedx(made, "ml-bom")["components"]}
    assert parts["prompt:prompt.txt"]["data"] == [{"type": "configuration", "name": "prompt.txt"}]
    assert evidence.read(made, "bom")["content"]["components"]["prompt:prompt.txt"] == DIGEST


def test_services_of_the_release_are_in(made: Paths) -> None:
    """Such as a tool that it calls; of one that people declared, their words count."""
    tool = {"name": "ledger", "purpose": "payments", "owner": "bank", "outside": False}
    bom.write(made, "test", DATA, services=[tool, {**tool, "name": "bureau"}])
    known = {one["name"]: one["x-trust-boundary"] for one in cyclonedx(made, "ml-bom")["services"]}
    assert known == {"ledger": False, "bureau": True}
    edges = evidence.read(made, "bom")["content"]["dependencies"]["system:test"]
    assert {"service:ledger", "service:bureau"} <= set(edges)


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
