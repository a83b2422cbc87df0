"""Computes on what strangers wrote in one forked child, whose memory and time are limited.

Jinja's sandbox keeps a template from running code; it does not keep it from filling the memory or looping
for ever. The child is this very process a moment ago: nothing is imported again, and its result comes back
through a pipe. It is a wall against exhaustion, not against an escape from the sandbox.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from ai_factory.errors import AuthorError

MEMORY = 1024 * 1024 * 1024  # bytes that the child may take besides what it starts with
SECONDS = 30  # of processor time

Result = TypeVar("Result")


def limited(compute: Callable[[], Result], what: str) -> Result:
    """The result of `compute`, which must be picklable and need no other thread.

    Raises what `compute` raises; AuthorError, naming `what`, when the child ran out of memory or time.
    """
    content = _in_child(compute, _limit)
    try:
        result: Result = _result(content)
    except (EOFError, pickle.UnpicklingError):
        raise AuthorError(
            f"{what} takes more than {MEMORY // 2**20} MiB of memory or {SECONDS} seconds to render",
            "its templates loop or grow without bound: mend them",
        ) from None
    return result


def apart(compute: Callable[[], Result], what: str) -> Result:
    """The same without limits: for code that somebody trusts, and which may leave its process as it likes."""
    content = _in_child(compute, lambda: None)
    try:
        result: Result = _result(content)
    except (EOFError, pickle.UnpicklingError):
        raise AuthorError(f"{what} ended its process while it was rendered", "mend what it runs") from None
    return result


def _result(content: bytes) -> Any:
    """What the child computed. Raises what it raised."""
    answer = pickle.loads(content)  # noqa: S301 - written by our own child
    if isinstance(answer, Exception):
        raise answer
    return answer


def _in_child(compute: Callable[[], object], prepare: Callable[[], None]) -> bytes:
    """What a child answers, pickled; cut short where it came to an end before."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        _answer(compute, writer, prepare)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as stream:
            return stream.read()
    except BaseException:  # interrupted: nobody waits for the answer any more
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)


def _answer(compute: Callable[[], object], writer: int, prepare: Callable[[], None]) -> None:
    """In the child: compute, write the answer, and leave without any clean-up that is the parent's."""
    try:
        prepare()
        answer = pickle.dumps(_computed(compute))
        with os.fdopen(writer, "wb") as stream:
            stream.write(answer)
    finally:
        os._exit(0)


def _computed(compute: Callable[[], object]) -> object:
    try:
        return compute()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the parent raises it
        return error


def _limit() -> None:
    limits = ((resource.RLIMIT_AS, _size_now() + MEMORY), (resource.RLIMIT_CPU, _seconds_now() + SECONDS))
    for kind, wanted in limits:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _size_now() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[0]) * resource.getpagesize()
    except OSError:  # no /proc: macOS, where the limit on memory is not enforced anyway
        return 4 * MEMORY


def _seconds_now() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1
