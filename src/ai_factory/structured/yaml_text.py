"""YAML, taken apart into the tree of its text, every line and comment kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from ai_factory.dialect import reader
from ai_factory.documents import SIZE_LIMIT
from ai_factory.structured import brackets
from ai_factory.structured.brackets import Span
from ai_factory.structured.nodes import (
    BLOCK,
    LEAF,
    LINES,
    LIST,
    MAP,
    Clash,
    Data,
    Item,
    Node,
    Strange,
    Unreadable,
    data_of,
    text,
)

_TRIVIA = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*(?:[ \t]*(?:#[^\n]*)?$)?")  # whole lines
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_HEAD = re.compile(r"(?:[ \t]+[&!][^\s]*)*[ \t]*(?:#[^\n]*)?\n")
_END = re.compile(r"(?:(?:\.\.\.)?[ \t]*(?:#[^\n]*)?(?:\n|$))*")
_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_DASH = re.compile(r"^ *-(?=[ \t\n]|$)", re.MULTILINE)
_BETWEEN = re.compile(r"[ \t]*:?(?:\s|#[^\n]*)*")
_COLON = re.compile(r"[ \t]*:")
_MARKS = re.compile(r"(?:[&!]\S*\s+)*")
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_TYPED = re.compile(  # what some reader takes for a number, a date or a switch, and another one does not
    r"[-+]?0[box]?[0-9a-f_]*"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:e[-+]?[0-9]+)?"
    r"|[-+]?\.[0-9_]+(?:e[-+]?[0-9]+)?|[-+]?\.inf|\.nan"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
    r"|y|n|yes|no|on|off|=|<<",
    re.IGNORECASE | re.DOTALL,
)
_CONSTANTS: dict[str, Data] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null",)),
    **dict.fromkeys(("true", "True", "TRUE"), ("bool", True)),
    **dict.fromkeys(("false", "False", "FALSE"), ("bool", False)),
}


def read(source: str) -> Node:
    """The document, or the list of several. Raises Unreadable for what is no YAML, or says one key twice."""
    roots = check(source)
    try:
        found = _stream(source, roots)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Strange(str(error)) from None
    if text(found) != source:
        raise Strange("YAML that is written in a way that is not taken apart here")
    return found


def begun(ours: Node, theirs: Node) -> Node:
    """Their document below the comments of ours, which holds nothing yet. Raises Clash where ours holds something."""
    if ours.data != ("null",) or theirs.kind == LEAF:
        raise Clash
    above = ours.text if not ours.text or ours.text.endswith("\n") else f"{ours.text}\n"
    return replace(theirs, head=above + theirs.head)


def check(source: str) -> list[Any]:
    """The documents as nodes of the library. Raises Unreadable."""
    if len(source) > SIZE_LIMIT:
        raise Unreadable("too large")
    yaml = _yaml()
    try:
        roots = list(yaml.compose_all(source))
        for root in roots:
            _refuse_repeats(root)
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unreadable(str(error)) from None
    if yaml.renamed:
        raise Strange("an anchor stands twice")
    return roots


def _refuse_repeats(node: Any) -> None:
    """Raise Unreadable where a mapping says one key twice."""
    if isinstance(node, MappingNode):
        names = [key for key, _ in node.value if isinstance(key, ScalarNode) and not isinstance(key, _Alias)]
        _refuse_twice([scalar(key.value, plain=key.style is None) for key in names])
    for member in node.value if isinstance(node, MappingNode | SequenceNode) else ():
        for inner in member if isinstance(member, tuple) else (member,):
            _refuse_repeats(inner)


class _Alias(ScalarNode):
    """`*name`, which stays what it is: what it stands for may stand for more, and so on without end."""


class _Composer(Composer):
    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node, where the library gives one node for an anchor and all its aliases."""
        if not self.parser.check_event(AliasEvent):
            self.warn_double_anchors = False
            anchor = self.parser.peek_event().anchor
            self.loader.renamed = self.loader.renamed or (anchor is not None and anchor in self.anchors)
            return super().compose_node(parent, index)
        event = self.parser.get_event()
        if event.anchor not in self.anchors:
            raise Unreadable(f"`*{event.anchor}` is not known here")
        return _Alias("!alias", event.anchor, event.start_mark, event.end_mark)


def _yaml() -> Any:
    yaml: Any = reader()
    yaml.Composer = _Composer
    yaml.renamed = False
    return yaml


