"""One git process: without configuration that is not asked for, without a question, with its failure told."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ai_factory.errors import MachineError
from ai_factory.tree import path_bytes

TRANSPORTS = "file:https:ssh"
NO_TRANSPORT = "none"  # a repository with a promise in it would else fetch what is missing, by programs that it names
TIMEOUT = 600  # seconds of one git process


def isolated(transports: str = NO_TRANSPORT) -> dict[str, str]:
    """An environment in which git sees no configuration but a repository's own, asks nothing, and fetches nothing.

    `transports` names those of git's protocols that it may use, with colons between them.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_ALLOW_PROTOCOL": transports,
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        "LC_ALL": "C",
        # before a repository's own: it may name a hook, or a program to ask which files changed
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": os.devnull,
        "GIT_CONFIG_KEY_1": "core.fsmonitor",
        "GIT_CONFIG_VALUE_1": "false",
    }


@contextmanager
def _trusting() -> Iterator[dict[str, str]]:
    """The isolated environment with one setting of the person's: which repositories of other users git may read."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    asked = _started(["config", "--global", "--get-all", "-z", "safe.directory"], "/", environment=own)
    with tempfile.NamedTemporaryFile("wb", prefix="ai-factory-") as stream:
        for folder in asked.stdout.split(b"\0")[:-1]:
            stream.write(b"[safe]\n\tdirectory = " + quoted(os.fsdecode(folder)) + b"\n")
        stream.flush()
        yield isolated() | {"GIT_CONFIG_GLOBAL": stream.name}


def run(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    expect: Sequence[int] = (0,),
) -> bytes:
    """What git prints. Raises MachineError when it is missing, too old, too slow, or exits otherwise than expected."""
    return finished(arguments, folder, stdin, environment, expect).stdout


def finished(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    expect: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[bytes]:
    """The process after its end; raises as `run` does."""
    done = _started(arguments, folder, stdin, environment)
    if environment is None and b"dubious ownership" in done.stderr:
        with _trusting() as trusting:
            done = _started(arguments, folder, stdin, trusting)
    if done.returncode not in expect:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
        raise MachineError(f"git failed: `git {_words(arguments[:2])}`: {reason}", hint_for(reason))
    return done


def _started(
    arguments: Sequence[str | bytes], folder: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            env=isolated() if environment is None else environment,
            timeout=TIMEOUT,
            check=False,
        )
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.isdir(folder):
            raise MachineError(f"there is no folder `{folder}`") from None
        raise MachineError("git is not installed", "install git 2.38 or newer") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"git took longer than {TIMEOUT} seconds: `git {_words(arguments[:2])}`") from None


def _words(arguments: Sequence[str | bytes]) -> str:
    return " ".join(os.fsdecode(argument) for argument in arguments)


def hint_for(reason: str) -> str:
    """What mends the failure of that reason, where it is known."""
    if "dubious ownership" in reason:
        return "the repository belongs to another user: `git config --global --add safe.directory PATH`"
    return "install git 2.38 or newer" if "usage:" in reason or "unknown option" in reason else ""


def quoted(path: str) -> bytes:
    """The path as git's own streams and settings spell it."""
    escaped = path_bytes(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
