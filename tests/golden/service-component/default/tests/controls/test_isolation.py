"""The factory's code stands alone, and tests stay on this machine."""

from __future__ import annotations

import ast
import socket
from pathlib import Path

import pytest

import claims_router.controls

CONTROLS = Path(claims_router.controls.__file__).parent
PACKAGE = "claims_router"


def _team_imports(path: Path) -> list[str]:
    """Relative imports that climb out of `controls/`, and absolute ones of the package."""
    depth = len(path.relative_to(CONTROLS).parts)
    nodes = list(ast.walk(ast.parse(path.read_text())))
    far = [node for node in nodes if isinstance(node, ast.ImportFrom) and _is_team(node, depth)]
    plain = [node for node in nodes if isinstance(node, ast.Import)]
    named = [node for node in plain if any(_is_package(alias.name) for alias in node.names)]
    return [ast.unparse(node) for node in [*far, *named]]


def _is_team(node: ast.ImportFrom, depth: int) -> bool:
    return node.level > depth or (node.level == 0 and _is_package(node.module or ""))


def _is_package(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def test_controls_import_nothing_of_the_team() -> None:
    """So that a change in the team's code can never switch a control off."""
    found = {str(path): _team_imports(path) for path in sorted(CONTROLS.rglob("*.py"))}
    assert len(found) >= 4
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_network_is_blocked_in_tests() -> None:
    """Neither a look-up nor a connection leaves this machine."""
    with pytest.raises(OSError, match="blocked in tests"):
        socket.getaddrinfo("example.org", 443)
    with socket.socket() as outward, pytest.raises(OSError, match="blocked in tests"):
        outward.connect(("192.0.2.1", 443))
