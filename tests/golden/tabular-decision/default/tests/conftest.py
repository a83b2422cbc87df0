"""Shared fixtures; no test reaches the network, and numerical libraries use one thread."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credit_line.controls import stages
from credit_line.controls.paths import Paths

ROOT = Path(__file__).resolve().parent.parent
# Tests do not depend on how this machine is set up to run the system.
for _line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
    os.environ.pop(_line.partition("=")[0], None)
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]  # what a test talks to is on this machine
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DO_NOT_TRACK"):
    os.environ[_name] = "1"

# Folders at the root that are code or come from a run; all others are settings and data.
NOT_SETTINGS = ("src", "tests", "evidence", "var", "build", "dist")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NetworkBlocked(OSError):
    """A test tried to leave this machine."""


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection and name look-up except on this machine."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def local_connect(self: socket.socket, address: Any) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in LOOPBACK:
            raise NetworkBlocked(f"connection to {address[0]} blocked in tests")
        connect(self, address)

    def local_look_up(host: Any, *rest: Any, **named: Any) -> Any:
        if host not in (None, *LOOPBACK):
            raise NetworkBlocked(f"look-up of {host} blocked in tests")
        return look_up(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local_connect)
        patch.setattr(socket, "getaddrinfo", local_look_up)
        yield


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """An empty project."""
    return Paths.of(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    """A copy of this project's settings (contracts, thresholds, plans), before any run."""
    return _copy(tmp_path / "project")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A copy of this project after one whole run; shared by all tests, so only to be read."""
    copied = _copy(tmp_path_factory.mktemp("built") / "project")
    pipeline = importlib.import_module("credit_line.pipeline")
    assert stages.run(pipeline.STAGES, copied) == 0
    return copied


@pytest.fixture
def rebuilt(built: Paths, tmp_path: Path) -> Paths:
    """An own copy of the finished run, free to be changed."""
    shutil.copytree(built.root, tmp_path / "rebuilt")
    return Paths.of(tmp_path / "rebuilt")


def _copy(target: Path) -> Paths:
    target.mkdir()
    folders = (path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
    for folder in folders:
        if folder.name not in NOT_SETTINGS:
            shutil.copytree(folder, target / folder.name)
    # Events of tests stay in files: the sinks that the system has are no place for them.
    _set(target / "ops" / "audit.yaml", (), sinks=["file"])
    _undecided(target / "governance")
    return Paths.of(target)


def _undecided(governance: Path) -> None:
    """Tests begin before anybody decided: what people answer and approve changes none of them."""
    for name in ("applicability.json", "released.json", "literacy.yaml"):
        (governance / name).unlink(missing_ok=True)
    _set(governance / "approvals.yaml", (), approvals=[])
    _set(governance / "facts.yaml", ("facts",), jurisdictions=None)


def _set(register: Path, keys: tuple[str, ...], **values: Any) -> None:
    """Set values under the keys of a register, where there is one."""
    if register.exists():
        yaml = importlib.import_module("yaml")
        content = yaml.safe_load(register.read_text("utf-8"))
        place = content
        for key in keys:
            place = place[key]
        place.update(values)
        register.write_text(yaml.safe_dump(content), "utf-8")
