"""Every test has a home, a cache and an identity of its own, and no network."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests import kit

pytest_plugins = ("tests.approving",)  # its fixtures
for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):  # what a run in CI does otherwise has tests of its own
    os.environ.pop(name, None)  # before any fixture of a module is made
os.environ.update(kit.IDENTITY)  # for those fixtures too: a machine may know nobody
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born deaf to it; tests interrupt

# the same examples each time, so that a failure is the doing of the change at hand; more and others with EXAMPLES=N
settings.register_profile("repeatable", derandomize="EXAMPLES" not in os.environ, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden trees anew")


@pytest.fixture(autouse=True)
def _own_world(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AI_FACTORY_CACHE", str(kit.warm_cache(home / "cache")))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="session")
def _pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.small_factory(tmp_path_factory.mktemp("pattern") / "factory")


@pytest.fixture
def factory(tmp_path: Path, _pattern: Path) -> Path:
    """The small factory at v1.0.0 and v2.0.0, the test's own copy."""
    return shutil.copytree(_pattern, tmp_path / "factory", symlinks=True)


@pytest.fixture
def project(tmp_path: Path, factory: Path) -> Path:
    """A project stamped from the small factory's v1.0.0."""
    return kit.small_project(tmp_path / "small-thing", factory)
