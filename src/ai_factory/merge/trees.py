"""What a merge of whole trees is given, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ai_factory.tree import Blob, File, Tree

Input = Mapping[str, File | Blob]  # a file by content, or by an id that the project's repository holds


class Side(NamedTuple):
    """One stage of a path in conflict: 1 base, 2 ours, 3 theirs."""

    stage: int
    file: File


class Note(NamedTuple):
    """What git says about paths, such as a file that one side changed and the other deleted."""

    kind: str
    paths: tuple[str, ...]
    text: str


class MergedTrees(NamedTuple):
    """The result of a whole-tree merge: files (with markers where in conflict), the sides of conflicts, notes.

    `before` holds what was in changed files that the team's tree gave by id.
    """

    files: Input
    conflicts: Mapping[str, tuple[Side, ...]]
    notes: tuple[Note, ...]
    before: Mapping[str, File] = {}


Combine = Callable[[Input, Input, Input], MergedTrees]


class Ours(NamedTuple):
    """The project now: its files at paths of lock and target, its other tracked files, what git does not track.

    `local` holds also the new paths that git would ignore; `modules` are the submodules: what lies in one is another
    repository's.
    """

    files: Tree
    others: Mapping[str, Blob]
    local: frozenset[str]
    modules: frozenset[str] = frozenset()


class Declared(NamedTuple):
    """What components declare about files since the project's version, by the paths that the project knows.

    `renames`: to new paths; `removed`: files that are no more, whatever new one is like them; `moves`: entries of
    a file that go from one dotted key to another, in order.
    """

    renames: Mapping[str, str] = {}
    removed: frozenset[str] = frozenset()
    moves: Mapping[str, Sequence[tuple[str, str]]] = {}
