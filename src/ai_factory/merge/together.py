"""What only both trees tell: lines and entries that meet, files that were moved on either side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ai_factory import structured
from ai_factory.errors import FactoryError
from ai_factory.markers import could_be_markers
from ai_factory.merge.path import Path, same, with_lf
from ai_factory.merge.trees import Input, MergedTrees, Ours
from ai_factory.plan import Change
from ai_factory.tree import LINK, Blob, File, check_path, has_mixed_endings, is_binary, normalized

GUARDED = (".toml", ".yaml", ".yml", ".json")  # a marker in these stops the parser that guards the commit
APART = "CONFLICT (rename/rename)"  # git's word for a file that each side has moved to another place


def with_moved_entries(item: Path) -> Path:
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


def inputs(paths: Mapping[str, Path], others: Mapping[str, Blob]) -> tuple[Input, Input, Input]:
    """Base, ours and theirs of the files that can be merged, content with LF."""
    merged = {path: item for path, item in paths.items() if _mergeable(item)}
    versions = {path: item.versions for path, item in merged.items()}
    base = {(path if mine else merged[path].old): with_lf(old) for path, (old, mine) in versions.items() if old}
    # where endings are mixed they are the team's, line by line
    ours: dict[str, File | Blob] = {
        path: mine if has_mixed_endings(mine.content) else with_lf(mine) for path, (_, mine) in versions.items() if mine
    }
    theirs = {path: with_lf(item.theirs) for path, item in merged.items() if item.theirs}
    return base, {**others, **ours}, theirs


def _mergeable(item: Path) -> bool:
    before, after = item.entry.ownership if item.entry else "", item.owner.ownership if item.owner else ""
    still_open = item.entry is not None and item.entry.state == "open"
    # of a seeded file no base is kept: it would look like one that the team has added, or moved there
    owned = "produced" not in (before, after) and after != "seeded" and (before, after) != ("seeded", "")
    return owned and not item.local and not still_open


def joined(
    paths: Mapping[str, Path],
    contested: Mapping[str, Path],
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


def _resolved(item: Path, merged: MergedTrees, heirs: Mapping[str, str]) -> Change:
    if item.theirs is None:
        return _deleted_upstream(item, heirs.get(item.path, ""))
    if item.ours is None:
        return item.change("decline", "the team deleted or moved it: it stays so")
    return _both(item, merged, "both sides changed it, in different places")


def _both(item: Path, merged: MergedTrees, why: str) -> Change:
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


def _deleted_upstream(item: Path, heir: str) -> Change:
    if item.ours is None:
        return item.unowned("same", "is gone on both sides")
    if heir:
        return item.unowned("delete", f"the new version renames it to `{heir}`, and the team's edits go along")
    return item.conflict("the team edited it, and the new version has it no more")


def _in_conflict(item: Path, marked: File | None) -> Change:
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


def _heirs(paths: Mapping[str, Path], contested: Mapping[str, Path], merged: MergedTrees) -> dict[str, str]:
    """Old to new path of each edited file that the new version renames: all that the team wrote has arrived there."""
    arrived = {
        path: file
        for path, file in merged.files.items()
        if isinstance(file, File) and (known := paths.get(path)) and known.theirs and not known.entry and not known.ours
    }
    joined = {path for path, file in arrived.items() if (new := paths[path].theirs) and not same(file, with_lf(new))}
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


def _moved_apart(paths: Mapping[str, Path], old: str, mine: str, theirs: str) -> Iterator[Change]:
    """Both sides moved a file, each to another place: the team's stays where it is, the other place is open."""
    before, item = paths.get(old), paths.get(theirs)
    if item and item.theirs:
        known = item._replace(entry=before.entry, base=before.base) if before else item
        yield known.conflict(f"the team moved `{old}` to `{mine}`, and the new version moves it here")


def _followed(path: str, file: File, merged: MergedTrees, gone: Mapping[str, Path]) -> Change:
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
