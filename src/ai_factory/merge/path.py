"""One path in its three states, and the changes that it can come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ai_factory.lock import Entry, Lock
from ai_factory.merge.trees import Declared, Ours
from ai_factory.plan import Change, Target, entry_of
from ai_factory.render import Owned
from ai_factory.tree import File, Tree, blob_id, normalized, with_endings_of


class Path(NamedTuple):
    """One path in its three states; after a declared rename, `source` is where the team's file still lies."""

    path: str
    old: str  # what the lock calls it
    source: str
    entry: Entry | None
    base: File | None
    ours: File | None
    theirs: File | None
    owner: Owned | None
    version: str
    local: bool
    taken: bool  # whether the component that owned it is still part of the project
    removed: bool = False  # whether it is declared to be no more
    moves: Sequence[tuple[str, str]] = ()  # the keys between which entries of it move
    met: tuple[File, File] | None = None  # base and ours with those entries moved: what meets the new version

    def change(self, action: str, why: str, file: File | None = None) -> Change:
        """This path with the new version as its base from now on."""
        assert self.owner is not None
        state = {"decline": "declined"}.get(action, "")
        kept = self.theirs if self.owner.ownership in ("managed", "merged") else None
        moves = self.moved and file is not None
        return Change(
            self.path,
            "rename" if moves and action in ("change", "adopt", "same") else action,
            why,
            self.owner.component,
            self.owner.ownership,
            self._ended(file),
            self.source if moves else "",
            entry=entry_of(self.owner, self.theirs, self.version, state),
            base=kept,
        )

    def _ended(self, file: File | None) -> File | None:
        """The file with the line endings that the team's has."""
        if file is None or self.ours is None:
            return file
        return file._replace(content=with_endings_of(file.content, self.ours.content))

    def unowned(self, action: str, why: str) -> Change:
        """This path, no longer the factory's."""
        before = self.entry or Entry("", "")
        return Change(self.path, action, why, before.component, before.ownership)

    def conflict(self, why: str, file: File | None = None) -> Change:
        """This path, open: its base does not advance, and the incoming version is kept beside it."""
        owner = self.owner
        before = self.entry or Entry("", "")
        entry = Entry(
            owner.component if owner else before.component,
            owner.ownership if owner else before.ownership,
            self.theirs.mode if self.theirs else before.mode,
            before.base if self.base else "",
            before.base_version if self.base else "",
            owner.controls if owner else before.controls,
            "open",
            blob_id(self.theirs.content) if self.theirs else "",
        )
        sides = (self.base, self.ours, self.theirs)
        source = self.source if self.moved else ""
        beside = self.theirs if file is None else None
        moved = self._ended(file) or (self.ours if self.moved else None)
        return Change(
            self.path,
            "conflict",
            why,
            entry.component,
            entry.ownership,
            moved,
            source,
            beside,
            sides,
            entry,
            self.base,
        )

    @property
    def versions(self) -> tuple[File | None, File | None]:
        """Base and ours as they meet the new version."""
        return self.met or (self.base, self.ours)

    @property
    def moved(self) -> bool:
        return self.source != self.path


def paths_of(lock: Lock, base: Tree, ours: Ours, target: Target, declared: Declared) -> Iterator[Path]:
    """Each path that the lock or the target knows; after a declared rename, by its new name."""
    tree, owned = target.rendered.tree, target.rendered.owned
    renamed = {
        new: old
        for old, new in declared.renames.items()
        if old in lock.paths and new not in lock.paths and new in owned and old not in owned
        # an open file stays where a person works on it; a file of the team's own is nothing to move another one onto
        if lock.paths[old].state != "open" and not (old in ours.files and new in ours.files)
    }
    gone = set(renamed.values())
    for path in sorted({*lock.paths, *owned} - gone):
        old = renamed.get(path, path)
        entry = _waiting(lock.paths.get(old), lock.factory.version, target.origin.version)
        source = old if old in ours.files else path
        yield Path(
            path=path,
            old=old,
            source=source,
            entry=entry,
            base=base.get(old),
            ours=ours.files.get(source),
            theirs=tree.get(path),
            owner=owned.get(path),
            version=target.origin.version,
            local=source in ours.local,
            taken=entry is None or entry.component in target.components,
            removed=old in declared.removed,
            moves=declared.moves.get(old, ()),
        )


def _waiting(entry: Entry | None, before: str, version: str) -> Entry | None:
    """The row; where it is open, it tells what version its proposal came with, once the project goes on from that."""
    if entry is None or entry.state != "open" or not entry.theirs or entry.theirs_version or before == version:
        return entry
    return entry._replace(theirs_version=before)


def same(one: File | None, other: File | None) -> bool:
    """Whether both are one file, line endings aside, or neither is there."""
    if one is None or other is None:
        return one is other
    return one.mode == other.mode and normalized(one.content) == normalized(other.content)


def with_lf(file: File) -> File:
    """The file as merges see it."""
    return file._replace(content=normalized(file.content))
