"""Plans and rollouts of a fleet as text, JSON and Markdown: what needs a person comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.fleet.updates.apply import AGAIN, STATES
from ai_factory.fleet.updates.journal import Row
from ai_factory.fleet.updates.plan import Entry, Plan
from ai_factory.report.markdown import code, literal, marked
from ai_factory.report.plain import count, plain

URGENT = (
    "failed",
    "moved",
    "edited",
    "conflicted",
    "declined",
    "waiting",
    "open",
    "pushed",
    "held",
    "merged",
    "current",
)
QUIET = ("current", "merged")
ROWS = 200  # of one list


# ---- plans ---------------------------------------------------------------------------------------


def plan_text(plan: Plan, saved: str) -> str:
    """What would happen to each project, and what to do next."""
    lines = [line for entry in _ranked(plan.entries) for line in _entry_lines(entry)]
    lines.append(_sums(Counter(_word(entry) for entry in plan.entries), "project"))
    if saved and any(entry.outcome == "update" for entry in plan.entries):
        lines.append(f"hint: look at it, then `ai-factory fleet apply {plain(saved)}`")
    return "\n".join(lines)


def _ranked(entries: Sequence[Entry]) -> list[Entry]:
    order = ("failed", "conflict", "update", "held", "current")
    return sorted(
        (one for one in entries if one.outcome != "current"), key=lambda one: (order.index(_word(one)), one.key)
    )


def _word(entry: Entry) -> str:
    return "conflict" if entry.conflicts else entry.outcome


def _entry_lines(entry: Entry) -> Iterator[str]:
    if entry.outcome in ("failed", "held"):
        kind = f" ({entry.failure})" if entry.failure else ""
        yield f"{entry.outcome}{kind}: {plain(entry.key)}: {plain(entry.reason)}"
        if entry.hint:
            yield f"  hint: {plain(entry.hint)}"
        return
    found = Counter(one.action for one in entry.decisions)
    actions = ", ".join(f"{number} {action}" for action, number in sorted(found.items())) or "no file changes"
    versions = f"{plain(entry.before)} → {plain(entry.after)}"
    yield f"{_word(entry)}: {plain(entry.key)}: {versions}: {actions}"
    yield from (f"  conflict: {plain(path)}" for path in entry.conflicts)
    for word, controls in (("gains", entry.gained), ("loses", entry.lost), ("weakens", entry.weakened)):
        if controls:
            yield f"  {word} {plain(', '.join(controls))}"
    yield from (f"  the identity {plain(text)}" for text in entry.missing)


def _sums(found: Counter[str], noun: str) -> str:
    rows = ", ".join(f"{number} {word}" for word, number in sorted(found.items()))
    return f"{count(sum(found.values()), noun)}: {rows}" if found else "no projects"


def plan_data(plan: Plan) -> dict[str, Any]:
    """The same for machines; each entry as the saved plan has it."""
    entries = [entry._asdict() | {"decisions": [one._asdict() for one in entry.decisions]} for entry in plan.entries]
    return {
        "schema": "ai-factory/fleet-plan-summary/1",
        "plan": plan.digest,
        "engine": plan.head.engine,
        "to": plan.head.to,
        "factories": list(plan.head.factories),
        "counts": dict(Counter(_word(entry) for entry in plan.entries)),
        "entries": entries,
    }


def plan_markdown(plan: Plan) -> str:
    """The plan as a page for those who decide on it."""
    sums = literal(_sums(Counter(map(_word, plan.entries)), "project"))
    parts = [f"# Plan {literal(plan.digest[:12])}", "", sums, ""]
    parts += ["| project | outcome | from | to | what |", "|---|---|---|---|---|"]
    ranked = _ranked(plan.entries)
    parts += [_plan_row(entry) for entry in ranked[:ROWS]]
    if len(ranked) > ROWS:
        parts.append(f"\nand {len(ranked) - ROWS} more")
    return "\n".join(parts) + "\n"


def _plan_row(entry: Entry) -> str:
    what = entry.reason or ", ".join(entry.conflicts) or count(len(entry.decisions), "path")
    told = (literal(_word(entry)), literal(entry.before), literal(entry.after), marked(what))
    return _cells(code(entry.key), *told)


def _cells(*cells: str) -> str:
    """A row of a table, in which no text ends a cell."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


# ---- rollouts ------------------------------------------------------------------------------------


def apply_text(rows: Sequence[Row]) -> str:
    """What became of each project, what needs a person first; and what to do next."""
    shown = [row for row in _sorted(rows) if row.state not in QUIET]
    lines = [line for row in shown for line in _row_lines(row)]
    lines.append(_sums(Counter(row.state for row in rows), "project"))
    lines += [f"next: {plain(text)}" for text in _next(rows)]
    return "\n".join(lines)


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (URGENT.index(row.state), row.failure, row.key))


def _row_lines(row: Row) -> Iterator[str]:
    kind = f" ({row.failure})" if row.failure else ""
    where = f" {plain(row.url)}" if row.url else f" {plain(row.branch)}" if row.branch else ""
    yield f"{row.state}{kind}: {plain(row.key)}{where}" + (f": {plain(row.reason)}" if row.reason else "")
    if row.hint:
        yield f"  hint: {plain(row.hint)}"


def _next(rows: Sequence[Row]) -> Iterator[str]:
    """What a platform lead does next: a line for each state and kind of failure."""
    kinds = Counter((row.state, row.failure, row.hint == AGAIN) for row in rows)
    ranked = sorted(kinds.items(), key=lambda pair: (URGENT.index(pair[0][0]), pair[0][1:]))
    for (state, failure, unplanned), number in ranked:
        what = AGAIN if unplanned else FAILED.get(failure, "") if state == "failed" else STATES[state]
        if what:
            yield f"{number} {state}{f' ({failure})' if failure else ''}: {what}"


FAILED = {
    "transient": "`--only failed:transient` tries them again",
    "permission": "whoever gives rights there has to act, then `--only failed:permission`",
    "conflict": "plan again",
    "policy": "whoever owns the rule has to act",
    "bug": "report it with the line above",
}


def apply_data(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/fleet-apply/1",
        "plan": plan.digest,
        "counts": dict(Counter(row.state for row in rows)),
        "next": list(_next(rows)),
        "projects": [row._asdict() for row in _sorted(rows)],
    }


def apply_markdown(plan: Plan, rows: Sequence[Row]) -> str:
    """The same as a page."""
    sums = literal(_sums(Counter(row.state for row in rows), "project"))
    parts = [f"# Rollout of plan {literal(plan.digest[:12])}", "", sums, ""]
    parts += [f"- {marked(text)}" for text in _next(rows)]
    parts += ["", "| project | state | where | why |", "|---|---|---|---|"]
    shown = [row for row in _sorted(rows) if row.state not in QUIET]
    for row in shown[:ROWS]:
        state = f"{row.state} ({row.failure})" if row.failure else row.state
        parts.append(_cells(code(row.key), literal(state), literal(row.url or row.branch), marked(row.reason)))
    return "\n".join(parts) + "\n"
