"""Where the work of a fleet runs: threads here, a Dask cluster, or one shard of many; one path of code for all."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from ai_factory.errors import UsageError

THREADS, DASK = "threads", "dask"
EXECUTORS = (THREADS, DASK)
Item = TypeVar("Item")
Result = TypeVar("Result")


class Where(NamedTuple):
    """Which executor, with how many workers (0: as many as fit), and for Dask the address of a scheduler."""

    executor: str = THREADS
    workers: int = 0
    scheduler: str = ""

    @property
    def width(self) -> int:
        """How many projects are under way at once."""
        return self.workers or min(8, 2 * (os.cpu_count() or 1))


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


def in_order(function: Callable[[Item], Result], items: Iterable[Item], width: int) -> Iterator[Result]:
    """The results in the order of the items, some of which are under way at once; no more are kept than that."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(width, thread_name_prefix="fleet")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * width:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def chosen(keys: Sequence[Item], part: Shard, key: Callable[[Item], str]) -> list[Item]:
    """Those that belong to the part."""
    return [item for item in keys if part.holds(key(item))]
