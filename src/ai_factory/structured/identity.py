"""What makes two items of a list the same entry, told from where the list stands and what all its versions hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from ai_factory.errors import AuthorError
from ai_factory.structured.nodes import LEAF, LIST, MAP, Data, Item

Place = tuple[str, ...]  # the keys that lead to a value; `*` for an item of a list
Items = Sequence[Item]
Keys = tuple[Hashable, ...]
Tell = Callable[[Item], Hashable]

IGNORED, LAST_COUNTS = ".ignore", ".patterns"  # where the lines of a file of patterns stand
COMMANDS = frozenset(
    f"{IGNORED} {LAST_COUNTS} args cmd command commands entrypoint exec run "
    "after_script before_script script scripts".split()
)  # lists that are one command, or several in a row
VARIABLES = frozenset({"env", "environment", "labels"})
FIELDS = (  # what tells one mapping from the others, the first that does
    *(("id",), ("name",), ("key",), ("alert",), ("record",), ("job_name",), ("metric", "slice"), ("property",)),
    *(("package-ecosystem", "directory"), ("module",), ("metric",), ("path",), ("file",), ("url",), ("title",)),
    *(("source", "target"), ("target",), ("column",), ("field",), ("role",), ("rule",), ("code",)),
)
_REQUIREMENTS = re.compile(r"(?:^|[-_])(?:dependencies|requires|constraints|requirements)$")
_OPTIONS = re.compile(r"\s+(?:--|\\)")  # of pip, behind a requirement
_VARIABLE = re.compile(r"([A-Za-z_][\w.\-/]*)(?:=|$)")


class Rule(NamedTuple):
    """How the items of some lists are told apart.

    `ordered`: whether their order says something; `named`: whether two lists that have no common past may be
    joined, since each item says what it is.
    """

    fit: Callable[[Place, Items], Tell | None]
    ordered: bool = True
    named: bool = True


class Keyed(NamedTuple):
    """The identities of the items of each version of a list, and the rule that tells them."""

    keys: tuple[Keys, ...]
    rule: Rule


def keyed(place: Place, base: Items | None, *sides: Items) -> Keyed | None:
    """The identities, unique in each version; None for a list in which only the sequence tells what is what.

    The keys stand in the order of the versions given, the base's first where there is one.
    """
    versions = [base, *sides] if base is not None else sides
    every = [item for items in versions for item in items]
    for rule in RULES:
        tell = rule.fit(place, every)
        if tell is None or (rule.fit is _single and not _are_of_a_kind(base or (), sides)):
            continue
        keys = tuple(tuple(map(tell, items)) for items in versions)
        if all(None not in row and len(set(row)) == len(row) for row in keys):
            return Keyed(_followed(keys) if rule.fit is _requirements and base is not None else keys, rule)
    return None


def _followed(keys: tuple[Keys, ...]) -> tuple[Keys, ...]:
    """The keys, where a package that only got another marker keeps the key that it has in the base."""
    base, *sides = keys
    return (base, *(_under_old_markers(base, side) for side in sides))


def _under_old_markers(base: Keys, side: Keys) -> Keys:
    gone = [key for key in base if key not in side and isinstance(key, str)]
    come = [key for key in side if key not in base and isinstance(key, str)]
    old = {key.partition(";")[0]: key for key in gone}
    packages = Counter(key.partition(";")[0] for key in come)
    pairs = ((key, key.partition(";")[0]) for key in come)
    same = {key: old[name] for key, name in pairs if packages[name] == 1 and name in old}
    return tuple(same.get(key, key) if isinstance(key, str) else key for key in side)


def doubled(place: Place, items: Items) -> set[Hashable]:
    """The identities that stand twice in a list in which each may stand once."""
    for rule in ONCE:
        tell = rule(place, items)
        keys = Counter(map(tell, items)) if tell else Counter()
        if keys and None not in keys:
            return {key for key, number in keys.items() if number > 1 and key not in OFTEN}
    return set()


# ---- rules: from a place and its items to what tells the items apart, if the rule fits -----------


def _requirements(place: Place, items: Items) -> Tell | None:
    """PEP 508: the package and its marker, wherever a list is called something like dependencies."""
    if not is_requirements(place):
        return None
    return lambda item: requirement(_text(item)) if _text(item) else item.node.data


def is_requirements(place: Place) -> bool:
    """Whether a list at this place holds requirements."""
    last = place[-1:]
    grouped = place[:2] == ("project", "optional-dependencies") or place[:1] == ("dependency-groups",)
    return grouped or bool(last and _REQUIREMENTS.search(last[0]))


def requirement(line: str) -> Hashable:
    """The identity of one requirement; of a text that is none, the text."""
    from ai_factory import requirements

    try:
        return requirements.identity(_OPTIONS.split(line, maxsplit=1)[0], "")
    except AuthorError:
        return line


def _variables(place: Place, items: Items) -> Tell | None:
    """NAME=value: the name."""
    if place[-1:] and (place[-1] in VARIABLES or place[-2:] == ("build", "args")):
        return lambda item: found[1] if (found := _VARIABLE.match(_text(item))) else None
    return None


def _repos(place: Place, items: Items) -> Tell | None:
    """A repository of pre-commit; one that stands several times is told by its first hook."""
    return (lambda item: _field(item, "repo")) if place == ("repos",) else None


def _repos_by_hook(place: Place, items: Items) -> Tell | None:
    def tell(item: Item) -> Hashable:
        hooks = _member(item, "hooks")
        first = hooks.node.items[0] if hooks and hooks.node.items else None
        return (_field(item, "repo"), _field(first, "id")) if first else None

    return tell if place == ("repos",) else None


def _steps(place: Place, items: Items) -> Tell | None:
    """A step of a workflow: its id, else name, else action without version, else what it runs."""

    def tell(item: Item) -> Hashable:
        for field in ("id", "name", "displayName", "uses", "run"):
            value = _field(item, field)
            if value is not None:
                return (field, str(value[1]).partition("@")[0] if field == "uses" else value)
        return None

    return tell if place[-1:] == ("steps",) else None


def _manifests(place: Place, items: Items) -> Tell | None:
    """A manifest of Kubernetes: its kind, name and namespace."""

    def tell(item: Item) -> Hashable:
        names = _member(item, "metadata")
        kind, name = _field(item, "kind"), _field(names, "name")
        return (kind, name, _field(names, "namespace")) if kind and name else None

    return tell if any(_member(item, "metadata") for item in items) else None


def _by_fields(fields: tuple[str, ...]) -> Callable[[Place, Items], Tell | None]:
    def rule(place: Place, items: Items) -> Tell | None:
        if not items or any(_field(item, field) is None for item in items for field in fields):
            return None
        return lambda item: tuple(_field(item, field) for field in fields)

    return rule


def _single(place: Place, items: Items) -> Tell | None:
    """A word, or a mapping of one word to its settings, as lists of plug-ins have it."""
    if any(item.node.kind == MAP and item.node.form for item in items):
        return lambda item: item.node.data if item.node.kind == LEAF else _only_key(item)
    return None


def _are_of_a_kind(base: Items, sides: Sequence[Items]) -> bool:
    """Whether each side still has something of the kind of items that the base has."""
    kinds = {item.node.kind for item in base}
    return all(kinds & {item.node.kind for item in items} for items in sides if items)


def _only_key(item: Item) -> Hashable:
    return item.node.items[0].key if item.node.kind == MAP and len(item.node.items) == 1 else None


def _ignored(place: Place, items: Items) -> Tell | None:
    """A pattern of an ignore file, as long as none takes another one back: then their order says nothing."""
    if place != (IGNORED,) or any(_text(item).startswith("!") for item in items):
        return None
    return _text


def _scalars(place: Place, items: Items) -> Tell | None:
    """Plain values are themselves, but for command lines: in those the sequence is the meaning."""
    if is_command(place, items) or any(item.node.kind != LEAF for item in items):
        return None
    return lambda item: item.node.data


def is_command(place: Place, items: Items) -> bool:
    """Whether the list is a command line, one command after the other, or patterns of which the last counts."""
    return bool({*place[-1:]} & COMMANDS) or any(_text(item).startswith("-") for item in items)


RULES = (
    Rule(_requirements, ordered=False),
    Rule(_variables, ordered=False),
    Rule(_ignored, ordered=False),
    Rule(_repos),
    Rule(_repos_by_hook),
    Rule(_steps, named=False),
    Rule(_manifests),
    *(Rule(_by_fields(fields)) for fields in FIELDS),
    Rule(_single, named=False),
    Rule(_scalars, named=False),
)
ONCE = (_requirements, _variables, _repos, _by_fields(("id",)), _scalars)
OFTEN = (("str", "local"), ("str", "meta"))  # repositories of pre-commit that are none


def _text(item: Item) -> str:
    data = item.node.data
    return str(data[1]) if item.node.kind == LEAF and data[0] == "str" else ""


def _member(item: Item, name: str) -> Item | None:
    return next((member for member in item.node.items if member.key == ("str", name)), None)


def _field(item: Item | None, name: str) -> Data | None:
    """The value of a field that tells one mapping from another: a plain value, or a list of them."""
    member = _member(item, name) if item and item.node.kind == MAP else None
    if member is None or member.node.kind not in (LEAF, LIST) or member.node.data[0] in ("null", "NoneType"):
        return None
    return member.node.data
