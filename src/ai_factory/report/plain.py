"""Text for a terminal or a log: what strangers named cannot forge a line or move the cursor."""

from __future__ import annotations

from typing import Any

from ai_factory.errors import FactoryError


def plain(text: str) -> str:
    """The text with control characters spelled out, so that one line stays one line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def error_text(error: FactoryError) -> str:
    """`error:` in one sentence, what else is wrong, and the hint."""
    lines = [f"error: {plain(error.message)}", *(f"  {plain(line)}" for line in error.details)]
    return "\n".join(lines + ([f"hint: {plain(error.hint)}"] if error.hint else []))


def error_data(error: FactoryError) -> dict[str, Any]:
    """The same for machines."""
    data: dict[str, Any] = {
        "schema": "ai-factory/error/1",
        "kind": error.kind,
        "message": error.message,
        "details": list(error.details),
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
    problems = getattr(error, "problems", None)
    rule = getattr(error, "rule", None)
    return data | ({"answers": problems} if problems is not None else {}) | ({"rule": rule} if rule else {})


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
