"""A shell as a person has it, with this checkout's `ai-factory` on PATH: one folder and environment from command to command."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests import kit

BIN = Path(sys.executable).parent
HOME = Path(os.environ.get("HOME", "/")) / ".cache"  # read before any test gets a home of its own
CACHES = {
    "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(HOME / "uv")),
    "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(HOME / "pip")),
}
CLOSED = "http://127.0.0.1:9"  # nothing listens there: whatever asks a proxy fails at once
PROXIES = {name: CLOSED for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")}


@cache
def _alone() -> tuple[str, ...]:
    """What starts a process in a network of its own, without any way out, where the machine allows it."""
    wrapper = ("unshare", "--map-root-user", "--net")
    if not shutil.which("unshare"):
        return ()
    done = subprocess.run([*wrapper, "true"], capture_output=True, check=False, timeout=30)
    return wrapper if done.returncode == 0 else ()


class Done(NamedTuple):
    """How a command ended, and what it printed on both streams, in order."""

    code: int
    text: str


class Shell:
    """Commands in a folder; `cd` and `export` last."""

    def __init__(self, folder: Path, home: Path, *, offline: bool = False) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.offline = offline
        self._exports = home / "exports"
        self._exports.touch()
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in ("CI", "VIRTUAL_ENV", "MAKEFLAGS")},
            **kit.IDENTITY,
            **CACHES,
            "HOME": str(home),
            "AI_FACTORY_CACHE": str(home / "cache"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "PYTHON": sys.executable,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def run(self, command: str, timeout: float = 300) -> Done:
        """Run the command with bash; it fails the test when it takes longer than `timeout` seconds."""
        state = shlex.quote(str(self._exports))
        script = f". {state}\n{command}\n__code=$?\n{{ export -p; echo cd \"$(printf %q \"$PWD\")\"; }} > {state}\nexit $__code\n"
        done = subprocess.run(
            [*(_alone() if self.offline else ()), "bash", "-c", script],
            cwd=self.folder,
            env={**self._environment, **(PROXIES if self.offline else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout)

    def must(self, command: str, timeout: float = 300) -> str:
        """What the command prints; it must end with 0."""
        done = self.run(command, timeout)
        assert done.code == 0, f"`{command}` ended with {done.code}:\n{done.text}"
        return done.text


def normalized(text: str) -> list[str]:
    """The lines without what differs from run to run: ids, times, where the folder lies, widths."""
    for pattern, replacement in (
        (r"\x1b\[[0-9;]*m", ""),  # colours
        (r"\b(?=[a-f]*\d)[0-9a-f]{7,64}\b", "ID"),
        (r"(?<![\w.:/])/(?:[^\s/:'\"`]+/)+", "/PLACE/"),
        (r" ?\(\d+:\d\d:\d\d\)", ""),  # pytest, beyond a minute
        (r"\b\d+(\.\d+)? ?(ms|s|seconds?)\b", "TIME"),
        (r"[ \t]+", " "),
    ):
        text = re.sub(pattern, replacement, text)
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(lines).strip("\n").split("\n")


def agrees(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; a line `...` or `…` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line in ("...", "…") else re.escape(line) + r"\n" for line in normalized(shown)
    )
    return re.fullmatch(pattern, "\n".join(normalized(printed)) + "\n") is not None
