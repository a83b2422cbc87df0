"""An environment of its own for the clients, servers and validators of these tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.shell import BIN

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def environment(folder: Path) -> Path:
    """Install requirements.txt into that folder, and give its Python."""
    uv, python = str(BIN / "uv"), folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(REQUIREMENTS)]
    subprocess.run(install, check=True, timeout=900)
    return python
