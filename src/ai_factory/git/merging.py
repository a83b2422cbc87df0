"""Git's merge of whole trees, in a scratch repository in which nothing of the project's runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory.errors import MachineError
from ai_factory.git.objects import ONE_PACK, SUBMODULE, commit_stream
from ai_factory.git.process import run
from ai_factory.git.reader import Reader, reading
from ai_factory.git.scratch import scratch
from ai_factory.merge import Input, MergedTrees, Note, Side
from ai_factory.tree import Blob, File

_PINNED = {  # of a merge: the same result on every machine
    "merge.conflictStyle": "merge",
    "merge.renames": "true",
    "merge.directoryRenames": "false",
    "merge.renameLimit": "10000",
    "merge.default": "text",
    "core.autocrlf": "false",
    "core.attributesFile": os.devnull,
    "attr.tree": "no-tree",  # newer git reads the attributes of HEAD in a bare repository
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
}


class Names(NamedTuple):
    """How the two sides are called in conflict markers."""

    ours: str
    theirs: str


def merge_trees(base: Input, ours: Input, theirs: Input, names: Names, objects: str = "") -> MergedTrees:
    """Merge two trees that descend from `base`, with git's own renames and line merge, in a scratch repository.

    `objects` is the objects folder of the project, in which inputs given as `Blob` lie.
    """
    with scratch(objects) as repository:
        labels = _labels(names)
        stream = commit_stream(1, "refs/heads/base", base)
        stream += commit_stream(2, f"refs/heads/{labels.ours}", ours, parent=":1")
        stream += commit_stream(3, f"refs/heads/{labels.theirs}", theirs, parent=":1")
        _import(repository, stream)
        pinned = [part for key, value in _PINNED.items() for part in ("-c", f"{key}={value}")]
        command = [*pinned, "merge-tree", "--write-tree", "-z", "--messages", *labels]
        output = run(command, repository, expect=(0, 1))
        return _read_merge(repository, output, ours)


def _import(repository: str, stream: bytes) -> None:
    """Raises MachineError with a sentence of ours where the project's repository lacks a file that the stream names."""
    try:
        run([*ONE_PACK, "fast-import", "--quiet", "--force", "--done"], repository, stream + b"done\n")
    except MachineError as error:
        if "Blob not found" not in error.message:
            raise
        raise MachineError(
            "files of the project are not in its repository: it is a partial clone, and nothing is fetched in a sync",
            "fetch them all: `git fetch --refetch --no-filter`",
        ) from None


def _labels(names: Names) -> Names:
    """The names as branches: they stand in the conflict markers, so no two may be one."""
    ours, theirs = _label(names.ours, "yours"), _label(names.theirs, "factory")
    return Names(ours, theirs if theirs != ours else f"{theirs}-2")


def _label(name: str, otherwise: str) -> str:
    label = re.sub(r"[^A-Za-z0-9._+-]+|\.\.+|\.lock$", "-", name).strip("-./") or otherwise
    # git takes these for something other than a branch
    return f"{label}-{otherwise}" if label == "HEAD" or re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", label) else label


def _read_merge(repository: str, output: bytes, ours: Input) -> MergedTrees:
    head, *fields = output.split(b"\0")
    stages, position = _stages(fields)
    sides = [entry for rows in stages.values() for _, entry in rows]
    with reading(repository) as reader:
        listed = reader.listing(head.decode().strip())
        changed, known, contents = _contents(reader, listed, ours, sides)
    files = {path: File(contents[entry.id], entry.mode) if path in changed else entry for path, entry in listed.items()}
    conflicts = {
        path: tuple(Side(number, File(contents[entry.id], entry.mode)) for number, entry in rows)
        for path, rows in stages.items()
    }
    before = {path: File(contents[entry.id], entry.mode) for path, entry in known.items()}
    return MergedTrees(files, conflicts, tuple(_notes(fields[position:])), before)


def _contents(
    reader: Reader, listed: Mapping[str, Blob], ours: Input, sides: Sequence[Blob]
) -> tuple[dict[str, Blob], dict[str, Blob], dict[str, bytes]]:
    """What the merge changed, what of that the team's tree gave by id, and the contents of both and of the sides."""
    changed = {path: entry for path, entry in listed.items() if ours.get(path) != entry and entry.mode != SUBMODULE}
    known = {path: entry for path in changed if isinstance(entry := ours.get(path), Blob)}
    wanted = {entry.id for entry in (*changed.values(), *sides, *known.values())}
    contents = reader.blobs(wanted)
    if missing := wanted - contents.keys():
        raise MachineError(f"the object {min(missing)} is not in the project's repository")
    return changed, known, contents


def _stages(fields: Sequence[bytes]) -> tuple[dict[str, list[tuple[int, Blob]]], int]:
    stages: dict[str, list[tuple[int, Blob]]] = {}
    for position, field in enumerate(fields):
        if not field:
            return stages, position + 1
        head, _, path = field.partition(b"\t")
        mode, blob, number = head.decode().split(" ")
        stages.setdefault(os.fsdecode(path), []).append((int(number), Blob(mode, blob)))
    return stages, len(fields)


def _notes(fields: Sequence[bytes]) -> Iterator[Note]:
    position = 0
    while position < len(fields) and fields[position]:
        count = int(fields[position])
        paths = tuple(os.fsdecode(path) for path in fields[position + 1 : position + 1 + count])
        kind, text = fields[position + 1 + count : position + 3 + count]
        yield Note(kind.decode(), paths, text.decode(errors="replace").strip())
        position += 3 + count
