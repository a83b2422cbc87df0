"""The user's private cache folder: mirrors of factories and compiled templates. Losing it costs time only."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ai_factory import __version__, documents
from ai_factory.errors import FactoryError, MachineError
from ai_factory.tree import digest

_NOTHING = object()


def folder(name: str) -> str:
    """A folder of that name in the cache, made if need be, readable by its owner only.

    It lies below `AI_FACTORY_CACHE`, else `XDG_CACHE_HOME/ai-factory`, else `~/.cache/ai-factory`. Raises
    MachineError when it belongs to somebody else: compiled templates in it are code.
    """
    place = os.path.join(_root(), name)
    try:
        for part in (_root(), place):
            os.makedirs(part, mode=0o700, exist_ok=True)
            if os.stat(part).st_uid != os.getuid():
                raise MachineError(
                    f"the cache `{part}` belongs to another user",
                    "set `AI_FACTORY_CACHE` to a folder of your own",
                )
            if os.stat(part).st_mode & 0o022:
                os.chmod(part, 0o700)
    except OSError as error:
        raise MachineError(
            f"cannot use the cache `{place}`: {error.strerror}",
            "set `AI_FACTORY_CACHE` to a folder that can be written",
        ) from None
    return place


def document(content: bytes, where: str, error: type[FactoryError] = FactoryError) -> Any:
    """What `documents.load` makes of a YAML document; read once, and remembered: its parser takes long.

    Raises as that does. A cache that cannot be used is done without.
    """
    return _remembered(f"yaml-{__version__}", content, lambda: documents.load(content, where, error))


def latest(name: str, key: str, state: str, compute: Callable[[], Any]) -> Any:
    """What `compute` makes in that state of what the key names: plain data, kept until it is in another one."""
    place = ""
    with suppress(MachineError):
        tag = f"{name}-{__version__}-{sys.implementation.cache_tag}"
        place = os.path.join(folder(tag), digest(key.encode("utf-8", "surrogatepass")))
    known = _read(place)
    if isinstance(known, tuple) and known[:2] == (key, state):
        return known[2]
    data = compute()
    if place:
        _keep(place, (key, state, data))
    return data


def _remembered(name: str, content: bytes, compute: Callable[[], Any]) -> Any:
    """What `compute` makes of these bytes: plain data, kept under their digest in the form of this Python."""
    with suppress(MachineError):
        place = os.path.join(folder(f"{name}-{sys.implementation.cache_tag}"), digest(content))
        if (known := _read(place, _NOTHING)) is not _NOTHING:
            return known
        data = compute()
        _keep(place, data)
        return data
    return compute()


def _read(place: str, nothing: object = None) -> Any:
    with suppress(OSError, ValueError, EOFError, TypeError), open(place, "rb") as stream:
        return marshal.load(stream)  # noqa: S302 - our own, in a folder of the person's
    return nothing


def _keep(place: str, data: Any) -> None:
    draft = f"{place}.{os.getpid()}"
    with suppress(OSError, ValueError):
        content = marshal.dumps(data)
        with open(draft, "wb") as stream:
            stream.write(content)
        os.replace(draft, place)


def peek(name: str) -> str:
    """The path of a cache folder, which may not exist: for those who only look."""
    return os.path.join(_root(), name)


def _root() -> str:
    if given := os.environ.get("AI_FACTORY_CACHE"):
        return os.path.abspath(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.path.abspath(base), "ai-factory")
