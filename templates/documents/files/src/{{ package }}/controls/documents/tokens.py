"""Tokens in place of what identifies a person, and a search for what slipped through."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..audit import Privacy

PREFIX = "tok:"
SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes tokens: keyed, so that nobody without the key can find the value by trying."""

    privacy: Privacy

    def token(self, kind: str, value: str) -> str:
        """The same value of a kind has the same token, whatever its spaces and its case."""
        known = [kind, SPACE.sub("", value).casefold()]
        return PREFIX + self.privacy.digest(known).rpartition(":")[2][:32]


def leaks(folder: Path, secrets: Iterable[str], skip: Iterable[Path] = ()) -> list[str]:
    """Files below a folder that hold one of these values in clear, in any spacing and case.

    Looks into text, SQLite, parquet and zip files (packaged models are such). `skip` are folders
    that may hold them, such as that of the originals. What is shorter than six characters is not
    looked for: it would be found by chance.
    """
    wanted = {SPACE.sub("", secret).casefold() for secret in secrets}
    wanted = {secret for secret in wanted if len(secret) >= 6}
    left_out = [place.resolve() for place in skip]
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    checked = [
        path for path in files if not any(path.resolve().is_relative_to(p) for p in left_out)
    ]
    return [path.relative_to(folder).as_posix() for path in checked if _holds(path, wanted)]


def _holds(path: Path, wanted: set[str]) -> bool:
    plain = [SPACE.sub("", text).casefold() for text in _texts(path)]
    return any(secret in text for text in plain for secret in wanted)


def _texts(path: Path) -> Iterator[str]:
    """What a file says, in clear."""
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    if path.suffix == ".parquet":
        yield pl.read_parquet(path).write_ndjson()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (
                archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
            )
    elif content.startswith(b"SQLite format 3"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield "\n".join(database.iterdump())
