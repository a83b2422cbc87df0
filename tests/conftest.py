"""Every test has a home, a cache and an identity of its own, and no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kit


@pytest.fixture(autouse=True)
def _own_world(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AI_FACTORY_CACHE", str(home / "cache"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("CI", raising=False)
    for name, value in kit.IDENTITY.items():
        monkeypatch.setenv(name, value)
    return
    yield


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """The small factory at v1.0.0 and v2.0.0."""
    return kit.small_factory(tmp_path / "factory")


@pytest.fixture
def project(tmp_path: Path, factory: Path) -> Path:
    """A project stamped from the small factory's v1.0.0."""
    return kit.small_project(tmp_path / "small-thing", factory)
