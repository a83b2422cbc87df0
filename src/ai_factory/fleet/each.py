"""One function over many projects, in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import NamedTuple, TypeVar

from ai_factory.errors import FactoryError, ForgeError, MachineError, ProjectError, UnreachableError, unexpected

Item = TypeVar("Item")
Found = TypeVar("Found")
MOST = 8  # workers, where nobody asks for more: each is a git process most of the time


class Failure(NamedTuple):
    """Why nothing is known of a project: `kind` is one of `errors.FAILURES`, `rule` that which says so, if one does."""

    kind: str
    message: str
    hint: str = ""
    rule: str = ""


def workers(asked: int = 0) -> int:
    """How many work at once: as many as asked for, else two a core, and not too many."""
    return asked or min(MOST, 2 * (os.cpu_count() or 1))


def over(
    items: Sequence[Item],
    function: Callable[[Item], Found],
    at_once: int = 0,
    told: Callable[[int], None] | None = None,
) -> list[Found | Failure]:
    """What the function gives for each item, in their order, or why it gave nothing: one's failure stops no other.

    `told` hears how many are done. What is to be kept small is what the function returns.
    """
    return in_groups([[item] for item in items], lambda group: [guarded(function, one) for one in group], at_once, told)


def in_groups(
    groups: Sequence[Sequence[Item]],
    function: Callable[[Sequence[Item]], Sequence[Found | Failure]],
    at_once: int = 0,
    told: Callable[[int], None] | None = None,
) -> list[Found | Failure]:
    """The same for items that are looked at together: the function gives one answer an item of its group."""
    found: list[Sequence[Found | Failure]] = [()] * len(groups)
    done = 0
    with ThreadPoolExecutor(workers(at_once)) as pool:
        try:
            waiting = {pool.submit(guarded, function, group): number for number, group in enumerate(groups)}
            for future in as_completed(waiting):
                number = waiting.pop(future)
                answers = future.result()
                found[number] = [answers] * len(groups[number]) if isinstance(answers, Failure) else answers
                done += len(groups[number])
                if told:
                    told(done)
        except BaseException:  # interrupted: what has not begun is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [answer for answers in found for answer in answers]


def in_order(function: Callable[[Item], Found], items: Iterable[Item], width: int) -> Iterator[Found]:
    """What the function gives, in the order of the items as it comes to hand; no more is kept than is under way.

    A slow one holds up those behind it. What the function raises ends all.
    """
    waiting: deque[Future[Found]] = deque()
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


def guarded(function: Callable[[Item], Found], item: Item) -> Found | Failure:
    """What the function gives, or why it gives nothing."""
    try:
        return function(item)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no verdict about another project
        return failure(error)


def failure(error: Exception) -> Failure:
    """The error by its kind."""
    if isinstance(error, FactoryError):
        return Failure(_kind(error), error.message, error.hint, getattr(error, "rule", ""))
    if isinstance(error, OSError):
        return Failure("transient", f"this machine is in the way: {error}", "mend that, and run it again")
    told = unexpected(error)
    return Failure("bug", told.message, "run it for this project alone, and report what it says")


def _kind(error: FactoryError) -> str:
    if isinstance(error, ForgeError):
        return error.failure
    kinds = {UnreachableError: "transient", ProjectError: "policy", MachineError: "transient"}
    return next((kind for one, kind in kinds.items() if isinstance(error, one)), "policy")
