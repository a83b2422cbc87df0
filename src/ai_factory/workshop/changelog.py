"""What is told of a change before it has a version: a bullet under `## Unreleased`, which is no release's heading."""

from __future__ import annotations

import re

from ai_factory.tree import normalized, with_endings_of

HEADING = "## Unreleased"
UNRELEASED = re.compile(r"^##\s+\[?unreleased\]?[^\n]*\n", re.IGNORECASE | re.MULTILINE)
_NEXT = re.compile(r"^## ", re.MULTILINE)


def noted(changelog: bytes, bullet: str) -> bytes:
    """The changelog with one bullet more under the heading for what is not released; the heading is made if need be."""
    text = normalized(changelog).decode(errors="surrogateescape")
    found = UNRELEASED.search(text)
    start = found.end() if found else None
    after = _NEXT.search(text, start or 0)
    end = after.start() if after else len(text)
    head, section = (text[:start], text[start:end].strip("\n")) if found else (text[:end].rstrip("\n"), "")
    top = head if found else "\n\n".join(filter(None, (head, HEADING))) + "\n"
    body = "\n".join(filter(None, (section, f"- {bullet}")))
    rest = f"\n{text[end:]}" if after else ""
    return with_endings_of(f"{top}\n{body}\n{rest}".encode(errors="surrogateescape"), changelog)


def unreleased(changelog: bytes) -> str:
    """What the changelog says of changes that no release has yet."""
    text = changelog.decode(errors="replace")
    found = UNRELEASED.search(text)
    return _NEXT.split(text[found.end() :], maxsplit=1)[0].strip() if found else ""
