"""The insights of a fleet as text, JSON and Markdown: proposals with their lines, then the hot spots of drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.fleet.scaling.hunks import Hunk
from ai_factory.fleet.scaling.insights import Hot, Insights, Proposal
from ai_factory.report.markdown import literal, marked
from ai_factory.report.measures import markdown_table, unread_markdown
from ai_factory.report.plain import count, plain

SPOTS = 20  # of one list that people read
HEADS = ("what", "component", "projects", "how")
WITH = "`--patch DIR` writes a patch of"


def diff_lines(hunk: Hunk) -> Iterator[str]:
    """A hunk as a diff shows it."""
    for sign, lines in zip(" -+ ", hunk, strict=True):
        yield from (f"{sign}{line}" for line in lines)


def _head(one: Proposal) -> str:
    kind = "identical" if one.identical else "alike"
    return f"{count(len(one.projects), 'project')}, {kind}: {one.place.path} (component {one.place.component})"


def _facts(one: Proposal) -> Iterator[str]:
    """What is to be known of a proposal, in lines."""
    if one.controls:
        yield f"touches {', '.join(one.controls)}"
    yield f"in {', '.join(one.projects)}"
    told = f"{WITH} `{one.patch.template}`" if one.patch.text else f"no patch: {one.patch.why}"
    yield told


def text(found: Insights) -> str:
    """Each proposal with its lines and what is to be known of it; then where projects drift most."""
    lines: list[str] = []
    for one in found.proposals:
        lines += [plain(_head(one)), *(f"  | {plain(row)}" for row in diff_lines(one.hunk))]
        lines += [f"  {plain(row)}" for row in _facts(one)]
    for title, rows in _spots(found):
        if rows:
            lines += [f"{title}:", *(f"  {plain(_spot(row))}" for row in rows[:SPOTS])]
            lines += [f"  and {len(rows) - SPOTS} more"] if len(rows) > SPOTS else []
    lines += [f"not read: {plain(one.key)}: {plain(one.reason)}" for one in found.unread]
    return "\n".join([*lines, _sums(found)])


def _sums(found: Insights) -> str:
    return f"{count(found.projects, 'project')}: {count(len(found.proposals), 'proposal')} to the factory"


def _spots(found: Insights) -> list[tuple[str, Sequence[Hot]]]:
    return [
        ("managed files that drift", found.files),
        ("components that drift", found.components),
        ("controls that this weakens", found.controls),
    ]


def _spot(one: Hot) -> str:
    where = f" (component {one.component})" if one.component not in ("", one.name) else ""
    return f"{count(one.projects, 'project')}: {one.name}{where}: {_ways(one)}"


def _ways(one: Hot) -> str:
    ways = (("edited", one.edited), ("deleted", one.deleted), ("waived", one.waived))
    return ", ".join(f"{number} {word}" for word, number in ways if number)


def data(found: Insights) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/fleet-insights/1",
        "projects": found.projects,
        "proposals": [_proposal(one) for one in found.proposals],
        "hot": {
            "files": [one._asdict() for one in found.files],
            "components": [one._asdict() for one in found.components],
            "controls": [one._asdict() for one in found.controls],
        },
        "unread": [one._asdict() for one in found.unread],
    }


def _proposal(one: Proposal) -> dict[str, Any]:
    return {
        **one.place._asdict(),
        "identical": one.identical,
        "projects": list(one.projects),
        "controls": list(one.controls),
        "diff": list(diff_lines(one.hunk)),
        "patch": one.patch._asdict(),
    }


def markdown(found: Insights) -> str:
    """The same as a page."""
    parts = ["# Insights of the fleet", "", literal(_sums(found))]
    for one in found.proposals:
        parts += ["", f"## {literal(_head(one))}", "", *fenced(list(diff_lines(one.hunk)), "diff"), ""]
        parts += [f"- {marked(row)}" for row in _facts(one)]
    for title, rows in _spots(found):
        if rows:
            table = [[one.name, one.component, str(one.projects), _ways(one)] for one in rows]
            parts += ["", f"## {title.capitalize()}", "", *markdown_table(HEADS, table)]
    return "\n".join([*parts, *unread_markdown(found.unread)]) + "\n"


def fenced(lines: Sequence[str], word: str) -> list[str]:
    """Lines as code, whatever fences stand in them."""
    shown = [plain(line) for line in lines]
    longest = max((len(line) - len(line.lstrip("`")) for line in (row.lstrip("+- ") for row in shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{word}", *shown, fence]
