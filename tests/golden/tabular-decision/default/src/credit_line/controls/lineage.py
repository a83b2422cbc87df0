"""Where each file came from: OpenLineage events of every stage, and the graph that they make.

Events are lines of JSON in `var/lineage/events.jsonl`, in OpenLineage's own format: any tool that
speaks it can read them. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from . import evidence
from .paths import Paths
from .stages import Stage, StageFailed

EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
VERSION = f"{FACETS}/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
JOB_TYPE = f"{FACETS}/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
ERROR = f"{FACETS}/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"

Files = Mapping[str, str]
RELEASED = "evidence/model.json"  # says which model serves: what has to go back to its sources


@dataclass(frozen=True, slots=True)
class Flow:
    """What a stage reads and writes: paths below the project, `*` allowed."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What a stage last read and wrote: the digest of each file."""

    stage: str
    reads: Files
    writes: Files


def traced(stages: Sequence[Stage], flows: Mapping[str, Flow], system: str) -> tuple[Stage, ...]:
    """The same stages, each of which now tells when it starts and how it ends.

    Raises ValueError for a flow of a stage that is not there.
    """
    if unknown := flows.keys() - {stage.name for stage in stages}:
        raise ValueError(f"no stage {', '.join(sorted(unknown))}")
    return tuple(_traced(stage, flows.get(stage.name, Flow()), system) for stage in stages)


def events_file(paths: Paths) -> Path:
    """Where the events are."""
    return paths.var / "lineage" / "events.jsonl"


def graph(paths: Paths, flows: Mapping[str, Flow], system: str) -> list[Step]:
    """The last complete run of each stage that has a flow, in the order of `flows`."""
    last: dict[str, Step] = {}
    file = events_file(paths)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    for event in map(json.loads, lines):
        job = event["job"]
        if event["eventType"] == "COMPLETE" and job["namespace"] == system:
            read, written = _versions(event["inputs"]), _versions(event["outputs"])
            last[job["name"]] = Step(job["name"], read, written)
    return [last[name] for name in flows if name in last]


def upstream(steps: Iterable[Step], name: str) -> set[str]:
    """Every file from which this one was made, over any number of stages."""
    writers = [(step.writes.keys(), step.reads.keys()) for step in steps]
    found: set[str] = set()
    waiting = {name}
    while waiting:
        file = waiting.pop()
        sources = {source for writes, reads in writers if file in writes for source in reads}
        waiting |= sources - found
        found |= sources
    return found


def findings(steps: Sequence[Step], released: str, sources: Iterable[str]) -> list[str]:
    """What breaks the line from the sources to what was released, a sentence each."""
    written = {name: (step.stage, digest) for step in steps for name, digest in step.writes.items()}
    found = [
        f"{step.stage} read another {name} than {written[name][0]} wrote: run from there again"
        for step in steps
        for name, digest in step.reads.items()
        if name in written and written[name][1] != digest
    ]
    if released not in written:
        return [*found, f"no stage wrote {released}"]
    lost = set(sources) - upstream(steps, released)
    return [*found, *(f"{released} does not go back to {name}" for name in sorted(lost))]


def content(steps: Sequence[Step], released: str) -> dict[str, Any]:
    """Plain data for the evidence `lineage`: no time, so the same run gives the same bytes."""
    known = upstream(steps, released)
    return {
        "released": released,
        "sources": sorted(name for name in known if not upstream(steps, name)),
        "upstream": sorted(known),
        "stages": [
            {"stage": step.stage, "reads": dict(step.reads), "writes": dict(step.writes)}
            for step in steps
        ],
    }


def record(
    paths: Paths,
    flows: Mapping[str, Flow],
    system: str,
    sources: Iterable[str],
    data: Sequence[str] = ("*.parquet",),
) -> dict[str, str]:
    """Write the evidence `lineage`: the released model goes back to these sources.

    Returns the files that it goes back to and that match `data`, with their digests. Raises
    StageFailed where the line is broken.
    """
    steps = graph(paths, flows, system)
    if found := findings(steps, RELEASED, sources):
        raise StageFailed(f"the lineage is broken: {'; '.join(found)}")
    known, digests = content(steps, RELEASED), files(steps)
    inputs = [paths.root / name for name in digests if not name.startswith("evidence/")]
    evidence.write(paths, "lineage", known, inputs)
    wanted = [name for name in known["upstream"] if any(fnmatch(name, glob) for glob in data)]
    return {name: digests[name] for name in wanted}


def files(steps: Sequence[Step]) -> dict[str, str]:
    """The newest digest of every file in the graph."""
    return {
        name: digest for step in steps for name, digest in {**step.reads, **step.writes}.items()
    }


def _traced(stage: Stage, flow: Flow, system: str) -> Stage:
    def run(paths: Paths) -> str:
        job = _Job(paths, stage.name, system, str(uuid.uuid4()), _digests(paths, flow.reads))
        job.tell("START", {})
        try:
            found = stage.run(paths)
        except BaseException as error:
            job.tell("FAIL", {}, str(error) or type(error).__name__)
            raise
        job.tell("COMPLETE", _digests(paths, flow.writes))
        return found

    return replace(stage, run=run)


@dataclass(frozen=True, slots=True)
class _Job:
    """One run of one stage."""

    paths: Paths
    stage: str
    system: str
    run: str
    reads: Files

    def tell(self, kind: str, writes: Files, message: str = "") -> None:
        """Append one event."""
        file = events_file(self.paths)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(self._event(kind, writes, message)) + "\n")

    def _event(self, kind: str, writes: Files, message: str) -> dict[str, Any]:
        error = {"message": message, "programmingLanguage": "python"}
        named = {"processingType": "BATCH", "integration": "PYTHON", "jobType": "STAGE"}
        return {
            "eventType": kind,
            "eventTime": datetime.now(UTC).isoformat(timespec="microseconds"),
            "producer": self._producer,
            "schemaURL": EVENT,
            "run": {
                "runId": self.run,
                "facets": {"errorMessage": self._facet(ERROR, error)} if message else {},
            },
            "job": {
                "namespace": self.system,
                "name": self.stage,
                "facets": {"jobType": self._facet(JOB_TYPE, named)},
            },
            "inputs": self._datasets(self.reads),
            "outputs": self._datasets(writes),
        }

    @property
    def _producer(self) -> str:
        return f"urn:system:{self.system}"

    def _facet(self, schema: str, values: Mapping[str, str]) -> dict[str, str]:
        return {"_producer": self._producer, "_schemaURL": schema, **values}

    def _datasets(self, found: Files) -> list[dict[str, Any]]:
        return [
            {
                "namespace": "file",
                "name": name,
                "facets": {"version": self._facet(VERSION, {"datasetVersion": digest})},
            }
            for name, digest in found.items()
        ]


def _digests(paths: Paths, globs: Iterable[str]) -> dict[str, str]:
    found = {path for glob in globs for path in paths.root.glob(glob) if path.is_file()}
    named = {path.relative_to(paths.root).as_posix(): path for path in sorted(found)}
    return {name: evidence.digest(path) for name, path in named.items()}


def _versions(datasets: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["facets"]["version"]["datasetVersion"] for one in datasets}
