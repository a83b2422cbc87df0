"""The files of a project as one commit has them: read from git's objects, with the words of a folder on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from ai_factory.errors import FactoryError, MachineError
from ai_factory.git.objects import SUBMODULE
from ai_factory.git.process import finished
from ai_factory.git.reader import Commit, Reader
from ai_factory.git.scratch import scratch
from ai_factory.git.worktree import Status, shared_only
from ai_factory.tree import LINK, Blob, File, above, check_path, path_bytes
from ai_factory.workspace import Folder

IGNORE = ".gitignore"


Bring = Callable[[Sequence[str]], None]  # what fetches objects by their ids into the repository that is read


class Committed:
    """The files below one folder of a commit; nothing is written, and nothing that is committed there runs.

    Contents that the repository lacks are brought when they are asked for, where that can be done.
    """

    def __init__(self, reader: Reader, commit: Commit, folder: str = "", bring: Bring | None = None) -> None:
        self.reader = reader
        self.bring = bring
        self.commit = commit
        self.inside = f"{folder}/" if folder else ""  # where the project lies in its repository
        self.absent: frozenset[str] = frozenset()
        self._known: dict[str, bytes] = {}

    def without(self, absent: frozenset[str]) -> Committed:
        """The same, when the contents of those paths were not brought here."""
        other = Committed(self.reader, self.commit, self.inside.rstrip("/"), self.bring)
        other.absent = absent
        return other

    @property
    def root(self) -> str:
        """The repository, for messages."""
        return self.reader.repository

    @cached_property
    def listing(self) -> Mapping[str, Blob]:
        """Every file and submodule of the project, by its path in it."""
        return self.reader.listing(self.commit.tree, self.inside.rstrip("/"))

    @property
    def objects(self) -> str:
        """The folder of the objects."""
        return os.path.join(self.root, "objects")

    @property
    def modes(self) -> bool:
        """Whether the executable bit means anything: git keeps it."""
        return True

    @property
    def status(self) -> Status:
        """Head and index, as a clean work tree of the commit would have them; without files that are not here."""
        here = {path: blob for path, blob in self.listing.items() if path not in self.absent}
        return Status(self.commit.id, here, (), frozenset(), frozenset())

    def read(self, path: str) -> File | None:
        """The file at the path, or None when there is none."""
        return self.read_all([path]).get(path)

    def read_all(self, paths: Iterable[str]) -> dict[str, File]:
        """The files at those paths that exist. Raises MachineError for one whose content is not here."""
        rows = {path: self.listing.get(check_path(path)) for path in paths}
        files = {path: blob for path, blob in rows.items() if blob and blob.mode != SUBMODULE}
        self._read({blob.id for blob in files.values()} - self._known.keys())
        if missing := [path for path, blob in files.items() if blob.id not in self._known]:
            raise MachineError(f"the content of `{missing[0]}` is not in `{self.root}`", "it may be too large")
        return {path: File(self._known[blob.id], blob.mode) for path, blob in files.items()}

    def _read(self, ids: set[str]) -> None:
        self._known |= self.reader.blobs(sorted(ids))
        if self.bring and (lacking := sorted(ids - self._known.keys())):
            self.bring(lacking)
            self._known |= self.reader.blobs(lacking)

    def reaches(self, path: str) -> bool:
        """Whether no folder above the path is a link."""
        return not any((blob := self.listing.get(folder)) and blob.mode == LINK for folder in above(path))

    def is_elsewhere(self, path: str) -> bool:
        """Whether the path lies in a submodule."""
        return any((blob := self.listing.get(folder)) and blob.mode == SUBMODULE for folder in above(path))

    def is_module(self, path: str) -> bool:
        """Whether a submodule lies at the path."""
        blob = self.listing.get(path)
        return blob is not None and blob.mode == SUBMODULE

    @cached_property
    def folders(self) -> Mapping[str, frozenset[str]]:
        """What lies directly in each folder."""
        found: dict[str, set[str]] = {"": set()}
        for path in self.listing:
            for place in (*above(path), path):
                folder, _, name = place.rpartition("/")
                found.setdefault(folder, set()).add(name)
        return {folder: frozenset(names) for folder, names in found.items()}

    def is_folder(self, path: str) -> bool:
        """Whether a folder lies at the path."""
        return path in self.folders

    def names(self, folder: str = "") -> list[str]:
        """What lies directly in the folder, sorted; nothing where there is none."""
        return sorted(self.folders.get(folder, ()))

    def head(self, path: str, size: int) -> bytes | None:
        """The first bytes of the file at the path; None where there is no regular file."""
        file = self.read(path)
        return file.content[:size] if file and file.mode != LINK else None

    def walk(self, folder: str = "") -> Iterator[str]:
        """All files and links below `folder`, sorted."""
        prefix = f"{folder}/" if folder else ""
        yield from sorted(p for p, blob in self.listing.items() if p.startswith(prefix) and blob.mode != SUBMODULE)

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths that the ignore files of the commit hide, as git itself says."""
        if not paths:
            return set()
        whole = self.reader.listing(self.commit.tree) if self.inside else self.listing
        rules = {path: blob.id for path, blob in whole.items() if _is_ignore_file(path, blob)}
        contents = self.reader.blobs(rules.values())
        if not contents:
            return set()
        places = b"".join(path_bytes(self.inside + path) + b"\0" for path in paths)
        with scratch() as repository, tempfile.TemporaryDirectory(prefix="ai-factory-") as top:
            for path, name in rules.items():
                Folder(top).write(path, File(contents[name]))
            command = ["check-ignore", "--no-index", "--verbose", "-z", "--stdin"]
            where = {"GIT_DIR": repository, "GIT_WORK_TREE": top}
            told = finished(command, top, places, expect=(0, 1), more=where).stdout
        return {path.removeprefix(self.inside) for path in shared_only(told)}


def _is_ignore_file(path: str, blob: Blob) -> bool:
    """Whether git would heed it; not at a place that no checkout would have."""
    if path.rpartition("/")[2] != IGNORE or blob.mode == LINK:
        return False
    try:
        return bool(check_path(path))
    except FactoryError:
        return False
