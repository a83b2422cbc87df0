"""How far a check of many projects has come: one line on a terminal, which is gone at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

WIDTH = 30


def bar_on(total: int) -> Callable[[int], None] | None:
    """What is told the number of projects done; None where standard error is no terminal, or there is one project."""
    if total < 2 or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return lambda done: _show(done, total)


def _show(done: int, total: int) -> None:
    full = WIDTH * done // total
    line = f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done} of {total} projects"
    sys.stderr.write(line if done < total else "\r" + " " * len(line) + "\r")
    sys.stderr.flush()
