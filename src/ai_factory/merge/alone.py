"""What one path tells by itself: both sides are asked, and one of them has nothing to say."""

from __future__ import annotations

from ai_factory.merge.path import Path, same
from ai_factory.plan import TELLING, Change
from ai_factory.tree import File, blob_id


def settled(item: Path, others: bool) -> Change | None:
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


def _still_open(item: Path) -> Change:
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


def _no_longer_owned(item: Path, others: bool) -> Change | None:
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


def _untouched(item: Path) -> bool:
    if item.entry is None or item.ours is None:
        return False
    return blob_id(item.ours.content) == item.entry.base and item.ours.mode == item.entry.mode


def _local(item: Path) -> Change:
    fresh = item.entry is None and item.ours is None
    known = item.entry is not None and item.theirs is not None and blob_id(item.theirs.content) == item.entry.base
    if fresh:
        change = item.change("add", "is new, and git ignores it here", item.theirs)
    else:
        change = item.change("same" if known else "keep", "git does not track it here: it is left alone")
    entry = change.entry._replace(state="local") if change.entry else None
    return change._replace(entry=entry, base=None, incoming=None if known or fresh else item.theirs)


def _seeded(item: Path) -> Change:
    if item.entry is None and item.ours is None:
        apart = f", and not staged: {TELLING}" if item.owner and item.owner.secret else ""
        return item.change("add", f"is new, and the team's from now on{apart}", item.theirs)
    if item.entry is None or item.entry.ownership == "seeded":
        change = item.change("same", "is the team's own")
        # the id it was born with stays: it tells later whether the team ever edited it
        entry = item.entry or change.entry
        owner = item.owner
        assert owner
        assert entry
        return change._replace(entry=entry._replace(component=owner.component, controls=owner.controls))
    return item.change("keep", "is the team's from now on")


def _newly_owned(item: Path) -> Change | None:
    if item.ours is None:
        if item.entry and item.entry.ownership == "seeded":
            return item.change("decline", "the team had deleted it")
        return item.change("add", "is new", item.theirs)
    if same(item.ours, item.theirs):
        return item.change("adopt", "is there already, the same", _move(item))
    if item.entry and item.entry.ownership == "seeded" and _untouched(item):
        return item.change("change", "is the factory's from now on, and nobody had edited it", item.theirs)
    return None


def _owned(item: Path, others: bool) -> Change | None:
    quiet = item.entry is not None and item.theirs is not None and blob_id(item.theirs.content) == item.entry.base
    quiet = quiet and item.entry is not None and item.theirs is not None and item.theirs.mode == item.entry.mode
    if item.ours is None:
        # also where the new version only renames it: the team may have moved it elsewhere
        if others and item.base is not None and (not quiet or item.old != item.path):
            return None
        return item.change("decline", "the team deleted it: it stays deleted")
    if same(item.ours, item.theirs):
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


def _move(item: Path) -> File | None:
    return item.ours if item.moved else None
