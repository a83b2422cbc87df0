"""Three states of a project to one change a path: the tables of how a sync ends, as code.

Rules of this package: it is pure, the merge of whole trees is passed in; nothing that only the team wrote is
lost, what cannot be decided is a conflict; ownership does not change what may be destroyed.
"""

from __future__ import annotations

from ai_factory.lock import Lock
from ai_factory.merge.alone import settled
from ai_factory.merge.path import paths_of
from ai_factory.merge.room import blocked
from ai_factory.merge.together import inputs, joined, with_moved_entries
from ai_factory.merge.trees import Combine, Declared, Input, MergedTrees, Note, Ours, Side
from ai_factory.plan import Change, Target
from ai_factory.tree import Tree

__all__ = ["Combine", "Declared", "Input", "MergedTrees", "Note", "Ours", "Side", "merge"]


def merge(lock: Lock, base: Tree, ours: Ours, target: Target, declared: Declared, combine: Combine) -> list[Change]:
    """One change for each path that the lock or the target knows, and for each file of the team that a change follows.

    `base` holds the pristine files that are known (one that is missing makes an edited file a conflict).
    """
    paths = {item.path: item for item in paths_of(lock, base, ours, target, declared)}
    changes = {item.path: change for item in paths.values() if (change := settled(item, bool(ours.others)))}
    contested = {path: with_moved_entries(item) for path, item in paths.items() if path not in changes}
    paths |= contested
    if contested:
        whole = any(item.ours is None or item.theirs is None for item in contested.values())
        trees = inputs(paths if whole else contested, ours.others if whole else {})
        merged = combine(*trees)
        changes |= {change.path: change for change in joined(paths, contested, merged, ours)}
    while stopped := {change.path: change for change in blocked(paths, changes, ours)}:
        changes |= stopped
    return [changes[path] for path in sorted(changes)]
