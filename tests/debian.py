"""Other people's servers and their tools, as `make tools` unpacks them, or as the machine has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shell import BIN

UNPACKED = BIN.parent / "debian" / "usr"


def tool(name: str) -> str:
    """The path of that program; without it the test is skipped, and says what would bring it."""
    path = f"{UNPACKED}/bin:{UNPACKED}/sbin"
    found = shutil.which(name, path=path) or shutil.which(name)
    if not found:
        pytest.skip(f"no {name} here: `make tools` unpacks it from Debian's packages where apt-get reaches a mirror")
    return found


def server(name: str) -> list[str]:
    """The command of that server. One that was unpacked finds below `/usr/share` what came with it, and nothing else.

    Debian's Alertmanager reads its templates there, wherever its program lies.
    """
    program, share = tool(name), UNPACKED / "share"
    if not program.startswith(str(UNPACKED)):
        return [program]
    alone, mount = ["unshare", "--mount", "--map-root-user", "sh", "-c"], f"mount --bind {share} /usr/share"
    if not shutil.which("unshare") or subprocess.run([*alone, mount], check=False).returncode:
        pytest.skip("no folder can be put in place of /usr/share here: `unshare --mount` is not allowed")
    return [*alone, f'{mount} && exec "$0" "$@"', program]


def must(name: str, *arguments: str, folder: Path) -> str:
    """What the program prints; it must end with 0."""
    done = run(name, *arguments, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [tool(name), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
