"""TOML, taken apart into the tree of its data, each table with the lines that it is written in."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
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
    own_remarks,
    remarks,
    text,
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
    return Node(LEAF, _data(word), word), start + len(word)


def _data(word: str) -> Data:
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
        return Node(LEAF, _data(word), word), position + 1
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


# ---- the team's hand -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hand:
    """How the team writes TOML."""

    ours: Document
    unit: str

    @classmethod
    def of(cls, ours: Node) -> Hand:
        """The team's step of indentation: that of its arrays."""
        return cls(ours.source, next(_indents(ours), "  "))

    def enter(self, container: Node, _origin: Node, item: Item) -> Item:
        """The other side's item in a container of ours; what stands in lines of its own finds its place later."""
        if item.node.form != TABLE and (container.form, container.kind) == (TABLE, LIST):
            return replace(item, node=_opened_up(container, item.node), source=New(None))
        if container.form == TABLE:
            return replace(item, source=New(item.source))
        if item.node.form == TABLE:
            item = replace(item, node=brackets.flat(item.node, " = ", _name), lead="", sep=" = ", tail="")
        return brackets.entered(container, replace(item, name=_name(item)), self.unit)

    def trade(self, container: Node, _origin: Node, mine: Item, new: Item) -> Item:
        """Our item with the other side's value."""
        if TABLE in (mine.node.form, new.node.form):
            if container.form != TABLE:
                raise Strange("a table with a header cannot stand between brackets")
            return _headed_as(mine, replace(new, source=New(new.source)))
        indent = container.indent if container.form != TABLE else ""
        return replace(mine, node=brackets.laid(_quoted(mine.node, new.node), indent, self.unit))

    def write(self, merged: Node) -> str:
        """The document."""
        from ai_factory.structured.toml_lines import written

        return written(self.ours, merged)

    def renamed(self, root: Node, old: Keys, new: Keys) -> str:
        """Our document with one entry under another key, where it stands."""
        from ai_factory.structured.toml_lines import renamed

        return renamed(root.source, old, new)

    def alone(self, _origin: Node, item: Item, keys: Keys) -> str:
        """A document that holds one member, at `keys`; one with headers is only renamed."""
        if item.node.form == TABLE:
            raise Strange("a table that is written in two ways")
        header = f"[{'.'.join(map(key_text, keys[:-1]))}]\n" if keys[1:] else ""
        tail = item.tail if item.tail.endswith("\n") else f"{item.tail}\n"
        lead = item.lead if "#" in item.lead else ""
        return f"{header}{lead}{key_text(keys[-1])} = {text(item.node)}{tail}"


def _name(item: Item) -> str:
    return key_text(item.key[1]) if item.key else ""


def _opened_up(container: Node, node: Node) -> Node:
    """An inline table as one of our tables with headers."""
    model = next((item.node.source for item in container.items if item.node.source), None)
    if model is None or node.kind != MAP or own_remarks(node):
        raise Strange("what stands between brackets has no header")
    section = Section(model.place, model.header, tail="\n", array=True)
    items = [Item(item.key, item.node, "", _name(item), " = ", "", "\n") for item in node.items]
    section.statements += [Statement(section, (str(item.key[1]),), item) for item in items if item.key]
    members = tuple(replace(item, source=statement) for item, statement in zip(items, section.statements, strict=True))
    return Node(MAP, node.data, form=TABLE, items=members, source=section)


def _headed_as(mine: Item, new: Item) -> Item:
    """Their member in place of ours, under the comments that stand above and beside ours."""
    if not remarks(mine.lead) and not remarks(mine.tail):
        return new
    if new.node.kind == LIST and new.node.form == TABLE:
        raise Strange("a comment would lose its line")
    lead, tail = (ours if remarks(ours) else other for ours, other in ((mine.lead, new.lead), (mine.tail, new.tail)))
    return replace(new, lead=lead, tail=tail)


def _indents(node: Node) -> Iterator[str]:
    for item in node.items:
        if item.node.form == TABLE:
            yield from _indents(item.node)
        elif item.node.indent:
            yield item.node.indent


def _quoted(mine: Node, new: Node) -> Node:
    """The new text in the team's quotes, where that is the same text."""
    quote = mine.text[:1]
    kind, value = (*new.data, None)[:2]
    if kind != "str" or new.kind != LEAF or quote not in ("'", '"') or mine.text.startswith(quote * 3):
        return new
    word = f"{quote}{value}{quote}"
    plain = not re.search(r"[\\\"'\x00-\x1f\x7f]", str(value))
    return replace(new, text=word) if plain and _data(word) == new.data else new


def key_text(key: Any) -> str:
    """A key as TOML writes it."""
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
