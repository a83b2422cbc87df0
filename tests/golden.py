"""Golden trees: what a blueprint stamps for one set of answers, as real files beside the tests.

That of `tabular-decision` is whole; another one holds the files that it does not show already.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ai_factory import documents
from ai_factory.factory import embedded_folder, open_factory
from ai_factory.lock import Lock
from ai_factory.plan import Target, births
from ai_factory.project.target import Choice, recipe, settle
from ai_factory.render import render
from ai_factory.tree import EXECUTABLE, LINK, File, Tree
from ai_factory.workspace import Folder

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(embedded_folder())
BLUEPRINTS = sorted(place.stem for place in (ROOT / "blueprints").glob("*.yaml"))
# `NAME.answers.yaml` beside the goldens of a blueprint makes one more
_ANSWERS = sorted(GOLDEN.glob("*/*.answers.yaml"))
OTHERS = [(place.parent.name, place.name.removesuffix(".answers.yaml")) for place in _ANSWERS]
CASES = [*((blueprint, "default") for blueprint in BLUEPRINTS), *OTHERS]
WHOLE = "tabular-decision"
KEPT = [*((blueprint, "default") for blueprint in BLUEPRINTS), (WHOLE, "other")]  # as trees, to be read
DIFF_LINES = 400  # of a failure's message; beyond it nobody reads on
UPDATE = "`.venv/bin/python -m pytest --golden` writes them anew; read that diff as you would read code"


def target(blueprint: str, given: Mapping[str, Any]) -> Target:
    """The rendering of this checkout's blueprint with these answers, as `new` would stamp it; to be read only."""
    return _target(blueprint, json.dumps(given, sort_keys=True))


@cache
def _target(blueprint: str, answered: str) -> Target:
    given = json.loads(answered)
    made = recipe(open_factory(str(ROOT)), Choice(blueprint))
    answers = settle(made, given)
    return Target(made.factory.origin, answers, made.versions, render(made.blueprint, made.components, answers))


def answers_of(blueprint: str, name: str) -> dict[str, Any]:
    """The answers of a golden: `NAME.answers.yaml`, or none."""
    place = GOLDEN / blueprint / f"{name}.answers.yaml"
    return dict(documents.load(place.read_bytes(), str(place)) or {}) if place.exists() else {}


def own(blueprint: str, name: str, tree: Tree) -> dict[str, File]:
    """The files of a rendering that the whole golden does not show, but for the name of the package."""
    if blueprint == WHOLE:
        return dict(tree)
    package, whole = target(blueprint, answers_of(blueprint, name)).answers["package"], target(WHOLE, {})
    first, known = whole.answers["package"], whole.rendered.tree

    def shown(path: str, file: File) -> bool:
        same = known.get(path.replace(f"src/{package}/", f"src/{first}/"))
        return same == file._replace(content=file.content.replace(package.encode(), first.encode()))

    return {path: file for path, file in tree.items() if not shown(path, file)}


def make_targets(blueprint: str) -> set[str]:
    """The targets that the components of a blueprint add to the project's Makefile."""
    text = target(blueprint, {}).rendered.tree["Makefile"].content.decode()
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def ownership(lock: Lock) -> str:
    """Who owns each path and what it is evidence for, one path a line; no ids, which every edit changes."""
    rows = [
        f"  {json.dumps(path)}: "
        + json.dumps(
            {
                "component": entry.component,
                "ownership": entry.ownership,
                "mode": entry.mode,
                "controls": list(entry.controls),
            }
        )
        for path, entry in sorted(lock.paths.items())
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def lock_of(found: Target) -> Lock:
    """The lock of a project that is stamped from this target (its base and project.yaml left out)."""
    return births(found).new_lock(b"", b"")


def read(folder: Path) -> dict[str, File]:
    """The files below a folder."""
    disk = Folder(str(folder))
    return disk.read_all(disk.walk())


def write(folder: Path, tree: Tree) -> None:
    """Make the folder hold exactly these files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, file in tree.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.mode == LINK:
            place.symlink_to(os.fsdecode(file.content))
            continue
        place.write_bytes(file.content)
        place.chmod(0o755 if file.mode == EXECUTABLE else 0o644)


def differences(expected: Tree, actual: Tree) -> str:
    """Where two trees differ: a line for each path, then what changed in it; empty when they are equal."""
    lines: list[str] = []
    for path in sorted({*expected, *actual}):
        lines += _difference(path, expected.get(path), actual.get(path))
    rest = len(lines) - DIFF_LINES
    return "\n".join(lines[:DIFF_LINES] + ([f"... and {rest} lines more"] if rest > 0 else []))


def _difference(path: str, before: File | None, after: File | None) -> list[str]:
    if before == after:
        return []
    if before is None or after is None:
        return [f"{'only in the second' if before is None else 'only in the first'}: {path}"]
    lines = [f"mode {before.mode} → {after.mode}: {path}"] if before.mode != after.mode else []
    if before.content != after.content:
        lines += difflib.unified_diff(_lines(before), _lines(after), f"first/{path}", f"second/{path}", lineterm="")
    return lines


def _lines(file: File) -> list[str]:
    """The lines, endings and odd bytes made visible."""
    text = file.content.decode("utf-8", "backslashreplace").replace("\r", "\\r")
    ended = text.endswith("\n") or not text
    return [*text.splitlines(), *([] if ended else ["\\ no newline at the end"])]
