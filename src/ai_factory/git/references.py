"""What somebody names in a repository: a branch, a tag or a commit; its files, how old tags are, what it lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from ai_factory.git.objects import read_blobs
from ai_factory.git.process import configured, finished, isolated, run
from ai_factory.tree import path_bytes

_REMOTE, _HEAD, _TAG = "refs/remotes/", "refs/heads/", "refs/tags/"


def commit_of(root: str, reference: str) -> str:
    """The commit that a reference names; empty where there is none.

    A branch as the server has it comes first: a branch of the clone, or a tag, may have been given the same name by
    whoever asks to be merged.
    """
    if re.search(r"[\s:\\]|[@^]\{|^-|^$", reference):  # names and their ancestors, no searches
        return ""
    places = [_REMOTE, f"{_REMOTE}origin/", _HEAD, _TAG, ""]
    if re.match(r"HEAD|@|[0-9a-f]{40,64}$", reference):
        places = [""]
    questions = b"".join(path_bytes(f"{place}{reference}^{{commit}}\n") for place in places)
    answers = run(["cat-file", "--batch-check"], root, questions).decode(errors="replace")
    found = re.search(r"^([0-9a-f]{40,64}) commit \d+$", answers, re.MULTILINE)
    return found[1] if found else ""


def files_in(root: str, commit: str, paths: Sequence[str]) -> dict[str, bytes]:
    """The content of those of the paths, seen from `root`, that are files in the commit.

    Raises MachineError where the clone lacks their content.
    """
    listed = run(["ls-tree", "-z", commit, "--", *paths], root)
    rows = [(head.split(), path) for head, _, path in (row.partition(b"\t") for row in listed.split(b"\0") if row)]
    blobs = {os.fsdecode(path): head[2].decode() for head, path in rows if head[1] == b"blob"}
    contents = read_blobs(root, blobs.values())
    return {path: contents[blob] for path, blob in blobs.items()}


def common_ancestor(root: str, one: str, other: str) -> str:
    """The commit at which two histories part; empty where the clone does not reach as far."""
    return finished(["merge-base", one, other], root, expect=(0, 1, 128)).stdout.decode().partition("\n")[0]


def tag_times(repository: str) -> dict[str, int]:
    """When each tag was made, in seconds of Unix time; of one without a date of its own, its commit."""
    form = "%(refname:strip=2)%00%(creatordate:unix)"
    lines = run(["for-each-ref", f"--format={form}", "refs/tags"], repository).decode(errors="replace").splitlines()
    rows = (line.split("\0") for line in lines)
    return {tag: int(seconds) for tag, seconds in rows if seconds}


class Branch(NamedTuple):
    """A branch, the one of a server that it follows, and how many commits of that it lacks, as far as was fetched."""

    name: str
    follows: str
    lacks: int


def branch_here(root: str) -> Branch | None:
    """The branch that is checked out; None for a commit alone, and for a branch without one."""
    name = finished(["symbolic-ref", "--quiet", "HEAD"], root, expect=(0, 1)).stdout.strip()
    form = "--format=%(refname:short)%00%(upstream:short)%00%(upstream:track)"
    rows = run(["for-each-ref", form, name], root).decode(errors="replace").splitlines() if name else []
    for short, follows, track in (row.split("\0") for row in rows):
        found = re.search(r"behind (\d+)", track)
        return Branch(short, follows, int(found[1]) if found else 0)
    return None


def remotes(repository: str) -> list[str]:
    """The addresses of the repositories that this one takes from."""
    return sorted({url for _, url in configured(r"^remote\..*\.url$", repository, isolated())})
