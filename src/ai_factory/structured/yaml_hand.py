"""How the team writes YAML: what comes into its document gets its indentation, its lists and its quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ai_factory.structured import brackets, yaml_text
from ai_factory.structured.nodes import (
    BLOCK,
    FLOW,
    LEAF,
    LINES,
    LIST,
    MAP,
    Item,
    Node,
    Strange,
    holding,
    mapping,
    named,
    reindented,
    remarks,
    text,
)

_PLAIN = re.compile(r"[A-Za-z0-9_/.][\w./@+-]*")
_LITERAL = re.compile(r"[|>][-+]?[ \t]*(?:#[^\n]*)?\n( +)\S")  # how deep its first line stands
_QUOTABLE = re.compile(r"[^\\\"'\x00-\x1f\x7f-\x9f]*")


@dataclass(frozen=True, slots=True)
class Hand:
    """The steps of indentation: of a mapping, and of a list, in a mapping; None where ours has no example."""

    mapping: int | None
    listing: int | None

    @classmethod
    def of(cls, ours: Node) -> Hand:
        """The steps in our document."""
        return cls(next(_steps(ours, MAP), None), next(_steps(ours, LIST), None))

    def enter(self, container: Node, origin: Node, item: Item) -> Item:
        """The other side's item in a container of ours."""
        if container.form == FLOW:
            return self._between(container, origin, item)
        if container.form == LINES:
            return item
        sep = _sep(container, origin, item)
        name = item.name.strip() if container.kind == MAP else "-"
        node = self._moved(item.node, origin, container)
        lead, tail = _lead(container, origin, item), item.tail
        if origin.form == FLOW:
            tail = f"  {tail.strip()}\n" if remarks(tail) else "\n"
        return Item(item.key, node, lead, name, sep, "", tail)

    def _between(self, container: Node, origin: Node, item: Item) -> Item:
        if any(node.form == BLOCK or "\n" in node.text for node in _below(item.node)):
            item = replace(item, node=brackets.flat(item.node, ": ", lambda inner: inner.name.strip()))
        if origin.form != FLOW:
            item = replace(item, lead=f"\n{item.lead}", sep=f"{item.sep.strip()} ")
        return brackets.entered(container, item, " " * (self.mapping or 2))

    def trade(self, container: Node, origin: Node, mine: Item, new: Item) -> Item:
        """Our item with the other side's value."""
        if FLOW in (container.form, origin.form) or (_is_word(mine.node) and _is_word(new.node)):
            return self._word(container, mine, new)
        node, tail = self._moved(new.node, origin, container), new.tail
        if remarks(mine.tail) and node.form == BLOCK and not node.inline and not node.marks:
            node = replace(node, head=f"{mine.tail.rstrip()}\n")
        elif remarks(mine.tail) and "\n" in text(node):
            raise Strange("a comment would lose its line")
        elif remarks(mine.tail):
            tail = mine.tail
        return replace(mine, node=node, sep=new.sep, tail=tail)

    def _word(self, container: Node, mine: Item, new: Item) -> Item:
        """Our item with a value that has no lines of its own."""
        if new.node.form == BLOCK or "\n" in new.node.text or mine.node.form == BLOCK or "\n" in mine.node.text:
            raise Strange("a block cannot stand between brackets")
        node = brackets.laid(_quoted(mine.node, new.node), container.indent, " " * (self.mapping or 2))
        sep = mine.sep if mine.sep[-1:].isspace() or not mine.sep else f"{mine.sep} "
        return replace(mine, node=node, sep=sep)

    def write(self, merged: Node) -> str:
        """The document."""
        return text(merged)

    def renamed(self, root: Node, old: tuple[str, ...], new: tuple[str, ...]) -> str:
        """Our document with one entry under another key of the same mapping."""
        return text(named(root, old, lambda item: _key(new[-1]))) if old[:-1] == new[:-1] else ""

    def alone(self, origin: Node, item: Item, keys: tuple[str, ...]) -> str:
        """A document that holds one member of a mapping, at `keys`."""
        step = " " * (self.mapping or 2)
        heads = "".join(f"{step * depth}{_key(key)}:\n" for depth, key in enumerate(keys[:-1]))
        empty = Node(MAP, mapping(()), form=BLOCK, indent=step * (len(keys) - 1))
        entered = self.enter(empty, origin, replace(item, name=_key(keys[-1])))
        return heads + text(holding(empty, (entered,)))

    def _moved(self, node: Node, origin: Node, container: Node) -> Node:
        """A value of theirs, for an item of `origin`, as one for an item of our `container`."""
        in_mapping = origin.kind == MAP
        return self._indented(node, origin.indent, container.indent, in_mapping=in_mapping)

    def _indented(self, node: Node, old: str, new: str, *, in_mapping: bool) -> Node:
        if node.form == FLOW:
            return brackets.laid(node, new, " " * (self.mapping or 2))
        if node.form != BLOCK:
            return replace(node, text=self._lines(node.text, old, new, in_mapping=in_mapping))
        indent = new + " " * self._step(node, old, in_mapping=in_mapping)
        items = tuple(
            replace(
                item,
                lead=reindented(item.lead, node.indent, indent),
                node=self._indented(item.node, node.indent, indent, in_mapping=node.kind == MAP),
            )
            for item in node.items
        )
        return replace(node, items=items, foot=reindented(node.foot, node.indent, indent), indent=indent)

    def _lines(self, word: str, old: str, new: str, *, in_mapping: bool) -> str:
        """The text of a scalar, its lines as deep below its key as the team's are."""
        found = _LITERAL.match(word)
        if found and self.mapping and in_mapping:
            return reindented(word, found[1], new + " " * self.mapping, first=False)
        return reindented(word, old, new, first=False)

    def _step(self, node: Node, old: str, *, in_mapping: bool) -> int:
        """How much deeper than its parent a block stands."""
        own = self.mapping if node.kind == MAP else self.listing
        return len(node.indent) - len(old) if own is None or node.inline or not in_mapping else own


