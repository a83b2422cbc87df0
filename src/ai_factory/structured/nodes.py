"""A document as a tree that holds every byte of it: what a merge by structure compares, changes and writes back.

Rules of this file: `text` of a tree that was read is the text that was read; two values are the same only when
their types are, so that 1, 1.0, true and "1" are four.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

MAP, LIST, LEAF = "map", "list", "leaf"
BLOCK, LINES, FLOW, TABLE = "block", "lines", "flow", "table"  # YAML's own; a list of lines; between brackets; TOML
REMARK = re.compile(r"#[^\n]*")

Data = tuple[Hashable, ...]


class Unreadable(ValueError):  # noqa: N818 - a finding, not an error
    """A text that is no document of its format."""


class Strange(Unreadable):
    """A document that is written in a way that is not taken apart here, or two that do not go together."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value: what it means, and its text, which is `head`, the items and `foot` where it has items."""

    kind: str
    data: Data
    text: str = ""  # of a leaf
    form: str = ""
    items: tuple[Item, ...] = ()
    head: str = ""
    foot: str = ""
    indent: str = ""  # before each item that begins a line
    inline: bool = False  # the first item begins on the line of its parent
    comma: bool = False  # one stands after the last item
    marks: str = ""  # anchor and tag
    source: Any = None  # where a TOML table is written


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A member of a container. Its text: `lead` (what stands above), `name`, `sep`, the value, `post`, `tail`."""

    key: Data | None  # of a mapping's member
    node: Node
    lead: str = ""
    name: str = ""
    sep: str = ""
    post: str = ""  # between the value and its comma
    tail: str = ""  # the rest of its line
    source: Any = None  # where a TOML statement is written


class Clash(Exception):  # noqa: N818 - a finding, not an error
    """Both sides changed one entry, each in its own way."""


class Three(NamedTuple):
    """The three versions of a value; without a base, both sides added it."""

    base: Node | None
    ours: Node
    theirs: Node


class Member(NamedTuple):
    """The three versions of a member of a container, where they have it."""

    base: Item | None = None
    ours: Item | None = None
    theirs: Item | None = None


def typed(value: Any) -> Data:
    """A plain value with its types, to be compared and hashed."""
    if isinstance(value, Mapping):
        return mapping((("str", key), typed(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return ("list", tuple(typed(inner) for inner in value))
    if isinstance(value, float):
        return ("float", repr(value))
    if isinstance(value, dt.date | dt.time):
        return (type(value).__name__, value.isoformat())
    return (type(value).__name__, value)


def mapping(pairs: Iterable[tuple[Data, Data]]) -> Data:
    """The data of a mapping: the order of its keys says nothing."""
    return ("map", frozenset(pairs))


def data_of(kind: str, items: Iterable[Item], marks: str = "") -> Data:
    """The data of a container with these items."""
    if kind == MAP:
        plain = mapping((item.key or (), item.node.data) for item in items)
    else:
        plain = ("list", tuple(item.node.data for item in items))
    return ("marked", marks, plain) if marks else plain


def holding(node: Node, items: tuple[Item, ...]) -> Node:
    """The container with other items."""
    return replace(node, items=items, data=data_of(node.kind, items, node.marks))


def text(node: Node) -> str:
    """The text of a value that is written in one piece."""
    if node.kind == LEAF:
        return node.text
    return "".join(_flow(node) if node.form == FLOW else _block(node))


def _flow(node: Node) -> Iterator[str]:
    yield node.head
    for number, item in enumerate(node.items, 1):
        comma = "," if node.comma or number < len(node.items) else ""
        yield f"{item.lead}{item.name}{item.sep}{text(item.node)}{item.post}{comma}{item.tail}"
    yield node.foot


def _block(node: Node) -> Iterator[str]:
    yield node.head
    for number, item in enumerate(node.items):
        indent = "" if node.inline and not number else node.indent
        body = f"{item.lead}{indent}{item.name}{item.sep}{text(item.node)}{item.tail}"
        last = number + 1 == len(node.items) and not node.foot
        yield body if last or body.endswith("\n") else body + "\n"
    yield node.foot


def nodes_of(node: Node, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """A value and all below it, each with the keys that lead to it; `*` stands for an item of a list."""
    yield place, node
    for item in node.items:
        yield from nodes_of(item.node, (*place, step(item)))


def named(node: Node, keys: Sequence[str], name: Callable[[Item], str]) -> Node:
    """The mapping with another name for the entry to which the keys lead."""
    items = tuple(
        item
        if step(item) != keys[0]
        else replace(item, name=name(item))
        if len(keys) == 1
        else replace(item, node=named(item.node, keys[1:], name))
        for item in node.items
    )
    return replace(node, items=items)


def step(item: Item) -> str:
    """The way from a container to its member."""
    return str(item.key[1]) if item.key and len(item.key) > 1 else "*"


def remarks(part: str) -> list[str]:
    """The comments in a text that is nothing but comments and white space."""
    return [found.rstrip() for found in REMARK.findall(part)]


def own_remarks(node: Node) -> set[str]:
    """All comments inside a value."""
    if node.kind == LEAF:
        return set()
    found = {*remarks(node.head), *remarks(node.foot)}
    for item in node.items:
        found |= {*remarks(item.lead), *remarks(item.sep), *remarks(item.post), *remarks(item.tail)}
        found |= own_remarks(item.node)
    return found


def reindented(lines: str, old: str, new: str, *, first: bool = True) -> str:
    """The lines with another indentation; `first` tells whether the first of them begins one."""
    parts = lines.split("\n")
    moved = [new + part.removeprefix(old) if part and part.startswith(old) else part for part in parts]
    return "\n".join(moved if first else [parts[0], *moved[1:]])
