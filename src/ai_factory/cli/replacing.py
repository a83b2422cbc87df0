"""Which files an output may take the place of: none of git, of the factory, or of a person."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from ai_factory.errors import FactoryError, UsageError
from ai_factory.lock import FOLDER, LOCK, parse
from ai_factory.workspace import Folder, find_project

KEPT = (".git", FOLDER)  # folders in which nothing else writes, however a disk spells them


class Writing(NamedTuple):
    """What is written: the option that names its place, and how an earlier one is called and known by its text."""

    option: str
    earlier: str
    is_earlier: Callable[[str], bool]


def refuse(place: str, writing: Writing) -> None:
    """Raise UsageError for a file that is not to be replaced, or a folder in which nothing is to be put."""
    path = os.path.join(os.path.realpath(os.path.dirname(place) or "."), os.path.basename(place))
    other = f"name another file after `{writing.option}`"
    if kept := [name for name in path.split(os.sep) if name.lower() in KEPT]:
        raise UsageError(f"`{place}` lies in `{kept[0]}/`, which no output is written to", other)
    if _is_the_factorys(path):
        raise UsageError(f"`{place}` is a file of the project's lock, and no place for an output", other)
    if not _may_go(path, writing.is_earlier):
        raise UsageError(f"`{place}` is there already, and is no {writing.earlier}", f"move it away, or {other}")


def _is_the_factorys(path: str) -> bool:
    """Whether the lock of a project names it; a lock that cannot be read names nothing."""
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    try:
        root = find_project(folder)
        file = Folder(root).read(LOCK)
        return file is not None and os.path.relpath(path, root) in parse(file.content).paths
    except FactoryError:
        return False


def _may_go(path: str, is_earlier: Callable[[str], bool]) -> bool:
    """Whether nothing is there, or what an earlier run has left; what is no file is left to who writes."""
    if not os.path.lexists(path) or not stat.S_ISREG(os.lstat(path).st_mode):
        return True
    file = Folder(os.path.dirname(path)).read(os.path.basename(path))
    if file is None:
        return True
    text = file.content.decode("utf-8", "replace")
    return not text.strip() or is_earlier(text)
