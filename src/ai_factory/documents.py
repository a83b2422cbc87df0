"""YAML text to plain data with file and line for whatever is wrong, and edits that keep people's bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ai_factory.errors import FactoryError

if TYPE_CHECKING:  # a command that parses nothing does not wait for the parser
    from ruamel.yaml.nodes import Node

SIZE_LIMIT = 256 * 1024  # bytes of one YAML document: reading that many takes seconds
NODE_LIMIT = 100_000  # values in one document, aliases counted each time: a few lines can stand for billions
NUMBER_LIMIT = 2**63  # integers below it are numbers to every reader
Place = Sequence[str | int]  # the keys that lead to a value
Load = Callable[[bytes, str, type[FactoryError]], Any]  # what reads a document, named so in errors of that type


def load(content: bytes, where: str, error: type[FactoryError] = FactoryError) -> Any:
    """The data of a YAML 1.2 document: no tags, no duplicate keys; an empty document is None.

    Raises `error`, naming `where` and the line, when the text is not such a document.
    """
    if len(content) > SIZE_LIMIT:
        raise error(f"`{where}` is larger than {SIZE_LIMIT} bytes")
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    from ai_factory.dialect import reader

    try:
        data = reader().load(content.decode())
        _check(data, [NODE_LIMIT])
    except UnicodeDecodeError:
        raise error(f"`{where}` is not UTF-8 text") from None
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise error(f"`{where}`{line}: {str(problem.problem).splitlines()[0]}") from None
    except (YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as problem:
        raise error(f"`{where}`: {[*str(problem).splitlines(), 'is no YAML'][0]}") from None
    return data


def _check(data: Any, budget: list[int]) -> None:
    """Raise ValueError for what is not plain data, or too much of it."""
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(f"it holds more than {NODE_LIMIT} values")
    if isinstance(data, dict):
        for key, value in data.items():
            _check_scalar(key)
            _check(value, budget)
    elif isinstance(data, list):
        for item in data:
            _check(item, budget)
    else:
        _check_scalar(data)


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        value.encode()  # half a surrogate pair cannot be written
    elif isinstance(value, int):
        if abs(value) >= NUMBER_LIMIT:
            raise ValueError("it holds a number of more than 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"it holds {value}, which is no number to other readers")
    elif value is not None:
        raise ValueError(f"it holds a {type(value).__name__}, which is no plain value")


def line_of(content: bytes, place: Place) -> int:
    """The line (from 1) on which the value at `place` stands; of its nearest parent when it is not there."""
    return lines_of(content, [place])[0]


def lines_of(content: bytes, places: Sequence[Place]) -> list[int]:
    """The lines of several values, for one reading of the document."""
    from ai_factory.dialect import reader

    root = reader().compose(content.decode())
    return [_line(root, place) for place in places]


def _line(node: Node, place: Place) -> int:
    line = 0
    for key in place:
        found = child(node, key)
        if found is None:
            break
        line, node = found
    return line + 1


def place_at(content: bytes, line: int) -> Place:
    """The keys that lead to the innermost value which begins on that line (from 1) or last before it."""
    from ai_factory.dialect import reader

    found: tuple[int, Place] = (0, ())
    for begins, place in _places(reader().compose(content.decode()), ()):
        if found[0] <= begins <= line:
            found = (begins, place)
    return found[1]


def _places(node: Node, place: tuple[str | int, ...]) -> Iterator[tuple[int, Place]]:
    """Each value in the document with the line on which it (its key, in a mapping) stands, the outer ones first."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    pairs: list[tuple[str | int, int, Node]] = []
    if isinstance(node, MappingNode):
        pairs = [(name.value, name.start_mark.line + 1, value) for name, value in node.value]
    elif isinstance(node, SequenceNode):
        pairs = [(number, value.start_mark.line + 1, value) for number, value in enumerate(node.value)]
    for key, line, value in pairs:
        yield line, (*place, key)
        yield from _places(value, (*place, key))


def holds(content: bytes, place: Place) -> bool:
    """Whether there is a value at that place of the document."""
    from ai_factory.dialect import reader

    node: Node | None = reader().compose(content.decode())
    for key in place:
        found = child(node, key) if node else None
        if found is None:
            return False
        node = found[1]
    return True


def child(node: Node, key: str | int) -> tuple[int, Node] | None:
    """The line of a member (of its key, in a mapping) and the member itself."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line, node.value[key]
    members = node.value if isinstance(node, MappingNode) else []
    return next(((name.start_mark.line, value) for name, value in members if name.value == str(key)), None)


def edit(content: bytes, changes: Mapping[tuple[str, ...], Any]) -> bytes:
    """The document with values set at places (None removes one); comments, order and quotes stay."""
    from ai_factory.dialect import writer

    yaml = writer()
    data = yaml.load(content.decode()) or {}
    for place, value in changes.items():
        node = data
        for key in place[:-1]:
            node = node.setdefault(key, {})
        if value is None:
            node.pop(place[-1], None)
        else:
            node[place[-1]] = _in_place_of(node[place[-1]], value) if place[-1] in node else value
    buffer = io.BytesIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()


def edit_row(content: bytes, place: Place, name: str, value: Any) -> bytes:
    """The document with one value set in the mapping at a place (None removes it); comments, order and quotes stay."""
    from ai_factory.dialect import writer

    yaml = writer()
    node = data = yaml.load(content.decode())
    for key in place:
        node = node[key]
    if value is None:
        node.pop(name, None)
    else:
        node[name] = value
    buffer = io.BytesIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()


def _in_place_of(before: Any, value: Any) -> Any:
    """A list stays laid out as it was; one in place of a word stands on its line, and no comment comes between."""
    from ruamel.yaml.comments import CommentedSeq

    nested = isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)
    if nested or not isinstance(value, list) or (isinstance(before, CommentedSeq) and not before.fa.flow_style()):
        return value
    found = CommentedSeq(value)
    found.fa.set_flow_style()
    return found


def write(data: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bytes:
    """A new YAML document, keys in the order given."""
    from ai_factory.dialect import writer

    buffer = io.BytesIO()
    writer().dump(dict(data) if isinstance(data, Mapping) else list(data), buffer)
    return buffer.getvalue()
