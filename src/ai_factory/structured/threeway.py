"""Three trees to one: the team's, with what the other side changed, or a clash that a person must decide.

Rules of this file: entries are told apart by what identifies them; what both sides changed differently is a
clash, never a guess; a comment goes with its entry, and one that the team wrote is never dropped.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ai_factory.structured import brackets, comments, identity, sequence
from ai_factory.structured.identity import Keys, Place
from ai_factory.structured.nodes import (
    BLOCK,
    FLOW,
    LEAF,
    LIST,
    MAP,
    TABLE,
    Clash,
    Item,
    Member,
    Node,
    Strange,
    Three,
    data_of,
    holding,
    own_remarks,
    remarks,
    step,
)
from ai_factory.structured.sequence import Apart, Meet

Join = Callable[[Node, Node], Node]  # our document with what theirs has in addition; raises Clash


class Hand(Protocol):
    """How the team writes a format: what comes into its document looks like the rest of it."""

    def enter(self, container: Node, origin: Node, item: Item, /) -> Item:
        """The other side's item, from a container of theirs, in one of ours."""

    def trade(self, container: Node, origin: Node, mine: Item, new: Item, /) -> Item:
        """Our item with the other side's value."""

    def write(self, merged: Node) -> str:
        """The document."""

    def renamed(self, root: Node, old: Place, new: Place, /) -> str:
        """Our document with one entry under another key, where it stands; nothing where that cannot be."""

    def alone(self, origin: Node, item: Item, keys: Place, /) -> str:
        """A document that holds one member of `origin`, at `keys`."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge in the team's hand; `meet` says whether what both sides add at one place may stand there together.

    Where there is a `join`, an entry that both sides added, each in its own way, is no clash: ours stays. It makes one
    of two documents whose entries do not tell.
    """

    hand: Hand
    meet: Meet
    join: Join | None = None

    def document(self, three: Three, place: Place) -> Node:
        """The merged document, whose root stands at `place` for the rules of identity. Raises Clash."""
        try:
            found = self._value(three, place)
        except Clash:
            if self.join is None:
                raise
            return self.join(three.ours, three.theirs)
        if found is None:
            raise Clash
        return found

    def _entry(self, three: Three, place: Place) -> Node | None:
        """The same as `_value`, of an entry: ours stays where both sides added it, and the two are to be joined."""
        try:
            return self._value(three, place)
        except Clash:
            if self.join is None or three.base:
                raise
            return three.ours

    def _value(self, three: Three, place: Place) -> Node | None:
        """Our value with what they changed in it; None where theirs takes its place."""
        base, ours, theirs = three
        if _alike(three):
            try:
                return self._container(three, place)
            except Strange:  # the two are written in ways that do not go together
                pass
        if ours.data == theirs.data or (base and theirs.data == base.data):
            return ours
        if base is None or ours.data != base.data or own_remarks(ours) - own_remarks(base):
            raise Clash(place)
        return None

    def _container(self, three: Three, place: Place) -> Node:
        if three.ours.kind == MAP:
            names = tuple(tuple(item.key for item in node.items) if node else () for node in three)
            return self._members(three, names, place, ordered=False)
        base = three.base.items if three.base else None
        found = identity.keyed(place, base, three.ours.items, three.theirs.items)
        if found is None or (base is None and not found.rule.named):
            return self._members(three, self._aligned(three), place, ordered=False)
        keys = found.keys if three.base else ((), *found.keys)
        _refuse_replaced(*keys)
        return self._members(three, keys, place, ordered=found.rule.ordered)

    def _aligned(self, three: Three) -> tuple[Keys, ...]:
        """Keys for the items of a list in which only their sequence tells what is what."""
        base, ours, theirs = ([item.node.data for item in node.items] if node else [] for node in three)
        if three.base is None and ours != theirs:
            raise Clash
        try:
            return sequence.aligned(base, ours, theirs, self.meet)
        except Apart:
            raise Clash from None

    def _members(self, three: Three, keys: tuple[Keys, ...], place: Place, *, ordered: bool) -> Node:
        members = _by_key(three, keys)
        found = {key: self._member(three, member, place) for key, member in members.items()}
        alive = {key: item for key, item in found.items() if item}
        order = _order(keys[0], *([key for key in row if key in alive] for row in keys[1:]), ordered=ordered)
        rests = dict(comments.rests(three, members, keys[1], alive))
        items = [comments.after(three.ours, rests.get(key, ()), alive[key]) for key in order]
        return closed(three.ours, items, comments.foot(three, rests.get(None, ())))

    def _member(self, three: Three, member: Member, place: Place) -> Item | None:
        base, ours, theirs = member
        if ours and theirs:
            inner = (*place, step(ours))
            versions = Three(base.node if base else None, ours.node, theirs.node)
            node = None if _is_filled(three.ours, versions) else self._entry(versions, inner)
            if node is None:
                return comments.commented(three, member, self.hand.trade(three.ours, three.theirs, ours, theirs))
            return comments.commented(three, member, ours if node is ours.node else replace(ours, node=node))
        if ours:
            _check_removable(base, ours, place)
            return ours if base is None else None
        if theirs is None:
            return None
        if base is None:
            return self.hand.enter(three.ours, three.theirs, theirs)
        if theirs.node.data != base.node.data:
            raise Clash(place)
        return None


