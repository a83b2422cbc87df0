"""What each file of a component is to a project, told from its template: no answer is needed for it."""

from __future__ import annotations

import re

from ai_factory.catalog import Component
from ai_factory.render import SUFFIX, matches

EXPRESSION = re.compile(r"(\{\{.*?\}\})")


def ownership(component: Component) -> dict[str, str]:
    """The path of each file, as its template spells it, and the word of the last rule that names it."""
    globs = [(spaced(glob), word) for glob, word in component.ownership.items()]
    found = {}
    for path in sorted(component.files):
        spelled = path.removesuffix(SUFFIX)
        words = [word for glob, word in globs if matches(glob, spaced(spelled))]
        found[spelled] = words[-1] if words else "merged"
    return found


def spaced(text: str) -> str:
    """The text, its expressions all spaced in one way, so that a glob and a path with the same answers compare."""
    return EXPRESSION.sub(lambda found: f"{{{{ {found[1][2:-2].strip()} }}}}", text)
