"""What components declare about their own past: renames, removals, changed answers, applied in version order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import versions
from ai_factory.catalog import Change, Component


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


def renames(changes: Sequence[Pending]) -> dict[str, str]:
    """Old path to new path over all changes; a chain of renames is one."""
    result: dict[str, str] = {}
    for item in changes:
        for old, new in item.change.rename.items():
            first = next((start for start, end in result.items() if end == old), old)
            result[first] = new
    return result


def manual(changes: Sequence[Pending]) -> tuple[str, ...]:
    """What a person must do by hand, in order."""
    return tuple(
        f"{item.component} {item.change.since}: {item.change.manual}" for item in changes if item.change.manual
    )
