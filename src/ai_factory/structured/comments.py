"""Comments of three versions: they go with their entry, and one that the team wrote is never dropped."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ai_factory.structured import brackets
from ai_factory.structured.identity import Keys
from ai_factory.structured.nodes import (
    BLOCK,
    FLOW,
    LINES,
    TABLE,
    Clash,
    Item,
    Member,
    Node,
    Three,
    reindented,
    remarks,
)


def commented(three: Three, member: Member, item: Item) -> Item:
    """Our item with the comments that they changed and the team did not."""
    base, ours, theirs = member
    if not (base and ours and theirs) or three.ours.form != three.theirs.form or item.source is not ours.source:
        return item
    if three.ours.form == FLOW and not (brackets.is_tall(three.ours) and "\n" in item.lead):
        return item
    if _changed(base.lead, ours.lead, theirs.lead):
        item = replace(item, lead=_moved(three, theirs.lead))
    if _changed(base.tail, ours.tail, theirs.tail) and item.tail == ours.tail:
        item = replace(item, tail=_ended(three.ours, theirs.tail, ours.tail))
    return item


def _changed(base: str, ours: str, theirs: str) -> bool:
    """Whether they alone changed the comments."""
    return remarks(base) == remarks(ours) != remarks(theirs)


def _moved(three: Three, lead: str) -> str:
    """What stands above one of their items, as it stands in the team's container."""
    if three.ours.form == FLOW:
        return brackets.lines(lead, three.ours.indent)
    return reindented(lead, three.theirs.indent, three.ours.indent)


def _ended(container: Node, tail: str, before: str) -> str:
    if container.form == FLOW:
        return tail.rstrip()
    return tail.rstrip() + ("\n" if before.endswith("\n") else "")


def rests(
    three: Three, members: Mapping[Hashable, Member], row: Keys, alive: Mapping[Hashable, Item]
) -> Iterator[tuple[Hashable, list[str]]]:
    """Comments above removed items that stay: the team's, and those that they keep; by the item that follows."""
    pending: list[str] = []
    theirs = _shown(three.theirs) if any(key not in alive for key in row) else set()
    for key in row:
        if key in alive:
            yield key, pending
            pending = []
            continue
        base, ours, _ = members[key]
        assert base
        assert ours
        old = set(remarks(base.lead)) - theirs
        pending += [line.strip() for line in ours.lead.split("\n") if line.strip() and line.strip() not in old]
    yield None, pending


def _shown(node: Node) -> set[str]:
    """The comments between the items of a container."""
    return {remark for part in (node.foot, *(item.lead for item in node.items)) for remark in remarks(part)}


def after(container: Node, rest: Iterable[str], item: Item) -> Item:
    """The item, with comments above it that have lost theirs."""
    lines = [line for line in rest if line not in remarks(item.lead)]
    return replace(item, lead=_above(container, lines) + item.lead) if lines else item


def _above(container: Node, lines: Sequence[str]) -> str:
    if container.form != FLOW:
        return "".join(f"{container.indent}{line}\n" for line in lines)
    if not brackets.is_tall(container):
        raise Clash
    return "".join(f"\n{container.indent}{line}" for line in lines)


def foot(three: Three, rest: Sequence[str]) -> str:
    """What stands behind the last item."""
    base, ours, theirs = three
    if rest and ours.form == TABLE:
        raise Clash
    foot = ours.foot
    same = ours.form == theirs.form and ours.form in (BLOCK, LINES)
    if base and same and _changed(base.foot, foot, theirs.foot):
        foot = reindented(theirs.foot, theirs.indent, ours.indent)
    return _above(ours, [line for line in rest if line not in remarks(foot)]) + foot if rest else foot
