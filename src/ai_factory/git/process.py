"""One git process: without configuration that is not asked for, without a question, with its failure told."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ai_factory.errors import MachineError
from ai_factory.tree import path_bytes
from ai_factory.workspace import UNUSABLE, Repository, find_repository

TIMEOUT = 600  # seconds of one git process
NOTHING: Mapping[str, str] = {}
GRACE = 10  # seconds in which a process that was asked to end should have ended
_MAY_NAME_FILTERS = re.compile("filter|include", re.IGNORECASE)


def isolated() -> dict[str, str]:
    """An environment in which git sees no configuration but a repository's own, and asks nothing."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        # nothing is fetched unless asked for: a repository may name a program that brings what it lacks
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",  # an id names one content, whatever a repository puts in its place
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        "LC_ALL": "C",
        # before a repository's own: it may name a hook, or a program to ask which files changed
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": os.devnull,
        "GIT_CONFIG_KEY_1": "core.fsmonitor",
        "GIT_CONFIG_VALUE_1": "false",
    }


def of_index(place: str) -> dict[str, str]:
    """What makes git use that file as its index; nothing where none is named."""
    return {"GIT_INDEX_FILE": place} if place else {}


def personal() -> dict[str, str]:
    """The isolated environment with the person's own settings: what git calls a change depends on them.

    Not those on what git ignores: a file that they hide is still there, and in the way.
    """
    own = {key: value for key, value in isolated().items() if key != "GIT_CONFIG_GLOBAL"}
    return with_settings(own, [("core.excludesFile", os.devnull)])


