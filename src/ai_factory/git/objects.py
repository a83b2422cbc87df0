"""What a repository holds: objects, trees, tags, read and written by few processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ai_factory.errors import MachineError, UsageError
from ai_factory.git.process import bounded, finished, personal, quoted, run, without_filters
from ai_factory.tree import Blob, File, path_bytes, raw_blob_id
from ai_factory.workspace import find_repository

SUBMODULE = "160000"
LISTING = 64 * 1024 * 1024  # bytes of a list of files: a few objects can stand for billions
ONE_PACK = ("-c", "fastimport.unpackLimit=0")  # a loose object costs half a millisecond to write
NOBODY = ("ai-factory", "noreply@invalid")
NOBODYS = f"committer {NOBODY[0]} <{NOBODY[1]}> 0 +0000\n".encode()


class Release(NamedTuple):
    """A tag and the commit that it names."""

    tag: str
    commit: str


def releases(repository: str) -> list[Release]:
    """The tags of a repository that name commits."""
    form = "%(refname:strip=2)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
    lines = run(["for-each-ref", f"--format={form}", "refs/tags"], repository).decode(errors="replace").splitlines()
    rows = (line.split("\0") for line in lines)
    named = ((tag, (kind, direct) if kind != "tag" else (inner, peeled)) for tag, kind, direct, inner, peeled in rows)
    return [Release(tag, commit) for tag, (kind, commit) in named if kind == "commit"]


def resolve(repository: str, reference: str) -> str:
    """The commit id that a reference names. Raises UsageError when there is none."""
    # names go in through stdin, where nothing is taken for an option
    candidates = [f"refs/tags/{reference}", f"refs/heads/{reference}", reference]
    if not re.search(r"[\s:{\\]|^-|^$", reference):  # names and their ancestors, no searches
        questions = b"".join(path_bytes(f"{candidate}^{{commit}}\n") for candidate in candidates)
        answers = run(["cat-file", "--batch-check"], repository, questions).decode(errors="replace")
        if found := re.search(r"^([0-9a-f]{40,64}) commit \d+$", answers, re.MULTILINE):
            return found[1]
    raise UsageError(f"the factory has no version `{reference}`")


def is_ancestor(repository: str, one: str, other: str) -> bool:
    """Whether commit `one` lies in the history of `other`; false where either is not there."""
    return finished(["merge-base", "--is-ancestor", one, other], repository, expect=(0, 1, 128)).returncode == 0


class Meeting(NamedTuple):
    """Two branches that git brings together, and the common ancestor that it merges them from, as commits."""

    ancestor: str
    ours: str
    theirs: str


def list_tree(repository: str, commit: str, folders: Sequence[str] = (), most: int = 0) -> dict[str, Blob]:
    """The files of a commit below those folders (all, when none is named), without reading their content.

    Raises MachineError when they hold more than `most` bytes, where that is given, or are too many to be listed.
    """
    size = ["--long"] if most else []
    listed = bounded(["ls-tree", "-r", "-z", "--full-tree", *size, commit, "--", *folders], repository, LISTING)
    rows = [(head.split(), path) for head, _, path in (row.partition(b"\t") for row in listed.split(b"\0") if row)]
    if most and sum(int(head[3]) for head, _ in rows if head[3] != b"-") > most:
        raise MachineError(f"the files of {commit[:12]} in `{repository}` hold more than {most} bytes")
    return {os.fsdecode(path): Blob(head[0].decode(), head[2].decode()) for head, path in rows}


def read_blobs(repository: str, blobs: Iterable[str]) -> dict[str, bytes]:
    """The content of each blob, read by one process. Raises MachineError when one is missing."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    output = run(["cat-file", "--batch"], repository, "\n".join(wanted).encode() + b"\n")
    found: dict[str, bytes] = {}
    place = 0
    for blob in wanted:
        end = output.index(b"\n", place)
        header = output[place:end].split()
        if header[1:2] != [b"blob"]:
            raise MachineError(f"the object {blob} is not in `{repository}`")
        size = int(header[2])
        found[blob] = output[end + 1 : end + 1 + size]
        place = end + 1 + size + 1
    return found


def describe(folder: str) -> str:
    """A name for the state of the work tree, by its newest tag; empty when there is no repository or commit."""
    environment = without_filters(personal(), folder)
    done = finished(["describe", "--tags", "--always", "--dirty"], folder, environment=environment, expect=(0, 128))
    return done.stdout.decode().strip()


def named(repository: str, commit: str) -> str:
    """A name for a commit by the tag before it, as `git describe` says it; without one, the beginning of its id."""
    return run(["describe", "--tags", "--always", commit], repository).decode(errors="replace").strip()


