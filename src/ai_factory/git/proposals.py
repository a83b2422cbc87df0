"""A commit made on top of another one without a work tree: in a scratch repository, the same bytes whoever makes it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ai_factory.git.objects import NOBODY, ONE_PACK, change_stream
from ai_factory.git.process import run
from ai_factory.git.reader import Commit
from ai_factory.git.scratch import scratch
from ai_factory.tree import File

WHO = f"{NOBODY[0]} <{NOBODY[1]}>"


class Proposed(NamedTuple):
    """A commit and its tree, and the repository that holds it and can push it, as long as it is open."""

    repository: str
    commit: str
    tree: str


def keep(made: Proposed, folder: str, facts: str, text: str) -> None:
    """Keep a commit, what it was made for (a line), and the text that goes with it, in a folder of ours."""
    packs = os.path.join(made.repository, "objects", "pack")
    for name in os.listdir(packs):
        _placed(os.path.join(folder, made.commit + os.path.splitext(name)[1]), os.path.join(packs, name))
    draft = os.path.join(made.repository, "text")
    with open(draft, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(f"{facts}\n{text}")
    _placed(os.path.join(folder, f"{made.commit}.txt"), draft)  # the last: with it all is there


def _placed(place: str, source: str) -> None:
    """A copy that is there whole, or not at all."""
    draft = f"{place}.{os.getpid()}.{threading.get_ident()}"
    shutil.copyfile(source, draft)
    os.replace(draft, place)


class Kept(NamedTuple):
    """A commit that was kept: the files of its pack, what it was made for, and the text that goes with it."""

    packs: tuple[str, ...]
    facts: str
    text: str


def kept(folder: str, commit: str) -> Kept | None:
    """What was kept of a commit; None where it was not."""
    try:
        with open(os.path.join(folder, f"{commit}.txt"), encoding="utf-8", errors="surrogateescape") as stream:
            facts, _, text = stream.read().partition("\n")
    except FileNotFoundError:
        return None
    return Kept(tuple(os.path.join(folder, f"{commit}.{kind}") for kind in ("pack", "idx")), facts, text)


@contextmanager
def pushing(packs: Sequence[str], commit: str, repository: str) -> Iterator[str]:
    """A repository that can push that commit, as long as the block lasts."""
    with scratch(os.path.join(repository, "objects")) as place:
        for source in packs:
            name = f"pack-{commit}{os.path.splitext(source)[1]}"
            shutil.copyfile(source, os.path.join(place, "objects", "pack", name))
        yield place


def forget_old(folder: str, before: float) -> None:
    """Remove what was kept before that time (Unix time)."""
    for entry in os.scandir(folder):
        if entry.stat().st_mtime < before:
            os.unlink(entry.path)


@contextmanager
def proposed(
    repository: str, base: Commit, files: Mapping[str, File | None], message: str, when: int
) -> Iterator[Proposed]:
    """A commit on `base` in which these files are as given (None: gone); whose it is, and its time, are fixed.

    The same base, files, message and time give the same commit, wherever and however often it is made.
    """
    with scratch(os.path.join(repository, "objects")) as place:
        if _is_shallow(repository, base):
            with open(os.path.join(place, "shallow"), "w", encoding="ascii") as ends:
                ends.write(f"{base.id}\n")
        stream = change_stream(b"committer %s %d +0000\n" % (WHO.encode(), when), base.id, files, message.encode())
        told = run([*ONE_PACK, "fast-import", "--quiet", "--force", "--done"], place, stream).decode().split()
        yield Proposed(place, told[0], told[3])


def _is_shallow(repository: str, base: Commit) -> bool:
    """Whether that repository ends at the commit: what is before it was not brought."""
    with suppress(FileNotFoundError), open(os.path.join(repository, "shallow"), encoding="ascii") as stream:
        return base.id in stream.read().split()
    return False
