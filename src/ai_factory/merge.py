"""Three states of a project to one change a path: the tables of how a sync ends, as code.

Rules of this file: it is pure, the merge of whole trees is passed in; nothing that only the team wrote is
lost, what cannot be decided is a conflict; ownership does not change what may be destroyed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory import structured
from ai_factory.errors import FactoryError
from ai_factory.lock import Entry, Lock
from ai_factory.markers import could_be_markers
from ai_factory.plan import Change, Target, entry_of
from ai_factory.render import Owned
from ai_factory.tree import (
    LINK,
    Blob,
    File,
    Tree,
    blob_id,
    check_path,
    has_mixed_endings,
    is_binary,
    normalized,
    with_endings_of,
)

Input = Mapping[str, File | Blob]  # a file by content, or by an id that the project's repository holds
GUARDED = (".toml", ".yaml", ".yml", ".json")  # a marker in these stops the parser that guards the commit
APART = "CONFLICT (rename/rename)"  # git's word for a file that each side has moved to another place


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


class _Path(NamedTuple):
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


def merge(lock: Lock, base: Tree, ours: Ours, target: Target, declared: Declared, combine: Combine) -> list[Change]:
    """One change for each path that the lock or the target knows, and for each file of the team that a change follows.

    `base` holds the pristine files that are known (one that is missing makes an edited file a conflict).
    """
    paths = {item.path: item for item in _paths(lock, base, ours, target, declared)}
    changes = {item.path: change for item in paths.values() if (change := _settled(item, bool(ours.others)))}
    contested = {path: _with_moved_entries(item) for path, item in paths.items() if path not in changes}
    paths |= contested
    if contested:
        whole = any(item.ours is None or item.theirs is None for item in contested.values())
        trees = _inputs(paths if whole else contested, ours.others if whole else {})
        merged = combine(*trees)
        changes |= {change.path: change for change in _joined(paths, contested, merged, ours)}
    while blocked := {change.path: change for change in _blocked(paths, changes, ours)}:
        changes |= blocked
    return [changes[path] for path in sorted(changes)]


def _paths(lock: Lock, base: Tree, ours: Ours, target: Target, declared: Declared) -> Iterator[_Path]:
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
        yield _Path(
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
    if item.local or (item.ours is None and item.entry and item.entry.state == "local"):
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
    return item.conflict("the team edited it, and the new version removes it") if item.removed else None


def _untouched(item: _Path) -> bool:
    if item.entry is None or item.ours is None:
        return False
    return blob_id(item.ours.content) == item.entry.base and item.ours.mode == item.entry.mode


def _local(item: _Path) -> Change:
    fresh = item.entry is None and item.ours is None
    known = item.entry is not None and item.theirs is not None and blob_id(item.theirs.content) == item.entry.base
    if fresh:
        change = item.change("add", "is new, and git ignores it here", item.theirs)
    else:
        change = item.change("same" if known else "keep", "git does not track it here: it is left alone")
    entry = change.entry._replace(state="local") if change.entry else None
    return change._replace(entry=entry, base=None, incoming=None if known or fresh else item.theirs)


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
        return change._replace(entry=entry._replace(component=owner.component, controls=owner.controls))
    return item.change("keep", "is the team's from now on")


def _newly_owned(item: _Path) -> Change | None:
    if item.ours is None:
        if item.entry and item.entry.ownership == "seeded":
            return item.change("decline", "the team had deleted it")
        return item.change("add", "is new", item.theirs)
    if _same(item.ours, item.theirs):
        return item.change("adopt", "is there already, the same", _move(item))
    if item.entry and item.entry.ownership == "seeded" and _untouched(item):
        return item.change("change", "is the factory's from now on, and nobody had edited it", item.theirs)
    return None


def _owned(item: _Path, others: bool) -> Change | None:
    quiet = item.entry is not None and item.theirs is not None and blob_id(item.theirs.content) == item.entry.base
    quiet = quiet and item.entry is not None and item.theirs is not None and item.theirs.mode == item.entry.mode
    if item.ours is None:
        # also where the new version only renames it: the team may have moved it elsewhere
        if others and item.base is not None and (not quiet or item.old != item.path):
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


def _with_moved_entries(item: _Path) -> _Path:
    """The path with its entries at their new keys in base and ours, where that can be done in both."""
    return item._replace(met=_entries_moved(item.path, item.moves, item.base, item.ours))


def _entries_moved(
    path: str, moves: Sequence[tuple[str, str]], base: File | None, ours: File | None
) -> tuple[File, File] | None:
    if not moves or base is None or ours is None or LINK in (base.mode, ours.mode):
        return None
    old, mine = (structured.moved(path, file.content, moves) for file in (base, ours))
    if old is None or mine is None:
        return None
    return base._replace(content=old), ours._replace(content=mine)


def _inputs(paths: Mapping[str, _Path], others: Mapping[str, Blob]) -> tuple[Input, Input, Input]:
    """Base, ours and theirs of the files that can be merged, content with LF."""
    merged = {path: item for path, item in paths.items() if _mergeable(item)}
    versions = {path: item.versions for path, item in merged.items()}
    base = {(path if mine else merged[path].old): _lf(old) for path, (old, mine) in versions.items() if old}
    # where endings are mixed they are the team's, line by line
    ours: dict[str, File | Blob] = {
        path: mine if has_mixed_endings(mine.content) else _lf(mine) for path, (_, mine) in versions.items() if mine
    }
    theirs = {path: _lf(item.theirs) for path, item in merged.items() if item.theirs}
    return base, {**others, **ours}, theirs


def _mergeable(item: _Path) -> bool:
    before, after = item.entry.ownership if item.entry else "", item.owner.ownership if item.owner else ""
    still_open = item.entry is not None and item.entry.state == "open"
    # of a seeded file no base is kept: it would look like one that the team has added, or moved there
    owned = "produced" not in (before, after) and after != "seeded" and (before, after) != ("seeded", "")
    return owned and not item.local and not still_open


def _lf(file: File) -> File:
    return file._replace(content=normalized(file.content))


def _joined(
    paths: Mapping[str, _Path],
    contested: Mapping[str, _Path],
    merged: MergedTrees,
    ours: Ours,
) -> Iterator[Change]:
    """The changes of the contested paths, and of those to which a rename on either side carried something."""
    heirs = _heirs(paths, contested, merged)
    for item in contested.values():
        yield _resolved(item, merged, heirs)
    for old, new in heirs.items():
        before = contested[old]
        joined = paths[new]._replace(source=old, ours=before.ours, base=before.base, entry=before.entry, met=before.met)
        yield _both(joined, merged, f"the new version renames `{old}`, and the team's edits follow")
    apart = [note.paths for note in merged.notes if note.kind == APART and len(note.paths) == 3]
    for old, mine, theirs in apart:
        yield from _moved_apart(paths, old, mine, theirs)
    gone = {old: item for old, item in contested.items() if item.theirs and not item.ours}
    for path in sorted(ours.others.keys() - {mine for _, mine, _ in apart}):
        file = merged.files.get(path)
        if isinstance(file, File) and gone:
            yield _followed(path, file, merged, gone)


def _resolved(item: _Path, merged: MergedTrees, heirs: Mapping[str, str]) -> Change:
    if item.theirs is None:
        return _deleted_upstream(item, heirs.get(item.path, ""))
    if item.ours is None:
        return item.change("decline", "the team deleted or moved it: it stays so")
    return _both(item, merged, "both sides changed it, in different places")


def _both(item: _Path, merged: MergedTrees, why: str) -> Change:
    """The change of a path to which both sides have something to say: by lines, else by structure."""
    base, ours = item.versions
    assert ours
    assert item.theirs
    found = merged.files.get(item.path)
    file = found if isinstance(found, File) else None
    clash = item.path in merged.conflicts or file is None
    sound = file and not clash and _is_sound(item.path, file, ours, item.theirs)
    if sound and _is_meant(item.path, base, ours, item.theirs, file):
        return item.change("merge", why, file)
    joined = _by_structure(item.path, base, ours, item.theirs) if base or not item.entry else None
    if joined:
        return item.change("merge", f"{why.partition(',')[0]}: merged by its entries", joined)
    if clash:
        return _in_conflict(item, file)
    if sound:
        return item.conflict("both sides changed one entry, each in its own way and in lines of its own")
    return item.conflict("both sides changed it, and the two together are no valid file")


def _is_sound(path: str, file: File, ours: File, theirs: File) -> bool:
    """Whether a merge by lines is a file that its readers take; where the team's was none, nobody can tell."""
    sides = ours.content, theirs.content
    return structured.sound(path, file.content, *sides) or not structured.valid(path, ours.content)