def main_branch(repository: str) -> str:
    """The branch that a repository without releases is followed on: `main` or `master`, or its only one; else empty.

    A mirror does not know which branch the repository itself shows first.
    """
    lines = run(["for-each-ref", "--format=%(refname:strip=2)", "refs/heads"], repository)
    branches = lines.decode(errors="replace").splitlines()
    usual = next((name for name in ("main", "master") if name in branches), "")
    return usual or (branches[0] if len(branches) == 1 else "")


def commit_stream(
    mark: int,
    reference: str,
    tree: Mapping[str, File | Blob],
    parent: str = "",
    by: bytes = NOBODYS,
    message: bytes = b"",
) -> bytes:
    """A commit that holds exactly these files, as `git fast-import` reads it; `by` says whose it is."""
    lines = [
        f"commit {reference}\nmark :{mark}\n".encode(),
        by,
        b"data %d\n%s\n" % (len(message), message),
        f"from {parent}\n".encode() if parent else b"",
        b"deleteall\n",
    ]
    for path, entry in tree.items():
        name = quoted(path)
        if isinstance(entry, Blob):
            lines.append(f"M {entry.mode} {entry.id} ".encode() + name + b"\n")
        else:
            line = f"M {entry.mode} inline ".encode() + name
            lines.append(line + b"\ndata %d\n%s\n" % (len(entry.content), entry.content))
    return b"".join(lines) + b"\n"


def change_stream(by: bytes, parent: str, files: Mapping[str, File | None], message: bytes) -> bytes:
    """A commit on `parent` in which these files are as given (None: gone), as `git fast-import` reads it.

    It prints the ids of the commit and of its tree. What goes comes first: a file may become a folder.
    """
    gone = [b"D " + quoted(path) + b"\n" for path, file in sorted(files.items()) if file is None]
    come = [
        f"M {file.mode} inline ".encode() + quoted(path) + b"\ndata %d\n%s\n" % (len(file.content), file.content)
        for path, file in sorted(files.items())
        if file is not None
    ]
    head = b"commit refs/heads/proposal\nmark :1\n%sdata %d\n%s\n" % (by, len(message), message)
    head += b"from %s\n" % parent.encode()
    return b"".join([head, *gone, *come, b'\nget-mark :1\nls :1 ""\ndone\n'])


def git_folder(root: str) -> str:
    """The folder in which the repository of a work tree, or a bare one, keeps what all its work trees share."""
    found = find_repository(root)
    return found.common if found else root


def object_format(objects: str) -> str:
    """The hash of the repository with that objects folder: `sha1` or `sha256`."""
    config = os.path.join(os.path.dirname(objects), "config") if objects else ""
    try:
        with open(config, encoding="utf-8", errors="replace") as stream:
            return "sha256" if re.search(r"objectformat\s*=\s*sha256", stream.read(), re.IGNORECASE) else "sha1"
    except OSError:
        return "sha1"


def project_objects(root: str) -> str:
    """The objects folder of the repository that `root` lies in; empty outside of one."""
    found = find_repository(root)
    return os.path.join(found.common, "objects") if found else ""


def object_id(content: bytes, objects: str) -> str:
    """The blob id of exactly these bytes, in the hash of that repository."""
    return raw_blob_id(content, object_format(objects))


def existing(repository: str, blobs: Sequence[str]) -> list[str]:
    """Those of the blob ids that the repository holds."""
    if not blobs:
        return []
    rows = run(["cat-file", "--batch-check"], repository, "\n".join(blobs).encode() + b"\n").decode().splitlines()
    return [row.split()[0] for row in rows if row.split()[1:2] == ["blob"]]


def content_of(root: str, place: str) -> bytes | None:
    """The content that git names so (`HEAD:./path`, `:2:./path`), or None when there is none."""
    done = finished(["cat-file", "blob", place], root, expect=(0, 128))
    return done.stdout if done.returncode == 0 else None


