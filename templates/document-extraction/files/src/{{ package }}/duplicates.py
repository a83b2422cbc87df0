"""Remembers what came before: the same file, or the same number of the same sender."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from .controls.documents.tokens import Tokens


def fingerprints(digest: str, values: Mapping[str, str], tokens: Tokens) -> list[str]:
    """What two documents must not share: their content, and what numbers them."""
    numbers = [("vendor_id", "invoice_number"), ("claim_number",)]
    known = [
        "|".join(values[name] for name in names) for names in numbers if set(names) <= set(values)
    ]
    return [f"file:{digest}", *(tokens.token("number", value) for value in known)]


class Register:
    """Who had a fingerprint first; one SQLite file, which many processes may use."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._opened() as database:
            database.execute("create table if not exists seen (mark text primary key, owner text)")

    def claim(self, marks: list[str], document_id: str) -> list[str]:
        """Take fingerprints for a document; returns the others that had one of them before.

        Asking again for the same document gives the same answer.
        """
        with self._opened() as database:
            database.executemany(
                "insert or ignore into seen values (?, ?)", [(mark, document_id) for mark in marks]
            )
            asked = ", ".join("?" * len(marks))
            rows = database.execute(f"select owner from seen where mark in ({asked})", marks)
            return sorted({owner for (owner,) in rows} - {document_id})

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            yield database
