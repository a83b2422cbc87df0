"""Each stage says what it read and wrote, and a release goes back to its sources."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from credit_line.controls import evidence, lineage, stages
from credit_line.controls.lineage import Flow, Step
from credit_line.controls.paths import Paths
from credit_line.controls.stages import Stage, StageFailed

ROOT = Path(__file__).parents[2]
FLOWS = {
    "get": Flow(writes=("var/raw.txt",)),
    "clean": Flow(reads=("var/raw.txt", "rules.yaml"), writes=("var/clean-*.txt",)),
    "train": Flow(reads=("var/clean-*.txt",), writes=("evidence/model.json",)),
}


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


def test_a_circle_ends() -> None:
    """Files that are made from each other do not keep the search going."""
    steps = [Step("a", {"x": "1"}, {"y": "1"}), Step("b", {"y": "1"}, {"x": "1"})]
    assert lineage.upstream(steps, "x") == {"x", "y"}


def test_the_catalogue_entry_is_of_this_project() -> None:
    """A component, owned by a group, under a name that a catalogue takes."""
    entry = yaml.safe_load((ROOT / "catalog-info.yaml").read_text("utf-8"))
    assert (entry["apiVersion"], entry["kind"]) == ("backstage.io/v1alpha1", "Component")
    assert entry["metadata"]["name"].replace("-", "_") == "credit_line"
    assert entry["spec"]["owner"].startswith("group:")
