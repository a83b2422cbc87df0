"""What the commands over a fleet have in common: its file, which of its projects are meant, how many work at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ai_factory import formats
from ai_factory.errors import UsageError
from ai_factory.fleet.registry import FILE, Member, Registry

if TYPE_CHECKING:
    from ai_factory.fleet.run import Shard, Where

Fleet = Annotated[str, typer.Option("--fleet", metavar="FILE", help="The fleet's file, found here or above.")]
Rings = Annotated[list[str] | None, typer.Option("--ring", metavar="RING", help="Only these rings.")]
Owners = Annotated[list[str] | None, typer.Option("--owner", metavar="OWNER", help="Only projects of these owners.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Only projects with all of these labels.")
]
Workers = Annotated[
    int, typer.Option("--workers", metavar="NUMBER", help="How many work at once (default: two a core, at most 8).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")]
Executor = Annotated[str, typer.Option("--executor", metavar="threads|dask", help="Where the work runs.")]
Scheduler = Annotated[str, typer.Option("--scheduler", metavar="ADDRESS", help="With dask: that of a cluster.")]
Part = Annotated[str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts, for jobs side by side.")]
DEFAULT = FILE
MANY = 64  # workers: beyond that a machine waits for itself


class Choice(NamedTuple):
    """Which projects are meant; nothing given means all."""

    rings: Sequence[str] = ()
    owners: Sequence[str] = ()
    labels: Mapping[str, str] = {}


def chosen(fleet: Registry, choice: Choice) -> list[Member]:
    """The projects that are meant. Raises UsageError where there are none, and for a ring that is none."""
    known = {ring.name for ring in fleet.rings}
    if unknown := [name for name in choice.rings if name not in known]:
        raise UsageError(f"the fleet has no ring `{unknown[0]}`", f"it has {', '.join(sorted(known)) or 'none'}")
    tests: list[Callable[[Member], bool]] = [
        lambda one: not choice.rings or one.ring in choice.rings,
        lambda one: not choice.owners or one.owner in choice.owners,
        lambda one: choice.labels.items() <= one.labels.items(),
    ]
    found = [member for member in fleet.members if all(test(member) for test in tests)]
    if not found:
        what = "no project of the fleet is meant by these options" if fleet.members else "the fleet has no projects"
        raise UsageError(
            what, "`ai-factory fleet add URL` adds some" if not fleet.members else "leave some of them out"
        )
    return found


def labelled(texts: Sequence[str] | None) -> dict[str, str]:
    """The labels in `KEY=VALUE`. Raises UsageError for what is none."""
    pairs = [text.partition("=") for text in texts or ()]
    for key, sign, _ in pairs:
        if not sign or not re.search(formats.NAME["pattern"], key):
            raise UsageError(f"`{key}{sign}` is no label", "write it as `KEY=VALUE`, the key in small letters")
    return {key: value for key, _, value in pairs}


def counted(workers: int) -> int:
    """How many work at once; 0 for as many as fit the machine. Raises UsageError for what is no such number."""
    if not 0 <= workers <= MANY:
        raise UsageError(f"{workers} cannot work at once", f"give a number from 1 to {MANY}")
    return workers


def where(executor: str, workers: int, scheduler: str) -> Where:
    """Where the work is to run. Raises UsageError."""
    from ai_factory.fleet.run import DASK, EXECUTORS, Where

    if executor not in EXECUTORS:
        raise UsageError(f"`--executor` knows {' and '.join(EXECUTORS)}, not `{executor}`")
    if scheduler and executor != DASK:
        raise UsageError("`--scheduler` goes with `--executor dask`")
    return Where(executor, counted(workers), scheduler)


def part(text: str) -> Shard:
    """The part that is meant. Raises UsageError."""
    from ai_factory.fleet.run import WHOLE, shard

    return shard(text) if text else WHOLE