def _is_filled(container: Node, three: Three) -> bool:
    """Whether they put something into what is empty, with room for it to stand as they wrote it."""
    base, ours, theirs = three
    roomy = container.form == BLOCK or (container.form == FLOW and brackets.is_tall(container))
    return bool(roomy and base and ours.data == base.data and not ours.items and theirs.items) and not own_remarks(ours)


def _check_removable(base: Item | None, ours: Item, place: Place) -> None:
    """Raise Clash where the team changed what the other side removed."""
    if base is None:
        return
    mine, old = ({*own_remarks(item.node), *_beside(item)} for item in (ours, base))
    if ours.node.data != base.node.data or mine - old:
        raise Clash(place)


def _beside(item: Item) -> list[str]:
    """The comments on an item's own lines."""
    return [remark for part in (item.sep, item.post, item.tail) for remark in remarks(part)]


def _alike(three: Three) -> bool:
    """Whether all versions are containers of one kind, under one anchor and tag."""
    kinds = {(node.kind, node.marks) for node in three if node}
    return len(kinds) == 1 and three.ours.kind != LEAF


def _by_key(three: Three, keys: tuple[Keys, ...]) -> dict[Hashable, Member]:
    members: dict[Hashable, Member] = {}
    for field, node, row in zip(Member._fields, three, keys, strict=True):
        for key, item in zip(row, node.items if node else (), strict=True):
            members[key] = members.get(key, Member())._replace(**{field: item})
    return members


# ---- order ---------------------------------------------------------------------------------------


def _refuse_replaced(base: Keys, ours: Keys, theirs: Keys) -> None:
    """Raise Clash where both sides took out one item, and each put something else in its place."""
    added, new = set(ours) - set(base), set(theirs) - set(base)
    if added - new and new - added and _filled(base, ours) & _filled(base, theirs):
        raise Clash


def _filled(base: Keys, side: Keys) -> set[Hashable]:
    """The items of the base that a side took out, with something new where they stood."""
    places = {key: place for place, key in enumerate(base)}
    last, gaps = -1, set()
    for key in side:
        last = places.get(key, last)
        gaps |= set() if key in places else {last}
    kept, last, filled = set(side), -1, set()
    for place, key in enumerate(base):
        last = place if key in kept else last
        filled |= {key} if key not in kept and last in gaps else set()
    return filled


def _order(base: Keys, ours: Sequence[Hashable], theirs: Sequence[Hashable], *, ordered: bool) -> list[Hashable]:
    """The keys of the result in their order: ours, unless theirs alone has reordered what has an order."""
    shared = set(base) & set(ours) & set(theirs)
    old, mine, new = ([key for key in row if key in shared] for row in (base, ours, theirs))
    if not ordered or new in (old, mine):
        return list(_woven(ours, theirs))
    if mine != old:
        raise Clash
    return list(_woven(theirs, ours))


def _woven(main: Sequence[Hashable], other: Sequence[Hashable]) -> Iterator[Hashable]:
    """The one row with what only the other has, each after the key that it follows there, else before the next."""
    known = set(main)
    before: dict[Hashable, list[Hashable]] = {}
    after: dict[Hashable, list[Hashable]] = {}
    strays: list[Hashable] = []  # that nothing known stands before
    into = strays
    for key in other:
        if key in known:
            before.setdefault(key, strays)
            strays = []
            into = after.setdefault(key, [])
        else:
            into.append(key)
    for key in main:
        yield from before.get(key, ())
        yield key
        yield from after.get(key, ())
    yield from strays


# ---- the result ------------------------------------------------------------------------------------


def closed(container: Node, items: Sequence[Item], foot: str) -> Node:
    """The container with these items."""
    if len(items) == len(container.items) and all(map(operator.is_, items, container.items)) and foot == container.foot:
        return container
    if container.form == FLOW:
        rest = foot if items or remarks(foot) else foot.lstrip()
        made = holding(container, brackets.ranked(items, container))
        return replace(made, foot=rest, comma=container.comma and bool(items))
    if container.form == BLOCK and not items:
        return _emptied(container, foot)
    if container.form == TABLE and container.kind == LIST and not items:
        raise Strange("a list without items has no header")
    if container.inline and items[0].lead:
        if items[0].lead.strip():
            raise Clash
        items = [replace(items[0], lead=""), *items[1:]]
    return replace(holding(container, tuple(items)), foot=foot)


def _emptied(container: Node, foot: str) -> Node:
    """A container whose last item is gone: nothing at all would be another value."""
    if container.marks or remarks(container.head) or remarks(foot):
        raise Clash
    head, end = ("{", "}") if container.kind == MAP else ("[", "]")
    return Node(
        container.kind,
        data_of(container.kind, ()),
        form=FLOW,
        head=head if container.inline else f" {head}",
        foot=end,
    )
