"""Two ignore files as one, where neither takes back what the other says: the last pattern that matches counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ai_factory.structured.nodes import Clash, Item, Node, holding
from ai_factory.tree import above

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LIMIT = 1_000  # patterns that are compared with each other
_CLASS = re.compile(r"\[(?![!^])(\\?.)[^\]]*\]")
_OTHERS = re.compile(r"\[[!^][^\]]*\]|\*+|\?")
_ESCAPED = re.compile(r"\\(.)")


def in_front(ours: Node, theirs: Node) -> Node:
    """Our file with the patterns that it lacks in front: where both speak of a file, ours come last, and count.

    Raises Clash where the file as a whole would say something else than one side does of what that side names.
    """
    known = {item.node.data for item in ours.items}
    found = holding(ours, (*(item for item in theirs.items if item.node.data not in known), *ours.items))
    if len(found.items) > LIMIT:
        raise Clash
    whole = _spec(found.items)
    for side in (ours, theirs):
        alone = _spec(side.items)
        if any(_is_ignored(alone, path) != _is_ignored(whole, path) for path in _named(side.items)):
            raise Clash
    return found


def _spec(items: Sequence[Item]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines([item.node.text for item in items])


def _is_ignored(spec: GitIgnoreSpec, path: str) -> bool:
    """Whether git ignores a path, or a folder above it: nothing brings back what is in an ignored folder."""
    return any(_last(spec, place) for place in (*(f"{folder}/" for folder in above(path.rstrip("/"))), path))


def _last(spec: GitIgnoreSpec, path: str) -> bool:
    """What the last pattern says that matches."""
    matching = (one.include for one in reversed(spec.patterns) if one.include is not None and one.match_file(path))
    return bool(next(matching, False))


def _named(items: Sequence[Item]) -> Iterator[str]:
    """For each pattern, a file and a folder that it matches."""
    for item in items:
        name = item.node.text.rstrip().removeprefix("!")
        name = _ESCAPED.sub(r"\1", _OTHERS.sub("x", _CLASS.sub(r"\1", name)))
        yield name.strip("/") + "/"
        if not name.endswith("/"):
            yield name.strip("/")
