"""Parts of a file that only serve the factory: between two comment lines, and gone when the project leaves it."""

from __future__ import annotations

import re

BOM = "\ufeff".encode()
_MARK = re.compile(rb"\s*(?:#|//|<!--|--|;|%)\s*ai-factory: (begin|end)\s*(?:-->)?\s*")


def without(content: bytes) -> bytes | None:
    """The content without such parts and their marks; None where a mark has no partner: nobody knows what is meant."""
    if content.startswith(BOM):
        rest = without(content.removeprefix(BOM))
        return None if rest is None else BOM + rest
    kept, inside = [], False
    for line in content.splitlines(keepends=True):
        mark = _MARK.fullmatch(line)
        if mark and (mark[1] == b"begin") == inside:
            return None
        if not (inside or mark):
            kept.append(line)
        inside ^= mark is not None
    return None if inside else b"".join(kept)
