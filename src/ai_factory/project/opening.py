"""Opens a project: its folder, lock, base and manifest."""

from __future__ import annotations

import os
from typing import NamedTuple

from ai_factory import base, cache, journal, lock, manifest
from ai_factory.errors import FactoryError, LockError, MachineError
from ai_factory.factory import Factory, Wanted, open_factory
from ai_factory.lock import Lock
from ai_factory.manifest import Manifest
from ai_factory.tree import digest
from ai_factory.workspace import Files, Folder, find_project, find_repository, is_project


class Project(NamedTuple):
    """A stamped folder, or one at a commit, and what its lock says."""

    folder: Files
    lock: Lock

    @property
    def root(self) -> str:
        return self.folder.root

    @property
    def disk(self) -> Folder:
        """The folder, to be written in."""
        return Folder(self.root)

    def reopened(self) -> Project:
        """The project with its lock as it is by now. Raises as `open_project` does."""
        return open_project(self.root)

    def manifest(self) -> Manifest:
        """What the project wants. Raises LockError when project.yaml is missing, ProjectError when it is malformed."""
        return manifest.parse(self.manifest_bytes(), cache.document)

    def manifest_bytes(self) -> bytes:
        """project.yaml as it stands."""
        file = self.folder.read(lock.PROJECT)
        if file is None:
            raise LockError(f"`{lock.PROJECT}` is missing", f"bring it back with `git checkout -- {lock.PROJECT}`")
        return file.content

    def base(self) -> base.Base:
        """The pristine files. Raises LockError when the base is missing, broken, or not the one of the lock."""
        return base.read(self.archive())

    def has_base(self) -> bool:
        """Whether the base is there, and the one that the lock names."""
        file = self.folder.read(lock.BASE)
        return file is not None and digest(file.content) == self.lock.base_file

    def archive(self) -> bytes:
        """The base's bytes. Raises LockError when it is missing, or not the one of the lock."""
        file = self.folder.read(lock.BASE)
        if file is None:
            raise LockError(f"`{lock.BASE}` is missing", f"bring it back with `git checkout -- {lock.BASE}`")
        if digest(file.content) != self.lock.base_file:
            raise LockError(
                f"`{lock.BASE}` is not the one that the lock names",
                "bring both back with `git checkout -- .ai-factory`",
            )
        return file.content

    def relative(self, path: str) -> str:
        """A path as a person types it, from where they stand, as a path of the project."""
        here = os.path.abspath(path)
        real = os.path.join(os.path.realpath(os.path.dirname(here)), os.path.basename(here))
        # as it is typed first: the lock may know a path whose folder is a link by now
        inside = [place[len(self.root) + 1 :] for place in (here, real) if place.startswith(self.root + os.sep)]
        return next((place for place in inside if place in self.lock.paths), inside[-1] if inside else path)


def open_project(path: str) -> Project:
    """The project that `path` lies in.

    Raises LockError when there is none, or its lock is broken; ProjectError where a run was cut off that was about to
    write the lock, or has removed it.
    """
    root = root_of(path)
    if not is_project(root):
        journal.require_finished(journal.journal_of(root))
        find_project(path)
    folder = Folder(root)
    file = folder.read(lock.LOCK)
    if file is None:
        raise MachineError(f"`{root}/{lock.LOCK}` cannot be read")
    return Project(folder, lock.parse(file.content))


def root_of(path: str) -> str:
    """The root of the project that `path` lies in, or that a run was about to make or has taken out of the factory.

    Raises LockError when there is none.
    """
    try:
        return find_project(path)
    except LockError:
        if found := find_repository(path) and journal.begun_above(path):
            return found
        raise


def applied_factory(project: Project) -> Factory | None:
    """The factory as it was applied, where it can be had without network; None where it cannot."""
    origin = project.lock.factory
    try:
        return open_factory(origin.url, Wanted(origin.commit, refresh=False))
    except FactoryError:
        return None
