"""The only two commits that the tool makes: the first one of a project, and that of a sync on request."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from ai_factory.git.process import configured, filters_off, run, with_settings
from ai_factory.tree import path_bytes

NOBODY = ("ai-factory", "noreply@invalid")


def commit(root: str, message: str, paths: Sequence[str]) -> None:
    """Commit these paths and nothing else, with the person's own identity and hooks."""
    environment = {key: value for key, value in os.environ.items() if key != "GIT_DIR"} | {"GIT_LITERAL_PATHSPECS": "1"}
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run(["commit", "--quiet", "-m", message, "--only", *options], root, stdin, environment)


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
    settings = configured(r"^(user\.(name|email)$|filter\.)", root, environment)
    identity, known = _identity(environment, {name for name, _ in settings})
    environment = with_settings(environment, filters_off(settings))
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


def _identity(environment: Mapping[str, str], names: Collection[str]) -> tuple[dict[str, str], bool]:
    named = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"} <= environment.keys()
    if {"user.name", "user.email"} <= set(names):
        return {}, True
    name, mail = (environment["GIT_AUTHOR_NAME"], environment["GIT_AUTHOR_EMAIL"]) if named else NOBODY
    both = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail}
    committer = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": mail}
    return both | committer | {key: environment[key] for key in committer if key in environment}, named
