"""Reads what a project wrote with the tools that own the formats: `formats.py bom FILE…` or `formats.py lineage FILE`.

Run by tests/products/test_open_formats.py in an environment of its own. CycloneDX files are checked against the schema
that cyclonedx-python-lib carries (its model would drop the model card). OpenLineage events are built again with the
classes that its client generates from the published schemas, and must come out the same.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    kind, *files = sys.argv[1:]
    for file in files:
        {"bom": check_bom, "lineage": check_lineage}[kind](Path(file).read_text("utf-8"))
    return 0


def check_bom(text: str) -> None:
    schema: Any = importlib.import_module("cyclonedx.schema")
    validation: Any = importlib.import_module("cyclonedx.validation.json")
    found = validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text)
    if found is not None:
        raise SystemExit(str(found))


def check_lineage(text: str) -> None:
    for line in text.splitlines():
        event = json.loads(line)
        again = rebuilt(event)
        if again != without_origin(event):
            raise SystemExit(f"{json.dumps(without_origin(event))}\nis not\n{json.dumps(again)}")


def rebuilt(event: dict[str, Any]) -> Any:
    """The event as OpenLineage's client writes it; a value that the schema refuses raises there."""
    made: Any = importlib.import_module("openlineage.client.event_v2")
    facets: Any = importlib.import_module("openlineage.client.facet_v2")
    serde: Any = importlib.import_module("openlineage.client.serde")

    def dataset(kind: Any, one: dict[str, Any]) -> Any:
        version = facets.dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=one["facets"]["version"]["datasetVersion"]
        )
        return kind(namespace=one["namespace"], name=one["name"], facets={"version": version})

    job_type = without_origin(event["job"]["facets"]["jobType"])
    error = event["run"]["facets"].get("errorMessage")
    error_facet = facets.error_message_run.ErrorMessageRunFacet(**without_origin(error)) if error else None
    again = made.RunEvent(
        eventType=made.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=made.Run(runId=event["run"]["runId"], facets={"errorMessage": error_facet} if error_facet else {}),
        job=made.Job(
            namespace=event["job"]["namespace"],
            name=event["job"]["name"],
            facets={"jobType": facets.job_type_job.JobTypeJobFacet(**job_type)},
        ),
        inputs=[dataset(made.InputDataset, one) for one in event["inputs"]],
        outputs=[dataset(made.OutputDataset, one) for one in event["outputs"]],
    )
    return without_origin(json.loads(serde.Serde.to_json(again)))


def without_origin(value: Any) -> Any:
    """Without who wrote it, by which version of the schema, and what is empty."""
    if isinstance(value, dict):
        rest = {key: without_origin(item) for key, item in value.items() if key not in ORIGIN}
        return {key: item for key, item in rest.items() if item not in ({}, [], None)}
    return [without_origin(item) for item in value] if isinstance(value, list) else value


ORIGIN = {"_producer", "_schemaURL", "schemaURL", "producer", "_deleted"}

if __name__ == "__main__":
    sys.exit(main())
