"""A folder that is new or empty, and is filled whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from ai_factory import git
from ai_factory.errors import MachineError, UsageError
from ai_factory.interruption import undisturbed
from ai_factory.tree import File, Tree, word
from ai_factory.workspace import Folder, Repository, find_repository, unusable

UNFINISHED = ".ai-factory-new"  # lies in the folder as long as somebody is at work there
THEIR_REPOSITORY = "the repository was here before\n"
Progress = Callable[[str], None]


class Filled(NamedTuple):
    """A folder that was filled: the repository that was around it, and whose the commit is, if one was made."""

    root: str
    around: Repository | None
    author: git.Author | None


def check(destination: str) -> None:
    """Raise UsageError for a destination that is not empty, MachineError for one that cannot be written."""
    if not destination.strip() or ".git" in os.path.abspath(destination).split(os.sep):
        raise UsageError(f"`{destination}` is no folder for a project", "name a folder that is new or empty")
    if os.path.lexists(destination) and not os.path.isdir(destination):
        raise UsageError(f"`{destination}` is a file", "name a folder that is new or empty")
    place = destination
    while not os.path.isdir(place):
        place = os.path.dirname(os.path.abspath(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise MachineError(f"`{place}` cannot be written", "choose another folder, or change its permissions")
    if os.path.lexists(os.path.join(destination, UNFINISHED)):
        raise _unfinished(destination)
    if os.path.isdir(destination):
        inside = sorted(name for name in os.listdir(destination) if name != ".git")
        if inside:
            raise UsageError(
                f"`{destination}` is not empty: it holds `{inside[0]}`" + (" and more" if inside[1:] else ""),
                "name a folder that is new or empty",
            )


def _unfinished(destination: str) -> UsageError:
    place = word(os.path.abspath(destination))
    ours = Folder(destination).read(UNFINISHED) != File(THEIR_REPOSITORY.encode())
    return UsageError(
        f"an `ai-factory new` is at work in `{destination}`, or was cut off there",
        f"if none is running: `{f'rm -r {place}' if ours else f'git -C {place} clean -ffdx'}`, then the same again",
    )


def fill(
    destination: str,
    files: Tree,
    message: str,
    progress: Progress = lambda path: None,
    local: Collection[str] = (),
) -> Filled:
    """Write the files in the order given, and commit them in a repository of their own; on any failure nothing is left.

    What is `local` is written and not committed. Without a message, or inside a repository, there is no repository made
    and no commit.
    """
    root = os.path.abspath(destination)
    around = find_repository(root)
    had_git = os.path.lexists(os.path.join(root, ".git"))
    written: list[str] = []
    made: list[str] = []
    try:
        _begin(root, made, had_git)
        folder = Folder(root)
        for path, file in files.items():
            written.append(path)
            folder.write(path, file)
            progress(path)
        kept = {path: file for path, file in files.items() if path not in local}
        author = git.first_commit(root, kept, message) if message and not around else None
        os.unlink(made[-1])
    except BaseException:
        with undisturbed():
            _undo(root, written, made, had_git)
        raise
    return Filled(root, around, author)


def _begin(root: str, made: list[str], had_git: bool) -> None:
    """Make the folder and those above it, and say in it that it is not finished: all is named in `made`."""
    missing: list[str] = []
    place = root
    while not os.path.isdir(place):
        missing.insert(0, place)
        place = os.path.dirname(place)
    mark = os.path.join(root, UNFINISHED)
    try:
        with undisturbed():  # what is made is named, whatever comes in between
            for place in missing:
                os.mkdir(place)
                made.append(place)
            with open(mark, "x", encoding="utf-8") as stream:
                made.append(mark)
                stream.write(THEIR_REPOSITORY if had_git else "")
    except FileExistsError:
        raise _unfinished(root) from None
    except OSError as error:
        raise unusable(root, "write", error) from None


def _undo(root: str, written: list[str], made: list[str], had_git: bool) -> None:
    folder = Folder(root)
    for path in written:
        folder.delete(path)
    if not had_git:
        shutil.rmtree(os.path.join(root, ".git"), ignore_errors=True)
    for place in reversed(made):
        with suppress(OSError):
            (os.unlink if os.path.basename(place) == UNFINISHED else os.rmdir)(place)
