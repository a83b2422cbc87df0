"""Merges by structure: each case of `tests/merges` with its whole outcome, and what is no document at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ai_factory import structured

MERGES = Path(__file__).parent / "merges"


class Case(NamedTuple):
    """Three versions of a file and what becomes of them; None: a conflict (or, of the base, no such file)."""

    path: str
    base: bytes | None
    ours: bytes
    theirs: bytes
    merged: bytes | None


def cases() -> Iterator[object]:
    """The cases of all files: `#### name: path`, then `---- version` before each text; `|` ends one without newline."""
    for file in sorted(MERGES.glob("*.txt")):
        for text in re.split(r"^#### ", file.read_text(), flags=re.MULTILINE)[1:]:
            head, *parts = re.split(r"^---- (\w+)\n", text.rstrip("\n") + "\n", flags=re.MULTILINE)
            name, path = head.strip().rsplit(": ", 1)
            found = dict(zip(parts[::2], map(_content, parts[1::2]), strict=True))
            case = Case(path, found.get("base"), found["ours"], found["theirs"], found.get("merged"))
            assert ("merged" in found) != ("conflict" in found), name
            yield pytest.param(case, id=f"{file.stem}: {name}")


def _content(text: str) -> bytes:
    return text.removesuffix("|\n").encode()


@pytest.mark.parametrize("case", list(cases()))
def test_three_versions_and_what_becomes_of_them(case: Case) -> None:
    """The whole text of the result, or a conflict."""
    merged = structured.merge(case.path, case.base, case.ours, case.theirs)
    assert (merged and merged.decode()) == (case.merged and case.merged.decode())
