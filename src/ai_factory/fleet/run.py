"""Where the work of a fleet runs: threads here, a Dask cluster, or one shard of many; one path of code for all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from ai_factory.errors import UsageError
from ai_factory.fleet.each import workers

THREADS, DASK = "threads", "dask"
EXECUTORS = (THREADS, DASK)
Item = TypeVar("Item")


class Where(NamedTuple):
    """Which executor, with how many workers (0: as many as fit), and for Dask the address of a scheduler."""

    executor: str = THREADS
    workers: int = 0
    scheduler: str = ""

    @property
    def width(self) -> int:
        """How many projects are under way at once."""
        return workers(self.workers)


class Shard(NamedTuple):
    """One part of a fleet: the `number`th (from 1) of so many."""

    number: int = 1
    parts: int = 1

    def holds(self, key: str) -> bool:
        """Whether the project belongs to this part; the same part wherever and whenever it is asked."""
        return int(hashlib.sha256(key.encode()).hexdigest()[:12], 16) % self.parts == self.number - 1


WHOLE = Shard()


def shard(text: str) -> Shard:
    """The part that `2/5` names. Raises UsageError."""
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 10_000:
        return Shard(int(number), int(count))
    raise UsageError(f"`--shard {text}` names no part", "write the second of five parts as `--shard 2/5`")


Call = Callable[..., Any]


@contextmanager
def elsewhere(where: Where) -> Iterator[Callable[[Call], Call]]:
    """What makes of a function one that runs where it is to run, and waits there for its result.

    With Dask a task whose worker dies is done again by another one. Raises UsageError where Dask is not installed.
    """
    if where.executor == THREADS:
        yield lambda function: function
        return
    with _cluster(where) as executor:
        yield lambda function: lambda *arguments: executor.submit(function, *arguments).result()


@contextmanager
def _cluster(where: Where) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("Dask is not installed", "`pip install 'ai-factory[dask]'`") from None
    options: dict[str, Any] = {"address": where.scheduler} if where.scheduler else {}
    options |= {} if where.scheduler else {"n_workers": where.width, "threads_per_worker": 1, "dashboard_address": None}
    try:
        client = Client(**options, set_as_default=False)
    except OSError as error:
        raise UsageError(f"there is no Dask scheduler at `{where.scheduler}`: {error}", "start one first") from None
    with client, client.get_executor(pure=False) as executor:
        yield executor


def chosen(keys: Sequence[Item], part: Shard, key: Callable[[Item], str]) -> list[Item]:
    """Those that belong to the part."""
    return [item for item in keys if part.holds(key(item))]
