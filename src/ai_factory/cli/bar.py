"""How far work on many things has come: one line on a terminal, which is gone at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

WIDTH = 30


def bar_on(total: int, noun: str = "projects") -> Callable[[int], None] | None:
    """What is told how many are done; None where standard error is no terminal, or there is only one."""
    if total < 2 or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return lambda done: _show(done, total, noun)


def _show(done: int, total: int, noun: str) -> None:
    full = WIDTH * done // total
    line = f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done} of {total} {noun}"
    sys.stderr.write(line if done < total else "\r" + " " * len(line) + "\r")
    sys.stderr.flush()
