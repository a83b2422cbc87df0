"""A project's own repository: its head, its index, what git ignores in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.errors import ProjectError
from ai_factory.git.objects import object_id, project_objects
from ai_factory.git.process import finished, of_index, personal, run, without_filters
from ai_factory.tree import Blob, digest, path_bytes
from ai_factory.workspace import Repository, find_repository


class Status(NamedTuple):
    """A project's repository at one moment; paths are relative to the project."""

    head: str
    tracked: Mapping[str, Blob]
    dirty: tuple[str, ...]  # uncommitted changes, staged or not
    untracked: frozenset[str]
    unmerged: frozenset[str]
    sparse: frozenset[str] = frozenset()  # tracked, and left out of the work tree by a sparse checkout
    mark: str = ""  # what git's own files looked like before anything was asked
    unwatched: frozenset[str] = frozenset()  # tracked, and git was told not to look for changes


UNKNOWN = Status("", {}, (), frozenset(), frozenset())  # of a project that lies in no repository, or was not asked


def status(root: str) -> Status:
    """Head, index and uncommitted changes below `root`."""
    mark = _mark(root)
    options = ["--porcelain=v2", "-z", "--branch", "--no-renames", "--untracked-files=all", "--ignore-submodules=all"]
    environment = without_filters(personal(), root)
    rows = run(["status", *options, "--", "."], root, environment=environment).decode(errors="surrogateescape")
    told = [_told(row) for row in rows.split("\0") if row]
    prefix = _prefix(root)
    marked = {mark: [path.removeprefix(prefix) for kind, path in told if kind == mark] for mark in "1u?"}
    head = next((text for kind, text in told if kind == "#"), "")
    tracked, sparse, unwatched = _index(root)
    return Status(
        head,
        tracked,
        tuple(sorted(marked["1"] + marked["u"])),
        frozenset(marked["?"]),
        frozenset(marked["u"]),
        sparse,
        mark,
        unwatched,
    )


def _told(row: str) -> tuple[str, str]:
    """A row of git's status: `1` changed, `u` unmerged or `?` untracked with its path, `#` with the head's commit."""
    if row.startswith("# branch.oid "):
        commit = row.removeprefix("# branch.oid ")
        return "#", "" if commit == "(initial)" else commit
    fields = {"1": 8, "u": 10, "?": 1}.get(row[0], 0)
    return (row[0], row.split(" ", fields)[fields]) if fields else ("", "")


def _prefix(root: str) -> str:
    """The path of `root` in its repository, with a slash at its end; empty at the top."""
    place = os.path.relpath(os.path.realpath(root), repository_of(root).top)
    return "" if place == "." else place + "/"


def repository_of(root: str) -> Repository:
    """The repository that `root` lies in. Raises ProjectError when it lies in no work tree."""
    found = find_repository(root)
    if found is None:
        raise ProjectError(f"`{root}` lies in no git work tree", "make one: `git init && git add -A && git commit`")
    return found


def still(root: str, before: Status) -> bool:
    """Whether head and index below `root` are what they were; git is asked only where its files have changed."""
    if _mark(root) == before.mark:
        return True
    head = finished(["rev-parse", "--verify", "--quiet", "HEAD"], root, expect=(0, 1)).stdout.decode().strip()
    return head == before.head and _index(root)[:2] == (before.tracked, before.sparse)


def _mark(root: str) -> str:
    """A digest of the files in which git keeps the head and the index; another one does not say that these changed."""
    found = repository_of(root)
    head = _bytes(os.path.join(found.private, "HEAD"))
    branch = os.path.join(found.common, os.fsdecode(head.removeprefix(b"ref: ").strip()))
    tables = os.path.join(found.common, "reftable", "tables.list")
    places = (branch, os.path.join(found.common, "packed-refs"), tables, os.path.join(found.private, "index"))
    return digest(b"\0".join([head, *map(_bytes, places)]))


def _bytes(place: str) -> bytes:
    try:
        with open(place, "rb") as stream:
            return stream.read()
    except (OSError, ValueError):
        return b""


