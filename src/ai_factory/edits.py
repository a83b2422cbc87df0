"""Changes single values of a YAML document that people wrote, line by line: every other line stays as it is.

A document whose lines do not hold one key each is written anew instead, with its comments, order and quotes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory import documents
from ai_factory.errors import FactoryError
from ai_factory.tree import normalized, with_endings_of

if TYPE_CHECKING:  # loaded where something is edited: the parser takes long
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

BOM = "\ufeff".encode()
Changes = Mapping[tuple[str, ...], Any]  # the keys that lead to a value, and the new one; None removes it
Renames = Mapping[tuple[str, ...], str]  # the keys that lead to a value, and the new name of the last one


def edit(content: bytes, changes: Changes, renames: Renames | None = None) -> bytes:
    """The document with keys renamed where they stand, then values set or removed."""
    from ruamel.yaml.error import YAMLError

    if content.startswith(BOM):
        return BOM + edit(content.removeprefix(BOM), changes, renames)
    wanted, moved = _intended(content, changes, renames or {})
    try:
        by_lines = _by_lines(content.decode(), changes, renames or {}).encode()
        if documents.load(by_lines, "edit") == wanted:
            return by_lines
    except (_LayoutError, IndexError, FactoryError, YAMLError):
        pass
    return with_endings_of(documents.edit(normalized(content), {**moved, **changes}), content)


def edit_list(content: bytes, key: str, wanted: Sequence[str]) -> bytes:
    """The document with another list of words at a key; words that stay keep line and comment, an empty list goes."""
    if content.startswith(BOM):
        return BOM + edit_list(content.removeprefix(BOM), key, wanted)
    rows = documents.load(content, "edit")[key]
    kept = [row for row in rows if row in wanted]
    new = [*kept, *(word for word in wanted if word not in rows)]
    with suppress(_LayoutError, IndexError, FactoryError):
        by_lines = _listed(content.decode(), key, kept, new[len(kept) :]).encode()
        if documents.load(by_lines, "edit") == _intended(content, {(key,): new}, {})[0]:
            return by_lines
    return edit(content, {(key,): new or None})


def _listed(text: str, key: str, kept: Sequence[str], more: Sequence[str]) -> str:
    """The text in which a list has one word a line, without those that are not kept, and with more behind the last."""
    found = _find(text, (key,))
    if found is None or getattr(found.value, "flow_style", True):
        raise _LayoutError
    rows, lines = found.value.value, _lines(text)
    ending = "\r\n" if "\r\n" in text else "\n"
    start, last = rows[0].start_mark, _last_line(rows[-1])
    if more and not lines[last].endswith("\n"):
        lines[last] += ending
    before = lines[start.line][: start.column]
    lines[last + 1 : last + 1] = [f"{before}{_written(key, word).removeprefix(f'{key}: ')}{ending}" for word in more]
    gone = {row.start_mark.line for row in rows if row.value not in kept}
    return "".join(line for number, line in enumerate(lines) if number not in gone)


def _intended(content: bytes, changes: Changes, renames: Renames) -> tuple[Any, dict[tuple[str, ...], Any]]:
    """The data that the edit is to give, and the renames as values that are removed here and set there."""
    data = documents.load(content, "edit") or {}
    moved: dict[tuple[str, ...], Any] = {}
    for place, name in renames.items():
        if (value := _parent(data, place).pop(place[-1], None)) is not None:
            moved |= {place: None, (*place[:-1], name): value}
    for place, value in {**moved, **changes}.items():
        if value is None:
            _parent(data, place).pop(place[-1], None)
        else:
            _parent(data, place)[place[-1]] = value
    return data, moved


def _parent(data: Any, place: tuple[str, ...]) -> Any:
    for key in place[:-1]:
        data = data.setdefault(key, {})
    return data


class _LayoutError(Exception):
    """The document does not hold one key a line where it is to be changed."""


def _by_lines(text: str, changes: Changes, renames: Renames) -> str:
    ending = "\r\n" if "\r\n" in text else "\n"
    for place, name in renames.items():
        text = _renamed(text, place, name)
    for place, value in changes.items():
        text = _removed(text, place) if value is None else _set(text, place, value, ending)
    return text


class _Member(NamedTuple):
    """A key and its value, in a mapping that holds one key a line."""

    mapping: MappingNode
    key: ScalarNode
    value: Node


def _find(text: str, place: tuple[str, ...]) -> _Member | None:
    """The member at the place, if it is there. Raises _LayoutError where a mapping on the way is written in braces."""
    from ruamel.yaml.nodes import MappingNode

    from ai_factory.dialect import reader

    node: Any = reader().compose(text)
    found = None
    for key in place:
        if not isinstance(node, MappingNode) or node.flow_style:
            raise _LayoutError
        pair = next((pair for pair in node.value if pair[0].value == key), None)
        if pair is None:
            return None
        found, node = _Member(node, *pair), pair[1]
    return found


def _last_line(node: Any) -> int:
    """The number of the last line of a value; comments and empty lines behind it are not counted."""
    from ruamel.yaml.nodes import CollectionNode, ScalarNode

    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    block = isinstance(node, ScalarNode) and node.style in ("|", ">") and not mark.column
    return int(mark.line) - (1 if block else 0)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _renamed(text: str, place: tuple[str, ...], name: str) -> str:
    found = _find(text, place)
    if found is None:
        return text
    return _replaced(text, found.key, name)


def _replaced(text: str, node: Any, new: str) -> str:
    """The text with a value that lies in one line replaced."""
    start, end = node.start_mark, node.end_mark
    lines = _lines(text)
    if start.line != end.line:
        raise _LayoutError
    line = lines[start.line]
    before, after = line[: start.column], line[end.column :]
    gap = " " if before.endswith(":") else ""  # there was no value
    lines[start.line] = before + gap + new + after
    return "".join(lines)


def _removed(text: str, place: tuple[str, ...]) -> str:
    found = _find(text, place)
    if found is None:
        return text
    lines = _lines(text)
    del lines[found.key.start_mark.line : _last_line(found.value) + 1]
    if len(found.mapping.value) == 1:
        above = _find(text, place[:-1])
        if above is None:
            raise _LayoutError
        mark = above.key.end_mark
        line = lines[mark.line]
        lines[mark.line] = f"{line[: mark.column + 1]} {{}}{line[mark.column + 1 :]}"
    return "".join(lines)


def _set(text: str, place: tuple[str, ...], value: Any, ending: str) -> str:
    from ruamel.yaml.nodes import CollectionNode

    found = _find(text, place)
    if found is None:
        return _added(text, place, value, ending)
    written = _written(place[-1], value)
    if not isinstance(found.value, CollectionNode) or found.value.flow_style:
        return _replaced(text, found.value, written.removeprefix(f"{place[-1]}:").strip())
    lines = _lines(text)
    indent = " " * found.key.start_mark.column
    lines[found.key.start_mark.line : _last_line(found.value) + 1] = [indent + written + ending]
    return "".join(lines)


def _added(text: str, place: tuple[str, ...], value: Any, ending: str) -> str:
    """The text with one more key behind the last one of its mapping."""
    from ruamel.yaml.nodes import MappingNode

    above = _find(text, place[:-1])
    if above is None or not isinstance(above.value, MappingNode) or above.value.flow_style:
        raise _LayoutError
    lines = _lines(text)
    number = _last_line(above.value)
    if not lines[number].endswith(ending):
        lines[number] += ending
    indent = " " * above.value.value[0][0].start_mark.column
    lines.insert(number + 1, indent + _written(place[-1], value) + ending)
    return "".join(lines)


def _written(key: str, value: Any) -> str:
    """`key: value` as one line; a list or mapping in brackets."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    from ai_factory.dialect import writer

    data = CommentedMap({key: value})
    if isinstance(value, (list, dict)):
        data[key] = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
        data[key].fa.set_flow_style()
    buffer = io.BytesIO()
    writer().dump(data, buffer)
    text = buffer.getvalue().decode().rstrip("\n")
    if "\n" in text:
        raise _LayoutError
    return text
