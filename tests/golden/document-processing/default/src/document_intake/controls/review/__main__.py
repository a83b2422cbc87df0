"""Says what waits for a person, since when, and why."""

from __future__ import annotations

import sys

from ..paths import Paths
from .queue import file_of, waiting_in


def main(paths: Paths | None = None) -> int:
    """One line a case; exit code 0, also where nothing waits."""
    tasks = waiting_in(file_of(paths or Paths.here()))
    for task in tasks:
        print(f"{task.created[:16]}  {task.status:<8} {task.id}  {', '.join(task.reasons)}")
    print(f"{len(tasks)} cases wait for a person")
    return 0


if __name__ == "__main__":
    sys.exit(main())