def _is_meant(path: str, base: File | None, ours: File, theirs: File, file: File | None) -> bool:
    """Whether a merge by lines says what the entries of the three versions mean together."""
    if base is None or file is None:
        return True
    return structured.agrees(path, base.content, ours.content, theirs.content, file.content)


def _by_structure(path: str, base: File | None, ours: File, theirs: File) -> File | None:
    """The team's file with the new version's changes, entry by entry, where that leaves no doubt."""
    apart = base is None and ours.mode != theirs.mode
    if apart or LINK in (ours.mode, theirs.mode, base.mode if base else ""):
        return None
    content = structured.merge(path, base.content if base else None, ours.content, theirs.content)
    mode = theirs.mode if base and ours.mode == base.mode else ours.mode
    return File(content, mode) if content is not None else None


def _deleted_upstream(item: _Path, heir: str) -> Change:
    if item.ours is None:
        return item.unowned("same", "is gone on both sides")
    if heir:
        return item.unowned("delete", f"the new version renames it to `{heir}`, and the team's edits go along")
    return item.conflict("the team edited it, and the new version has it no more")


def _in_conflict(item: _Path, marked: File | None) -> Change:
    assert item.ours
    assert item.theirs
    why = "both sides changed the same lines" if item.base else "both sides added it, with different content"
    if item.entry and not item.base and item.entry.ownership != "seeded":
        why = "the team edited it, and its base is not known"
    versions = [side for side in (*item.versions, item.theirs) if side]
    if any(could_be_markers(side.content) for side in versions):
        return item.conflict(why)  # between marks of our own nobody could tell them apart
    binary = is_binary(item.ours.content) or is_binary(item.theirs.content)
    link = LINK in (item.ours.mode, item.theirs.mode)
    if (binary or link) and item.base:
        why = "both sides changed it, and it has no lines to merge"
    if marked is None or binary or link or item.path.endswith(GUARDED):
        return item.conflict(why)
    return item.conflict(why, marked)


