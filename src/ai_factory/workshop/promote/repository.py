"""The repository of a factory that takes what a team improved: its commits as factories, and a branch on top of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ai_factory import catalog, git
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import Factory, Wanted, is_remote, open_factory
from ai_factory.lock import Origin
from ai_factory.merge import Input
from ai_factory.tree import File, Tree
from ai_factory.workspace import find_repository, is_bare

CLONE = "clone it, then give its folder with `--into FOLDER`"


class Place(NamedTuple):
    """A factory's repository in a local folder, and the commit that is checked out there."""

    root: str
    head: str
    trust: bool = False  # whether the code of a foreign template may run

    def factory(self, commit: str) -> Factory:
        """The factory as it was at that commit. Raises as `open_factory` does."""
        return open_factory(self.root, Wanted(commit))._replace(trusted=self.trust)


def place(into: str, origin: Origin, trust: bool = False) -> Place:
    """The repository in that folder, or of the project's own factory. Raises UsageError where there is none."""
    if not into and (origin.kind == "embedded" or is_remote(origin.url)):
        raise UsageError(f"the factory `{origin.url}` is no folder, so there is nothing to put a branch into", CLONE)
    root = os.path.realpath(os.path.expanduser(into or origin.url))
    found = find_repository(root)
    if not is_bare(root) and (found is None or found.top != root):
        raise UsageError(f"`{root}` is not the top of a git repository", CLONE)
    head = git.commit_of(root, "HEAD")
    if not head:
        raise UsageError(f"the repository `{root}` has no commit", f"`git -C {root} commit` makes one")
    return Place(root, head, trust)


def applied(at: Place, origin: Origin) -> str:
    """The commit that the project was last synced with, as far as the repository has it; else what is checked out."""
    names = (origin.commit, origin.version, f"v{origin.version}")
    for name in filter(None, names):
        try:
            return git.resolve(at.root, name)
        except FactoryError:
            continue
    return at.head


def with_files(factory: Factory, files: Mapping[str, File]) -> Factory:
    """The factory with those files in place of its own."""
    tree = {**factory.tree, **files}
    return factory._replace(files=lambda: tree)


def onto(now: Tree, before: Tree, files: Mapping[str, File]) -> dict[str, File] | None:
    """The files on top of what the factory is by now; None where both changed the same lines.

    `before` is the factory from which they were made.
    """
    if all(now.get(path) == before.get(path) for path in files):
        return dict(files)
    base, ours = (_some(tree, files) for tree in (before, now))
    merged = git.merge_trees(base, ours, files, git.Names("factory", "promoted"))
    if merged.conflicts or ours.keys() != base.keys():
        return None
    return {path: file for path, file in merged.files.items() if isinstance(file, File)}


def _some(tree: Tree, paths: Iterable[str]) -> Input:
    return {path: tree[path] for path in paths if path in tree}


def branch(at: Place, wanted: str, *words: str) -> str:
    """The name of the new branch: the wanted one, else of these words. Raises UsageError for one that cannot be."""
    name = wanted or f"promote/{_slug(*words)}"
    git.refuse_branch(at.root, name)
    return name


def _slug(*words: str) -> str:
    """Words as a part of a branch's name."""
    found = [re.sub(r"[^A-Za-z0-9]+", "-", word).strip("-").lower() for word in words]
    return "-".join(filter(None, found))[:60].strip("-") or "project"


def called(root: str) -> str:
    """How a project is called in notes and messages: by its folder, in one line that marks nothing up."""
    return "".join(char if char.isprintable() and char != "`" else "-" for char in os.path.basename(root))


def changelog_of(component: str) -> str:
    """Where the notes of a component's releases stand."""
    return f"{catalog.COMPONENTS}/{component}/CHANGELOG.md"
