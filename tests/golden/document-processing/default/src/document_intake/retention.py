"""Deletes originals whose time is over, as the data contract says: `python -m <package>.retention`.

What a hold stops stays (on the original, or in ops/audit.yaml on whom it is about), and so does
what waits for a person. Each deletion is on record first.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime

from .controls import contract
from .controls.audit import AuditUnavailable, KeyRefused, open_log, read_events, settings
from .controls.audit.retention import decisions_of
from .controls.paths import Paths
from .controls.review import file_of, waiting_in
from .intake import originals_of


def disposed(paths: Paths, today: date) -> list[str]:
    """Delete what is due on this day, and return the digests.

    Raises AuditUnavailable, and ValueError where the contract does not state the days.
    """
    days = _days(paths)
    waiting = {str(task.payload.get("document")) for task in waiting_in(file_of(paths))}
    with open_log(paths, "operations") as log:
        return originals_of(paths).dispose(today, days, log, waiting | held(paths))


def held(paths: Paths) -> set[str]:
    """The digests of the documents whose decisions a hold in ops/audit.yaml keeps."""
    kept = decisions_of(paths, settings(paths.ops / "audit.yaml").holds)
    if not kept:
        return set()
    logs = sorted(paths.audit.glob("*.jsonl"))
    said = (event["data"] for log in logs for event in read_events(log))
    named = [data for data in said if data.get("decision_id") in kept]
    # What the service decided names its document beside the log only, in the stored case.
    cases = (paths.var / "decisions" / f"{name}.json" for name in kept)
    named += [json.loads(case.read_bytes()) for case in cases if case.is_file()]
    return {str(data["document"]) for data in named if "document" in data}


def _days(paths: Paths) -> int:
    file = paths.contracts / "documents.odcs.yaml"
    kept = contract.load(file).retention
    if not kept.endswith("d") or not kept[:-1].isdecimal():
        row = f"slaProperties, property: retention: {kept}"
        raise ValueError(f"{file.name}: {row} is no whole number of days (unit: d)")
    return int(kept[:-1])


def main(paths: Paths | None = None) -> int:
    """Exit code 0: done; 1: not recorded or not known for how long, so what is left stays."""
    try:
        gone = disposed(paths or Paths.here(), datetime.now(UTC).date())
    except (AuditUnavailable, KeyRefused, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(gone)} originals deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
