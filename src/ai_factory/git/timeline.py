"""What happened to a few files of a project, commit by commit: when, by whom, and what each was left as."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory.errors import MachineError
from ai_factory.git.process import run
from ai_factory.git.reader import Reader

COMMITS = 20_000  # of one project that touch what is asked for: more is no history that people made
LITERAL = "--literal-pathspecs"
_ADDRESS = re.compile(r"<([^<>]*)>$")
_ID = re.compile(r"[0-9a-f]{40,64}")


class Moment(NamedTuple):
    """A commit: when it was made (Unix time, the committer's), its author's address, and the files that it changed.

    `changed` has the blob id that each was left as, empty for one that it took away.
    """

    commit: str
    time: int
    author: str
    changed: Mapping[str, str]


class Timeline(NamedTuple):
    """The moments, the oldest first; `cut` where the history is not all there."""

    moments: tuple[Moment, ...]
    cut: bool = False


def timeline(reader: Reader, head: str, paths: Sequence[str], folder: str = "") -> Timeline:
    """The commits up to `head` that changed files or folders, by their paths below the folder of a project.

    Merges are left out: what came with them was told by the commits that they bring. Raises MachineError for too many.
    """
    inside = f"{folder}/" if folder else ""
    where, places = {"GIT_DIR": reader.repository}, [inside + path for path in paths]
    shallow = run(["rev-parse", "--is-shallow-repository"], reader.repository, more=where)
    # plumbing: no setting of the repository changes what these do
    walk = ["rev-list", "--full-history", "--no-merges", "--reverse", f"--max-count={COMMITS + 1}", head, "--", *places]
    commits = run([LITERAL, *walk], reader.repository, more=where)
    style = ["--stdin", "--root", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--", *places]
    rows = list(_rows(os.fsdecode(run([LITERAL, "diff-tree", *style], reader.repository, commits, more=where))))
    if len(rows) > COMMITS:
        raise MachineError(f"the history of `{reader.repository}` has more than {COMMITS} commits on these files")
    found = [moment for row in rows if (moment := _moment(reader, inside, *row))]
    return Timeline(tuple(sorted(found, key=lambda one: one.time)), shallow.strip() == b"true")


def _rows(told: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each commit with what it changed: a row of `--raw` ends in a NUL, and its path follows."""
    commit, changed = "", dict[str, str]()
    parts = iter(told.split("\0"))
    for part in parts:
        row = part.lstrip("\n")
        if row.startswith(":"):
            changed[next(parts, "")] = row.split()[3]
        elif _ID.fullmatch(row):
            if commit:
                yield commit, changed
            commit, changed = row, {}
    if commit:
        yield commit, changed


def _moment(reader: Reader, inside: str, name: str, changed: Mapping[str, str]) -> Moment | None:
    commit = reader.commit(name)
    if commit is None:
        return None
    who = _ADDRESS.search(commit.author)
    left = {path.removeprefix(inside): "" if not blob.strip("0") else blob for path, blob in changed.items()}
    return Moment(commit.id, commit.time, who[1] if who else "", left)
