"""Conflict markers in a text: whether there are any, and what either side had between them."""

from __future__ import annotations

MARKS = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")
OURS = "yours"  # how a sync calls the team's side: its own marks are told by that
AUTHORS = "ours"  # how `factory update` calls the factory's own side, and git that of a checkout


def has_markers(content: bytes) -> bool:
    """Whether the text holds the three marks of a conflict, each at the start of a line and in order."""
    lines = b"\n" + content
    start = lines.find(b"\n<<<<<<<")  # git writes longer ones where a file was renamed on both sides
    middle = lines.find(b"\n=======", start)
    return -1 < start < middle < lines.find(b"\n>>>>>>>", middle)


def first_marked_line(content: bytes) -> int:
    """The number of the first line that begins or ends a conflict; 0 where none does."""
    rows = enumerate(content.split(b"\n"), 1)
    return next((number for number, row in rows if row.startswith((b"<<<<<<<", b">>>>>>> "))), 0)


def is_marked(content: bytes) -> bool:
    """Whether any begin or end of a conflict is left, as when a person has removed some of the marks only."""
    return has_markers(content) or any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in content.splitlines())


def are_of(side: str, content: bytes) -> bool:
    """Whether a merge that calls a side so has put marks into the text, rather than somebody who writes about them."""
    return has_markers(content) and b"\n<<<<<<< " + side.encode() in b"\n" + content


def could_be_markers(content: bytes) -> bool:
    """Whether lines of the text itself look like marks: among real ones nobody could tell them apart."""
    lines = b"\n" + content
    return any(b"\n" + mark in lines for mark in MARKS)


def ours(content: bytes) -> bytes:
    """A marked text with our lines of each conflict; all that stands between the conflicts stays."""
    return _side(content, "ours")


def theirs(content: bytes) -> bytes:
    """A marked text with their lines of each conflict."""
    return _side(content, "theirs")


def _side(content: bytes, wanted: str) -> bytes:
    kept: list[bytes] = []
    place, size = "both", 0
    for line in content.splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        if place == "both" and text.startswith(b"<<<<<<<"):
            place, size = "ours", len(text) - len(text.lstrip(b"<"))
        elif place == "ours" and text.startswith(b"|" * size + b" "):
            place = "base"  # as `merge.conflictStyle` may ask for
        elif place in ("ours", "base") and text == b"=" * size:
            place = "theirs"
        elif place == "theirs" and text.startswith(b">" * size + b" "):
            place = "both"
        elif place in ("both", wanted):
            kept.append(line)
    return b"".join(kept)
