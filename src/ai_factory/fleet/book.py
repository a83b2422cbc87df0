"""`fleet.yaml` where it lies: found, read with the files that it includes, and changed so that people's words stay."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from typing import Any, NamedTuple

from ai_factory import cache, documents, rows
from ai_factory.errors import UsageError
from ai_factory.fleet import registry
from ai_factory.fleet.registry import FILE, Member, Registry
from ai_factory.tree import File
from ai_factory.workspace import Folder

KEY = "projects"
HEAD = b"# The projects of this fleet, and the factories that may bring them updates.\n"


class Book(NamedTuple):
    """The file and what it says; a file that is not there yet says nothing."""

    path: str
    fleet: Registry
    new: bool = False

    @property
    def folder(self) -> Folder:
        """Where it lies; what it includes lies there or below."""
        return Folder(os.path.dirname(self.path))

    @property
    def name(self) -> str:
        return os.path.basename(self.path)


def find(given: str) -> str:
    """The whole path of the fleet's file: a name alone is looked for here and above, else it is here."""
    here = os.path.abspath(given)
    if os.path.dirname(given) or os.path.lexists(here):
        return here
    folder = os.path.dirname(here)
    while not os.path.lexists(place := os.path.join(folder, given)):
        above = os.path.dirname(folder)
        if above == folder:
            return here
        folder = above
    return place


def opened(given: str = FILE) -> Book:
    """The fleet. Raises UsageError where there is none, or with file and line for all that is wrong in it."""
    book = opened_or_new(given)
    if book.new:
        raise UsageError(f"there is no `{book.name}` here or above", "make one: `ai-factory fleet add URL`")
    return book


def opened_or_new(given: str = FILE) -> Book:
    """The fleet, or one without any project where there is none yet. Raises UsageError as `opened` does."""
    path = find(given)
    book = Book(path, Registry(()), new=True)
    file = book.folder.read(book.name) if os.path.isdir(os.path.dirname(path)) else None
    if file is None:
        return book
    fleet = registry.parse(file.content, lambda name: _included(book, name), book.name, cache.document)
    return Book(path, fleet)


def _included(book: Book, name: str) -> bytes:
    file = book.folder.read(name)
    if file is None:
        raise UsageError(f"`{book.name}` includes `{name}`, which is not there", "take it out, or bring it back")
    return file.content


def row(member: Member) -> dict[str, Any]:
    """A project as it is written down: only what was given."""
    said = {key: value for key, value in member._asdict().items() if value}
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in said.items()}


def with_members(content: bytes, members: Iterable[Member]) -> bytes:
    """The file with these projects at the end of its list."""
    return rows.with_rows(content, (), [row(member) for member in members], KEY)


def anew(members: Iterable[Member], factories: Sequence[str]) -> bytes:
    """A new file with these projects, whose updates may come from those factories."""
    said: dict[str, Any] = {"factories": [{"url": url} for url in factories]} if factories else {}
    return HEAD + documents.write({**said, KEY: [row(member) for member in members]})


def without_members(content: bytes, keys: Collection[str], load: documents.Load = documents.load) -> bytes:
    """The file without the projects of those keys; the same bytes where it has none of them."""
    data = load(content, FILE, UsageError) or {}
    gone = [number for number, one in enumerate(data.get(KEY) or ()) if registry.key_of(one) in keys]
    return rows.with_rows(content, gone, (), KEY) if gone else content


def add(book: Book, members: Sequence[Member], factories: Sequence[str] = ()) -> None:
    """Write the projects down, in a new file with the factories too. Raises UsageError for what nobody could read."""
    with _alone(book):
        known = _content(book, book.name)
        _write(book, {book.name: with_members(known, members) if known else anew(members, factories)})


def remove(book: Book, members: Sequence[Member]) -> None:
    """Strike the projects out, in whichever file they stand."""
    keys = {member.key for member in members}
    with _alone(book):
        _write(book, {name: without_members(content, keys) for name, content in _files(book).items()})


def hold(book: Book, member: Member, held: Mapping[str, str]) -> None:
    """Write down until when a project is left alone, and why, in whichever file it stands; nothing: it takes part."""
    with _alone(book):
        _write(book, {name: _holding(content, member, held) for name, content in _files(book).items()})


def _holding(content: bytes, member: Member, held: Mapping[str, str]) -> bytes:
    """The file with the hold of that project as given, where it names it; else the same bytes."""
    data = documents.load(content, FILE, UsageError) or {}
    same = [number for number, one in enumerate(data.get(KEY) or ()) if registry.key_of(one) == member.key]
    return rows.with_part(content, KEY, same[0], "hold", held or None) if same else content


@contextmanager
def _alone(book: Book) -> Iterator[None]:
    """One writer at a time: each reads what the one before has left."""
    folder = os.open(book.folder.root, os.O_RDONLY)
    try:
        flock(folder, LOCK_EX)
        yield
    finally:
        os.close(folder)


def _files(book: Book) -> dict[str, bytes]:
    """The fleet's file and those that it includes."""
    own = _content(book, book.name)
    names = (documents.load(own, book.name, UsageError) or {}).get("include", ())
    return {book.name: own, **{name: _content(book, name) for name in names}}


def _content(book: Book, name: str) -> bytes:
    file = book.folder.read(name)
    return file.content if file else b""


def _write(book: Book, made: Mapping[str, bytes]) -> None:
    """Put the files that differ in place, once it is known that the whole can be read."""
    registry.parse(made[book.name], lambda name: made.get(name) or _included(book, name), book.name)
    for name, content in made.items():
        if content != _content(book, name):
            book.folder.write(name, File(content))
