"""A shell as a person has it, with this checkout's `ai-factory` on PATH: `cd` and `export` last."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests import kit

BIN = Path(sys.executable).parent
KEPT = Path(os.environ.get("HOME", "/")) / ".cache"  # read before any test gets a home of its own
CACHES = {
    "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(KEPT / "uv")),
    "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(KEPT / "pip")),
}
NOT_OURS = {"CI", "VIRTUAL_ENV", "MAKEFLAGS", "PYTHONPATH", *kit.IDENTITY}
GITCONFIG = "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n"
CLOSED = "http://127.0.0.1:9"  # nothing listens there: whatever asks a proxy fails at once
# A new network has not even a loopback, which tests of clients and servers need: switch it on, then run the command.
LOOPBACK_UP = """\
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP_AND_RUNNING))
os.execvp(sys.argv[1], sys.argv[1:])
"""
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), CLOSED)


@cache
def _alone() -> tuple[str, ...]:
    """What starts a process in a network of its own, without any way out, where the machine allows it."""
    wrapper = ("unshare", "--map-root-user", "--net", sys.executable, "-c", LOOPBACK_UP)
    if not shutil.which("unshare"):
        return ()
    done = subprocess.run([*wrapper, "true"], capture_output=True, check=False, timeout=30)
    return wrapper if done.returncode == 0 else ()


def clean(tool: str, *arguments: str | Path) -> None:
    """Run a tool of this environment, such as a linter, that has to find nothing."""
    done = subprocess.run([str(BIN / tool), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _cache(place: Path) -> Path:
    return place if place.exists() else kit.warm_cache(place)


class Done(NamedTuple):
    """How a command ended, and what it printed on both streams, in order."""

    code: int
    text: str


class Shell:
    """Commands in a folder; `cd` and `export` last."""

    def __init__(self, folder: Path, home: Path, *, offline: bool = False) -> None:
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text(GITCONFIG)
        self.folder = folder
        self.offline = offline
        self._exports = home / "exports"
        self._exports.touch()
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_OURS},
            **CACHES,
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "AI_FACTORY_CACHE": str(_cache(home / "cache")),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "PYTHON": sys.executable,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, command: str, timeout: float = 300) -> Done:
        """Run the command with bash; it fails the test when it takes longer than `timeout` seconds."""
        state = shlex.quote(str(self._exports))
        # a proxy that leads nowhere is not handed on to a shell that has a network
        keep = f"""{{ export -p | grep -viE '_proxy='; echo cd "$(printf %q "$PWD")"; }} > {state}"""
        script = f". {state}\n{command}\n__code=$?\n{keep}\nexit $__code\n"
        process = subprocess.Popen(
            [*(_alone() if self.offline else ()), "bash", "-c", script],
            cwd=self.folder,
            env={**self._environment, **(PROXIES if self.offline else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            text, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it started too
            raise
        return Done(process.returncode, text)

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
        (r":\d+ was edited\b", ":LINE was edited"),  # a file of a component grows
        (r"\b\d+ passed\b", "SOME passed"),  # of a product's own tests there are more with every component
        (r"[ \t]+", " "),
    ):
        text = re.sub(pattern, replacement, text)
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(lines).strip("\n").split("\n")


def agrees(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; a line `...` or `…` stands for any lines."""
    pattern = "".join(r"(?:.*\n)*?" if line in ("...", "…") else re.escape(line) + r"\n" for line in normalized(shown))
    return re.fullmatch(pattern, "\n".join(normalized(printed)) + "\n") is not None
