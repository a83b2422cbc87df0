"""YAML text to plain data with file and line for whatever is wrong, and edits that keep people's bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ai_factory.errors import FactoryError

SIZE_LIMIT = 1024 * 1024  # bytes of one YAML document
NODE_LIMIT = 100_000  # values in one document, aliases counted each time: a few lines can stand for billions
Place = Sequence[str | int]  # the keys that lead to a value


class _Constructor(SafeConstructor):
    """Plain data only: a date stays the text that was written."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def load(content: bytes, where: str, error: type[FactoryError] = FactoryError) -> Any:
    """The data of a YAML 1.2 document: no tags, no duplicate keys; an empty document is None.

    Raises `error`, naming `where` and the line, when the text is not such a document.
    """
    if len(content) > SIZE_LIMIT:
        raise error(f"`{where}` is larger than {SIZE_LIMIT} bytes")
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        data = yaml.load(content.decode())
        _weigh(data, [NODE_LIMIT])
    except UnicodeDecodeError:
        raise error(f"`{where}` is not UTF-8 text") from None
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise error(f"`{where}`{line}: {str(problem.problem).splitlines()[0]}") from None
    except (YAMLError, ValueError, RecursionError) as problem:
        raise error(f"`{where}`: {str(problem).splitlines()[0]}") from None
    return data


def _weigh(data: Any, budget: list[int]) -> None:
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(f"it holds more than {NODE_LIMIT} values")
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        _weigh(item, budget)


def line_of(content: bytes, place: Place) -> int:
    """The line (from 1) on which the value at `place` stands; of its nearest parent when it is not there."""
    node: Any = YAML(typ="rt").load(content.decode())
    line = 0
    for key in place:
        try:
            line = node.lc.value(key)[0] if isinstance(key, int) else node.lc.key(key)[0]
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return int(line) + 1


def edit(content: bytes, changes: Mapping[tuple[str, ...], Any]) -> bytes:
    """The document with values set at places (None removes one); comments, order and quotes stay."""
    yaml = _round_trip()
    data = yaml.load(content.decode()) or {}
    for place, value in changes.items():
        node = data
        for key in place[:-1]:
            node = node.setdefault(key, {})
        if value is None:
            node.pop(place[-1], None)
        else:
            node[place[-1]] = value
    return _dump(yaml, data)


def write(data: Mapping[str, Any]) -> bytes:
    """A new YAML document, keys in the order given."""
    return _dump(_round_trip(), dict(data))


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dump(yaml: YAML, data: Any) -> bytes:
    buffer = io.BytesIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()
