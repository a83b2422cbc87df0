"""Rows of a YAML list, written and replaced line by line: whatever else stands in the document stays byte by byte."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ai_factory import documents
from ai_factory.errors import FactoryError

if TYPE_CHECKING:  # a command that parses nothing does not wait for the parser
    from ruamel.yaml.nodes import Node

Row = Mapping[str, Any]


def with_row(content: bytes, gone: Sequence[int], row: Row, key: str = "") -> bytes:
    """A list, or the one at a key, with a row in place of the first of those that go; at its end where none goes.

    Comments that stand in a row go with it.
    """
    return with_rows(content, gone, [row], key)


def with_rows(content: bytes, gone: Sequence[int], new: Sequence[Row], key: str = "") -> bytes:
    """The same with several rows in that place, or none; a key that is not there yet comes last in its document."""
    data = documents.load(content, "")
    rows = ((data or {}).get(key) if key else data) or []
    place = gone[0] if gone else len(rows)
    kept = [other for number, other in enumerate(rows) if number not in gone]
    wanted = [*kept[:place], *map(dict, new), *kept[place:]]
    for made in (_by_lines(content, gone, new, key), _at_the_end(content, new, key) if key and not rows else b""):
        if made and _is(made, key, wanted):
            return made
    return documents.edit(content, {(key,): wanted}) if key else _anew(content, wanted)


def _by_lines(content: bytes, gone: Sequence[int], new: Sequence[Row], key: str) -> bytes:
    """The document with lines taken out and put in; empty where the list is not laid out in lines."""
    spans = _spans(content, key)
    if not spans:
        return b""
    column = _column(content, spans[0][0])
    text = "".join(_item(row, column) for row in new)
    ends = [spans[number] for number in gone] or [(spans[-1][1], spans[-1][1])]
    return _spliced(content, [(*ends[0], text), *((*span, "") for span in ends[1:])])


def _at_the_end(content: bytes, new: Sequence[Row], key: str) -> bytes:
    """The document with the list behind all else that stands in it."""
    lines = _lines(content.decode())
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    gap = end if content and not content.endswith(b"\n") else ""
    return content + (gap + documents.write({key: list(map(dict, new))}).decode().replace("\n", end)).encode()


def with_part(content: bytes, key: str, number: int, name: str, value: Row | None) -> bytes:
    """The list at a key, with a row that has another value at a name, or one more; None: it has none there."""
    rows = [dict(row) for row in documents.load(content, "")[key]]
    if value is None:
        rows[number].pop(name, None)
    else:
        rows[number][name] = dict(value)
    spans, part = _spans(content, key), _part(content, key, number, name)
    if spans:
        column = _column(content, spans[0][0]) + 2
        added = _lines(documents.write({name: value}).decode()) if value is not None else []
        text = "".join(" " * column + line for line in added)
        made = _spliced(content, [(*(part or (spans[number][1], spans[number][1])), text)])
        if _is(made, key, rows):
            return made
    return documents.edit_row(content, (key, number), name, value)


def _anew(content: bytes, rows: Sequence[Row]) -> bytes:
    """The rows below the comments with which a list begins that is empty, or not laid out in lines."""
    head = "".join(line for line in _lines(content.decode()) if line.startswith("#"))
    return head.encode() + documents.write(rows)


def _is(content: bytes, key: str, rows: Sequence[Row]) -> bool:
    """Whether the document can be read, and holds these rows."""
    try:
        data = documents.load(content, "")
    except FactoryError:
        return False
    return bool((data.get(key) if key and isinstance(data, dict) else data) == rows)


def _item(row: Row, column: int) -> str:
    """The row as an item whose dash stands at that column."""
    first, *rest = _lines(documents.write(row).decode())
    return " " * column + "- " + first + "".join(" " * (column + 2) + line for line in rest)


# ---- where rows stand ----------------------------------------------------------------------------


def _spans(content: bytes, key: str) -> list[tuple[int, int]]:
    """The lines of each row, from the first to that after the last; none where the list is not laid out in lines."""
    node = _list(content, key)
    if node is None or node.flow_style:
        return []
    return [(row.start_mark.line, _end(row)) for row in node.value]


def _part(content: bytes, key: str, number: int, name: str) -> tuple[int, int] | None:
    """The lines of one member of a row; None where it has none of that name."""
    node = _list(content, key)
    found = node.value[number].value if node else []
    return next(((name_.start_mark.line, _end(value)) for name_, value in found if name_.value == name), None)


def _list(content: bytes, key: str) -> Any:
    from ruamel.yaml.nodes import SequenceNode

    from ai_factory.dialect import reader

    root = reader().compose(content.decode())
    found = documents.child(root, key) if key and root else (0, root)
    return found[1] if found and isinstance(found[1], SequenceNode) else None


def _end(node: Node) -> int:
    """The line after the last one of a value, before the comments that follow it."""
    if getattr(node, "flow_style", None) is False and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line) + (1 if node.end_mark.column or node.end_mark.line == node.start_mark.line else 0)


def _column(content: bytes, line: int) -> int:
    """Where the dash of a row stands; one on a line of its own is not found, and what is made then holds other rows."""
    return max(_lines(content.decode())[line].find("-"), 0)


def _spliced(content: bytes, changes: Sequence[tuple[int, int, str]]) -> bytes:
    """The document with a text in place of lines, for each of several places."""
    lines = _lines(content.decode())
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    for begin, after, text in sorted(changes, reverse=True):
        if begin and not lines[begin - 1].endswith("\n"):
            lines[begin - 1] += end
        lines[begin:after] = [text.replace("\n", end)]
    return "".join(lines).encode()


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline=""))
