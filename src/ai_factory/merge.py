"""Three states of a project to one change a path: the tables of how a sync ends, as code.

Rules of this file: it is pure, the merge of whole trees is passed in; nothing that only the team wrote is
lost, what cannot be decided is a conflict; ownership does not change what may be destroyed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from ai_factory import documents
from ai_factory.errors import FactoryError
from ai_factory.lock import Entry, Lock
from ai_factory.plan import Change, Target, entry_of
from ai_factory.render import Owned
from ai_factory.tree import LINK, Blob, File, Tree, blob_id, is_binary, normalized, with_endings_of

Input = Mapping[str, File | Blob]  # a file by content, or by an id that the project's repository holds
GUARDED = (".toml", ".yaml", ".yml", ".json")  # a marker in these stops the parser that guards the commit


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
    """The result of a whole-tree merge: files (with markers where in conflict), the sides of conflicts, notes."""

    files: Input
    conflicts: Mapping[str, tuple[Side, ...]]
    notes: tuple[Note, ...]


Combine = Callable[[Input, Input, Input], MergedTrees]


class Ours(NamedTuple):
    """The project now: its files at paths of lock and target, its other tracked files, what git does not track."""

    files: Tree
    others: Mapping[str, Blob]
    local: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Path:
    """One path in its three states; after a declared rename, `source` is where the team's file still lies."""

    path: str
    source: str
    entry: Entry | None
    base: File | None
    ours: File | None
    theirs: File | None
    owner: Owned | None
    version: str
    local: bool
    taken: bool  # whether the component that owned it is still part of the project

    def change(self, action: str, why: str, file: File | None = None) -> Change:
        """This path with the new version as its base from now on."""
        assert self.owner is not None
        state = {"decline": "declined"}.get(action, "")
        kept = self.theirs if self.owner.ownership in ("managed", "merged") else None
        return Change(
            self.path,
            "rename" if self.moved and action in ("change", "adopt", "same") else action,
            why,
            self.owner.component,
            self.owner.ownership,
            self._ended(file),
            self.source if self.moved else "",
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
    def moved(self) -> bool:
        return self.source != self.path


def merge(
    lock: Lock, base: Tree, ours: Ours, target: Target, renames: Mapping[str, str], combine: Combine
) -> list[Change]:
    """One change for each path that the lock or the target knows, and for each file of the team that a change follows.

    `base` holds the pristine files that are known (one that is missing makes an edited file a conflict);
    `renames` maps old to new paths as components declare them.
    """
    paths = {item.path: item for item in _paths(lock, base, ours, target, renames)}
    changes = {item.path: change for item in paths.values() if (change := _settled(item, bool(ours.others)))}
    contested = {path: item for path, item in paths.items() if path not in changes}
    if contested:
        whole = any(item.ours is None or item.theirs is None for item in contested.values())
        trees = _inputs(paths if whole else contested, ours.others if whole else {})
        merged = combine(*trees)
        changes |= {change.path: change for change in _joined(paths, contested, merged, ours)}
    return [changes[path] for path in sorted(changes)]


def _paths(lock: Lock, base: Tree, ours: Ours, target: Target, renames: Mapping[str, str]) -> Iterator[_Path]:
    tree, owned = target.rendered.tree, target.rendered.owned
    renamed = {
        new: old
        for old, new in renames.items()
        if old in lock.paths and new not in lock.paths and new in owned and old not in owned
    }
    gone = set(renamed.values())
    for path in sorted({*lock.paths, *owned} - gone):
        old = renamed.get(path, path)
        entry = lock.paths.get(old)
        source = old if old in ours.files else path
        yield _Path(
            path=path,
            source=source,
            entry=entry,
            base=base.get(old),
            ours=ours.files.get(source),
            theirs=tree.get(path),
            owner=owned.get(path),
            version=target.origin.version,
            local=source in ours.local,
            taken=entry is None or entry.component in target.components,
        )


def _same(one: File | None, other: File | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.mode == other.mode and normalized(one.content) == normalized(other.content)


# ---- what one path tells by itself ---------------------------------------------------------------


def _settled(item: _Path, others: bool) -> Change | None:
    """The change of a path that needs no merge; None where both sides have something to say."""
    if item.entry and item.entry.state == "open":
        return _still_open(item)
    if item.owner is None:
        return _no_longer_owned(item, others)
    if item.owner.ownership == "produced":
        return item.change("same", "is written by the project's own run")
    if item.local and item.ours is not None:
        return _local(item)
    if item.owner.ownership == "seeded":
        return _seeded(item)
    if item.entry is None or item.entry.ownership in ("seeded", "produced"):
        return _newly_owned(item)
    return _owned(item, others)


def _still_open(item: _Path) -> Change:
    assert item.entry is not None
    sides = (item.base, item.ours, None)
    why = "its conflict is still open: resolve it first, the next sync brings the rest"
    return Change(
        item.path,
        "keep",
        why,
        item.entry.component,
        item.entry.ownership,
        sides=sides,
        entry=item.entry,
        base=item.base,
    )


def _no_longer_owned(item: _Path, others: bool) -> Change | None:
    assert item.entry is not None
    if not item.taken:
        return item.unowned("forget", f"the component `{item.entry.component}` is no longer taken")
    if item.entry.ownership in ("seeded", "produced") or item.local:
        return item.unowned("forget", "the new version has it no more")
    if item.ours is None:
        return None if others and item.base else item.unowned("same", "is gone on both sides")
    if _untouched(item):
        return item.unowned("delete", "the new version has it no more, and nobody had edited it")
    return None


def _untouched(item: _Path) -> bool:
    if item.entry is None or item.ours is None:
        return False
    return blob_id(item.ours.content) == item.entry.base and item.ours.mode == item.entry.mode


def _local(item: _Path) -> Change:
    known = item.entry is not None and item.theirs is not None and blob_id(item.theirs.content) == item.entry.base
    change = item.change("same" if known else "keep", "git does not track it here: it is left alone")
    entry = change.entry._replace(state="local") if change.entry else None
    return change._replace(entry=entry, base=None, incoming=None if known else item.theirs)


def _seeded(item: _Path) -> Change:
    if item.entry is None and item.ours is None:
        return item.change("add", "is new, and the team's from now on", item.theirs)
    if item.entry is None or item.entry.ownership == "seeded":
        change = item.change("same", "is the team's own")
        # the id it was born with stays: it tells later whether the team ever edited it
        entry = item.entry or change.entry
        owner = item.owner
        assert owner
        assert entry
        return change._replace(entry=entry._replace(component=owner.component, controls=owner.controls), source="")
    return item.change("keep", "is the team's from now on")._replace(source="")


def _newly_owned(item: _Path) -> Change | None:
    if item.ours is None:
        if item.entry and item.entry.ownership == "seeded":
            return item.change("decline", "the team had deleted it")
        return item.change("add", "is new", item.theirs)
    if _same(item.ours, item.theirs):
        return item.change("adopt", "is there already, the same")
    if item.entry and item.entry.ownership == "seeded" and _untouched(item):
        return item.change("change", "is the factory's from now on, and nobody had edited it", item.theirs)
    return None


def _owned(item: _Path, others: bool) -> Change | None:
    quiet = item.entry is not None and item.theirs is not None and blob_id(item.theirs.content) == item.entry.base
    quiet = quiet and item.entry is not None and item.theirs is not None and item.theirs.mode == item.entry.mode
    if item.ours is None:
        if others and not quiet and item.base is not None:
            return None
        return item.change("decline", "the team deleted it: it stays deleted")
    if _same(item.ours, item.theirs):
        return item.change("same" if quiet else "adopt", "is the same on both sides", _move(item))
    if quiet:
        return item.change(
            "same",
            "the new version renames it" if item.moved else "the new version does not change it",
            _move(item),
        )
    if _untouched(item):
        return item.change("change", "the new version changes it, and nobody had edited it", item.theirs)
    return None


def _move(item: _Path) -> File | None:
    return item.ours if item.moved else None


# ---- what only both trees tell -------------------------------------------------------------------


def _inputs(paths: Mapping[str, _Path], others: Mapping[str, Blob]) -> tuple[Input, Input, Input]:
    """Base, ours and theirs of the files that can be merged, content with LF."""
    merged = {path: item for path, item in paths.items() if _mergeable(item)}
    base = {path: _lf(item.base) for path, item in merged.items() if item.base}
    ours: dict[str, File | Blob] = {path: _lf(item.ours) for path, item in merged.items() if item.ours}
    theirs = {path: _lf(item.theirs) for path, item in merged.items() if item.theirs}
    return base, {**others, **ours}, theirs


def _mergeable(item: _Path) -> bool:
    words = {item.entry.ownership if item.entry else "", item.owner.ownership if item.owner else ""}
    return (
        not item.local and words.isdisjoint({"produced"}) and (item.owner is None or item.owner.ownership != "seeded")
    )


def _lf(file: File) -> File:
    return file._replace(content=normalized(file.content))


def _joined(
    paths: Mapping[str, _Path],
    contested: Mapping[str, _Path],
    merged: MergedTrees,
    ours: Ours,
) -> Iterator[Change]:
    """The changes of the contested paths, and of those to which a rename on either side carried something."""
    for item in contested.values():
        yield _resolved(item, merged)
    for path, file in merged.files.items():
        if path in contested or not isinstance(file, File):
            continue
        known = paths.get(path)
        if known is None:
            yield from _followed(path, file, ours, contested)
        elif known.theirs and known.entry is None and not _same(file, _lf(known.theirs)):
            yield from _renamed_upstream(known, file, merged, contested)


def _resolved(item: _Path, merged: MergedTrees) -> Change:
    file = merged.files.get(item.path)
    if item.theirs is None:
        return _deleted_upstream(item, merged)
    if item.ours is None:
        return item.change("decline", "the team deleted or moved it: it stays so")
    if item.path in merged.conflicts or not isinstance(file, File):
        return _in_conflict(item, file if isinstance(file, File) else None)
    if not parses(item.path, file.content) and parses(item.path, item.ours.content):
        return item.conflict("both sides changed it, and the two together are no valid file")
    return item.change("merge", "both sides changed it, in different places", file)


def _deleted_upstream(item: _Path, merged: MergedTrees) -> Change:
    if item.ours is None:
        return item.unowned("same", "is gone on both sides")
    if item.path not in merged.files and item.path not in merged.conflicts:
        return item.unowned("delete", "the new version renames it, and the team's edits go along")
    return item.conflict("the team edited it, and the new version has it no more")


def _in_conflict(item: _Path, marked: File | None) -> Change:
    assert item.ours
    assert item.theirs
    why = "both sides changed the same lines" if item.base else "both sides added it, with different content"
    if item.entry and not item.base and item.entry.ownership != "seeded":
        why = "the team edited it, and its base is not known"
    binary = is_binary(item.ours.content) or is_binary(item.theirs.content)
    link = LINK in (item.ours.mode, item.theirs.mode)
    if marked is None or binary or link or item.path.endswith(GUARDED):
        return item.conflict(why)
    return item.conflict(why, marked)


def _followed(path: str, file: File, ours: Ours, contested: Mapping[str, _Path]) -> Iterator[Change]:
    """The team moved a file of the factory's; the new version's change has followed it."""
    if path not in ours.others:
        return
    source = _nearest(file, {old: item.theirs for old, item in contested.items() if item.theirs and not item.ours})
    yield Change(path, "merge", f"the team moved `{source}` here, and the new version's change follows", file=file)


def _renamed_upstream(item: _Path, file: File, merged: MergedTrees, contested: Mapping[str, _Path]) -> Iterator[Change]:
    """The new version renamed a file that the team edited; the edits have followed it."""
    gone = {path: other.ours for path, other in contested.items() if other.theirs is None and other.ours}
    source = _nearest(file, gone)
    before = contested.get(source)
    if before is None:
        return
    joined = replace(item, source=source, ours=before.ours, base=before.base, entry=before.entry)
    if item.path in merged.conflicts:
        yield _in_conflict(joined, file)
    else:
        yield joined.change("change", f"the new version renames `{source}`, and the team's edits follow", file)


def _nearest(file: File, candidates: Mapping[str, File | None]) -> str:
    """The candidate that shares most lines with the file."""
    lines = set(file.content.splitlines())
    shared = {path: len(lines & set(other.content.splitlines())) for path, other in candidates.items() if other}
    return max(sorted(shared), key=lambda path: shared[path], default="")


def parses(path: str, content: bytes) -> bool:
    """Whether the content is valid for the format that its name tells; true for formats that are not guarded."""
    try:
        if path.endswith(".toml"):
            tomllib.loads(content.decode())
        elif path.endswith(".json"):
            json.loads(content)
        elif path.endswith((".yaml", ".yml")):
            documents.load(content, path)
    except (ValueError, RecursionError, FactoryError):
        return False
    return True
