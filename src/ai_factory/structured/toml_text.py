"""TOML, taken apart into the tree of its data, each table with the lines that it is written in."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ai_factory.structured import brackets
from ai_factory.structured.brackets import Span
from ai_factory.structured.nodes import (
    LEAF,
    LIST,
    MAP,
    TABLE,
    Data,
    Item,
    Node,
    Strange,
    Unreadable,
    data_of,
    typed,
)

_SPACE = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # in an array
_TRIVIA = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*")  # whole lines
_REST = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|$)")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_WORD = re.compile(r"[^\s,\[\]{}#=]+(?: [0-9][^\s,\[\]{}#=]*)?")  # a date may hold one space

Keys = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Section:
    """A header and the statements below it; the first one of a document has no header."""

    place: Keys
    header: str = ""
    lead: str = ""
    tail: str = ""
    array: bool = False
    statements: list[Statement] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One key, dotted or not, with its value."""

    section: Section
    keys: Keys
    item: Item


class New(NamedTuple):
    """Says of a member that it is the other side's, and which statement of theirs it is."""

    statement: Statement | None


@dataclass(slots=True, eq=False)
class Table:
    """A table in the making: its members by key, in the order in which they come."""

    section: Section | None = None
    members: dict[str, Statement | Table | list[Table]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """The sections of a text, and what stands after the last one."""

    sections: tuple[Section, ...]
    foot: str


def read(source: str) -> Node:
    """The document. Raises Unreadable for what is no TOML."""
    whole = check(source)
    try:
        document = _document(source)
        found = _table(_gathered(document.sections))
    except (ValueError, IndexError, AttributeError) as error:
        raise Strange(str(error)) from None
    if found.data != typed(whole):
        raise Strange("TOML that two readers read differently")
    return replace(found, source=document)


def check(source: str) -> Any:
    """The plain data. Raises Unreadable."""
    try:
        return tomllib.loads(source)
    except ValueError as error:
        raise Unreadable(str(error)) from None


# ---- the text ------------------------------------------------------------------------------------


def _document(source: str) -> Document:
    sections = [Section(())]
    position = 0
    while True:
        lead = _at(_TRIVIA, source, position)
        begin = position + len(lead)
        start = begin + len(_at(_SPACE, source, begin))
        if start >= len(source) or source[start] == "#":  # a comment that no line break ends
            return Document(tuple(sections), source[position:])
        if source[start] == "[":
            section, position = _section(source, begin, start, lead)
            sections.append(section)
        else:
            statement, position = _statement(source, begin, start, lead, sections[-1])
            sections[-1].statements.append(statement)


def _at(pattern: re.Pattern[str], source: str, position: int) -> str:
    found = pattern.match(source, position)
    if found is None:
        raise Strange(f"something else was to come at {position}")
    return found[0]


def _section(source: str, begin: int, start: int, lead: str) -> tuple[Section, int]:
    array = source.startswith("[[", start)
    keys, end = _keys(source, start + 1 + array)
    end += len(_at(_SPACE, source, end)) + 1 + array
    tail = _at(_REST, source, end)
    return Section(keys, source[begin:end], lead, tail, array), end + len(tail)


def _keys(source: str, position: int) -> tuple[Keys, int]:
    """A dotted key, and where it ends."""
    keys: list[str] = []
    while True:
        position += len(_at(_SPACE, source, position))
        quoted = source[position] in "\"'"
        word = _at(_STRING if quoted else _BARE, source, position)
        keys.append(tomllib.loads(f"x = {word}")["x"] if quoted else word)
        position += len(word)
        dot = position + len(_at(_SPACE, source, position))
        if source[dot] != ".":
            return tuple(keys), position
        position = dot + 1


def _statement(source: str, begin: int, start: int, lead: str, section: Section) -> tuple[Statement, int]:
    keys, end = _keys(source, start)
    equals = end + len(_at(_SPACE, source, end)) + 1
    value = equals + len(_at(_SPACE, source, equals))
    node, stop = _value(source, value)
    tail = _at(_REST, source, stop)
    item = Item(("str", keys[-1]), node, lead, source[begin:end], source[end:value], "", tail)
    return Statement(section, keys, item), stop + len(tail)


def _value(source: str, start: int) -> tuple[Node, int]:
    if source[start] == "[":
        return _array(source, start)
    if source[start] == "{":
        return _inline(source, start)
    word = _at(_STRING if source[start] in "\"'" else _WORD, source, start)
    return Node(LEAF, value_of(word), word), start + len(word)


def value_of(word: str) -> Data:
    """The typed value of a word as TOML has it."""
    return typed(tomllib.loads(f"x = {word}")["x"])


def _array(source: str, start: int) -> tuple[Node, int]:
    spans: list[Span] = []
    position = start + 1 + len(_at(_BETWEEN, source, start + 1))
    while source[position] != "]":
        node, end = _value(source, position)
        spans.append(Span(position, position, end, node))
        position = end + len(_at(_BETWEEN, source, end))
        if source[position] == ",":
            position += 1 + len(_at(_BETWEEN, source, position + 1))
    return brackets.bracketed(source, (start, start, position + 1), spans, LIST), position + 1


def _inline(source: str, start: int) -> tuple[Node, int]:
    """An inline table; one with dotted keys is looked at as a whole."""
    spans: list[Span] = []
    dotted = False
    position = start + 1 + len(_at(_BETWEEN, source, start + 1))
    while source[position] != "}":
        keys, end = _keys(source, position)
        dotted = dotted or len(keys) > 1
        equals = end + len(_at(_SPACE, source, end)) + 1
        value = equals + len(_at(_SPACE, source, equals))
        node, stop = _value(source, value)
        spans.append(Span(position, value, stop, node, ("str", keys[0]), source[position:end]))
        position = stop + len(_at(_BETWEEN, source, stop))
        if source[position] == ",":
            position += 1 + len(_at(_BETWEEN, source, position + 1))
    word = source[start : position + 1]
    if dotted:
        return Node(LEAF, value_of(word), word), position + 1
    return brackets.bracketed(source, (start, start, position + 1), spans, MAP), position + 1


# ---- the data ------------------------------------------------------------------------------------


def _gathered(sections: Sequence[Section]) -> Table:
    """The tables of the document, whichever lines they are written in."""
    root = Table(sections[0])
    for section in sections:
        table = _opened(root, section) if section.place else root
        for statement in section.statements:
            _inner(table, statement.keys[:-1]).members[statement.keys[-1]] = statement
    return root


def _opened(root: Table, section: Section) -> Table:
    parent = _inner(root, section.place[:-1])
    name = section.place[-1]
    if section.array:
        items = parent.members.setdefault(name, [])
        assert isinstance(items, list)
        items.append(Table(section))
        return items[-1]
    table = _inner(parent, (name,))
    table.section = section
    return table


def _inner(table: Table, keys: Keys) -> Table:
    for key in keys:
        found = table.members.setdefault(key, Table())
        found = found[-1] if isinstance(found, list) else found
        assert isinstance(found, Table)
        table = found
    return table


def _table(table: Table) -> Node:
    items = tuple(_member(key, member) for key, member in table.members.items())
    return Node(MAP, data_of(MAP, items), form=TABLE, items=items, source=table.section)


def _member(key: str, member: Statement | Table | list[Table]) -> Item:
    name = ("str", key)
    if isinstance(member, Statement):
        return replace(member.item, source=member)
    if isinstance(member, Table):
        return _headed(name, _table(member))
    items = tuple(_headed(None, _table(table)) for table in member)
    return Item(name, Node(LIST, data_of(LIST, items), form=TABLE, items=items))


def _headed(key: Data | None, node: Node) -> Item:
    """The table as a member, with the comments of its header."""
    section = node.source
    return Item(key, node, section.lead, tail=section.tail) if section else Item(key, node)


def key_text(key: Any) -> str:
    """A key as TOML writes it."""
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