def with_settings(environment: Mapping[str, str], settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The environment with further settings, which win over those of every configuration file."""
    first = int(environment.get("GIT_CONFIG_COUNT", "0"))
    rows = {
        name: value
        for number, (key, value) in enumerate(settings, first)
        for name, value in ((f"GIT_CONFIG_KEY_{number}", key), (f"GIT_CONFIG_VALUE_{number}", value))
    }
    return {**environment, **rows, "GIT_CONFIG_COUNT": str(first + len(settings))}


def configured(pattern: str, folder: str, environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """The settings in force there whose names match the pattern, in git's order: the last of one name counts."""
    asked = finished(["config", "--null", "--get-regexp", pattern], folder, environment=environment, expect=(0, 1))
    rows = (os.fsdecode(row).partition("\n") for row in asked.stdout.split(b"\0") if row)
    return [(name, value if given else "true") for name, given, value in rows]  # a name alone is a yes


def filters_off(settings: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The settings with which every content filter among those given does nothing."""
    drivers = sorted({name.rpartition(".")[0] for name, _ in settings if name.startswith("filter.")})
    off = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    return [(f"{driver}.{key}", value) for driver in drivers for key, value in off]


def without_filters(environment: Mapping[str, str], folder: str) -> dict[str, str]:
    """The environment in which no content filter runs there, be it the project's or the person's.

    Git would run them to tell whether a file changed; without them a file whose stored form differs from the one
    on disk counts as changed once its time stamp moved. Git is asked for them only where a file may name one.
    """
    found = find_repository(folder)
    if found is None or not any(_MAY_NAME_FILTERS.search(_text(place)) for place in _configuration(found)):
        return dict(environment)
    # told where it is, git reads the settings also of a repository that belongs to another user
    asking = {**environment, "GIT_DIR": found.private}
    return with_settings(environment, filters_off(configured(r"^filter\.", folder, asking)))


def _configuration(found: Repository) -> list[str]:
    """The files that git reads its configuration from there, without those that they include."""
    home = os.path.expanduser("~")
    own = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git", "config")
    places = ((found.common, "config"), (found.private, "config.worktree"), (home, ".gitconfig"))
    return [own, *(os.path.join(*place) for place in places)]


def _text(place: str) -> str:
    try:
        with open(place, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


@contextmanager
def _trusting() -> Iterator[dict[str, str]]:
    """One setting of the person's, for an isolated environment: which repositories of other users git may read."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    asked = _started(["config", "--get-all", "-z", "safe.directory"], "/", b"", own)
    with tempfile.NamedTemporaryFile("wb", prefix="ai-factory-") as stream:
        for folder in asked.stdout.split(b"\0")[:-1]:
            stream.write(b"[safe]\n\tdirectory = " + quoted(os.fsdecode(folder)) + b"\n")
        stream.flush()
        yield {"GIT_CONFIG_SYSTEM": stream.name, "GIT_CONFIG_NOSYSTEM": "0"}


def run(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    expect: Sequence[int] = (0,),
    more: Mapping[str, str] = NOTHING,
    within: float = TIMEOUT,
) -> bytes:
    """What git prints. Raises MachineError when it is missing, too old, too slow, or exits otherwise than expected.

    `more` adds to the isolated environment, in which git runs unless another `environment` is given; `within` are the
    seconds that it may take.
    """
    return finished(arguments, folder, stdin, environment, expect, more, within).stdout


def bounded(arguments: Sequence[str], folder: str, most: int) -> bytes:
    """What git prints, if that is not more than `most` bytes: else it is stopped, and MachineError raised."""
    pipes = (subprocess.DEVNULL, subprocess.PIPE, subprocess.DEVNULL)
    try:
        process = subprocess.Popen(["git", *arguments], -1, None, *pipes, cwd=folder, env=isolated())
    except OSError:
        return run(arguments, folder)  # it says what is wrong
    with process:
        assert process.stdout
        output = process.stdout.read(most + 1)
        if len(output) > most:
            process.kill()
            raise MachineError(f"git printed more than {most} bytes: `git {_words(arguments)}`")
    return output if process.returncode == 0 else run(arguments, folder)


def finished(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    expect: Sequence[int] | None = (0,),
    more: Mapping[str, str] = NOTHING,
    within: float = TIMEOUT,
) -> subprocess.CompletedProcess[bytes]:
    """The process after its end, whatever that was where `expect` is None; raises as `run` does."""
    given = {**isolated(), **more} if environment is None else environment
    done = _started(arguments, folder, stdin, given, within)
    if b"dubious ownership" in done.stderr and given.get("GIT_CONFIG_NOSYSTEM") == "1":
        with _trusting() as trusting:
            done = _started(arguments, folder, stdin, {**given, **trusting})
    if expect is not None and done.returncode not in expect:
        raise failure(arguments, done)
    return done


def failure(arguments: Sequence[str | bytes], done: subprocess.CompletedProcess[bytes]) -> MachineError:
    """The error for a process that ended otherwise than expected."""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    reason = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
    return MachineError(f"git failed: `git {_words(arguments)}`: {reason}", hint_for(reason))


def _started(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes,
    environment: Mapping[str, str],
    within: float = TIMEOUT,
) -> subprocess.CompletedProcess[bytes]:
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(
            ["git", *arguments], cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        ) as process:
            try:
                output, errors = process.communicate(stdin, timeout=within)
            except BaseException:
                _end(process)
                raise
            return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.isdir(folder):
            raise MachineError(f"there is no folder `{folder}`") from None
        raise MachineError("git is not installed", "install git 2.38 or newer") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"`git {_words(arguments)}` took longer than {within} seconds") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end: killed at once, git would leave its locks behind."""
    process.terminate()
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _words(arguments: Sequence[str | bytes]) -> str:
    """The command and its first argument, without the settings that git is given before them."""
    words = [os.fsdecode(argument) for argument in arguments]
    while words[:1] == ["-c"]:
        del words[:2]
    return " ".join(words[:2])


def hint_for(reason: str) -> str:
    """What mends the failure of that reason, where it is known."""
    if "dubious ownership" in reason:
        return "the repository belongs to another user: `git config --global --add safe.directory PATH`"
    if re.search("No space left|Out of diskspace|Permission denied|Read-only|not permitted", reason):
        return UNUSABLE
    return "install git 2.38 or newer" if "usage:" in reason or "unknown option" in reason else ""


def quoted(path: str) -> bytes:
    """The path as git's own streams and settings spell it."""
    escaped = path_bytes(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
