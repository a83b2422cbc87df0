"""What is wrong in a factory, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_factory.report.plain import count, plain
from ai_factory.workshop.rules import RULES, Flaw


def text(found: Sequence[Flaw]) -> str:
    """A line a flaw, with file and line; then what mends each rule that was found, and their number."""
    lines = [f"{place(one)}: {one.rule} {plain(one.message)}" for one in found]
    hints = [f"{rule} {RULES[rule].title}: {RULES[rule].help}" for rule in sorted({one.rule for one in found})]
    told = [count(len(found), "finding")] if found else ["nothing is wrong that can be told without a project"]
    return "\n".join([*lines, *([""] if hints else []), *hints, *told])


def place(one: Flaw) -> str:
    """The file and, where it is known, the line."""
    return plain(one.path) + (f":{one.line}" if one.line else "")


def data(found: Sequence[Flaw]) -> dict[str, Any]:
    """The same for machines."""
    rows = [{**one._asdict(), "title": RULES[one.rule].title, "help": RULES[one.rule].help} for one in found]
    return {"schema": "ai-factory/lint/1", "findings": rows}