def scalar(word: str, *, plain: bool) -> Data:
    """The typed value of a scalar.

    Where readers of YAML 1.1 and of 1.2 would not agree on a plain one, it equals nothing but itself.
    """
    if not plain:
        return ("str", word)
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if _INT.fullmatch(word):
        return ("int", int(word))
    if _FLOAT.fullmatch(word):
        return ("float", repr(float(word)))
    return ("plain", word) if _TYPED.fullmatch(word) else ("str", word)


# ---- documents -----------------------------------------------------------------------------------


def _stream(source: str, roots: Sequence[Any]) -> Node:
    if len(roots) < 2:
        return _document(source, roots[0] if roots else None, 0, len(source))
    bounds = _bounds(source, len(roots))
    items = tuple(
        Item(None, _document(source, root, start, end)) for root, (start, end) in zip(roots, bounds, strict=True)
    )
    return Node(LIST, data_of(LIST, items, "documents"), form=LINES, items=items, marks="documents")


def _bounds(source: str, number: int) -> list[tuple[int, int]]:
    """Where each document begins and ends; what stands before the first marker may be nothing but comments."""
    starts = [found.start() for found in _START.finditer(source)]
    starts = [0, *starts] if len(starts) < number else [0, *starts[1:]]
    if len(starts) != number:
        raise Strange("documents that are not told apart")
    return list(zip(starts, [*starts[1:], len(source)], strict=True))


def _document(source: str, root: Any, start: int, end: int) -> Node:
    if root is None:
        return Node(LEAF, ("null",), source[start:end])
    parts = _Parts(source)
    if not _is_block(root):
        found, stop = parts.value(root, end, -1)
        before, behind = source[start : root.start_mark.index], source[stop:end]
        if found.kind == LEAF:
            return replace(found, text=before + found.text + behind)
        return replace(found, head=before + found.head, foot=found.foot + behind)
    marker = _START.search(source, start, end)
    begin = source.index("\n", marker.start()) + 1 if marker else start
    found, stop = parts.block(root, begin, end, -1)
    if not _END.fullmatch(source, stop, end):
        raise Strange("more than comments behind the last line")
    return replace(found, head=source[start:begin] + found.head, foot=found.foot + source[stop:end])


# ---- values --------------------------------------------------------------------------------------


def _is_block(node: Any) -> bool:
    return not isinstance(node, ScalarNode) and not node.flow_style


class _Entry(NamedTuple):
    """A member of a block: where its key or dash begins, where that ends, the key, the value."""

    start: int
    end: int
    key: Data | None
    value: Any


