"""Which library renders what lies in a folder or repository, told from its paths; `check` has no time for more."""

from __future__ import annotations

import re
from collections.abc import Collection

COPIER, COOKIECUTTER = "copier", "cookiecutter"
MARKS = {"copier.yml": COPIER, "copier.yaml": COPIER, "cookiecutter.json": COOKIECUTTER}  # the first of them counts
TITLES = {COPIER: "Copier", COOKIECUTTER: "Cookiecutter"}
_OURS = (r"templates/[^/]+/component\.yaml", r"blueprints/[^/]+\.yaml")


def engine_of(paths: Collection[str]) -> str:
    """`copier` or `cookiecutter` for a template of theirs; empty for a factory of ours, and for what is neither."""
    mark = next((mark for mark in MARKS if mark in paths), "")
    return MARKS[mark] if mark and not _is_ours(paths) else ""


def _is_ours(paths: Collection[str]) -> bool:
    return all(any(re.fullmatch(form, path) for path in paths) for form in _OURS)
