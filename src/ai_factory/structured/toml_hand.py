"""How the team writes TOML: what comes into its document gets its indentation, its tables and its quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ai_factory.structured import brackets, toml_lines
from ai_factory.structured.nodes import LEAF, LIST, MAP, TABLE, Item, Node, Strange, own_remarks, remarks, text
from ai_factory.structured.toml_text import Document, Keys, New, Section, Statement, key_text, value_of


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
        return toml_lines.written(self.ours, merged)

    def renamed(self, root: Node, old: Keys, new: Keys) -> str:
        """Our document with one entry under another key, where it stands."""
        return toml_lines.renamed(root.source, old, new)

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
    return replace(new, text=word) if plain and value_of(word) == new.data else new
