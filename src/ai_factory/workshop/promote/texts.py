"""The lines of a template: what of each is text and what is Jinja; which are written more than once, or raw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ai_factory.sandbox import tokens

REPEATED = ("for", "macro", "call")  # what stands in one of these is written as often as it is asked for
BLOCKS = (*REPEATED, "if", "filter", "block", "with", "raw")
HARMLESS = ("set", "import", "from", "raw", "endraw")  # tags between two lines that do not matter to what is put there
_LINES = re.compile(r"[^\n]*\n|[^\n]+")  # as git has them: a form feed ends none


class Part(NamedTuple):
    """A piece of a line: text, or code of the template."""

    text: str
    is_code: bool


class Line(NamedTuple):
    """A line of a template."""

    parts: tuple[Part, ...]
    tags: tuple[str, ...]  # the names of those that begin in it
    is_repeated: bool  # whether it touches what is written more than once
    is_raw: bool  # whether it begins where Jinja means nothing
    is_whole: bool  # whether no piece of code runs over an end of it


class _Code(NamedTuple):
    begin: int
    end: int
    tag: str = ""  # the name of the tag that it is, if it is one


def split(text: str) -> list[str]:
    """The lines of a text, each with its end."""
    return _LINES.findall(text)


def lines_of(source: str) -> list[Line]:
    """The lines of a template that Jinja can read, and whose lines end in LF."""
    codes = list(_codes(source))
    found: list[Line] = []
    inside: list[str] = []  # the blocks that are open
    begin = 0
    for text in split(source):
        end = begin + len(text)
        is_raw, touched = "raw" in inside, set(inside)
        tags = [one.tag for one in codes if one.tag and begin <= one.begin < end]
        for tag in tags:
            _follow(inside, tag)
            touched |= set(inside)
        own = [one for one in codes if one.begin < end and begin < one.end]
        whole = all(begin <= one.begin and one.end <= end for one in own)
        parts = tuple(_parts(text, begin, own))
        found.append(Line(parts, tuple(tags), bool(touched & {*REPEATED}), is_raw, whole))
        begin = end
    return found


def _follow(inside: list[str], tag: str) -> None:
    if tag in BLOCKS:
        inside.append(tag)
    elif tag.startswith("end") and tag.removeprefix("end") in inside:
        while inside.pop() != tag.removeprefix("end"):
            pass


def _parts(text: str, begin: int, codes: Iterable[_Code]) -> Iterator[Part]:
    place = 0
    for one in codes:
        first, last = max(one.begin - begin, 0), min(one.end - begin, len(text))
        if place < first:
            yield Part(text[place:first], is_code=False)
        yield Part(text[first:last], is_code=True)
        place = last
    if place < len(text):
        yield Part(text[place:], is_code=False)


def _codes(source: str) -> Iterator[_Code]:
    """Each tag, expression and comment, without the space around it that it takes away."""
    place = begin = 0
    tag, wants_name = "", False
    for kind, value in tokens(source):
        start = source.index(value, place)  # what a tag takes away before it is in no kind
        place = start + len(value)
        if kind.endswith("_begin"):
            begin, tag, wants_name = start, "", kind == "block_begin"
        elif wants_name and kind == "name":
            tag, wants_name = value, False
        if kind in ("raw_begin", "raw_end"):
            yield _Code(start, start + len(value.rstrip()), {"raw_begin": "raw", "raw_end": "endraw"}[kind])
        elif kind.endswith("_end"):
            yield _Code(begin, start + len(value.rstrip()), tag)
