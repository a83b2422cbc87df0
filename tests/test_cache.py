"""The cache: a private folder, wherever the machine wants it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ai_factory import cache
from ai_factory.errors import MachineError
from tests.kit import refusal


def test_a_folder_is_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_FACTORY_CACHE", str(tmp_path / "a" / "b"))
    assert cache.folder("jinja") == cache.peek("jinja") == str(tmp_path / "a/b/jinja")
    assert [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("a/b", "a/b/jinja")] == [0o700, 0o700]


@pytest.mark.parametrize("loose", [".", "jinja"])
def test_a_folder_that_others_may_write_to_is_closed(
    loose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_FACTORY_CACHE", str(tmp_path))
    cache.folder("jinja")
    (tmp_path / loose).chmod(0o777)
    cache.folder("jinja")
    assert stat.S_IMODE((tmp_path / loose).stat().st_mode) == 0o700


def test_the_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("AI_FACTORY_CACHE", "/own")
    assert cache.peek("m") == "/own/m"
    monkeypatch.delenv("AI_FACTORY_CACHE")
    assert cache.peek("m") == "/xdg/ai-factory/m"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache.peek("m") == "/home/x/.cache/ai-factory/m"


def test_looking_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_FACTORY_CACHE", str(tmp_path / "none"))
    cache.peek("jinja")
    assert not (tmp_path / "none").exists()


def test_a_cache_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled templates in it are code."""
    monkeypatch.setenv("AI_FACTORY_CACHE", str(tmp_path / "c"))
    cache.folder("jinja")
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    error = refusal(lambda: cache.folder("jinja"))
    assert (type(error), error.message) == (MachineError, f"the cache `{tmp_path / 'c'}` belongs to another user")


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("AI_FACTORY_CACHE", str(tmp_path / "file"))
    error = refusal(lambda: cache.folder("jinja"))
    assert (type(error), error.message) == (
        MachineError,
        f"cannot use the cache `{tmp_path}/file/jinja`: File exists",
    )
