"""The user's private cache folder: mirrors of factories and compiled templates. Losing it costs time only."""

from __future__ import annotations

import os

from ai_factory.errors import MachineError


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


def peek(name: str) -> str:
    """The path of a cache folder, which may not exist: for those who only look."""
    return os.path.join(_root(), name)


def _root() -> str:
    if given := os.environ.get("AI_FACTORY_CACHE"):
        return os.path.abspath(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.path.abspath(base), "ai-factory")