def _index(root: str) -> tuple[dict[str, Blob], frozenset[str], frozenset[str]]:
    """The files in the index, those left out by a sparse checkout, and those assumed to be unchanged."""
    rows = run(["ls-files", "--stage", "-v", "-z", "--", "."], root).split(b"\0")
    entries: dict[str, Blob] = {}
    sparse: set[str] = set()
    unwatched: set[str] = set()
    for head, _, path in (row.partition(b"\t") for row in rows if row):
        tag, mode, blob, _stage = head.decode().split(" ")
        entries[os.fsdecode(path)] = Blob(mode, blob)
        if tag in "Ss":
            sparse.add(os.fsdecode(path))
        if tag.islower():
            unwatched.add(os.fsdecode(path))
    return entries, frozenset(sparse), frozenset(unwatched)


def ignored(root: str, paths: Sequence[str]) -> set[str]:
    """Those of the paths that the project's own ignore files hide: what one clone hides by itself is nobody else's."""
    if not paths:
        return set()
    stdin = b"\0".join(map(path_bytes, paths))
    return shared_only(finished(["check-ignore", "--verbose", "-z", "--stdin"], root, stdin, expect=(0, 1)).stdout)


def shared_only(output: bytes) -> set[str]:
    """The paths that git says are hidden, without those that only one clone hides."""
    fields = list(map(os.fsdecode, output.split(b"\0")))[:-1]  # source, line, pattern, path; again and again
    rows = zip(fields[0::4], fields[2::4], fields[3::4], strict=True)
    return {path for source, pattern, path in rows if _is_shared(source) and not pattern.startswith("!")}


def _is_shared(source: str) -> bool:
    return source.rpartition("/")[2] == ".gitignore"


class Stage(NamedTuple):
    """What the index shall hold for a path: one staged file, none, or the sides of a conflict (stages 1 to 3)."""

    path: str
    clean: Blob | None = None
    sides: tuple[Blob | None, Blob | None, Blob | None] | None = None


def stage(root: str, stages: Sequence[Stage], index: str = "") -> None:
    """Put the paths into the index (that file, where one is named) as given; no filter of the project runs."""
    prefix = _prefix(root)
    nothing = "0" * len(object_id(b"", project_objects(root)))
    lines: list[bytes] = []
    for item in stages:
        path = path_bytes(prefix + item.path)
        lines.append(f"0 {nothing}\t".encode() + path)
        if item.clean:
            lines.append(f"{item.clean.mode} {item.clean.id}\t".encode() + path)
        for number, side in enumerate(item.sides or (), 1):
            if side:
                lines.append(f"{side.mode} {side.id} {number}\t".encode() + path)
    if lines:
        # no `--refresh`: it would run the project's filters over each of these files
        run(["update-index", "-z", "--index-info"], root, b"\0".join(lines) + b"\0", more=of_index(index))


def unmerged(root: str) -> dict[str, dict[int, Blob]]:
    """The paths in conflict, and what the index holds for each: 1 the common ancestor, 2 ours, 3 theirs."""
    found: dict[str, dict[int, Blob]] = {}
    for head, _, path in (row.partition(b"\t") for row in run(["ls-files", "-u", "-z"], root).split(b"\0") if row):
        mode, blob, number = head.decode().split(" ")
        found.setdefault(os.fsdecode(path), {})[int(number)] = Blob(mode, blob)
    return found


def index_listing(root: str, index: str = "") -> bytes:
    """All that the repository's index holds, or a saved one, wherever in the repository `root` lies."""
    return run(["ls-files", "--stage", "-z"], repository_of(root).top, more=of_index(index))


def restage(root: str, saved: str, paths: Sequence[str], index: str = "") -> None:
    """Put these paths into the index as they stand in a saved one (an empty name: nothing was staged)."""
    known: dict[str, list[tuple[str, str, str]]] = {}
    if saved:
        for row in run(["ls-files", "--stage", "-z", "--", "."], root, more=of_index(saved)).split(b"\0"):
            head, _, path = row.partition(b"\t")
            if row and (name := os.fsdecode(path)) in paths:
                mode, blob, number = head.decode().split(" ")
                known.setdefault(name, []).append((number, mode, blob))
    stages = []
    for place in paths:
        entries = {number: Blob(mode, blob) for number, mode, blob in known.get(place, [])}
        sides = (entries.get("1"), entries.get("2"), entries.get("3"))
        stages.append(Stage(place, entries.get("0"), sides if any(sides) else None))
    stage(root, stages, index)
