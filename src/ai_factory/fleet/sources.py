"""Where repositories are found that may join a fleet: named one by one, below a folder, in a list, on a code host."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import is_remote
from ai_factory.fleet import registry
from ai_factory.forge.protocol import Forge
from ai_factory.git.process import configured, isolated
from ai_factory.workspace import find_repository, is_bare


class Place(NamedTuple):
    """A repository: the address that is written down, and where it is looked at, which may be a clone of it.

    `path` is a project in it, empty for all that it holds; `closed` says why it is not to be looked at.
    """

    url: str
    path: str = ""
    looked_at: str = ""
    closed: str = ""

    @property
    def key(self) -> str:
        return f"{self.url}#{self.path}" if self.path else self.url


def given(text: str, path: str = "", origin: bool = False) -> Place:
    """What a person names: an address or a folder, with `#PATH` where one project of it is meant.

    Raises UsageError for what is neither.
    """
    url, _, inner = text.partition("#") if not os.path.isdir(text) else (text, "", "")
    if is_remote(url):
        return Place(url, path or inner)
    if not os.path.isdir(url):
        raise UsageError(f"`{text}` is neither an address nor a folder", "give an https or ssh address, or a folder")
    return _folder(os.path.abspath(url), path or inner, origin)


def _folder(folder: str, path: str, origin: bool) -> Place:
    """The repository that the folder lies in; a folder below its top is the place of a project."""
    found = None if is_bare(folder) else find_repository(folder)
    if found is None and not is_bare(folder):
        raise UsageError(f"`{folder}` is no git repository", "commit what it holds first: a fleet reads commits")
    top, common = (found.top, found.common) if found else (os.path.realpath(folder), folder)
    inside = os.path.relpath(os.path.realpath(folder), top)
    whole = "/".join(part for part in ("" if inside == "." else inside, path) if part)
    return Place(_address(_origin(common) if origin else "", top), whole, top)


def _origin(common: str) -> str:
    """The address that the clone came from; empty where it has none."""
    rows = configured(r"^remote\.origin\.url$", common, {**isolated(), "GIT_DIR": common})
    return rows[-1][1] if rows else ""


def _address(origin: str, folder: str) -> str:
    """The one of the two that is to be written down. Raises UsageError for one that a fleet may not use."""
    try:
        return registry.address(origin or folder)
    except FactoryError as error:
        raise UsageError(f"{folder!r}: {error.message}", error.hint) from None


def below(folder: str, origin: bool = False) -> Iterator[Place]:
    """Every checkout and bare repository below a folder, by name; none inside of another, and none beyond a link."""
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder `{folder}`", "name the folder that holds the checkouts")
    for here, names, _ in os.walk(os.path.abspath(folder)):
        names.sort()
        if is_bare(here) or os.path.lexists(os.path.join(here, ".git")):
            names.clear()
            yield _folder_or_not(here, origin)


def _folder_or_not(folder: str, origin: bool) -> Place:
    try:
        return _folder(folder, "", origin)
    except UsageError as error:
        return Place(folder, closed=error.message)


def listed(text: str, origin: bool = False) -> Iterator[Place]:
    """What a list names, one a line; `#` begins a comment at the start of a line and after a blank.

    Raises UsageError with the number of each line that names nothing.
    """
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if entry := re.sub(r"(^|\s)#.*", "", line).strip():
            try:
                yield given(entry, origin=origin)
            except FactoryError as error:
                wrong.append(f"line {number}: {error.message}")
    if wrong:
        raise UsageError(wrong[0], "mend the list", tuple(wrong[1:]))


def of_organisation(forge: Forge, organisation: str) -> Iterator[Place]:
    """Every repository of an organisation that we may see. Raises ForgeError."""
    for found in forge.repositories(organisation):
        try:
            closed = "it is archived" if found.archived else ""
            yield Place(registry.address(found.url), closed=closed)
        except FactoryError as error:
            yield Place(found.name, closed=error.message)


def without_doubles(places: Iterable[Place]) -> list[Place]:
    """Each repository, or project of one, once, as it was named first."""
    return list({place.key: place for place in reversed(list(places))}.values())[::-1]
