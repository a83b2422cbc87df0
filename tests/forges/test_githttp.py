"""The git server for tests is a real one: what a fleet does to a host works, and what a host refuses is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forges.githttp import Rule, Server, serving
from tests.kit import commit, git, put

NAME = "risk/credit-line"
SECRET = "t0ken"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with one repository and one token."""
    with serving(tmp_path / "www", (SECRET,)) as running:
        running.repository(NAME, {"README.md": "hello\n", "big.bin": bytes(range(256)) * 40})
        yield running


def address(server: Server, password: str = SECRET) -> str:
    return server.clone_url(NAME).replace("//", f"//user:{password}@")


def tried(folder: Path, *arguments: str) -> tuple[int, str]:
    """A command of git's that asks nobody: its exit code, and what it says."""
    done = subprocess.run(
        ["git", "-c", "credential.helper=", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"},
    )
    return done.returncode, done.stdout + done.stderr


def exchange(server: Server, folder: Path) -> None:
    """Clone without depth and blobs, push in pieces and compressed, and fail to push where the branch has moved."""
    git(folder, "clone", "-q", "--depth=1", "--filter=blob:none", "--bare", address(server), "cache")
    missing = git(folder / "cache", "rev-list", "--objects", "--missing=print", "HEAD").count("?")
    git(folder, "clone", "-q", address(server), "work")
    put(folder / "work", {"large": "".join(f"{number * 7919}\n" for number in range(200_000))})
    made = commit(folder / "work")
    git(folder / "work", "-c", "http.postBuffer=65536", "push", "-q", "origin", "HEAD:refs/heads/next")
    stale = tried(folder / "work", "push", f"--force-with-lease=next:{'0' * 40}", "origin", "HEAD~1:refs/heads/next")
    assert (missing, server.head(NAME, "next"), stale[0]) == (2, made, 1)


def test_clone_shallow_blobless_and_push(server: Server, tmp_path: Path) -> None:
    """Protocol 2 and filters are there; a push in chunks arrives whole, and a stale lease does not."""
    exchange(server, tmp_path)
    assert any(seen.path.endswith("git-receive-pack") for seen in server.seen)


def test_a_person_with_access(server: Server, tmp_path: Path) -> None:
    """Git finds the token in its own store, for an address that holds none."""
    server.remember()
    git(tmp_path, "clone", "-q", server.clone_url(NAME), "work")
    assert {seen.secret for seen in server.seen} == {"", SECRET}


def test_a_wrong_token_is_refused_and_noted(server: Server, tmp_path: Path) -> None:
    code, said = tried(tmp_path, "ls-remote", address(server, "wrong"))
    assert (code, "Authentication failed" in said) == (128, True)
    assert {seen.secret for seen in server.seen} == {"", "wrong"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule(status=401), "Authentication failed"),
        (Rule(status=403), "error: 403"),
        (Rule(status=404), "not found"),
        (Rule(cut=20), "fatal:"),
    ],
)
def test_a_rule_of_a_repository_is_kept(rule: Rule, said: str, server: Server, tmp_path: Path) -> None:
    server.rules[NAME] = rule
    code, heard = tried(tmp_path, "clone", address(server), "work")
    assert (code, said in heard) == (128, True), heard


def test_read_only_is_only_that(server: Server, tmp_path: Path) -> None:
    server.rules[NAME] = Rule(writable=False)
    git(tmp_path, "clone", "-q", address(server), "work")
    code, said = tried(tmp_path / "work", "push", "origin", "HEAD:refs/heads/next")
    assert (code, "403" in said, server.head(NAME, "next")) == (128, True, "")


def test_a_protected_branch_takes_no_push_and_others_do(server: Server, tmp_path: Path) -> None:
    """By a hook of git's, so that the pusher hears what a host would say."""
    server.protect(NAME, "main")
    git(tmp_path, "clone", "-q", address(server), "work")
    before, made = server.head(NAME), commit(tmp_path / "work")
    code, said = tried(tmp_path / "work", "push", "origin", "HEAD:main")
    git(tmp_path / "work", "push", "-q", "origin", "HEAD:next")
    assert (code, "Protected branch update failed for refs/heads/main." in said) == (1, True)
    assert (server.head(NAME), server.head(NAME, "next")) == (before, made)


def test_a_commit_made_in_the_repository(server: Server) -> None:
    """What tests use to play another person."""
    first = server.head(NAME)
    made = server.push(NAME, "next", {"README.md": None, "docs/a.md": "a\n"})
    folder = server.folder(NAME)
    assert git(folder, "show", "--name-status", "--format=%P", "next").split() == [
        *(first, "D", "README.md"),
        *("A", "docs/a.md"),
    ]
    assert server.head(NAME, "next") == made
