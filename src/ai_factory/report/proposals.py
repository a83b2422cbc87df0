"""The text of a pull request that brings an update: what a reviewer decides from, and how a conflict is resolved."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from ai_factory.plan import Change
from ai_factory.project.sync import Sync
from ai_factory.report.markdown import code, literal
from ai_factory.report.plans import sync_markdown
from ai_factory.tree import File, is_binary, word

LINES = 60  # of one proposal that are shown
FILES = 10  # whose proposals are shown
LIMIT = 60_000  # characters: a forge takes some 65,000
CUT = "and more: `ai-factory sync --plan` has it whole"


def proposal_markdown(sync: Sync, branch: str) -> str:
    """The plan, and for each conflict the command that decides it and what the factory proposes."""
    text = "\n".join([sync_markdown(sync), *_conflicts(sync, branch)])
    return text if len(text) <= LIMIT else f"{text[:LIMIT].rpartition(chr(10))[0]}\n\n{CUT}\n"


def _conflicts(sync: Sync, branch: str) -> Iterator[str]:
    found = sync.plan.conflicts
    if not found:
        return
    yield "## To resolve the conflicts\n"
    yield "The branch holds your version of these files, and the rest of the update. Get it, and decide for each:\n"
    yield f"```console\n$ git fetch origin {word(branch)} && git switch {word(branch)}\n```\n"
    for change in found[:FILES]:
        yield from _conflict(change)
    if more := found[FILES:]:
        yield f"and {len(more)} more: `ai-factory status` lists them\n"


def _conflict(change: Change) -> Iterator[str]:
    yield f"### {code(change.path)}\n"
    take = [code(f"ai-factory sync --take {side} {word(change.path)}") for side in ("ours", "theirs")]
    mend = code("ai-factory sync --continue")
    yield f"{literal(change.why)}. Yours: {take[0]}, the proposal: {take[1]}; or edit it, and {mend}.\n"
    if change.sides:
        yield from _difference(change.sides[1], change.sides[2])


def _difference(ours: File | None, theirs: File | None) -> Iterator[str]:
    """What would become of the team's file, as a patch."""
    if theirs is None:
        yield "The proposal removes it.\n"
        return
    before, after = (file.content if file else b"" for file in (ours, theirs))
    if is_binary(before) or is_binary(after):
        yield "It is no text.\n"
        return
    old, new = (content.decode(errors="replace").splitlines() for content in (before, after))
    lines = list(difflib.unified_diff(old, new, "yours", "proposed", lineterm=""))
    shown = [_shown(line) for line in lines[:LINES]]
    fence = "`" * max(3, 1 + max((len(run) for line in shown for run in re.findall("`+", line)), default=0))
    cut = f"\n{len(lines) - LINES} more lines: `ai-factory sync --show theirs FILE`\n" if len(lines) > LINES else ""
    yield "\n".join([f"{fence}diff", *shown, fence, cut])


def _shown(line: str) -> str:
    """A line without characters that do not show: they could hide what is proposed."""
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in line)
