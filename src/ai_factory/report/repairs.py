"""What a repair did, as text and JSON."""

from __future__ import annotations

from typing import Any

from ai_factory.project.repair import Repaired
from ai_factory.report.plain import count, kept_data, kept_lines, plain


def repair_text(repaired: Repaired) -> str:
    """What both branches had, path by path, and what a person has to do now."""
    lines = [f"lock and base are those of both branches, at {plain(repaired.version)}"]
    words = {"ours": "this branch", "theirs": "the other branch", "open": "open"}
    lines += [f"  {plain(path)}: {words[item.side]} ({plain(item.why)})" for path, item in repaired.decisions.items()]
    lines += [f"merged {plain(path)}" for path in repaired.mended]
    lines += kept_lines(repaired.kept)
    lines += [f"still open: {plain(path)}" for path in repaired.open]
    lines += [f"git left in conflict: {plain(path)}" for path in repaired.unmerged]
    return "\n".join([*lines, *_next_steps(repaired)])


def _next_steps(repaired: Repaired) -> list[str]:
    steps = []
    if repaired.unmerged:
        them = count(len(repaired.unmerged), "file")
        steps.append(f"hint: mend the {them} as after any merge, and `git add` them")
    if repaired.open:
        steps.append("hint: decide what is open: `ai-factory sync --take ours FILE`, `--take theirs FILE`")
    return [*steps, "hint: `git commit`, then `ai-factory sync`: it brings what the two together need"]


def repair_data(repaired: Repaired) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/sync-repair/1",
        "version": repaired.version,
        "paths": [
            {"path": path, "side": item.side, "why": item.why, "state": item.entry.state if item.entry else "forgotten"}
            for path, item in repaired.decisions.items()
        ],
        "merged": list(repaired.mended),
        "open": list(repaired.open),
        "unmerged": list(repaired.unmerged),
        "kept": kept_data(repaired.kept),
    }
