"""What became of a team's improvements: in words, with what could not be mapped, and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ai_factory.project.inspect import unified
from ai_factory.report.looks import diff_line
from ai_factory.report.plain import count, plain
from ai_factory.tree import word
from ai_factory.workshop.promote.files import REFUSED, SAME, Promotion, Row
from ai_factory.workshop.promote.mapping import Unmapped

END = "\n"


def text(made: Promotion, commit: str, planned: bool) -> str:
    """A file after the other, then the branch; with a plan, what would change in the factory."""
    lines = [line for row in made.rows for line in _row(row)]
    lines += [plain(note) for note in made.notes]
    if made.blueprints:
        lines.append(f"still renders, with every choice: {', '.join(map(plain, made.blueprints))}")
    if not made.files:
        return "\n".join([*lines, "nothing to promote"])
    if planned:
        changed = "".join(unified(path, made.before.get(path), file) for path, file in sorted(made.files.items()))
        lines += ["", *map(diff_line, changed.splitlines()), ""]
    place, branch = plain(made.place.root), plain(made.branch)
    if planned:
        lines.append(f"a branch `{branch}` in {place} would begin at {made.parent[:12]}; nothing was written")
    if commit:
        lines.append(f"branch `{branch}` in {place}: commit {commit[:12]} on {made.parent[:12]}")
        lines.append(
            f"hint: `git -C {word(made.place.root)} show {word(made.branch)}` shows it; merge it, then release"
        )
    return "\n".join(lines)


def _row(row: Row) -> Iterator[str]:
    if row.outcome == SAME:
        yield f"{plain(row.path)}: as the factory stamped it"
        return
    where = f" → {plain(row.template)}" if row.outcome != REFUSED else f": not promoted: {plain(row.why)}"
    yield f"{plain(row.path)} ({row.ownership}, component {plain(row.component)}){where}"
    for one in row.mapped.turned:
        yield f"  `{plain(one.value)}` became `{plain(one.code)}`"
    for left in row.mapped.left:
        yield f"  `{plain(left.value)}` stays text: it is {' and '.join(f'`{plain(code)}`' for code in left.codes)}"
    for edit in row.mapped.unmapped:
        yield from _unmapped(edit)
    if row.mapped.unmapped:
        yield f"  {len(row.mapped.unmapped)} of {count(row.mapped.edits, 'edit')} could not be mapped"


def _unmapped(edit: Unmapped) -> Iterator[str]:
    yield f"  line {edit.line}: {plain(edit.why)}"
    yield from (f"    {sign} {plain(line.removesuffix(END))}" for sign, line in _signed(edit))


def _signed(edit: Unmapped) -> Iterator[tuple[str, str]]:
    yield from (("-", line) for line in edit.removed)
    yield from (("+", line) for line in edit.added)


def data(made: Promotion, commit: str) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/promotion/1",
        "factory": made.place.root,
        "branch": made.branch if made.files else "",
        "parent": made.parent if made.files else "",
        "commit": commit,
        "message": made.message if made.files else "",
        "changed": [
            {"path": path, "diff": unified(path, made.before.get(path), file)}
            for path, file in sorted(made.files.items())
        ],
        "blueprints": list(made.blueprints),
        "notes": list(made.notes),
        "files": [_data(row) for row in made.rows],
    }


def _data(row: Row) -> dict[str, Any]:
    return {
        "path": row.path,
        "component": row.component,
        "ownership": row.ownership,
        "outcome": row.outcome,
        "why": row.why,
        "template": row.template,
        "edits": row.mapped.edits,
        "unmapped": [
            {**edit._asdict(), "removed": list(edit.removed), "added": list(edit.added)} for edit in row.mapped.unmapped
        ],
        "turned": [one._asdict() for one in row.mapped.turned],
        "left": [{"value": one.value, "codes": list(one.codes)} for one in row.mapped.left],
    }
