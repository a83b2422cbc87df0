"""What an adoption adds to a repository, and what it leaves as it is, as text and JSON."""

from __future__ import annotations

from typing import Any

from ai_factory.plan import Change
from ai_factory.project.adopt import Adoption
from ai_factory.report.findings import row as finding_row
from ai_factory.report.plain import count, plain
from ai_factory.report.plans import change_row
from ai_factory.tree import word

SIGNS = {"add": "+", "merge": "~", "conflict": "!"}


def adopt_text(adoption: Adoption, applied: bool, committed: bool = False) -> str:
    """Every path with whose it is from now on, and what is left to a person."""
    found = adoption.sync
    target = found.plan.target
    lines = [f"{plain(adoption.wish.blueprint)} {plain(target.origin.version)} → {plain(found.project.root)}"]
    lines += [f"  signed by {plain(found.signed_by)}"] if found.signed_by else []
    lines += [_line(change) for change in found.plan.visible]
    lines += [_answer(adoption, key) for key in target.answers]
    lines.append(_summary(found.plan.visible))
    return "\n".join([*lines, *_left(adoption, applied), *_next(adoption, applied, committed)])


def _line(change: Change) -> str:
    sign, what = SIGNS.get(change.action, "="), f"{change.ownership}, of {plain(change.component)}"
    told = "" if change.action == "add" else f": {change.action}, {plain(change.why)}"
    return f"  {sign} {plain(change.path)} ({what}){told}"


def _answer(adoption: Adoption, key: str) -> str:
    default = "" if key in adoption.wish.answers else " (default)"
    return f"  {plain(key)}: {plain(str(adoption.sync.plan.target.answers[key]))}{default}"


def _summary(changes: tuple[Change, ...]) -> str:
    words = {"add": "added", "adopt": "there already, the same", "keep": "kept as you have them"}
    words |= {"merge": "joined", "conflict": "in conflict"}
    numbers = {action: sum(change.action == action for change in changes) for action in words}
    told = [f"{number} {words[action]}" for action, number in numbers.items() if number]
    return f"{count(len(changes), 'file')}: {', '.join(told)}" if told else "no file of the blueprint"


def _left(adoption: Adoption, applied: bool) -> list[str]:
    lines = []
    for finding in adoption.sync.drift:
        lines.append(f"drift: {plain(finding.path)} {finding.message}, and it stays so")
        lines.append(f"      hint: `ai-factory restore {plain(word(finding.path))}` puts the factory's there")
    if adoption.joinable:
        options = " ".join(f"--merge {word(path)}" for path in adoption.joinable)
        first = "`ai-factory sync --abort`, then the same with " if applied else ""
        lines.append(f"hint: to get the factory's entries into files of yours as well: {first}`{plain(options)}`")
    if adoption.install:
        lines.append(f"hint: some files work only at the root of the repository: `{plain(adoption.install)}`")
    return lines


def _next(adoption: Adoption, applied: bool, committed: bool) -> list[str]:
    if not applied:
        return ["hint: the same command without `--plan` applies this"]
    back = "hint: `ai-factory sync --abort` goes back to where you were"
    if adoption.sync.plan.conflicts:
        mend = "hint: mend each conflict (`git diff`, or its `.incoming` file), then `ai-factory sync --continue`"
        return ["staged, not committed", mend, back]
    if committed:
        return ["committed"]
    return ["staged, not committed", "hint: look at it with `git diff --cached`, then `git commit`", back]


def adopt_data(adoption: Adoption, applied: bool, committed: bool = False) -> dict[str, Any]:
    """The same for machines."""
    found = adoption.sync
    target = found.plan.target
    return {
        "schema": "ai-factory/adopt/1",
        "applied": applied,
        "committed": committed,
        "destination": found.project.root,
        "blueprint": adoption.wish.blueprint,
        "with": list(adoption.wish.with_),
        "without": list(adoption.wish.without),
        "factory": target.origin._asdict(),
        "signed_by": found.signed_by,
        "answers": dict(target.answers),
        "components": dict(target.components),
        "changes": [change_row(change) for change in found.plan.changes],
        "conflicts": [change.path for change in found.plan.conflicts],
        "drift": [finding_row(finding) for finding in found.drift],
        "install": adoption.install,
    }
