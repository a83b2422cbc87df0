"""Files of lines: requirements, ignore files, attributes, code owners, environment files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ai_factory.structured import ignoring
from ai_factory.structured.nodes import (
    LEAF,
    LINES,
    LIST,
    MAP,
    Data,
    Item,
    Node,
    Strange,
    Unreadable,
    data_of,
    named,
    text,
)
from ai_factory.structured.sequence import Apart

PAIR_LIMIT = 10_000  # patterns that are compared with each other
_ROW = re.compile(r"[^\n]*\n|[^\n]+")
_COMMENT = re.compile(r"\s+#[^\n]*\n?$")
_VARIABLE = re.compile(r"((?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*))([ \t]*(?:=[ \t]*)?)(.*)", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_WILD = re.compile(r"[*?\[\\]")


class _Line(NamedTuple):
    """One entry of a file: what stands above it, its own text, the rest of its line."""

    lead: str
    body: str
    tail: str


def requirements(source: str) -> Node:
    """Requirements of pip, options among them; a backslash carries one on to the next line."""
    *lines, end = _entries(source, lambda body: not body.endswith("\\\n"), comments=True)
    return _list(lines, end.lead)


def patterns(source: str) -> Node:
    """Patterns, one a line, with whatever stands behind them."""
    *lines, end = _entries(source, lambda body: True, comments=False)
    return _list(lines, end.lead)


def environment(source: str) -> Node:
    """NAME=value, one a line; what is quoted may go on. Raises Unreadable for anything else."""
    *lines, end = _entries(source, _is_closed, comments=False)
    items = tuple(map(_variable, lines))
    if len({item.key for item in items}) < len(items):
        raise Unreadable("a variable stands twice")
    return Node(MAP, data_of(MAP, items), form=LINES, items=items, foot=end.lead)


def _entries(source: str, whole: Callable[[str], bool], *, comments: bool) -> Iterator[_Line]:
    """The entries, and last what stands behind them; one goes on over the next rows until it is whole."""
    lead = body = ""
    for row in _ROW.findall(source):
        if not body and (not row.strip() or row.lstrip().startswith("#")):
            lead += row
            continue
        body += row
        if whole(body):
            yield _parted(lead, body, comments=comments)
            lead = body = ""
    if body:
        raise Strange("the last entry has no end")
    yield _Line(lead, "", "")


def _parted(lead: str, body: str, *, comments: bool) -> _Line:
    found = _COMMENT.search(body) if comments else None
    end = found.start() if found else len(body.rstrip("\n"))
    return _Line(lead, body[:end], body[end:])


def _list(lines: Sequence[_Line], foot: str) -> Node:
    items = tuple(Item(None, _leaf(line.body), line.lead, tail=line.tail) for line in lines)
    return Node(LIST, data_of(LIST, items), form=LINES, items=items, foot=foot)


def _leaf(body: str) -> Node:
    return Node(LEAF, ("str", " ".join(body.split())), body)


def _is_closed(body: str) -> bool:
    found = _VARIABLE.match(body)
    value = found[4] if found else ""
    return value[:1] not in ("'", '"') or _QUOTED.match(value) is not None


def _variable(line: _Line) -> Item:
    found = _VARIABLE.fullmatch(line.body)
    if found is None or (found[4] and "=" not in found[3]):
        raise Strange("no variable")
    value = Node(LEAF, ("str", found[4].strip() if "=" in found[3] else None), found[4])
    return Item(("str", found[2]), value, line.lead, found[1], found[3], "", line.tail)


@dataclass(frozen=True, slots=True)
class Hand:
    """How the team writes lines: as anybody does."""

    @classmethod
    def of(cls, _ours: Node) -> Hand:
        """Nothing is to be learned from the document."""
        return cls()

    def enter(self, _container: Node, _origin: Node, item: Item) -> Item:
        """The other side's line in our file."""
        return item

    def trade(self, _container: Node, _origin: Node, mine: Item, new: Item) -> Item:
        """Our line with the other side's value."""
        return replace(mine, node=new.node, sep=mine.sep if "=" in mine.sep and "=" in new.sep else new.sep)

    def write(self, merged: Node) -> str:
        """The document."""
        return text(merged)

    def renamed(self, root: Node, old: tuple[str, ...], new: tuple[str, ...]) -> str:
        """Our file with one variable under another name."""
        return text(named(root, old, lambda item: item.name.removesuffix(old[0]) + ".".join(new)))

    def alone(self, _origin: Node, _item: Item, _keys: tuple[str, ...]) -> str:
        """Nothing in a file of lines stands below anything else."""
        raise Strange("there is no place below another one")


# ---- what both sides may add at one place --------------------------------------------------------


def agree(ours: Sequence[Data], theirs: Sequence[Data]) -> bool:
    """Whether no pattern of an ignore file takes back what one of the other side says."""
    return all(not _takes_back(one, two) and not _takes_back(two, one) for one, two in _pairs(ours, theirs))


def lie_apart(ours: Sequence[Data], theirs: Sequence[Data]) -> bool:
    """Whether no file can match patterns of both sides: the last that matches counts, so their order would matter."""
    return all(_are_apart(one, two) for one, two in _pairs(ours, theirs))


def _pairs(ours: Sequence[Data], theirs: Sequence[Data]) -> Iterator[tuple[str, str]]:
    """Each pattern of one side with each of the other. Raises Apart for so many that nobody looks at them."""
    if len(ours) * len(theirs) > PAIR_LIMIT:
        raise Apart
    yield from itertools.product(map(_pattern, ours), map(_pattern, theirs))


def _pattern(data: Data) -> str:
    return str(data[1]).split(" ", 1)[0]


def _takes_back(negated: str, other: str) -> bool:
    """Whether `!this` may speak of a file that the other pattern speaks of."""
    if not negated.startswith("!") or other.startswith("!"):
        return False
    name = negated[1:]
    if _WILD.search(name):
        return True
    if "/" not in name.rstrip("/"):
        return bool(_WILD.search(other)) or "/" in other.rstrip("/") or other.strip("/") == name.strip("/")
    return ignoring.spec([other]).match_file(name.strip("/"))


def _are_apart(one: str, two: str) -> bool:
    endings = [pattern[2:] for pattern in (one, two) if pattern.startswith("*.")]
    if len(endings) == 2:
        return one != two and not any(_WILD.search(ending) or "/" in ending for ending in endings)
    if _WILD.search(one) or _WILD.search(two) or not all("/" in pattern.rstrip("/") for pattern in (one, two)):
        return False
    first, second = (f"/{pattern.strip('/')}/" for pattern in (one, two))
    return not (first.startswith(second) or second.startswith(first))
