"""Trees of blueprints with components that are taken besides the defaults, as they would be stamped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ai_factory.factory import open_factory
from ai_factory.project.target import Choice, recipe, settle
from ai_factory.render import render
from tests import golden


def rendered(folder: Path, blueprint: str, more: Sequence[str] = (), given: Mapping[str, Any] | None = None) -> Path:
    """The tree of that blueprint, with these components and answers, written into the folder."""
    made = recipe(open_factory(str(golden.ROOT)), Choice(blueprint, with_=tuple(more)))
    tree = render(made.blueprint, made.components, settle(made, given or {})).tree
    golden.write(folder, tree)
    return folder
