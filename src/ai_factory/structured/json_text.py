"""JSON, taken apart into the tree of its text and put together again in the team's layout."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ai_factory.structured import brackets
from ai_factory.structured.brackets import Span
from ai_factory.structured.nodes import LEAF, LIST, MAP, Item, Node, Strange, Unreadable, named, text, typed

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r"[^\s,\[\]{}:\"]+")


def read(source: str) -> Node:
    """The document. Raises Unreadable for what is no JSON, or says one key twice."""
    whole = check(source)
    start = _space(source, 0)
    try:
        node, end = _value(source, start)
    except (ValueError, IndexError) as error:
        raise Strange(str(error)) from None
    found = replace(node, head=source[:start] + node.head, foot=node.foot + source[end:])
    found = replace(found, text=source) if node.kind == LEAF else found
    if found.data != typed(whole) or text(found) != source:
        raise Strange("JSON that two readers read differently")
    return found


def check(source: str) -> Any:
    """The plain data. Raises Unreadable."""
    try:
        return json.loads(source, object_pairs_hook=_once)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _space(source: str, position: int) -> int:
    return position + len(_matched(_SPACE, source, position))


def _matched(pattern: re.Pattern[str], source: str, position: int) -> str:
    found = pattern.match(source, position)
    if found is None:
        raise Strange(f"something else was to come at {position}")
    return found[0]


def _value(source: str, start: int) -> tuple[Node, int]:
    if source[start] == "{":
        return _members(source, start, MAP)
    if source[start] == "[":
        return _members(source, start, LIST)
    word = _matched(_STRING if source[start] == '"' else _WORD, source, start)
    return Node(LEAF, typed(json.loads(word)), word), start + len(word)


def _members(source: str, start: int, kind: str) -> tuple[Node, int]:
    spans: list[Span] = []
    position = _space(source, start + 1)
    while source[position] not in "}]":
        span = _member(source, position) if kind == MAP else _element(source, position)
        spans.append(span)
        position = _space(source, span.end)
        position = _space(source, position + 1) if source[position] == "," else position
    return brackets.bracketed(source, (start, start, position + 1), spans, kind), position + 1


def _member(source: str, start: int) -> Span:
    name = _matched(_STRING, source, start)
    value = _space(source, _space(source, start + len(name)) + 1)
    node, end = _value(source, value)
    return Span(start, value, end, node, ("str", json.loads(name)), name)


def _element(source: str, start: int) -> Span:
    node, end = _value(source, start)
    return Span(start, start, end, node)


@dataclass(frozen=True, slots=True)
class Hand:
    """How the team writes JSON."""

    unit: str

    @classmethod
    def of(cls, ours: Node) -> Hand:
        """The team's step of indentation: that of its outermost lines."""
        return cls(ours.indent or "  ")

    def enter(self, container: Node, _origin: Node, item: Item) -> Item:
        """The other side's item in a container of ours."""
        return brackets.entered(container, item, self.unit)

    def trade(self, container: Node, _origin: Node, mine: Item, new: Item) -> Item:
        """Our item with the other side's value."""
        return replace(mine, node=brackets.laid(new.node, container.indent, self.unit))

    def write(self, merged: Node) -> str:
        """The document."""
        return text(merged)

    def renamed(self, root: Node, old: tuple[str, ...], new: tuple[str, ...]) -> str:
        """Our document with one entry under another key of the same object."""
        return text(named(root, old, lambda item: json.dumps(new[-1]))) if old[:-1] == new[:-1] else ""

    def alone(self, _origin: Node, item: Item, keys: tuple[str, ...]) -> str:
        """A document that holds one member, at `keys`."""
        return "".join(f"{{{json.dumps(key)}: " for key in keys) + text(item.node) + "}" * len(keys)
