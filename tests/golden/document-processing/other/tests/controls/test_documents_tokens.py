"""Tokens tell nothing and stay the same; the search for leaks finds what is in clear anywhere."""

from __future__ import annotations

import contextlib
import sqlite3
import zipfile
from pathlib import Path

import polars as pl
import pytest

from paper_desk.controls.audit import Privacy
from paper_desk.controls.documents.tokens import Tokens, leaks

TOKENS = Tokens(Privacy(b"k" * 32))
SECRET = "XZ12 3456 7890"


def test_the_same_value_has_the_same_token() -> None:
    """Whatever its spaces and case; another kind, value or key has another."""
    token = TOKENS.token("account", SECRET)
    assert token == TOKENS.token("account", "xz1234567890")
    others = {
        TOKENS.token("policy", SECRET),
        TOKENS.token("account", "XZ12 3456 7891"),
        Tokens(Privacy(b"j" * 32)).token("account", SECRET),
    }
    assert token not in others and len(others) == 3
    assert token.startswith("tok:") and "1234" not in token


def test_a_token_passes_redaction_as_it_is() -> None:
    """In the audit log it can be compared."""
    token = TOKENS.token("account", SECRET)
    assert TOKENS.privacy.redact({"value": token}) == {"value": token}


def text(folder: Path) -> None:
    """A log line."""
    (folder / "a.log").write_text("paid to XZ1234567890 today")


def spaced(folder: Path) -> None:
    """Grouped, and in small letters."""
    (folder / "a.json").write_text('{"to": "xz12 3456  7890"}')


def parquet(folder: Path) -> None:
    """A packed column."""
    pl.DataFrame({"a": [SECRET] * 50}).write_parquet(folder / "a.parquet")


def database(folder: Path) -> None:
    """A row of SQLite."""
    with contextlib.closing(sqlite3.connect(folder / "a.db")) as opened:
        opened.execute("create table t (a text)")
        opened.execute("insert into t values (?)", (SECRET,))
        opened.commit()


def archive(folder: Path) -> None:
    """A vocabulary within a packaged model."""
    with zipfile.ZipFile(folder / "a.skops", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("schema.json", f"words: {SECRET}")


@pytest.mark.parametrize("leak", [text, spaced, parquet, database, archive])
def test_a_value_in_clear_is_found(tmp_path: Path, leak: object) -> None:
    """Wherever it hides; but not where it may be, and not in a file without it."""
    (tmp_path / "clean.txt").write_text("nothing of note")
    assert leaks(tmp_path, {SECRET}) == []
    assert callable(leak)
    leak(tmp_path)
    found = leaks(tmp_path, {SECRET})
    assert len(found) == 1 and found[0].startswith("a.")
    assert leaks(tmp_path, {SECRET}, skip=[tmp_path]) == []
    assert leaks(tmp_path, {"another value"}) == []


def test_short_values_are_not_looked_for(tmp_path: Path) -> None:
    """They stand anywhere by chance."""
    (tmp_path / "a.txt").write_text("12 Lane")
    assert leaks(tmp_path, {"12"}) == []
