"""Deletes originals whose time is over, as the data contract says: `python -m <package>.retention`.

What a hold stops stays, and so does what waits for a person. Each deletion is on record first.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime

from .controls import contract
from .controls.audit import AuditUnavailable, KeyRefused, open_log
from .controls.paths import Paths
from .controls.review import file_of, waiting_in
from .intake import originals_of


def disposed(paths: Paths, today: date) -> list[str]:
    """Delete what is due on this day, and return the digests. Raises AuditUnavailable."""
    kept = contract.load(paths.contracts / "documents.odcs.yaml").retention
    if not kept.endswith("d"):
        raise ValueError(f"retention is {kept}: state it in days")
    waiting = {str(task.payload.get("document")) for task in waiting_in(file_of(paths))}
    with open_log(paths, "operations") as log:
        return originals_of(paths).dispose(today, int(kept[:-1]), log, waiting)


def main(paths: Paths | None = None) -> int:
    """Exit code 0: done; 1: it could not be recorded, so what is left was not deleted."""
    try:
        gone = disposed(paths or Paths.here(), datetime.now(UTC).date())
    except (AuditUnavailable, KeyRefused) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(gone)} originals deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