@dataclass(frozen=True, slots=True)
class _Parts:
    """Takes the values of one text apart."""

    source: str

    def value(self, node: Any, limit: int, outer: int, begin: int = 0) -> tuple[Node, int]:
        """A value and where it ends: before `limit`, and below something that is indented by `outer`."""
        if isinstance(node, ScalarNode):
            return self._leaf(node)
        return self._flow(node) if node.flow_style else self.block(node, begin, limit, outer)

    def _leaf(self, node: Any) -> tuple[Node, int]:
        start, end = node.start_mark.index, node.end_mark.index
        word = self.source[start:end]
        if isinstance(node, _Alias):
            return Node(LEAF, ("alias", node.value), word), end
        if node.style in ("|", ">") and "+" not in word.split("\n", 1)[0]:
            body = len(word.rstrip())  # blank lines behind it say nothing
            end = start + (word.find("\n", body) + 1 or len(word))
            word = self.source[start:end]
        marks = _marks(word)
        data = scalar(node.value, plain=node.style is None)
        return Node(LEAF, ("marked", marks, data) if marks else data, word), end

    def _flow(self, node: Any) -> tuple[Node, int]:
        start, end = node.start_mark.index, node.end_mark.index
        marks = _marks(self.source[start:end])
        opened = start + len(_matched(_MARKS, self.source, start))
        if self.source[opened] not in "[{":
            raise Strange("a pair without braces")
        spans = [self._span(member) for member in node.value]
        kind = MAP if isinstance(node, MappingNode) else LIST
        return brackets.bracketed(self.source, (start, opened, end), spans, kind, marks), end

    def _span(self, member: Any) -> Span:
        if not isinstance(member, tuple):
            node, end = self.value(member, 0, 0)
            return Span(member.start_mark.index, member.start_mark.index, end, node)
        key, value = member
        start, end = key.start_mark.index, key.end_mark.index
        name = self.source[start:end]
        if _is_empty(value):
            colon = _COLON.match(self.source, end)
            stop = colon.end() if colon else end
            return Span(start, stop, stop, Node(LEAF, ("null",)), self._key(key), name)
        node, stop = self.value(value, 0, 0)
        return Span(start, value.start_mark.index, stop, node, self._key(key), name)

    def _key(self, key: Any) -> Data:
        word = self.source[key.start_mark.index : key.end_mark.index]
        if not isinstance(key, ScalarNode) or isinstance(key, _Alias) or _marks(word) or "\n" in word:
            raise Strange("a key that is no plain word")
        return scalar(key.value, plain=key.style is None)

    # ---- blocks

    def block(self, node: Any, begin: int, limit: int, outer: int) -> tuple[Node, int]:
        """A block whose parent's text ends at `begin`, and where it ends, comments of its own included."""
        entries = list(self._entries(node))
        first = entries[0].start
        line = self.source.rfind("\n", 0, first) + 1
        inline = line < begin
        indent = " " * (first - line)
        head = "" if inline or begin == 0 or self.source[begin - 1] == "\n" else _matched(_HEAD, self.source, begin)
        position, items = first if inline else begin + len(head), []
        for number, entry in enumerate(entries):
            row = entry.start if inline and not number else entry.start - len(indent)
            lead = self.source[position:row]
            if not _TRIVIA.fullmatch(lead) or (row != entry.start and self.source[row : entry.start] != indent):
                raise Strange("a block that is not written line by line")
            stop = entries[number + 1].start - len(indent) if number + 1 < len(entries) else limit
            item, position = self._item(entry, stop, len(indent))
            items.append(replace(item, lead=lead))
        foot = self._foot(position, limit, outer)
        marks = _marks(self.source[node.start_mark.index : first]) if node.start_mark.index < first else ""
        kind = MAP if isinstance(node, MappingNode) else LIST
        data = data_of(kind, items, marks)
        made = Node(kind, data, "", BLOCK, tuple(items), head, foot, indent, inline=inline, marks=marks)
        return made, position + len(foot)

    def _entries(self, node: Any) -> Iterator[_Entry]:
        position = node.start_mark.index
        for number, member in enumerate(node.value):
            if isinstance(member, tuple):
                key, value = member
                yield _Entry(key.start_mark.index, key.end_mark.index, self._key(key), value)
                continue
            if number or self.source[position] != "-":
                row = self.source.rfind("\n", 0, position) + 1
                found = list(_DASH.finditer(self.source, row, member.start_mark.index))
                position = found[-1].end() - 1
            yield _Entry(position, position + 1, None, member)
            position = member.end_mark.index

    def _item(self, entry: _Entry, limit: int, indent: int) -> tuple[Item, int]:
        """A member with the rest of its line, and where that ends."""
        colon = _matched(_COLON, self.source, entry.end) if entry.key else ""
        begin = entry.end + len(colon)
        name = self.source[entry.start : entry.end]
        if _is_empty(entry.value):
            node, end = Node(LEAF, ("null",)), begin
        else:
            node, end = self.value(entry.value, limit, indent, begin)
        start = begin if node.form == BLOCK and not node.inline else entry.value.start_mark.index
        sep = self.source[entry.end : begin if _is_empty(entry.value) else start]
        if not _BETWEEN.fullmatch(sep):
            raise Strange("more than a colon between a key and its value")
        tail = "" if self.source.startswith("\n", end - 1) else _matched(_REST, self.source, end)
        return Item(entry.key, node, "", name, sep, "", tail), end + len(tail)

    def _foot(self, position: int, limit: int, outer: int) -> str:
        """The comments behind the last member that are indented more than the parent."""
        end = start = position
        while start < limit:
            stop = self.source.find("\n", start, limit) + 1 or limit
            line = self.source[start:stop]
            depth = len(line) - len(line.lstrip(" "))
            if line.strip():
                if not line.lstrip().startswith("#") or depth <= outer:
                    break
                end = stop
            start = stop
        return self.source[position:end]


def _is_empty(node: Any) -> bool:
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _marks(word: str) -> str:
    """Anchor and tag at the beginning of a value."""
    return " ".join(_matched(_MARKS, f"{word} ", 0).split())


def _matched(pattern: re.Pattern[str], source: str, position: int) -> str:
    found = pattern.match(source, position)
    if found is None:
        raise Strange(f"something else was to come at {position}")
    return found[0]


def _refuse_twice(keys: Sequence[Data | None]) -> None:
    if len(set(keys)) < len(keys):
        raise Unreadable("a key stands twice")
