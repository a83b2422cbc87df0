"""Keeps what a foreign template makes up at random, such as a password, as a project has it.

Known are two renderings of the same: a line in which they differ is the same line in the project, where that has one
with the same beginning and end.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from ai_factory.render import Rendered
from ai_factory.tree import Tree


class Form(NamedTuple):
    """What stays of a line: how it begins and ends."""

    start: bytes
    end: bytes

    def fits(self, line: bytes) -> bool:
        return line.startswith(self.start) and line.endswith(self.end) and len(line) > len(self.start + self.end)


def steadied(rendered: Rendered, known: Tree) -> Rendered:
    """The rendering, with the lines that no two have alike as the files known have them."""
    kept = {
        path: rendered.tree[path]._replace(
            content=_kept(rendered.tree[path].content, other.content, known[path].content)
        )
        for path, other in rendered.again.items()
        if path in known
    }
    return rendered._replace(tree={**rendered.tree, **kept}) if kept else rendered


def _kept(made: bytes, again: bytes, known: bytes) -> bytes:
    lines, others, there = (content.splitlines(keepends=True) for content in (made, again, known))
    if len(lines) != len(others):
        return made
    forms = {row: _form(line, others[row]) for row, line in enumerate(lines) if line != others[row]}
    found = {form: [line for line in there if form.fits(line)] for form in set(forms.values())}
    as_many = {form for form, count in Counter(forms.values()).items() if len(found[form]) == count}
    for row, form in forms.items():
        if form in as_many and (form.start.strip() or form.end.strip()):
            lines[row] = found[form].pop(0)
    return b"".join(lines)


def _form(line: bytes, other: bytes) -> Form:
    """What two lines have in common, without a word that they have in part by chance."""
    start = re.sub(rb"\w*\Z", b"", _common(line, other))
    rest, others = line[len(start) :], other[len(start) :]
    return Form(start, re.sub(rb"\A\w*", b"", _common(rest[::-1], others[::-1])[::-1]))


def _common(one: bytes, other: bytes) -> bytes:
    """The beginning that both have."""
    end = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return min(one, other, key=len) if end is None else one[:end]
