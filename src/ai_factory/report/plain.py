"""Text for a terminal or a log: what strangers named cannot forge a line or move the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_factory.errors import FactoryError
from ai_factory.tree import LINK, Blob, word

DECIDE = "hint: mend an open file, or decide: `ai-factory sync --take ours FILE`, `--take theirs FILE`"


def plain(text: str) -> str:
    """The text with control characters spelled out: one line stays one line, and no build server takes it for an order.

    GitHub's runner obeys a line that begins with `::`, and `##[` anywhere in one.
    """
    shown = text
    if not text.isprintable():
        shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    if shown.lstrip().startswith("::"):
        shown = shown.replace(":", "\\x3a", 1)
    return shown.replace("##[", "#\\x23[")


def compact(data: object, indent: int | None = None) -> str:
    """JSON in ASCII that no build server takes for an order when it stands in a log."""
    import json

    return json.dumps(data, indent=indent).replace("##[", "#\\u0023[")


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


def kept_lines(kept: Mapping[str, Blob]) -> list[str]:
    """How to get back what was replaced, which is kept as git objects."""
    return [
        f"hint: what was in {plain(path)} is kept: `{back_command(path, blob)}`" for path, blob in sorted(kept.items())
    ]


def back_command(path: str, blob: Blob) -> str:
    """The command that puts a file or link back which git keeps as an object."""
    read, place = f"git cat-file blob {blob.id}", plain(word(path))
    return f'ln -sfn "$({read})" {place}' if blob.mode == LINK else f"{read} > {place}"


def kept_data(kept: Mapping[str, Blob]) -> dict[str, str]:
    """The same for machines: the object of each path."""
    return {path: blob.id for path, blob in kept.items()}


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
