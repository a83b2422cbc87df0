"""Several pieces of work at once, each in a process of its own: what one takes or breaks is no other's."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

from ai_factory.errors import MachineError
from ai_factory.interruption import held_back

Item = TypeVar("Item")
Found = TypeVar("Found")
Told = Callable[[int, int], None]  # hears how many are done, of how many


class _Running(NamedTuple):
    number: int
    process: BaseProcess


def apart(work: Callable[[Item], Found], items: Sequence[Item], told: Told | None = None) -> list[Found]:
    """What the work gives for each item, in their order; as many at once as there are cores.

    What it gives must be picklable; the work itself is there already, since the process is forked. The first error ends
    all, and so does an interruption: what is under way is asked to end, and waited for.
    """
    found: dict[int, Found] = {}
    running: dict[Connection, _Running] = {}
    coming = iter(range(len(items)))
    try:
        while len(found) < len(items):
            for number in islice(coming, (os.cpu_count() or 1) - len(running)):
                with held_back() as mask:  # what has begun is known, whatever comes in between
                    reader, one = _started(partial(_unmasked, work, mask), items[number], number)
                    running[reader] = one
            for reader in [one for one in wait(list(running)) if isinstance(one, Connection)]:
                found[running[reader].number] = _received(reader)
                running.pop(reader).process.join()
                if told:
                    told(len(found), len(items))
    finally:
        for one in running.values():
            one.process.terminate()
        for one in running.values():
            one.process.join()
    return [found[number] for number in range(len(items))]


def _unmasked(work: Callable[[Item], Found], mask: set[signal.Signals], item: Item) -> Found:
    """In the child: the work, which hears signals as the parent does elsewhere."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return work(item)


def _started(work: Callable[[Item], Found], item: Item, number: int) -> tuple[Connection, _Running]:
    context = get_context("fork")  # nothing is imported again, and a factory that is open stays so
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, item, writer))
    process.start()
    writer.close()
    return reader, _Running(number, process)


def _answer(work: Callable[[Item], Found], item: Item, writer: Connection) -> None:
    """In the child: do the work, and send what it gives or raises; who interrupts wants no answer."""
    try:
        answer: object = work(item)
    except KeyboardInterrupt:
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        answer = error
    with suppress(BrokenPipeError):  # the parent was killed
        writer.send(answer)


def _received(reader: Connection) -> Any:
    try:
        answer = reader.recv()
    except EOFError:
        raise MachineError("a process was ended from outside", "is there enough memory? run it again") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
