"""What the commands of a fleet have in common: its file, and where the work runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.errors import UsageError

if TYPE_CHECKING:
    from ai_factory.fleet.registry import Registry
    from ai_factory.fleet.run import Shard, Where

FleetFile = Annotated[
    str, typer.Option("--fleet", metavar="FILE", help="The fleet (default: fleet.yaml, here or above).")
]
Executor = Annotated[str, typer.Option("--executor", metavar="threads|dask", help="Where the work runs.")]
Scheduler = Annotated[
    str, typer.Option("--scheduler", metavar="ADDRESS", help="With dask: the scheduler of a cluster.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, max=256, help="How many at once (default: what fits).")]
Part = Annotated[str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts, for jobs side by side.")]


def where(executor: str, workers: int, scheduler: str) -> Where:
    """Where the work is to run. Raises UsageError."""
    from ai_factory.fleet.run import DASK, EXECUTORS, Where

    if executor not in EXECUTORS:
        raise UsageError(f"`--executor` knows {' and '.join(EXECUTORS)}, not `{executor}`")
    if scheduler and executor != DASK:
        raise UsageError("`--scheduler` goes with `--executor dask`")
    return Where(executor, workers, scheduler)


def part(text: str) -> Shard:
    """The part that is meant. Raises UsageError."""
    from ai_factory.fleet.run import WHOLE, shard

    return shard(text) if text else WHOLE


def registry(place: str) -> tuple[Registry, str]:
    """The fleet, and the folder that its file lies in. Raises UsageError."""
    from ai_factory import cache
    from ai_factory.fleet.registry import FILE, parse

    found = place or _above(FILE)
    folder = os.path.dirname(os.path.abspath(found))
    return parse(_content(found), lambda name: _content(_inside(folder, name)), found, cache.document), folder


def _above(name: str) -> str:
    """The nearest file of that name, from here upwards."""
    here = os.getcwd()
    while not os.path.isfile(os.path.join(here, name)):
        parent = os.path.dirname(here)
        if parent == here:
            raise UsageError(f"there is no `{name}` here or above", "`ai-factory fleet add URL` makes one")
        here = parent
    return os.path.relpath(os.path.join(here, name))


def _inside(folder: str, name: str) -> str:
    """The place of a file that the fleet includes: it lies beside or below it."""
    place = os.path.realpath(os.path.join(folder, name))
    if not place.startswith(os.path.realpath(folder) + os.sep):
        raise UsageError(f"`include` names `{name}`, which does not lie beside the fleet")
    return place


def _content(place: str) -> bytes:
    try:
        with open(place, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise UsageError(f"cannot read `{place}`: {(error.strerror or str(error)).lower()}") from None
