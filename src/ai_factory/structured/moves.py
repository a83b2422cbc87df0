"""Entries that move to other keys: with their comments, and with whatever value they have in each document."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_factory.structured.nodes import MAP, Data, Item, Node, Strange, Three, mapping, step
from ai_factory.structured.threeway import Merge, closed

if TYPE_CHECKING:
    from ai_factory.structured import Format

Keys = tuple[str, ...]

_KEY = re.compile(r'"([^"]+)"|([^."\s]+)')


def keys_of(place: str) -> Keys:
    """The keys in a text such as `tool.ruff."per-file.ignores"`."""
    return tuple(quoted or bare for quoted, bare in _KEY.findall(place))


def moved(form: Format, source: str, old: Keys, new: Keys) -> str:
    """The document with what stands at `old` standing at `new`; one that has nothing there stays as it is.

    Raises Clash or Strange where something else stands there already, or the text cannot be taken apart.
    """
    root = form.read(source)
    item, target = _found(root, old), _found(root, new)
    if item is None:
        return source
    hand = form.hand(root)
    written = "" if target else hand.renamed(root, old, new)
    written = written or _carried(form, root, old, new)
    after = form.read(written)
    arrived = _found(after, new)
    if _rest(after, old, new) != _rest(root, old, new) or not arrived:
        raise Strange("more than the entry would move")
    if arrived.node.data != item.node.data and not target:
        raise Strange("the entry would not arrive as it was")
    return written


def _found(node: Node, keys: Keys) -> Item | None:
    """The member to which the keys lead, through mappings alone."""
    for item in node.items if node.kind == MAP else ():
        if step(item) == keys[0]:
            return item if len(keys) == 1 else _found(item.node, keys[1:])
    return None


def _carried(form: Format, root: Node, old: Keys, new: Keys) -> str:
    """The document without the entry, into which the entry alone is merged as if two people had written them."""
    hand = form.hand(root)
    origin, item = _found(root, old[:-1]) if old[1:] else None, _found(root, old)
    assert item
    rest = form.read(hand.write(_without(root, old)))
    alone = form.read(hand.alone(origin.node if origin else root, item, new))
    merged = Merge(form.hand(rest), form.meet).document(Three(None, rest, alone), form.place)
    return form.hand(rest).write(merged)


def _without(node: Node, keys: Keys) -> Node:
    """The mapping without the entry to which the keys lead."""
    items = [
        replace(item, node=_without(item.node, keys[1:])) if step(item) == keys[0] else item
        for item in node.items
        if keys != (step(item),)
    ]
    return closed(node, items, node.foot)


def _rest(node: Node, *places: Keys) -> Data:
    """What a mapping says besides the entries at these places; that it holds something empty says nothing."""
    if node.kind != MAP:
        return node.data
    members = [
        (item.key or (), _rest(item.node, *(keys[1:] for keys in places if keys[:1] == (step(item),))))
        for item in node.items
        if (step(item),) not in places
    ]
    return mapping((key, data) for key, data in members if data != mapping(()))