def _heirs(paths: Mapping[str, _Path], contested: Mapping[str, _Path], merged: MergedTrees) -> dict[str, str]:
    """Old to new path of each edited file that the new version renames: all that the team wrote has arrived there."""
    arrived = {
        path: file
        for path, file in merged.files.items()
        if isinstance(file, File) and (known := paths.get(path)) and known.theirs and not known.entry and not known.ours
    }
    joined = {path for path, file in arrived.items() if (new := paths[path].theirs) and not _same(file, _lf(new))}
    heirs: dict[str, str] = {}
    for path, item in contested.items():
        if item.theirs is not None or item.ours is None or path in merged.files or path in merged.conflicts:
            continue
        base, mine = item.versions
        ours = _lines(mine)
        shared = {new: len(ours & _lines(file)) for new, file in arrived.items() if new not in heirs.values()}
        fit = [new for new in shared if ours - _lines(base) <= _lines(arrived[new])]
        if fit:
            heirs[path] = max(fit, key=lambda new: (new in joined, shared[new]))
    return heirs


def _moved_apart(paths: Mapping[str, _Path], old: str, mine: str, theirs: str) -> Iterator[Change]:
    """Both sides moved a file, each to another place: the team's stays where it is, the other place is open."""
    before, item = paths.get(old), paths.get(theirs)
    if item and item.theirs:
        known = item._replace(entry=before.entry, base=before.base) if before else item
        yield known.conflict(f"the team moved `{old}` to `{mine}`, and the new version moves it here")


def _followed(path: str, file: File, merged: MergedTrees, gone: Mapping[str, _Path]) -> Change:
    """The team moved a file of the factory's: the new version's change follows it, or waits where the file was."""
    shared = {old: len(_lines(file) & _lines(item.theirs)) for old, item in gone.items()}
    source = max(sorted(shared), key=lambda old: shared[old])
    item, mine = gone[source], merged.before.get(path)
    assert item.theirs
    if not _writable(path):
        return item.conflict(f"the team moved it to `{path}`, a name that a sync never writes to")
    why = f"the team moved `{source}` here, and the new version's change follows"
    clash = path in merged.conflicts
    if not clash and (mine is None or _is_sound(path, file, mine, item.theirs)):
        return Change(path, "merge", why, file=file)
    base, moved = _entries_moved(path, item.moves, item.base, mine) or (item.base, mine)
    joined = _by_structure(path, base, moved, item.theirs) if base and moved else None
    if joined:
        return Change(path, "merge", f"{why}: merged by its entries", file=joined)
    reason = "both sides changed the same lines" if clash else "the two together are no valid file"
    return item.conflict(f"the team moved it to `{path}`, and {reason}")


def _writable(path: str) -> bool:
    try:
        check_path(path)
    except FactoryError:
        return False
    return True


def _lines(file: File | None) -> set[bytes]:
    return set(normalized(file.content).splitlines()) if file else set()


# ---- what one path takes from another ------------------------------------------------------------


def _blocked(paths: Mapping[str, _Path], changes: Mapping[str, Change], ours: Ours) -> Iterator[Change]:
    """A file that comes where the team has a folder, or below one of its files, is a conflict: both cannot be."""
    gone = {change.source for change in changes.values()}
    gone |= {path for path, change in changes.items() if change.action == "delete"}
    stays = {*ours.others, *ours.files, *ours.modules} - gone
    folders = {folder for path in stays for folder in _above(path)} | ours.modules
    for path, change in changes.items():
        files = [folder for folder in _above(path) if folder in stays]
        if change.file is None:
            if change.incoming and files:
                yield change._replace(incoming=None)  # nor is there a place for a proposal
            continue
        if not (files or path in folders):
            continue
        kind = "submodule" if ours.modules.intersection([path, *files]) else "file" if files else "folder"
        why = f"needs a folder where the team has the {kind} `{files[0]}`" if files else f"the team has a {kind} there"
        conflict = paths[path]._replace(source=path, ours=None).conflict(why)
        yield conflict._replace(incoming=None) if files else conflict
        if change.source in paths:
            yield paths[change.source].conflict("the team edited it, and the place it would move to is taken")


def _above(path: str) -> Iterator[str]:
    """The folders above a path."""
    return (path[:place] for place, sign in enumerate(path) if sign == "/")
