"""Git's exclude file, which all work trees of a repository share: lines come and go, and others of it stay."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ai_factory.exclusion import alone
from ai_factory.workspace import DRAFT, Repository


def excluded(repository: Repository) -> str | None:
    """The whole file; None when there is none."""
    try:
        with open(_place(repository), encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def missing_lines(repository: Repository, paths: Iterable[str]) -> list[str]:
    """The lines that hide these paths and nothing else, as far as they are not in the file; none where it is a link.

    What a repository that was unpacked, not cloned, makes of that file is not ours to write to.
    """
    if any(map(os.path.islink, (_place(repository), os.path.dirname(_place(repository))))):
        return []
    known = (excluded(repository) or "").splitlines()
    return [line for line in map(_line, paths) if line not in known]


def known_lines(repository: Repository, paths: Iterable[str]) -> list[str]:
    """The lines that hide these paths and nothing else, as far as they are in the file."""
    known = (excluded(repository) or "").splitlines()
    return [line for line in map(_line, paths) if line in known]


def exclude(repository: Repository, lines: Sequence[str]) -> None:
    """Add the lines that are not there."""
    if not lines:
        return
    with _held(repository):
        known = excluded(repository) or ""
        if missing := [line for line in lines if line not in known.splitlines()]:
            _write(repository, _with(known, missing))


def include(repository: Repository, lines: Sequence[str], before: str | None) -> None:
    """Take the lines out: the file is as `before` to the byte where nobody else wrote in it since."""
    if not lines:
        return
    with _held(repository):
        known = excluded(repository)
        wanted = before if known == _with(before or "", lines) else _without(known or "", lines)
        if known is None or wanted == known:
            return
        if wanted is None:
            os.unlink(_place(repository))
        else:
            _write(repository, wanted)


def _place(repository: Repository) -> str:
    return os.path.join(repository.common, "info", "exclude")


@contextmanager
def _held(repository: Repository) -> Iterator[None]:
    """One at a time, and without what a killed one left."""
    place = os.path.join(repository.common, "ai-factory", "exclude.lock")
    with alone(place, wait=True):
        with suppress(FileNotFoundError):
            os.unlink(_place(repository) + DRAFT)
        yield


def _write(repository: Repository, text: str) -> None:
    """Whole or not at all: other lines of it are the person's."""
    place = _place(repository)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    try:
        with open(place + DRAFT, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)
        with suppress(FileNotFoundError):
            shutil.copymode(place, place + DRAFT)
        os.replace(place + DRAFT, place)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(place + DRAFT)
        raise


def _with(text: str, lines: Sequence[str]) -> str:
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "\n".join(lines) + "\n"


def _without(text: str, lines: Sequence[str]) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line.rstrip("\n") not in lines)


def _line(path: str) -> str:
    """The path as a line that git matches with it alone; a line break can only be matched by `?`."""
    return "/" + re.sub(r"([\\*?\[])", r"\\\1", path).replace("\n", "?")
