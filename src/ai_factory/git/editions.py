"""A repository that is generated: one commit and tag for each edition of something, and it only ever grows.

Rules of this file: objects come first, then all references at once, then the work tree. A marker in git's own folder
says that the work tree is being written: whoever finds it may write it again, since it was clean before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from ai_factory.git.objects import NOBODY, ONE_PACK, commit_stream, files_at, object_id, project_objects, releases
from ai_factory.git.process import finished, isolated, run, without_filters
from ai_factory.git.scratch import adopt, scratch
from ai_factory.git.worktree import repository_of
from ai_factory.tree import Blob, Tree

MARKER = "ai-factory-export"
_PLAIN = ("-c", "core.autocrlf=false", "-c", f"core.attributesFile={os.devnull}")


class Edition(NamedTuple):
    """One version of what the repository holds; without a tag it is no release. `after` is the tag of its parent."""

    tag: str
    title: str
    files: Tree
    when: int
    after: str = ""


class Held(NamedTuple):
    """What the repository holds: its head, whether that is an edition, the tags, and what is not committed."""

    head: str
    generated: bool
    tags: Mapping[str, str]
    changed: tuple[str, ...]


def begin(root: str) -> None:
    """Make an empty repository there, or leave the one that is there as it is."""
    run(["init", "--quiet", "--initial-branch=main", "--template=", "."], root)


def held(root: str) -> Held:
    """What a repository of editions holds. One whose work tree was left half-written is finished first."""
    head = finished(["rev-parse", "--verify", "--quiet", "HEAD"], root, expect=(0, 1)).stdout.decode().strip()
    if head and os.path.exists(_marker(root)):
        _check_out(root)
    committer = run(["log", "-1", "--format=%ce", head], root).decode().strip() if head else ""
    told = run(["status", "--porcelain", "-z"], root, environment=without_filters(isolated(), root))
    tags = {release.tag: release.commit for release in releases(root)}
    changed = tuple(os.fsdecode(row[3:]) for row in told.split(b"\0") if row)
    return Held(head, committer == NOBODY[1], tags, changed)


def same_as_head(root: str, files: Tree) -> bool:
    """Whether the head holds exactly these files."""
    objects = project_objects(root)
    return files_at(root, "HEAD") == {
        path: Blob(file.mode, object_id(file.content, objects)) for path, file in files.items()
    }


def grow(root: str, before: Held, editions: Sequence[Edition], newest: str = "") -> None:
    """Add the editions, and check out the one tagged `newest` where one is named, else the last."""
    commits = _packed(root, before, editions)
    tagged = {edition.tag: commit for edition, commit in zip(editions, commits, strict=True) if edition.tag}
    rows = [f"create refs/tags/{tag} {commit}\n" for tag, commit in tagged.items()]
    head = {**before.tags, **tagged}[newest] if newest else commits[-1]
    rows += [f"update HEAD {head} {before.head or '0' * len(head)}\n"] if head != before.head else []
    with open(_marker(root), "wb"):
        pass
    run(["update-ref", "--stdin"], root, "".join(rows).encode())
    _check_out(root)


def _marker(root: str) -> str:
    return os.path.join(repository_of(root).private, MARKER)


def _check_out(root: str) -> None:
    run([*_PLAIN, "reset", "--quiet", "--hard"], root, environment=without_filters(isolated(), root))
    with suppress(FileNotFoundError):
        os.unlink(_marker(root))


def _packed(root: str, before: Held, editions: Sequence[Edition]) -> list[str]:
    """The commits of the editions, written as one pack."""
    marks = {edition.tag: f":{number}" for number, edition in enumerate(editions, 1)}
    stream = b"".join(
        commit_stream(
            number,
            f"refs/heads/{number}",
            edition.files,
            {**before.tags, **marks}.get(edition.after, "") if edition.tag else before.head,
            f"committer {NOBODY[0]} <{NOBODY[1]}> {edition.when} +0000\n".encode(),
            edition.title.encode(),
        )
        for number, edition in enumerate(editions, 1)
    )
    asked = b"".join(b"get-mark :%d\n" % number for number in range(1, len(editions) + 1))
    with scratch(project_objects(root)) as repository:
        ids = run([*ONE_PACK, "fast-import", "--quiet", "--done"], repository, stream + asked + b"done\n")
        adopt(project_objects(root), repository)
    return ids.decode().split()
