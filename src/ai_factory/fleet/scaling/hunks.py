"""A team's edit of a file, hunk by hunk, in words that are the same in every project: its answers turned into names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from ai_factory.fleet.scaling.shares import LINES
from ai_factory.tree import is_binary, normalized

CONTEXT = 3  # lines around a hunk that tell where it is
SHORTEST = 3  # characters of an answer that is looked for: a shorter one stands in too many words
HUNKS = 200  # of one file: who changed more wrote it anew
LONGEST = 400  # lines of one hunk

Names = Sequence[tuple[str, str]]  # what stands in a text, and the name of the answer that it is


class Hunk(NamedTuple):
    """Lines that were removed, those that stand in their place, and what stands around them in the base."""

    before: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def old(self) -> tuple[str, ...]:
        """What the base has there, with what stands around it."""
        return self.before + self.removed + self.after

    @property
    def new(self) -> tuple[str, ...]:
        """The same as it was edited."""
        return self.before + self.added + self.after

    def mapped(self, names: Names) -> Hunk:
        """The hunk with answers turned into names."""
        return Hunk(*(tuple(named(line, names) for line in part) for part in self))

    def essence(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What alike hunks have in common: the lines that go and come, whatever the space in and around them."""
        removed, added = (tuple(filter(None, (" ".join(line.split()) for line in part))) for part in self[1:3])
        return removed, added


def lines_of(content: bytes) -> list[str] | None:
    """The lines of a text in UTF-8, whatever they end in; None of anything else."""
    if is_binary(content):
        return None
    try:
        lines = normalized(content).decode().split("\n")
    except UnicodeDecodeError:
        return None
    return lines[:-1] if lines[-1] == "" else lines


def hunks(base: bytes, ours: bytes) -> list[Hunk]:
    """What was edited; nothing of what is no text, or longer than anybody edits by hand."""
    old, new = lines_of(base), lines_of(ours)
    if old is None or new is None or max(len(old), len(new)) > LINES:
        return []
    found = list(_hunks(old, new))
    return found if len(found) <= HUNKS else []


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[Hunk]:
    for tag, begin, end, first, last in SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal" or max(end - begin, last - first) > LONGEST:
            continue
        around = old[max(0, begin - CONTEXT) : begin], old[end : end + CONTEXT]
        yield Hunk(tuple(around[0]), tuple(old[begin:end]), tuple(new[first:last]), tuple(around[1]))


def names(answers: Mapping[str, Any], *places: str) -> Names:
    """The answers whose words stand in one of these texts (a path, a base): the template may have put them there.

    The longest come first, so that one that stands in another is not found in it.
    """
    known = [(value, name) for name, value in answers.items() if isinstance(value, str) and len(value) >= SHORTEST]
    stands = [(value, name) for value, name in known if any(value in text for text in places)]
    return sorted(dict(sorted(stands, reverse=True)).items(), key=lambda pair: (-len(pair[0]), pair))


def named(text: str, known: Names) -> str:
    """The text with each answer's words as `{{ name }}`, where they are no part of a longer word."""
    if not known:
        return text
    by_value = dict(known)
    pattern = "|".join(re.escape(value) for value, _ in known)
    found = rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])"
    return re.sub(found, lambda match: f"{{{{ {by_value[match[0]]} }}}}", text)