def authors(root: str, paths: Iterable[str]) -> dict[str, frozenset[str]]:
    """Who has written or committed each path in the history of what is checked out, by address.

    Those who are named as co-authors count too, who changed it while merging, and who wrote it under another name from
    which it was moved. A path that was never committed has nobody. Two processes for each name of which none is known.
    Raises MachineError where git refuses, and where the clone is shallow: its first commit hides the others.
    """
    place = run(["rev-parse", "--is-shallow-repository", "--show-cdup", "--show-prefix"], root)
    shallow, up, prefix = place.decode(errors="surrogateescape").removesuffix("\n").split("\n", 2)
    if shallow == "true":
        raise MachineError("the clone is shallow: most authors are not known", "`git fetch --unshallow`")
    top, wanted = os.path.join(root, up), {path: f"{prefix}{path}" for path in paths}
    people: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    new = set(wanted.values())
    while new:
        people |= {name: set() for name in new}
        commits = _changed_by(top, sorted(new), people)
        for old, now in _moves(top, commits):
            names.setdefault(now, set()).add(old)
        new = {old for now in people for old in names.get(now, ())} - people.keys()
    return {path: frozenset().union(*(people[one] for one in _reached(name, names))) for path, name in wanted.items()}


def _changed_by(top: str, paths: Sequence[str], people: dict[str, set[str]]) -> list[str]:
    """Add to each path those who have changed it; the commits that did."""
    head = ["--literal-pathspecs", "-c", "core.quotePath=false"]
    trailers = "%(trailers:key=Co-authored-by,valueonly,separator=%x02)"
    style = ["--full-history", "-c", "--name-only", "--no-renames", f"--format=%x01%H%x02%ae%x02%ce%x02{trailers}%x01"]
    commits: list[str] = []
    who: set[str] = set()
    told = run([*head, "log", "-z", *style, "--", *paths], top).decode(errors="surrogateescape") if paths else ""
    for part in told.split("\0"):
        name = part.rpartition("\x01")[2].strip("\n")
        if "\x01" in part:
            commit, *addresses = part.split("\x01")[1].split("\x02")
            commits, who = [*commits, commit], {one for one in addresses if one.strip()}
        if name in paths:
            people[name] |= who
    return commits


def _moves(top: str, commits: Sequence[str]) -> list[tuple[str, str]]:
    """What these commits moved, from any of their parents: the old name and the new one."""
    options = ["--stdin", "--no-commit-id", "-r", "-m", "-M", "-l1000", "--diff-filter=R", "--name-status", "-z"]
    told = run(["diff-tree", *options], top, "".join(f"{one}\n" for one in commits).encode())
    parts = told.decode(errors="surrogateescape").split("\0")
    return list(zip(parts[1::3], parts[2::3], strict=False))


def _reached(name: str, names: Mapping[str, set[str]]) -> set[str]:
    """A name, and all that it was moved from, however often."""
    found, new = {name}, {name}
    while new := {old for one in new for old in names.get(one, ())} - found:
        found |= new
    return found


def parents(root: str) -> Meeting | None:
    """The branches that the last commit brought together; None where it is no merge of two."""
    told = finished(["rev-list", "--parents", "--max-count=1", "HEAD"], root, expect=(0, 128))
    _, *found = told.stdout.decode().split() or [""]
    return Meeting(_ancestor(root, *found), *found) if len(found) == 2 else None


def meeting(root: str, private: str) -> Meeting | None:
    """The branches of the merge, rebase, pick or revert under way there; None where none is."""
    if merged := _named(private, "MERGE_HEAD"):
        return Meeting(_ancestor(root, "HEAD", merged), "HEAD", merged)
    if picked := _named(private, "CHERRY_PICK_HEAD") or _replayed(private):
        return Meeting(f"{picked}^", "HEAD", picked)
    if reverted := _named(private, "REVERT_HEAD"):
        return Meeting(reverted, "HEAD", f"{reverted}^")
    return None


def _replayed(private: str) -> str:
    """The commit at which a rebase has stopped: git leaves its name behind when the rebase has ended."""
    under_way = any(os.path.isdir(os.path.join(private, name)) for name in ("rebase-merge", "rebase-apply"))
    return _named(private, "REBASE_HEAD") if under_way else ""


def _named(private: str, name: str) -> str:
    """The commit that one of git's own files names; empty where there is none."""
    try:
        with open(os.path.join(private, name), encoding="ascii") as stream:
            return stream.readline().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _ancestor(root: str, ours: str, theirs: str) -> str:
    found = finished(["merge-base", ours, theirs], root, expect=(0, 1)).stdout.decode().split()
    return found[0] if found else ours


def files_at(root: str, commit: str) -> dict[str, Blob]:
    """The files of a commit below `root`, by their paths there; none where there is no such commit."""
    listed = finished(["ls-tree", "-r", "-z", commit, "--", "."], root, expect=(0, 128)).stdout
    rows = [(head.split(), path) for head, _, path in (row.partition(b"\t") for row in listed.split(b"\0") if row)]
    return {os.fsdecode(path): Blob(head[0].decode(), head[2].decode()) for head, path in rows}
