"""What components declare under `changes`, held against the files and questions that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ai_factory import documents
from ai_factory.catalog import Change, Component
from ai_factory.errors import FactoryError
from ai_factory.layers import MANIFEST
from ai_factory.render import SUFFIX, checked_path
from ai_factory.workshop.owning import spaced
from ai_factory.workshop.rules import Flaw

Place = tuple[str | int, ...]


class Known(NamedTuple):
    """All that the components of a factory have, or had by their own word: a change may lead to it."""

    paths: frozenset[str]
    answers: frozenset[str]


def known(components: Mapping[str, Component]) -> Known:
    """What there is, and what another change takes further."""
    every = list(components.values())
    rows = [row for one in every for row in one.changes]
    paths = {path.removesuffix(SUFFIX) for one in every for path in one.files}
    paths |= {path for one in every for path in one.produces}
    paths |= {path for row in rows for path in (*row.rename, *row.remove)}
    answers = {question.key for one in every for question in one.questions}
    answers |= {key for row in rows for word in ("rename", "split", "remove") for key in row.answer.get(word, ())}
    return Known(frozenset(map(spaced, paths)), frozenset(answers))


def flaws(component: Component, there: Known) -> Iterator[Flaw]:
    """Changes of the component that lead to nothing: who follows them could not be synced, or would lose a file."""
    for number, row in enumerate(component.changes):
        for place, message in (*_paths(row, there, component.folder), *_answers(row, there)):
            yield _flaw(component, ("changes", number, *place), message)


def still_there(component: Component, rows: Collection[Change]) -> Iterator[Flaw]:
    """Files that those of its changes say are gone, and that it has: a sync would take them away."""
    paths = {path.removesuffix(SUFFIX) for path in component.files}
    for number, row in enumerate(component.changes):
        for place, path in _gone(row) if row in rows else ():
            if path in paths and path not in row.rename.values():
                yield _flaw(component, ("changes", number, *place), f"`{path}` is declared as gone, and is there")


def _flaw(component: Component, place: Place, message: str) -> Flaw:
    line = documents.line_of(component.tree[MANIFEST].content, place)
    return Flaw("FL025", f"{component.folder}/{MANIFEST}", line, message)


def _gone(row: Change) -> list[tuple[Place, str]]:
    """The paths that a change takes from projects, each with its place."""
    removed: list[tuple[Place, str]] = [(("remove", number), path) for number, path in enumerate(row.remove)]
    return [*((("rename", path), path) for path in row.rename), *removed]


def _paths(row: Change, there: Known, folder: str) -> Iterator[tuple[Place, str]]:
    for place, path in _gone(row):
        if why := _no_path(path, folder):
            yield place, why
    wanted: list[tuple[Place, str]] = [(("rename", old), new) for old, new in row.rename.items()]
    for place, path in [*wanted, *((("move_keys", path), path) for path in row.move_keys)]:
        if why := _no_path(path, folder):
            yield place, why
        elif spaced(path) not in there.paths:
            yield place, f"no component has a file `{path}`"


def _no_path(path: str, folder: str) -> str:
    """Why nothing in a project is called so; empty where something may be."""
    try:
        checked_path(path, f"{folder}/{MANIFEST}")
    except FactoryError as error:
        return error.message.partition(": ")[2]
    return ""


def _answers(row: Change, there: Known) -> Iterator[tuple[Place, str]]:
    for old, new in row.answer.get("rename", {}).items():
        if new not in there.answers:
            yield ("answer", "rename", old), f"no component asks `{new}`"
    for old, table in row.answer.get("split", {}).items():
        for new in sorted({key for made in table.values() for key in made} - there.answers):
            yield ("answer", "split", old), f"no component asks `{new}`"
