"""A merged TOML tree back into lines: what stays keeps its bytes, what is new goes beside its neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ai_factory.structured.nodes import LIST, MAP, TABLE, Item, Node, Strange, text
from ai_factory.structured.toml_text import Document, Keys, New, Section, Statement, key_text


class _Leaf(NamedTuple):
    """A member with a value of its own, and the keys that lead to it."""

    keys: Keys
    item: Item


@dataclass(slots=True, eq=False)
class _Table:
    """A table of ours: the section for its statements (none: it has no line of its own), the keys from there."""

    node: Node
    place: Keys
    section: Section | None
    keys: Keys = ()
    loose: list[str] = field(default_factory=list)  # new rows that have no section to stand in


@dataclass(slots=True, eq=False)
class _Pages:
    """What is known of the result: what stays of ours, and what comes after each line and section."""

    ranks: dict[Section, int]
    rows: dict[Statement, Item] = field(default_factory=dict)
    headers: dict[Section, Item] = field(default_factory=dict)
    new_rows: dict[Statement | Section, list[str]] = field(default_factory=dict)
    new_sections: dict[int, list[str]] = field(default_factory=dict)  # by the rank of the section before


def written(ours: Document, merged: Node) -> str:
    """The text of the merged document."""
    pages = _Pages({section: rank for rank, section in enumerate(ours.sections)})
    root = _Table(merged, (), ours.sections[0])
    _note(pages, merged)
    _place(pages, root)
    parts = [part for rank, section in enumerate(ours.sections) for part in _printed(pages, rank, section)]
    whole = _lines([*parts, ours.foot])
    return whole if _begins_blank(ours) else whole.lstrip("\n")


def _begins_blank(ours: Document) -> bool:
    leads = [statement.item.lead for statement in ours.sections[0].statements[:1]]
    return [*leads, *(section.lead for section in ours.sections[1:2]), ours.foot][0].startswith("\n")


def _lines(parts: list[str]) -> str:
    """The parts in one, each at the beginning of a line."""
    filled = [part for part in parts if part]
    return "".join(part if part.endswith("\n") else part + "\n" for part in filled[:-1]) + "".join(filled[-1:])


def _printed(pages: _Pages, rank: int, section: Section) -> Iterator[str]:
    if rank == 0 or section in pages.headers:
        head = pages.headers.get(section)
        yield f"{head.lead}{section.header}{head.tail}" if head else ""
        yield from pages.new_rows.get(section, ())
        for statement in section.statements:
            if statement in pages.rows:
                yield _row(pages.rows[statement])
            yield from pages.new_rows.get(statement, ())
    yield from pages.new_sections.get(rank, ())


def _row(item: Item) -> str:
    return f"{item.lead}{item.name}{item.sep}{text(item.node)}{item.tail}"


def _note(pages: _Pages, node: Node) -> None:
    """Note every statement and header of ours that stays."""
    for item in node.items:
        if isinstance(item.source, New):
            continue
        if item.node.form != TABLE:
            pages.rows[item.source] = item
            continue
        if item.node.source:
            pages.headers[item.node.source] = item
        _note(pages, item.node)


# ---- what only gets another name ----------------------------------------------------------------


def renamed(document: Document, old: Keys, new: Keys) -> str:
    """The document with what stands at `old` under the keys `new`, in the lines where it is.

    Empty where a statement would have to go to another section, or the entry stands between brackets.
    """
    parts, met = [], False
    for section in document.sections:
        place = _under(section.place, old, new)
        met = met or place != section.place
        parts.append(f"{section.lead}{_header(section, place)}{section.tail}")
        for statement in section.statements:
            keys = _under((*section.place, *statement.keys), old, new)
            met = met or keys[-len(statement.keys) :] != statement.keys
            if keys[: len(place)] != place or len(keys) - len(place) != len(statement.keys):
                return ""
            parts.append(_row(replace(statement.item, name=_name(statement, keys[len(place) :]))))
    return _lines([*parts, document.foot]) if met else ""


def _under(keys: Keys, old: Keys, new: Keys) -> Keys:
    return (*new, *keys[len(old) :]) if keys[: len(old)] == old else keys


def _header(section: Section, place: Keys) -> str:
    if place == section.place:
        return section.header
    start, end = ("[[", "]]") if section.array else ("[", "]")
    return f"{_indent(section.header)}{start}{'.'.join(map(key_text, place))}{end}"


def _name(statement: Statement, keys: Keys) -> str:
    name = statement.item.name
    return name if keys == statement.keys else f"{_indent(name)}{'.'.join(map(key_text, keys))}"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


# ---- where what is new goes ----------------------------------------------------------------------


def _place(pages: _Pages, table: _Table) -> None:
    """Give each new member of a table its place: after the member before it."""
    row: Statement | Section | None = table.section
    behind = pages.ranks[table.section] if table.section else _first(pages, table.node) - 1
    for item in table.node.items:
        if isinstance(item.source, New):
            _add(pages, table, item, row, behind)
        elif item.node.form != TABLE:
            row = item.source if item.source.section is table.section else row
        else:
            _descend(pages, table, item)
            behind = _last(pages, item.node, behind)
    if table.loose:
        header = ".".join(map(key_text, table.place))
        pages.new_sections.setdefault(_first(pages, table.node) - 1, []).append(
            _spaced(f"[{header}]\n{''.join(table.loose)}")
        )


def _descend(pages: _Pages, table: _Table, item: Item) -> None:
    if item.node.kind == LIST:
        _place_list(pages, table, item)
        return
    name = str(item.key[1]) if item.key else ""
    place = (*table.place, name) if name else table.place
    _place(pages, _home(table, item.node, place, name))


def _home(table: _Table, node: Node, place: Keys, name: str) -> _Table:
    """The table with the section in which its statements stand."""
    if node.source:
        return _Table(node, place, node.source)
    dotted = any(leaf.item.source.section is table.section for leaf in _own_leaves(node))
    return _Table(node, place, table.section, (*table.keys, name)) if dotted else _Table(node, place, None)


def _own_leaves(node: Node, keys: Keys = ()) -> Iterator[_Leaf]:
    """The values below a table of ours."""
    for leaf in _leaves(node, keys):
        if isinstance(leaf.item.source, Statement):
            yield leaf


def _leaves(node: Node, keys: Keys = ()) -> Iterator[_Leaf]:
    for item in node.items:
        inner = (*keys, str(item.key[1])) if item.key else keys
        if item.node.form == TABLE:
            yield from _leaves(item.node, inner)
        else:
            yield _Leaf(inner, item)


def _sections(node: Node) -> Iterator[Section]:
    """The headers at and below a value."""
    if isinstance(node.source, Section):
        yield node.source
    if node.form == TABLE:
        for item in node.items:
            yield from _sections(item.node)


def _place_list(pages: _Pages, table: _Table, member: Item) -> None:
    """New items of an array of tables, each after the one before it."""
    place = (*table.place, str(member.key[1]) if member.key else "")
    known = [section for item in member.node.items if (section := item.node.source) in pages.ranks]
    ranks = [pages.ranks[section] for section in known]
    if ranks != sorted(ranks):
        raise Strange("tables in another order")
    behind = min(ranks) - 1 if ranks else pages.ranks[table.section] if table.section else 0
    for item in member.node.items:
        if isinstance(item.source, New):
            _add(pages, table, item, None, behind)
        else:
            _place(pages, _Table(item.node, place, item.node.source))
            behind = _last(pages, item.node, behind)


def _first(pages: _Pages, node: Node) -> int:
    ranks = [pages.ranks[section] for section in _sections(node) if section in pages.ranks]
    return min(ranks, default=len(pages.ranks))


def _last(pages: _Pages, node: Node, otherwise: int) -> int:
    ranks = [pages.ranks[section] for section in _sections(node) if section in pages.ranks]
    return max(ranks, default=otherwise)


# ---- what is new, as text ------------------------------------------------------------------------


def _add(pages: _Pages, table: _Table, item: Item, row: Statement | Section | None, behind: int) -> None:
    whole = _Table(Node(MAP, (), form=TABLE, items=(item,)), table.place, table.section, table.keys)
    sections = list(_sections(whole.node))
    pages.new_sections.setdefault(behind, []).extend(
        _spaced(_block(section, item if section is item.node.source else None)) for section in sections
    )
    for leaf in _leaves(whole.node):
        statement = leaf.item.source.statement if isinstance(leaf.item.source, New) else leaf.item.source
        if statement and statement.section in sections:
            continue
        made = _new_row(leaf, statement, table, row)
        if row is None:
            table.loose.append(made)
        else:
            pages.new_rows.setdefault(row, []).append(made)


def _block(section: Section, item: Item | None) -> str:
    """A section of theirs, with the lead that its header has now."""
    lead, tail = (item.lead, item.tail) if item else (section.lead, section.tail)
    head = f"{lead}{section.header}{tail}"
    return _lines([head, *(_row(statement.item) for statement in section.statements)])


def _spaced(block: str) -> str:
    """A block with a line before it, and a line break behind it."""
    return ("" if block.startswith("\n") else "\n") + block + ("" if block.endswith("\n") else "\n")


def _new_row(leaf: _Leaf, statement: Statement | None, table: _Table, row: Statement | Section | None) -> str:
    keys = (*table.keys, *leaf.keys)
    item = leaf.item
    same = statement is not None and statement.keys == keys
    name = item.name.strip() if same else ".".join(map(key_text, keys))
    indent = _indent(row.item.name) if isinstance(row, Statement) else ""
    lead, tail = (item.lead, item.tail) if statement else ("", "")
    sep = item.sep if "=" in item.sep else " = "
    return f"{lead}{indent}{name}{sep}{text(item.node)}{tail.rstrip()}\n"
