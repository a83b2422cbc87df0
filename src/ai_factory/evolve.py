"""What components declare about their own past: renames, removals, moved keys, changed answers, in version order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import versions
from ai_factory.catalog import Change, Component
from ai_factory.errors import AnswersError, AuthorError
from ai_factory.lock import PROJECT
from ai_factory.merge import Declared

Answers = Mapping[str, Any]
Spell = Callable[[str, str], str]  # a component's name and a path as it writes it, to the path in the project


class Pending(NamedTuple):
    """A declared change that a project has not gone through yet; unordered where a version is no number."""

    component: str
    change: Change
    ordered: bool = True


def pending(components: Sequence[Component], before: Mapping[str, str]) -> list[Pending]:
    """The changes declared after the versions that the project has, oldest first.

    `before` maps component to version as in the lock; a component that is new to the project has none pending.
    Where a version is no number, its changes are kept: applying one twice does nothing.
    """
    found = [
        Pending(component.name, change, None not in versions.numbers([before[component.name], component.version]))
        for component in components
        if component.name in before
        for change in component.changes
        if versions.is_between(before[component.name], change.since, component.version)
    ]
    ranks = versions.ranks([item.change.since for item in found])
    return [item for _, item in sorted(zip(ranks, found, strict=True), key=lambda pair: pair[0])]


# ---- answers -------------------------------------------------------------------------------------


class Evolved(NamedTuple):
    """The answers after all changes, and the name that each given one has now."""

    answers: dict[str, Any]
    names: dict[str, str]


class _Given(NamedTuple):
    value: Any
    name: str  # that it was given under; empty for an answer that a split made


def answers(given: Answers, changes: Sequence[Pending]) -> dict[str, Any]:
    """The given answers under their new names and values; removed ones are gone. Raises as `evolved` does."""
    return evolved(given, changes).answers


def evolved(given: Answers, changes: Sequence[Pending], named: Answers | None = None) -> Evolved:
    """The given answers after all changes, and under which names; `named` ones, of the new version, win.

    Raises AnswersError for the answers into which one is split whose value no rule knows; AuthorError for a change
    that would be made again and again, since its component has no version number.
    """
    now = {key: _Given(value, key) for key, value in given.items()}
    problems: dict[str, str] = {}
    for item in changes:
        declared = item.change.answer
        _refuse_endless(item, now)
        now = _renamed(now, declared.get("rename", {}), declared.get("map", {}))
        if "rename" not in declared:
            tables = declared.get("map", {})
            now = {key: one._replace(value=_mapped(one.value, tables.get(key, {}))) for key, one in now.items()}
        for old, table in declared.get("split", {}).items():
            before = now.get(old)
            now, missing = _split(now, old, table)
            if before and missing - (named or {}).keys():
                said = f"`{PROJECT}` says `{before.name or old}: {_word(before.value)}`"
                why = f"{said}, and {item.component} {item.change.since} has no rule that splits this value"
                problems |= dict.fromkeys(missing - (named or {}).keys(), why)
        now = {key: one for key, one in now.items() if key not in declared.get("remove", ())}
    if problems:
        raise AnswersError(dict(sorted(problems.items())), "give them with `--data KEY=VALUE`")
    names = {one.name: key for key, one in now.items() if one.name}
    return Evolved({**{key: one.value for key, one in now.items()}, **(named or {})}, names)


def _renamed(now: Mapping[str, _Given], names: Mapping[str, str], table: Mapping[str, Any]) -> dict[str, _Given]:
    """All at once, so that two names may change places; what was given under the new name already stays."""
    result = {key: one for key, one in now.items() if key not in names}
    for old, new in names.items():
        if old in now:
            result.setdefault(new, now[old]._replace(value=_mapped(now[old].value, table)))
    return result


def _mapped(value: Any, table: Mapping[str, Any]) -> Any:
    """The new value; of a list, each item's, where the table does not name the list as a whole."""
    if not isinstance(value, list) or _word(value) in table:
        return table.get(_word(value), value)
    rows = [table.get(_word(item), [item]) for item in value]
    return [item for row in rows for item in (row if isinstance(row, list) else [row])]


def _split(now: Mapping[str, _Given], old: str, table: Mapping[str, Answers]) -> tuple[dict[str, _Given], set[str]]:
    """One answer becomes several; those that it would become, where no rule knows its value."""
    one = now.get(old)
    row = table.get(_word(one.value)) if one else None
    if one is None or (row is None and any(row.get(old) == one.value for row in table.values())):
        return dict(now), set()  # not given; or split already, and one of the new ones keeps the name
    rest = {key: item for key, item in now.items() if key != old}
    if row is None:
        return rest, {key for row in table.values() for key in row} - rest.keys()
    made = {key: _Given(value, "" if number else one.name) for number, (key, value) in enumerate(row.items())}
    return {**made, **rest}, set()


def _word(value: Any) -> str:
    """A value as the tables of a change name it: text as it is, the rest as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _refuse_endless(item: Pending, now: Mapping[str, _Given]) -> None:
    """What is done with each sync, for want of a version, must do nothing the second time."""
    declared = item.change.answer
    names, tables, splits = declared.get("rename", {}), declared.get("map", {}), declared.get("split", {})
    endless = [old for old in names if old in names.values()]
    endless += [key for key, table in tables.items() if "rename" not in declared and _shifts(table)]
    endless += [old for old, table in splits.items() if _shifts({word: row.get(old) for word, row in table.items()})]
    for key in endless:
        if key in now and not item.ordered:
            raise AuthorError(
                f"the component `{item.component}` has no version number: each sync would change `{key}` again",
                "give it a `CHANGELOG.md` with a heading such as `## 1.0.0`",
            )


def _shifts(table: Mapping[str, Any]) -> bool:
    """Whether a value becomes another one that becomes a third."""
    return any(new is not None and _mapped(new, table) != new for new in table.values())


# ---- paths and steps -----------------------------------------------------------------------------


def spellings(changes: Sequence[Pending]) -> list[tuple[str, str]]:
    """Every path that the changes name, with its component, as the component writes it."""
    return [
        (component, path)
        for component, change, _ in changes
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

    for component, change, _ in changes:
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


def weakened(changes: Sequence[Pending]) -> tuple[str, ...]:
    """Which controls the changes weaken by their own word, in order."""
    return tuple(
        f"{item.component} {item.change.since} weakens {', '.join(item.change.weakens)}"
        for item in changes
        if item.change.weakens
    )
