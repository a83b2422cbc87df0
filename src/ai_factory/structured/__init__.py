"""Merges by structure: three versions of a TOML, YAML, JSON or line file, told apart by what identifies each entry.

The result is the team's document with the other side's changes in it, and is only given where it reads as exactly
the data that was meant; everything else is for a person to decide. Pure, and in bounded time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory.documents import SIZE_LIMIT
from ai_factory.tree import normalized, with_endings_of

if TYPE_CHECKING:  # a sync in which no such file was changed by both sides waits for none of these
    from ai_factory.structured.nodes import Node
    from ai_factory.structured.threeway import Hand

MARK = "\ufeff"  # some editors begin a file with it


def _apart(_ours: Node, _theirs: Node) -> Node:
    """Two documents that a person must put together."""
    from ai_factory.structured.nodes import Clash

    raise Clash


class Format(NamedTuple):
    """How one kind of file is read, written and checked, where its root stands for the rules, what may meet.

    `join` makes one of two documents whose entries do not tell, where that can be.
    """

    read: Callable[[str], Node]
    hand: Callable[[Node], Hand]
    check: Callable[[str], object] = lambda source: None
    place: tuple[str, ...] = ()
    meet: Callable[[Sequence[Any], Sequence[Any]], bool] = lambda ours, theirs: False
    join: Callable[[Node, Node], Node] = _apart


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes) -> bytes | None:
    """Our document with what they changed in it; without a base, both sides added the file.

    None where the format is not known or not readable, where both sides changed one entry differently, and where
    the result would not read as the data that was meant.
    """
    return _found(path, base, ours, theirs, joins=False)


def joined(path: str, ours: bytes, theirs: bytes) -> bytes | None:
    """Our document with the entries of theirs that it lacks; where both have one, ours stays.

    None where the format is not known or not readable, where nobody can say what belongs together, and where the
    result would not read as the data that was meant.
    """
    return _found(path, None, ours, theirs, joins=True)


def _found(path: str, base: bytes | None, ours: bytes, theirs: bytes, *, joins: bool) -> bytes | None:
    form = format_of(path)
    if form is None or any(len(content) > SIZE_LIMIT for content in (base or b"", ours, theirs)):
        return None
    from ai_factory.structured.nodes import Clash, Unreadable

    try:
        found = _merged(form, base, ours, theirs, joins=joins)
    except (Unreadable, Clash, UnicodeError, RecursionError):
        return None
    return found if sound(path, found, ours, theirs) else None


def agrees(path: str, base: bytes, ours: bytes, theirs: bytes, merged: bytes) -> bool:
    """Whether a merge by lines reads as the data that is meant; true where the entries tell nothing.

    Lines that do not touch can still clash: one side removes an entry that the other moves, or both add one.
    """
    form = format_of(path)
    if form is None or any(len(content) > SIZE_LIMIT for content in (base, ours, theirs, merged)):
        return True
    from ai_factory.structured.nodes import Clash, Unreadable

    try:
        meant = _merged(form, base, ours, theirs)
        return form.read(_text(meant)).data == form.read(_text(merged)).data
    except Clash:
        return False
    except (Unreadable, UnicodeError, RecursionError):
        return True


def _merged(form: Format, base: bytes | None, ours: bytes, theirs: bytes, *, joins: bool = False) -> bytes:
    from ai_factory.structured.nodes import Clash, Strange, Three, own_remarks
    from ai_factory.structured.threeway import Merge

    mine = _text(ours)
    three = Three(form.read(_text(base)) if base is not None else None, form.read(mine), form.read(_text(theirs)))
    hand = form.hand(three.ours)
    merged = Merge(hand, form.meet, form.join if joins else None).document(three, form.place)
    written = hand.write(merged)
    again = form.read(written)
    if again.data != merged.data:
        raise Strange("the text does not say what was meant")
    if own_remarks(three.ours) - (own_remarks(three.base) if three.base else set()) - own_remarks(again):
        raise Clash  # a comment of the team's found no place
    return _bytes(written, ours)


def _bytes(written: str, before: bytes) -> bytes:
    """The text with the mark and the line endings that the content had."""
    mark = MARK if before.decode().startswith(MARK) else ""
    return with_endings_of((mark + written).encode(), before)


def _text(content: bytes) -> str:
    return normalized(content).decode().removeprefix(MARK)


def moved(path: str, content: bytes, moves: Sequence[tuple[str, str]]) -> bytes | None:
    """The document with entries moved, in order, each from one dotted key to another, comments and all.

    An entry that is not there is not moved. None where the format is not known or not readable, and where something
    else stands at the new key already.
    """
    form = format_of(path)
    if form is None or len(content) > SIZE_LIMIT:
        return None
    from ai_factory.structured import moves as moving
    from ai_factory.structured.nodes import Clash, Unreadable

    try:
        found = _text(content)
        for old, new in moves:
            found = moving.moved(form, found, moving.keys_of(old), moving.keys_of(new))
        return _bytes(found, content)
    except (Unreadable, Clash, UnicodeError, RecursionError):
        return None


def sound(path: str, content: bytes, *sides: bytes) -> bool:
    """Whether a file is valid, and has no entry twice that none of the sides has twice; true for unknown formats."""
    form = format_of(path)
    if form is None:
        return True
    from ai_factory.structured.nodes import Unreadable

    try:
        twice = _doubled(form, content)
        return not twice or twice <= frozenset().union(*(_doubled(form, side) for side in sides))
    except (Unreadable, UnicodeDecodeError, RecursionError):
        return False


def valid(path: str, content: bytes) -> bool:
    """Whether a file is what its name says; true for unknown formats."""
    return sound(path, content, content)


def _doubled(form: Format, content: bytes) -> frozenset[Hashable]:
    """The entries that stand twice. Raises Unreadable for what is no document of the format."""
    from ai_factory.structured import identity
    from ai_factory.structured.nodes import LIST, Strange, nodes_of

    if len(content) > SIZE_LIMIT:
        form.check(_text(content))
        return frozenset()
    try:
        root = form.read(_text(content))
    except Strange:
        return frozenset()
    lists = ((place, node) for place, node in nodes_of(root, form.place) if node.kind == LIST)
    return frozenset((place, key) for place, node in lists for key in identity.doubled(place, node.items))


# ---- formats by name -----------------------------------------------------------------------------


def _toml() -> Format:
    from ai_factory.structured import toml_hand, toml_text

    return Format(toml_text.read, toml_hand.Hand.of, toml_text.check)


def _yaml() -> Format:
    from ai_factory.structured import yaml_hand, yaml_text

    return Format(yaml_text.read, yaml_hand.Hand.of, yaml_text.check, join=yaml_text.begun)


def _json() -> Format:
    from ai_factory.structured import json_text

    return Format(json_text.read, json_text.Hand.of, json_text.check)


def _requirements() -> Format:
    from ai_factory.structured import line_text

    return Format(line_text.requirements, line_text.Hand.of, place=("requirements",))


def _ignored() -> Format:
    from ai_factory.structured import identity, ignoring, line_text

    return Format(
        line_text.patterns, line_text.Hand.of, place=(identity.IGNORED,), meet=line_text.agree, join=ignoring.in_front
    )


def _patterns() -> Format:
    from ai_factory.structured import identity, line_text

    return Format(line_text.patterns, line_text.Hand.of, place=(identity.LAST_COUNTS,), meet=line_text.lie_apart)


def _environment() -> Format:
    from ai_factory.structured import line_text

    return Format(line_text.environment, line_text.Hand.of)


FORMATS = (  # by the end of a path, the first that fits
    (r"\.toml", _toml),
    (r"\.ya?ml", _yaml),
    (r"\.json", _json),
    (r"(?:^|/)(?:requirements|constraints)[^/]*\.(?:txt|in)", _requirements),
    (r"(?:^|/)requirements/[^/]*\.(?:txt|in)", _requirements),
    (r"(?:^|/)\.[^/]*ignore", _ignored),
    (r"(?:^|/)(?:\.gitattributes|CODEOWNERS)", _patterns),
    (r"(?:^|/)\.env(?:\.[^/]*)?|[^/]\.env", _environment),
)


def format_of(path: str) -> Format | None:
    """The format that a file's name tells."""
    return next((form() for pattern, form in FORMATS if re.search(rf"(?:{pattern})\Z", path)), None)
