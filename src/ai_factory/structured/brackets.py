"""Containers between brackets, alike in JSON, TOML and YAML: taken apart, and added to in the team's layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ai_factory.structured.nodes import FLOW, LEAF, MAP, Data, Item, Node, Strange, data_of, own_remarks, remarks

_GAP = re.compile(r"((?:\s|#[^\n]*)*),((?:[ \t]*#[^\n]*)?)")  # up to a comma, and the comment behind it
_TRIVIAL = re.compile(r"(?:\s|#[^\n]*)*")
_LAST = re.compile(r"[ \t]*#[^\n]*")


class Span(NamedTuple):
    """Where a member of a container lies: its key (or value) from `start`, the value from `value` to `end`."""

    start: int
    value: int
    end: int
    node: Node
    key: Data | None = None
    name: str = ""


def bracketed(source: str, bounds: tuple[int, int, int], spans: Sequence[Span], kind: str, marks: str = "") -> Node:
    """The container that begins, opens its bracket and ends at `bounds`."""
    start, opened, end = bounds
    position, items, comma = opened + 1, [], False
    for number, span in enumerate(spans, 1):
        last = number == len(spans)
        lead = source[position : span.start]
        if not _TRIVIAL.fullmatch(lead):
            raise Strange("more than white space and comments between two members")
        post, tail, comma = _parted(source[span.end : end - 1 if last else spans[number].start], last=last)
        position = span.end + len(post) + comma + len(tail)
        sep = source[span.start + len(span.name) : span.value]
        items.append(Item(span.key, span.node, lead, span.name, sep, post, tail))
    return Node(
        kind,
        data_of(kind, items, marks),
        form=FLOW,
        items=tuple(items),
        head=source[start : opened + 1],
        foot=source[position:end],
        indent=next((item.lead.rpartition("\n")[2] for item in items if "\n" in item.lead), ""),
        comma=comma,
        marks=marks,
    )


def _parted(gap: str, *, last: bool) -> tuple[str, str, bool]:
    """What stands before the comma, what behind it on its line, and whether there is one."""
    found = _GAP.match(gap)
    if found:
        return found[1], found[2], True
    if not last:
        raise Strange("no comma where one must be")
    tail = _LAST.match(gap)
    return "", tail[0] if tail else "", False


def is_tall(node: Node) -> bool:
    """Whether each item begins a line."""
    return bool(node.items) and all("\n" in item.lead for item in node.items[1:] or node.items)


def entered(container: Node, item: Item, unit: str) -> Item:
    """The other side's item as it stands in this container of the team's; `unit` is one step of indentation."""
    name, sep = (item.name.strip(), _sep(container, item)) if container.kind == MAP else ("", "")
    node = laid(item.node, container.indent, unit)
    if is_tall(container):
        tail = item.tail.rstrip() if remarks(item.tail) else ""
        return Item(item.key, node, lines(item.lead, container.indent), name, sep, "", tail)
    return Item(item.key, node, _gap(container) if container.items else "", name, sep)


def _sep(container: Node, item: Item) -> str:
    """What stands between a key and its value here."""
    return container.items[0].sep if container.items and "\n" not in container.items[0].sep else item.sep


def _gap(container: Node) -> str:
    """What stands before each item but the first of a line."""
    if len(container.items) > 1:
        return container.items[1].lead
    return "" if container.items[0].sep.endswith(":") else " "


def lines(lead: str, indent: str) -> str:
    """The comments of a lead, each on a line of its own, and the line break before the item."""
    lines = [line.strip() for line in lead.split("\n")[1:-1]]
    while lines and not lines[0]:
        lines.pop(0)
    return "".join(f"\n{indent}{line}" if line else "\n" for line in lines) + f"\n{indent}"


def flat(node: Node, sep: str, name: Callable[[Item], str]) -> Node:
    """A value on one line, between brackets. Raises Strange for one with comments, or with a text of several lines."""
    if node.kind == LEAF and "\n" not in node.text:
        return node if node.text else replace(node, text="null")
    if node.kind == LEAF or node.marks or own_remarks(node):
        raise Strange("what needs lines of its own cannot stand between brackets")
    items = tuple(
        Item(item.key, flat(item.node, sep, name), " " if number else "", *((name(item), sep) if item.key else ()))
        for number, item in enumerate(node.items)
    )
    space = " " if node.kind == MAP and items else ""
    head, foot = ("{", "}") if node.kind == MAP else ("[", "]")
    return Node(node.kind, node.data, form=FLOW, items=items, head=head + space, foot=space + foot)


def laid(node: Node, indent: str, unit: str) -> Node:
    """A value between brackets, its lines indented for a parent whose line begins with `indent`."""
    if node.form != FLOW:
        return node
    inner = indent + unit
    items = tuple(
        replace(
            item,
            lead=_moved(item.lead, inner, inner),
            post=_moved(item.post, inner, inner),
            node=laid(item.node, inner if "\n" in item.lead else indent, unit),
        )
        for item in node.items
    )
    return replace(node, items=items, foot=_moved(node.foot, inner, indent), indent=inner if node.indent else "")


def _moved(part: str, indent: str, last: str) -> str:
    """The lines of what stands between items at another indentation, the last of them at one of its own."""
    first, *rest = part.split("\n")
    lines = [f"{indent}{line.strip()}" if line.strip() else "" for line in rest[:-1]]
    return "\n".join([first, *lines, *(last + line.strip() for line in rest[-1:])])


def ranked(items: Sequence[Item], before: Node) -> tuple[Item, ...]:
    """The items in their new order: on one line, the first stands as the first did, the others as the others did."""
    if not items or not before.items or is_tall(before):
        return tuple(items)
    first, gap = before.items[0].lead, _gap(before)
    head = items[0] if "\n" in items[0].lead else replace(items[0], lead=first)
    return (head, *(replace(item, lead=gap) if item.lead == first else item for item in items[1:]))
