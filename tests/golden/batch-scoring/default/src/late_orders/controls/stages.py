"""Runs the stages of a pipeline in order, times each, and stops at the first that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .paths import Paths


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: `run` does the work and returns one line on what it found."""

    name: str
    run: Callable[[Paths], str]
    needs: tuple[str, ...] = ()


class StageFailed(Exception):
    """A stage refused to go on; the message is the reason, in words for the person at the desk."""


def wanted(stages: Sequence[Stage], target: str | None) -> list[Stage]:
    """All stages, or the target and what it needs, in the order given.

    Raises ValueError for a name that is not there, and for a need that does not come earlier.
    """
    names = [stage.name for stage in stages]
    for place, stage in enumerate(stages):
        if late := set(stage.needs) - set(names[:place]):
            raise ValueError(f"stage {stage.name} needs {', '.join(sorted(late))} before it")
    if target is None:
        return list(stages)
    if target not in names:
        raise ValueError(f"no stage {target}; there are: {', '.join(names)}")
    needed = {target}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.needs)
    return [stage for stage in stages if stage.name in needed]


def run(
    stages: Sequence[Stage],
    paths: Paths,
    target: str | None = None,
    say: Callable[[str], object] = print,
) -> int:
    """Run the stages, one line each; return 0, or 1 after naming the stage that failed and why."""
    started = time.perf_counter()
    chosen = wanted(stages, target)
    for number, stage in enumerate(chosen, start=1):
        label = f"{number:>2}/{len(chosen)}  {stage.name:<10}"
        began = time.perf_counter()
        try:
            found = stage.run(paths)
        except StageFailed as reason:
            say(f"{label}  FAILED  {reason}")
            return 1
        say(f"{label} {time.perf_counter() - began:5.1f} s  {found}")
    say(f"done in {time.perf_counter() - started:.1f} s")
    return 0
