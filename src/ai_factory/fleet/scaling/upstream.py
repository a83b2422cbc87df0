"""An edit that many teams made, as a patch of the template that gives the file: only where lines map one to one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff
from typing import NamedTuple

from ai_factory.catalog import COMPONENTS, FILES
from ai_factory.fleet.scaling.hunks import Hunk, lines_of
from ai_factory.render import SUFFIX
from ai_factory.tree import Tree

_NAME = re.compile(r"\{\{-?\s*(\w+)\s*-?\}\}")
_SYNTAX = re.compile(r"\{[{%#]|[}%#]\}")


class Patch(NamedTuple):
    """A patch in git's form and the template that it is of; or why there is none."""

    template: str = ""
    text: str = ""
    why: str = ""


def patch(tree: Tree, component: str, path: str, hunk: Hunk, variants: Sequence[Hunk]) -> Patch:
    """The edit as one of the factory's template, in whose files it is looked for.

    `hunk` has the answers turned into names, as the path has; `variants` are the lines of the projects.
    """
    found = [place for place in sorted(tree) if _given(place, component) == path]
    if len(found) != 1:
        return Patch(why="no one template gives that path")
    (template,) = found
    lines = lines_of(tree[template].content)
    if lines is None or b"\r" in tree[template].content or not tree[template].content.endswith(b"\n"):
        return Patch(template, why="the template is no text in whole lines")
    if not template.isprintable() or re.search(r'["\\]', template):
        return Patch(template, why="the template's name cannot stand in a patch")
    if any(_SYNTAX.search(line) for one in variants for line in one.added):
        return Patch(template, why="the edit holds what a template takes for its own syntax")
    rendered = template.endswith(SUFFIX)
    own = [_canonical(line) for line in lines] if rendered else lines
    return _placed(template, lines, own, list(_candidates(hunk, variants, rendered, lines)))


def _given(place: str, component: str) -> str:
    """The path that a template of the component gives, its names as ours are spelled; empty for any other file."""
    top = f"{COMPONENTS}/{component}/{FILES}/"
    return _NAME.sub(r"{{ \1 }}", place.removeprefix(top).removesuffix(SUFFIX)) if place.startswith(top) else ""


def _canonical(line: str) -> str | None:
    """A line of a template as its rendering stands in an edit; None where more than names is put into it."""
    plain = _NAME.sub("", line)
    return None if _SYNTAX.search(plain) else _NAME.sub(r"{{ \1 }}", line)


def _candidates(hunk: Hunk, variants: Sequence[Hunk], rendered: bool, lines: Sequence[str]) -> Iterator[Hunk]:
    """The edit in the words of the template: with names where it is rendered and has them, and to the letter."""
    known = {name for line in lines for name in _NAME.findall(line)}
    if rendered and {name for line in hunk.added for name in _NAME.findall(line)} <= known:
        yield hunk
    if len({(one.removed, one.added) for one in variants}) == 1:
        yield variants[0]


def _placed(template: str, lines: Sequence[str], own: Sequence[str | None], wanted: Sequence[Hunk]) -> Patch:
    if any(_places(own, one.new) and one.added for one in wanted):
        return Patch(template, why="the factory has it already")
    for one in wanted:
        places = _places(own, one.old)
        if len(places) == 1:
            begin = places[0] + len(one.before)
            new = [*lines[:begin], *one.added, *lines[begin + len(one.removed) :]]
            return Patch(template, _diff(template, lines, new))
    return Patch(template, why="its lines do not map one to one to those of the template")


def _places(own: Sequence[str | None], wanted: Sequence[str]) -> list[int]:
    """Where these lines stand in the template, one after the other."""
    size = len(wanted)
    return [at for at in range(len(own) - size + 1) if list(own[at : at + size]) == list(wanted)] if size else []


def _diff(template: str, old: Sequence[str], new: Sequence[str]) -> str:
    """A unified diff; a tab ends a name with spaces, as git writes it."""
    end = "\t" if " " in template else ""
    rows = list(unified_diff([f"{line}\n" for line in old], [f"{line}\n" for line in new]))[2:]
    return "".join([f"--- a/{template}{end}\n", f"+++ b/{template}{end}\n", *rows])


def named_files(patches: Iterable[tuple[str, Patch]]) -> dict[str, str]:
    """The text of each patch by the name of a file for it: numbered, and named after what it is given with."""
    made = {}
    for number, (name, one) in enumerate(patches, 1):
        if one.text:
            word = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:60]
            made[f"{number:03}-{word}.patch"] = one.text
    return made
