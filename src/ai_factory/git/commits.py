"""The only two commits that the tool makes: the first one of a project, and that of a sync on request."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ai_factory.git.process import finished, run
from ai_factory.tree import path_bytes

NOBODY = ("ai-factory", "noreply@invalid")


def commit(root: str, message: str, paths: Sequence[str]) -> None:
    """Commit these paths, which are staged, and nothing else, with the person's own identity and hooks."""
    environment = {key: value for key, value in os.environ.items() if key != "GIT_DIR"} | {"GIT_LITERAL_PATHSPECS": "1"}
    if set(_staged(root)) <= {os.path.normpath(path) for path in paths}:
        # a hook that formats and adds again does that in the index itself, which `--only` would take back
        run(["commit", "--quiet", "-m", message], root, environment=environment)
        return
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run(["commit", "--quiet", "-m", message, "--only", *options], root, stdin, environment)


def _staged(root: str) -> list[str]:
    """All that the next commit would change, relative to `root`: beyond it, the paths begin with `..`."""
    prefix = run(["rev-parse", "--show-prefix"], root).decode(errors="surrogateescape").strip("\n")
    names = run(["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "-z"], root).split(b"\0")
    return [os.path.relpath("/" + os.fsdecode(name), "/" + prefix) for name in names if name]


def first_commit(root: str, paths: Sequence[str], message: str) -> bool:
    """Make a repository with one commit of these paths; whether the person's own identity was known.

    Hooks, signing, templates and filters are off, and no ignore rule of the machine leaves a file out.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") or "_NAME" in key or "_EMAIL" in key
    }
    run(["init", "--quiet", "--template=", "."], root, environment=environment)
    identity, known = _identity(root, environment)
    plain = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "commit.gpgSign=false",
        "-c",
        "core.autocrlf=false",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "gc.auto=0",
    ]
    plain += ["-c", f"core.attributesFile={os.devnull}"]
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    run(
        [*plain, "add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"],
        root,
        stdin,
        environment | {"GIT_LITERAL_PATHSPECS": "1"},
    )
    run([*plain, "commit", "--quiet", "--no-verify", "-m", message], root, environment=environment | identity)
    return known


def _identity(root: str, environment: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    options = ["config", "--get-regexp", r"^user\.(name|email)$"]
    found = finished(options, root, environment=environment, expect=(0, 1)).stdout.decode(errors="replace")
    known = {line.partition(" ")[0] for line in found.splitlines()} >= {"user.name", "user.email"}
    named = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"} <= environment.keys()
    if known:
        return {}, True
    name, mail = (environment["GIT_AUTHOR_NAME"], environment["GIT_AUTHOR_EMAIL"]) if named else NOBODY
    both = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail}
    committer = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": mail}
    return both | committer | {key: environment[key] for key in committer if key in environment}, named
