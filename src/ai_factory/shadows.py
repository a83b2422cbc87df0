"""What lies beside the managed files of a project that is not theirs: what runs in their place, and unexpected files.

Bytecode in `__pycache__` is compared with its source by date or by hash, unless its head says that it is not to be
(PEP 552): that alone is looked at here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from ai_factory.beside import Shadow, is_compiled, is_package_code
from ai_factory.lock import Entry
from ai_factory.newest import SKIPPED
from ai_factory.tree import LINK, File

CACHE = "__pycache__"
HEAD = 8  # bytes: four of Python's version, four of flags
HASHED, COMPARED = 1, 2  # flags: its source is known by a hash, which is compared


class Place(Protocol):
    """Files that can be looked at: those of a folder on disk, or those of a commit."""

    def names(self, folder: str = "") -> list[str]:
        """What lies directly in the folder, sorted."""

    def head(self, path: str, size: int) -> bytes | None:
        """The first bytes of the file at the path; None where there is no regular file."""

    def is_folder(self, path: str) -> bool:
        """Whether a folder lies at the path."""

    def read(self, path: str) -> File | None:
        """The file at the path, or None when there is none."""

    def walk(self, folder: str = "") -> Iterator[str]:
        """All files and links below `folder`, sorted."""


def unexpected(folder: Place, folders: Iterable[str], paths: Collection[str]) -> list[str]:
    """The files in wholly managed folders that the lock does not name, sorted; no caches, and no proposals."""
    found = {path for managed in folders for path in folder.walk(managed)}
    return sorted(
        path
        for path in found
        if path not in paths and SKIPPED.isdisjoint(path.split("/")) and not path.endswith(".incoming")
    )


def shadows(folder: Place, paths: Mapping[str, Entry]) -> list[Shadow]:
    """What Python takes in place of the managed modules of the lock: files and links, sorted."""
    modules: dict[str, list[str]] = {}
    for path, entry in paths.items():
        if entry.ownership == "managed" and entry.state != "local" and path.endswith(".py"):
            modules.setdefault(path.rpartition("/")[0], []).append(path)
    found = ((one, shadow) for place, own in modules.items() for one, shadow in _in(folder, place, own))
    return sorted(shadow for other, shadow in found if other not in paths)


def _in(folder: Place, place: str, modules: Iterable[str]) -> Iterator[tuple[str, Shadow]]:
    """Of the modules of one folder: what stands in their place, with its own path."""
    prefix = f"{place}/" if place else ""
    beside = folder.names(place)
    cached = _cached(folder, prefix) if CACHE in beside else []
    for path in modules:
        stem = path[len(prefix) :].removesuffix(".py")
        for other in _before(folder, prefix, stem, beside):
            yield other, Shadow(path, other)
        for name in cached:
            if name == CACHE or name.startswith(f"{stem}."):
                other = prefix + (name if name == CACHE else f"{CACHE}/{name}")
                yield other, Shadow(path, other, unread=True)


def _before(folder: Place, prefix: str, stem: str, beside: Iterable[str]) -> Iterator[str]:
    """What comes before the module in Python's order: compiled ones, and a package, be it behind a link."""
    for name in beside:
        if name == stem and stem != "__init__":
            yield from _package(folder, prefix + name)
        elif is_compiled(name, stem):
            yield prefix + name


def _package(folder: Place, place: str) -> Iterator[str]:
    """The files that make a folder a package, or the link that may lead to one."""
    if _is_link(folder, place):
        yield place
    yield from (f"{place}/{name}" for name in folder.names(place) if is_package_code(name))


def _cached(folder: Place, prefix: str) -> list[str]:
    """The names of bytecode that Python runs without a look at its source; of the whole cache, where that is a link."""
    if _is_link(folder, prefix + CACHE):
        return [CACHE]
    names = (name for name in folder.names(prefix + CACHE) if name.endswith(".pyc"))
    return [name for name in names if _is_unread(folder.head(f"{prefix}{CACHE}/{name}", HEAD))]


def _is_unread(head: bytes | None) -> bool:
    """By the head of the bytecode; what cannot be looked at, such as a link, is taken for it."""
    return head is None or (len(head) == HEAD and head[4] & (HASHED | COMPARED) == HASHED)


def _is_link(folder: Place, place: str) -> bool:
    file = None if folder.is_folder(place) else folder.read(place)
    return file is not None and file.mode == LINK
