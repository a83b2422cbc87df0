"""Merges by structure: three versions of a TOML, YAML, JSON or line file, told apart by what identifies each entry.

The result is the team's document with the other side's changes in it, and is only given where it reads as exactly
the data that was meant; everything else is for a person to decide. Pure, and in bounded time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from ai_factory.documents import SIZE_LIMIT
from ai_factory.structured import identity
from ai_factory.structured.identity import Place
from ai_factory.structured.nodes import LIST, Node, Unreadable, nodes_of
from ai_factory.structured.threeway import Clash, Hand, Merge, Three
from ai_factory.tree import normalized, with_endings_of

MARK = "\ufeff"  # some editors begin a file with it


class Format(NamedTuple):
    """How one kind of file is read and written, where its root stands for the rules, what may meet."""

    read: Callable[[str], Node]
    hand: Callable[[Node], Hand]
    place: Place = ()
    meet: Callable[[Sequence[Any], Sequence[Any]], bool] = lambda ours, theirs: False


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes) -> bytes | None:
    """Our document with what they changed in it; without a base, both sides added the file.

    None where the format is not known or not readable, where both sides changed one entry differently, and where
    the result would not read as the data that was meant.
    """
    form = format_of(path)
    if form is None or any(len(content) > SIZE_LIMIT for content in (base or b"", ours, theirs)):
        return None
    try:
        found = _merged(form, base, ours, theirs)
    except (Unreadable, Clash, UnicodeDecodeError, RecursionError):
        return None
    return found if sound(path, found, ours, theirs) else None


def _merged(form: Format, base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    mine = _text(ours)
    three = Three(form.read(_text(base)) if base is not None else None, form.read(mine), form.read(_text(theirs)))
    hand = form.hand(three.ours)
    merged = Merge(hand, form.meet).document(three, form.place)
    written = hand.write(merged)
    if form.read(written).data != merged.data:
        raise Unreadable("the text does not say what was meant")
    mark = MARK if ours.decode().startswith(MARK) else ""
    return with_endings_of((mark + written).encode(), ours)


def _text(content: bytes) -> str:
    return normalized(content).decode().removeprefix(MARK)


def sound(path: str, content: bytes, *sides: bytes) -> bool:
    """Whether a file is valid, and has no entry twice that none of the sides has twice; true for unknown formats."""
    form = format_of(path)
    if form is None:
        return True
    try:
        twice = _doubled(form, content)
        return not twice or twice <= frozenset().union(*(_doubled(form, side) for side in sides))
    except (Unreadable, UnicodeDecodeError, RecursionError):
        return False


def _doubled(form: Format, content: bytes) -> frozenset[tuple[Place, Hashable]]:
    if len(content) > SIZE_LIMIT:
        raise Unreadable("too large")
    lists = ((place, node) for place, node in nodes_of(form.read(_text(content)), form.place) if node.kind == LIST)
    return frozenset((place, key) for place, node in lists for key in identity.doubled(place, node.items))


# ---- formats by name -----------------------------------------------------------------------------


def _toml() -> Format:
    from ai_factory.structured import toml_text

    return Format(toml_text.read, toml_text.Hand.of)


def _yaml() -> Format:
    from ai_factory.structured import yaml_hand, yaml_text

    return Format(yaml_text.read, yaml_hand.Hand.of)


def _json() -> Format:
    from ai_factory.structured import json_text

    return Format(json_text.read, json_text.Hand.of)


def _requirements() -> Format:
    from ai_factory.structured import line_text

    return Format(line_text.requirements, line_text.Hand.of, ("requirements",))


def _ignored() -> Format:
    from ai_factory.structured import line_text

    return Format(line_text.patterns, line_text.Hand.of, (identity.IGNORED,), line_text.agree)


def _patterns() -> Format:
    from ai_factory.structured import line_text

    return Format(line_text.patterns, line_text.Hand.of, (identity.LAST_COUNTS,), line_text.lie_apart)


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