def _key(key: str) -> str:
    """A key as YAML writes it."""
    plain = _PLAIN.fullmatch(key) and yaml_text.scalar(key, plain=True) == ("str", key)
    return key if plain else json.dumps(key, ensure_ascii=False)


def _steps(node: Node, kind: str) -> Iterator[int]:
    """The indentations of blocks of one kind that stand below a key."""
    for item in node.items:
        inner = item.node
        if (node.form, node.kind, inner.form, inner.kind) == (BLOCK, MAP, BLOCK, kind) and not inner.inline:
            yield len(inner.indent) - len(node.indent)
        yield from _steps(inner, kind)


def _below(node: Node) -> Iterator[Node]:
    yield node
    for item in node.items:
        yield from _below(item.node)


def _is_word(node: Node) -> bool:
    """Whether the value stands on the line of its key and needs no other."""
    return node.form != BLOCK and "\n" not in text(node) and bool(text(node))


def _sep(container: Node, origin: Node, item: Item) -> str:
    """What stands between a key or dash and its value here."""
    if container.kind == origin.kind and origin.form == BLOCK:
        return item.sep
    return ": " if container.kind == MAP else " "


def _lead(container: Node, origin: Node, item: Item) -> str:
    """The comments above an item, for a block of ours."""
    if origin.form != FLOW:
        return reindented(item.lead, origin.indent, container.indent)
    return "".join(f"{container.indent}{remark}\n" for remark in remarks(item.lead))


def _quoted(mine: Node, new: Node) -> Node:
    """The new word in the quotes of ours, or without any, where that is the same text."""
    kind, word = (*new.data, None)[:2]
    if kind != "str" or new.kind != LEAF or mine.kind != LEAF or not _QUOTABLE.fullmatch(str(word)):
        return new
    quote = mine.text[:1] if mine.text[:1] in ("'", '"') else ""
    if not quote and (not _PLAIN.fullmatch(str(word)) or yaml_text.scalar(str(word), plain=True) != new.data):
        return new
    return replace(new, text=f"{quote}{word}{quote}")
