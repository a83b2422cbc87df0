"""Runs the stages of a pipeline in order, times each, and stops at the first that fails.

What a run has cost, and whether it failed, is written to `var/metrics/run.prom` for Prometheus'
text file collector: that is how a run that costs too much, or breaks off, raises an alert. From its
start a run counts as failed and as unfinished, so that also one that is killed is known.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .evidence import replace
from .paths import Paths

# The package is the name of the system wherever it reports.
SYSTEM = __name__.partition(".")[0]
# What a run emits; the alert rules may name no other.
METRICS = {
    "run_seconds": "time of a stage in the last run",
    "run_compute_seconds": "processor seconds of a stage in the last run, its child processes too",
    "run_failed": "1 if the last run did not come to its end",
    "run_unfinished": "1 while a run is going on, or was killed",
}
FLAGS = ("run_failed", "run_unfinished")
BUSY = "a run is going on already: wait until it has ended"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: `run` does the work and returns one line on what it found."""

    name: str
    run: Callable[[Paths], str]
    needs: tuple[str, ...] = ()


class StageFailed(Exception):
    """A stage refused to go on; the message is the reason, in words for the person at the desk.

    So are other exceptions that the project defines, OSError and ValueError.
    """


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


class Spent(NamedTuple):
    """What one stage has cost: seconds that passed, and seconds of the processor."""

    seconds: float
    compute: float

    @classmethod
    def until_now(cls) -> Spent:
        """Since the start of this process, or some other fixed moment."""
        return cls(time.perf_counter(), sum(os.times()[:4]))

    def since(self, before: Spent) -> Spent:
        """The difference of two such moments."""
        return Spent(self.seconds - before.seconds, self.compute - before.compute)


def run(
    stages: Sequence[Stage],
    paths: Paths,
    target: str | None = None,
    say: Callable[[str], object] = print,
) -> int:
    """Run the stages, one line each; return 0, or 1 after naming the stage that failed and why.

    However it ends, what each stage has cost is written for Prometheus; 1 also where it cannot be,
    and where another run is going on.
    """
    chosen = wanted(stages, target)
    try:
        with alone(paths.metrics / "run.lock", BUSY):
            return _told(chosen, paths, say)
    except StageFailed as reason:
        say(f"FAILED  {reason}")
        return 1


@contextmanager
def alone(lock: Path, busy: str) -> Iterator[None]:
    """Keep every other process away, which would write the same files; a dead one's lock is gone.

    Raises StageFailed, which says `busy`, while another one is at it.
    """
    with _writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _writing(lock):
            _lock(handle, busy)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, busy: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StageFailed(busy) from error


def _told(chosen: Sequence[Stage], paths: Paths, say: Callable[[str], object]) -> int:
    """Run the stages, and keep `run.prom` up to date before and after."""
    file = paths.metrics / "run.prom"
    spent: dict[str, Spent] = {}
    with _writing(file):
        _begin(file)
    try:
        code = _each(chosen, paths, say, spent)
    except BaseException:
        with suppress(StageFailed):
            _end(file, exposition(spent, failed=True))
        raise
    _end(file, exposition(spent, bool(code)))
    return code


def _begin(file: Path) -> None:
    """Count the run as failed until it has ended well."""
    if file.is_file() and b"\nrun_unfinished{" in file.read_bytes():
        _mark(file, failed=True, unfinished=True)
    else:
        replace(file, exposition({}, failed=True, unfinished=True))


def _end(file: Path, text: str) -> None:
    """Write how the run ended; where there is no room for it, that it failed."""
    try:
        with _writing(file):
            replace(file, text)
    except StageFailed:
        with suppress(OSError):
            _mark(file, failed=True, unfinished=False)
        raise


def _mark(file: Path, failed: bool, unfinished: bool) -> None:
    """Change the two flags where they stand: for that even a full disk has room."""
    content = file.read_bytes()
    with file.open("r+b") as there:
        for name, value in zip(FLAGS, (failed, unfinished), strict=True):
            if flag := re.search(rb"^%b\{.*\} (?=[01]$)" % name.encode(), content, re.MULTILINE):
                there.seek(flag.end())
                there.write(b"%d" % value)


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """What the machine refuses is a reason to stop, in a sentence."""
    try:
        yield
    except OSError as error:
        raise StageFailed(f"{file} cannot be written: {error}") from error


def _each(
    chosen: Sequence[Stage], paths: Paths, say: Callable[[str], object], spent: dict[str, Spent]
) -> int:
    started = Spent.until_now()
    for number, stage in enumerate(chosen, start=1):
        label = f"{number:>2}/{len(chosen)}  {stage.name:<10}"
        began = Spent.until_now()
        try:
            found = stage.run(paths)
        except Exception as error:
            if (reason := _reason(error)) is None:
                raise
            say(f"{label}  FAILED  {reason}")
            return 1
        finally:
            spent[stage.name] = Spent.until_now().since(began)
        say(f"{label} {spent[stage.name].seconds:5.1f} s  {found}")
    say(f"done in {Spent.until_now().since(started).seconds:.1f} s")
    return 0


def _reason(error: Exception) -> str | None:
    """Why a stage ended, in a sentence; None for a bug, which keeps its traceback.

    What the project raises by a name of its own is meant; OSError and ValueError come from the
    machine and from data.
    """
    own = type(error).__module__.partition(".")[0] == SYSTEM
    if own or isinstance(error, (StageFailed, OSError, ValueError)):
        return " ".join(str(error).split()) or type(error).__name__
    return None


def exposition(
    spent: Mapping[str, Spent], failed: bool, system: str = SYSTEM, unfinished: bool = False
) -> str:
    """The costs in Prometheus' text format; names of systems and stages are plain words."""
    lines, name = [], f'system="{system}"'
    flags = dict(zip(FLAGS, (failed, unfinished), strict=True))
    for metric, help_text in METRICS.items():
        lines += [f"# HELP {metric} {help_text}", f"# TYPE {metric} gauge"]
        if metric in flags:
            lines.append(metric + "{" + name + "} " + str(int(flags[metric])))
            continue
        for stage, cost in spent.items():
            value = cost.seconds if metric == "run_seconds" else cost.compute
            lines.append(metric + "{" + name + f',stage="{stage}"' + "} " + f"{value:.3f}")
    return "\n".join(lines) + "\n"


def main(
    stages: Sequence[Stage], program: str | None = None, arguments: Sequence[str] | None = None
) -> int:
    """Run what the command line asks for: `run`, or one stage with all that it needs.

    0 if all went well, 1 if a stage refused to go on.
    """
    parser = argparse.ArgumentParser(prog=program, description="Run the pipeline, or a part of it.")
    choices = ["run", *(stage.name for stage in stages)]
    parser.add_argument("stage", choices=choices, help="`run` is the whole pipeline")
    chosen: str = parser.parse_args(arguments).stage
    return run(stages, Paths.here(), None if chosen == "run" else chosen)
