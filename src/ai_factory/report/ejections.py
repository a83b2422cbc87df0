"""What goes when a project leaves the factory, what stays, and the way back, as text and JSON."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from ai_factory.project.eject import Ejection
from ai_factory.report.plain import count, plain
from ai_factory.tree import word


def eject_text(ejection: Ejection, applied: bool) -> str:
    """What goes, path by path, what stays, what still names the factory, and the command that undoes it."""
    record = ejection.project.lock
    lines = [f"leaves {plain(record.factory.url)} {plain(record.factory.version)}"]
    lines += [f"  - {plain(step.path)}" for step in ejection.steps if step.after is None]
    for path, number in _fewer(ejection).items():
        lines.append(f"  ~ {plain(path)}: {count(number, 'line')} that only the factory needs")
    changed = len(_fewer(ejection))
    lines.append(f"{count(len(record.paths) - changed, 'file')} of the factory's stay as they are, and are yours alone")
    lines += [f"by hand: a mark has no partner in {plain(path)}, which stays as it is" for path in ejection.unpaired]
    lines += [f"by hand: {plain(name)} at the root of the repository stays as it is" for name in ejection.copies]
    named = Counter(mention.path for mention in ejection.mentions)
    lines += [f"still names the factory: {plain(path)}{_places(ejection, path)}" for path in sorted(named)]
    if not applied:
        return "\n".join([*lines, "hint: the same command without `--plan` applies this"])
    lines += ["staged, not committed", "hint: look at it with `git diff --cached`, then `git commit`"]
    return "\n".join([*lines, f"hint: to undo it: `{plain(way_back(ejection))}`"])


def _fewer(ejection: Ejection) -> dict[str, int]:
    """How many lines each changed file loses."""
    return {
        step.path: step.before.content.count(b"\n") - step.after.content.count(b"\n")
        for step in ejection.steps
        if step.before and step.after
    }


def _places(ejection: Ejection, path: str) -> str:
    numbers = [str(mention.line) for mention in ejection.mentions if mention.path == path]
    return f" line {numbers[0]}" if len(numbers) == 1 else f" lines {', '.join(numbers)}"


def way_back(ejection: Ejection) -> str:
    """The command of git's that puts back all that goes, as long as nothing is committed."""
    place = os.path.relpath(ejection.project.root)
    tracked = [step.path for step in ejection.steps if step.path in ejection.status.tracked]
    paths = sorted({".ai-factory" if path.startswith(".ai-factory/") else path for path in tracked})
    there = f"-C {word(place)} " if place != "." else ""
    return f"git {there}restore --source=HEAD --staged --worktree -- {' '.join(map(word, paths))}"


def eject_data(ejection: Ejection, applied: bool) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/eject/1",
        "applied": applied,
        "factory": ejection.project.lock.factory._asdict(),
        "removed": [step.path for step in ejection.steps if step.after is None],
        "changed": [{"path": path, "lines": number} for path, number in _fewer(ejection).items()],
        "mentions": [mention._asdict() for mention in ejection.mentions],
        "unpaired": list(ejection.unpaired),
        "copies": list(ejection.copies),
        "undo": way_back(ejection),
    }
