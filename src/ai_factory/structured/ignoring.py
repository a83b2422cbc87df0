"""Ignore files as git reads them, and two as one, where neither takes back what the other says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ai_factory.structured.nodes import Clash, Node, holding
from ai_factory.tree import above

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LIMIT = 400  # patterns that are compared with each other
_CLASS = re.compile(r"\[(?![!^])(\\?.)[^\]]*\]")
_OTHERS = re.compile(r"\[[!^][^\]]*\]|\*+|\?")
_ESCAPED = re.compile(r"\\(.)")


def spec(lines: Iterable[str]) -> GitIgnoreSpec:
    """The patterns of these lines; one that git can make nothing of, such as `!` alone, matches nothing."""
    from pathspec import GitIgnoreSpec

    def reads(line: str) -> bool:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            return False
        return True

    return GitIgnoreSpec.from_lines([line for line in lines if reads(line)])


class _Pattern(NamedTuple):
    """A line as git holds it against one path alone, whatever lies above or below."""

    text: str  # without `!` and the slash at its end
    takes_back: bool
    only_folders: bool
    spec: GitIgnoreSpec

    def matches(self, path: str, is_folder: bool) -> bool:
        if self.only_folders and not is_folder:
            return False
        if "/" not in self.text.removeprefix("**/"):
            return self.spec.match_file(path.rpartition("/")[2])
        is_as_deep = "**" in self.text or self.text.lstrip("/").count("/") == path.count("/")
        return is_as_deep and self.spec.match_file(path)


def in_front(ours: Node, theirs: Node) -> Node:
    """Our file with the patterns that it lacks in front: where both speak of a file, ours come last, and count.

    Raises Clash where the file as a whole would say something else than one side does of what that side names.
    """
    known = {item.node.data for item in ours.items}
    found = holding(ours, (*(item for item in theirs.items if item.node.data not in known), *ours.items))
    if len(found.items) > LIMIT:
        raise Clash
    whole = _patterns(found)
    for side in map(_patterns, (ours, theirs)):
        for path, is_folder in _named(side):
            if _is_ignored(side, path, is_folder) != _is_ignored(whole, path, is_folder):
                raise Clash
    return found


def _patterns(file: Node) -> list[_Pattern]:
    return [_pattern(item.node.text.rstrip()) for item in file.items]


def _pattern(line: str) -> _Pattern:
    name = line.removeprefix("!")
    text = name.removesuffix("/")
    return _Pattern(text, name != line, text != name, spec([text]))


def _is_ignored(patterns: Sequence[_Pattern], path: str, is_folder: bool) -> bool:
    """Whether git ignores a path, or a folder above it: nothing brings back what is in an ignored folder."""
    return any(_last(patterns, folder, True) for folder in above(path)) or _last(patterns, path, is_folder)


def _last(patterns: Sequence[_Pattern], path: str, is_folder: bool) -> bool:
    """What the last pattern says that matches."""
    matching = (not one.takes_back for one in reversed(patterns) if one.matches(path, is_folder))
    return next(matching, False)


def _named(patterns: Iterable[_Pattern]) -> Iterator[tuple[str, bool]]:
    """For each pattern, a file and a folder that it matches."""
    for one in patterns:
        path = _ESCAPED.sub(r"\1", _OTHERS.sub("x", _CLASS.sub(r"\1", one.text))).strip("/")
        yield path, True
        if not one.only_folders:
            yield path, False
