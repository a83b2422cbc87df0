"""What one path takes from another: a file and a folder cannot lie at one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ai_factory.merge.path import Path
from ai_factory.merge.trees import Ours
from ai_factory.plan import Change


def blocked(paths: Mapping[str, Path], changes: Mapping[str, Change], ours: Ours) -> Iterator[Change]:
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
