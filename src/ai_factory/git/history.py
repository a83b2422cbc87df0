"""The history of one file: every commit that left it otherwise than before, and what each left."""

from __future__ import annotations

import os
from typing import NamedTuple

from ai_factory.git.process import finished, run


class Version(NamedTuple):
    """A file as a commit left it (None where it left none), and the commits that left it as it was before."""

    commit: str
    parents: tuple[str, ...]
    content: bytes | None


def versions_of(root: str, path: str) -> list[Version]:
    """The versions of a file in the history of what is checked out, the newest first; none where there is no commit.

    A merge is among them where it chose: parents that are behind others do not count, so that nothing old comes back
    through a merge unseen.
    """
    listing = ["rev-list", "--full-history", "--simplify-merges", "--parents", "HEAD", "--", path]
    done = finished(["--literal-pathspecs", *listing], root, expect=(0, 128))
    rows = [row.split() for row in done.stdout.decode().splitlines()] if done.returncode == 0 else []
    contents = _contents(root, [f"{row[0]}:./{path}" for row in rows])
    return [Version(row[0], tuple(row[1:]), content) for row, content in zip(rows, contents, strict=True)]


def _contents(root: str, places: list[str]) -> list[bytes | None]:
    """What is at each place that git names so (`COMMIT:./path`); None where nothing is, or no file."""
    if not places:
        return []
    output = run(["cat-file", "--batch"], root, os.fsencode("\n".join(places)) + b"\n")
    found: list[bytes | None] = []
    begin = 0
    for _ in places:
        end = output.index(b"\n", begin)
        header = output[begin:end].split()
        if header[-1] == b"missing":
            found.append(None)
            begin = end + 1
            continue
        size = int(header[2])
        found.append(output[end + 1 : end + 1 + size] if header[1] == b"blob" else None)
        begin = end + 1 + size + 1
    return found
