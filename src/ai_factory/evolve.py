"""What components declare about their own past: renames, removals, moved keys, changed answers, in version order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import versions
from ai_factory.catalog import Change, Component
from ai_factory.merge import Declared

Spell = Callable[[str, str], str]  # a component's name and a path as it writes it, to the path in the project


class Pending(NamedTuple):
    """A declared change that a project has not gone through yet."""

    component: str
    change: Change


def pending(components: Sequence[Component], before: Mapping[str, str]) -> list[Pending]:
    """The changes declared after the versions that the project has, oldest first.

    `before` maps component to version as in the lock; a component that is new to the project has none pending.
    Where a version is no number, its changes are kept: applying one twice does nothing.
    """
    found = [
        Pending(component.name, change)
        for component in components
        if component.name in before
        for change in component.changes
        if versions.is_between(before[component.name], change.since, component.version)
    ]
    ranks = versions.ranks([item.change.since for item in found])
    return [item for _, item in sorted(zip(ranks, found, strict=True), key=lambda pair: pair[0])]


def answers(given: Mapping[str, Any], changes: Sequence[Pending]) -> dict[str, Any]:
    """The given answers under their new names and values; removed ones are gone."""
    result = dict(given)
    for item in changes:
        declared = item.change.answer
        for old, new in declared.get("rename", {}).items():
            if old in result:
                value = result.pop(old)
                mapped = declared.get("map", {})
                result.setdefault(new, mapped.get(str(value), value))
        for key in declared.get("remove", ()):
            result.pop(key, None)
    return result


def spellings(changes: Sequence[Pending]) -> list[tuple[str, str]]:
    """Every path that the changes name, with its component, as the component writes it."""
    return [
        (component, path)
        for component, change in changes
        for path in (*change.rename, *change.rename.values(), *change.remove, *change.move_keys)
    ]


def paths(changes: Sequence[Pending], before: Spell, after: Spell) -> Declared:
    """What the changes say of paths, over all of them: a chain of renames is one, and so is a file under both names.

    `before` and `after` spell a path of a component with the answers that the project had, and that it will have.
    """
    renames: dict[str, str] = {}
    removed: set[str] = set()
    moves: dict[str, tuple[tuple[str, str], ...]] = {}

    def first(component: str, text: str) -> str:
        """What the project calls a file that components called so at some time."""
        now = after(component, text)
        return next((start for start, end in renames.items() if end == now), before(component, text))

    for component, change in changes:
        renames |= {first(component, old): after(component, new) for old, new in change.rename.items()}
        removed |= {first(component, path) for path in change.remove}
        for path, pairs in change.move_keys.items():
            file = first(component, path)
            moves[file] = (*moves.get(file, ()), *pairs.items())
    return Declared({old: new for old, new in renames.items() if old not in removed}, frozenset(removed), moves)


def manual(changes: Sequence[Pending]) -> tuple[str, ...]:
    """What a person must do by hand, in order."""
    return tuple(
        f"{item.component} {item.change.since}: {item.change.manual}" for item in changes if item.change.manual
    )
