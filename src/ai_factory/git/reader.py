"""One git process that answers many questions about what a repository holds: commits, trees, blobs, by id."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ai_factory.errors import MachineError
from ai_factory.git.process import isolated
from ai_factory.tree import Blob

TREE = "40000"
_WHO = re.compile(r"^(author|committer) (.*>) (\d+) [-+]\d+$", re.MULTILINE)
_TAGGER = re.compile(rb"^tagger .*> (\d+) [-+]\d+$", re.MULTILINE)
BATCH = 400  # questions asked at once: as many fit into a pipe before anybody reads the answers
ENTRIES = 1_000_000  # of one listing: a few objects can stand for billions of files
BLOB = 64 * 1024 * 1024  # bytes of one file that is read


class Commit(NamedTuple):
    """A commit: its id, that of its tree, its committer's time (Unix time, seconds), and whose it is."""

    id: str
    tree: str
    time: int
    parents: tuple[str, ...] = ()
    author: str = ""  # as git writes it: NAME <ADDRESS>
    committer: str = ""
    message: str = ""


class Reader:
    """Answers about one repository; what it lacks is told as absent, never fetched."""

    def __init__(self, repository: str, process: subprocess.Popen[bytes]) -> None:
        self.repository = repository
        self._process = process

    def commit(self, name: str) -> Commit | None:
        """The commit of that id, or full name of a reference; None where there is none."""
        (found,) = self._asked([f"{name}^{{commit}}"])
        if found is None or found[1] != b"commit":
            return None
        return _commit(found[0].decode(), found[2])

    def tagged(self, name: str) -> int | None:
        """When a tag (by the id of what it is) was made, in Unix time: of one without a date of its own, its commit."""
        (found,) = self._asked([name])
        own = _TAGGER.search(found[2].partition(b"\n\n")[0]) if found and found[1] == b"tag" else None
        if own:
            return int(own[1])
        commit = self.commit(name)
        return commit.time if commit else None

    def listing(self, tree: str, folder: str = "") -> dict[str, Blob]:
        """The files and submodules of a tree below that folder, by path below it. Raises MachineError for too many."""
        top = self._folder(tree, folder)
        found: dict[str, Blob] = {}
        waiting = [("", top)] if top else []
        while waiting:
            answers = self._asked([name for _, name in waiting])
            rows = [
                (prefix + os.fsdecode(name), mode, identity)
                for (prefix, _), answer in zip(waiting, answers, strict=True)
                for mode, name, identity in _rows(answer)
            ]
            waiting = [(f"{path}/", identity) for path, mode, identity in rows if mode == TREE]
            found |= {path: Blob(mode, identity) for path, mode, identity in rows if mode != TREE}
            if len(found) + len(waiting) > ENTRIES:
                raise MachineError(f"`{self.repository}` holds more than {ENTRIES} files")
        return found

    def _folder(self, tree: str, folder: str) -> str:
        """The id of the tree of a folder; empty where there is none."""
        for part in filter(None, folder.split("/")):
            (answer,) = self._asked([tree])
            inner = {name: identity for mode, name, identity in _rows(answer) if mode == TREE}
            if (tree := inner.get(os.fsencode(part), "")) == "":
                return ""
        return tree

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The content of those that the repository holds. Raises MachineError for one that is too large."""
        wanted = list(dict.fromkeys(ids))
        answers = self._asked(wanted)
        return {name: found[2] for name, found in zip(wanted, answers, strict=True) if found and found[1] == b"blob"}

    def _asked(self, names: Sequence[str]) -> list[tuple[bytes, bytes, bytes] | None]:
        """Id, kind and content of each object; None for one that is not there."""
        found: list[tuple[bytes, bytes, bytes] | None] = []
        for start in range(0, len(names), BATCH):
            some = names[start : start + BATCH]
            self._write("".join(f"{name}\n" for name in some).encode())
            found += [self._answer() for _ in some]
        return found

    def _write(self, questions: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(questions)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _answer(self) -> tuple[bytes, bytes, bytes] | None:
        assert self._process.stdout
        head = self._process.stdout.readline()
        if not head:
            raise self._ended()
        if head.endswith((b" missing\n", b" ambiguous\n")):
            return None
        identity, kind, size = head.split()
        if int(size) > BLOB:
            raise MachineError(f"an object of `{self.repository}` holds more than {BLOB} bytes")
        content = self._process.stdout.read(int(size) + 1)
        return identity, kind, content[:-1]

    def _ended(self) -> MachineError:
        assert self._process.stderr
        said = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return MachineError(f"git cannot read `{self.repository}`: {said[0] if said else 'it ended'}")


def _commit(identity: str, content: bytes) -> Commit | None:
    """What a commit object says; None for one that is malformed."""
    head, _, message = content.decode(errors="replace").partition("\n\n")
    tree, parents = re.match(r"tree ([0-9a-f]+)", head), re.findall(r"^parent ([0-9a-f]+)$", head, re.MULTILINE)
    who = {kind: (whose, when) for kind, whose, when in _WHO.findall(head)}
    if tree is None or who.keys() != {"author", "committer"}:
        return None
    author, committer = who["author"], who["committer"]
    return Commit(identity, tree[1], int(committer[1]), tuple(parents), author[0], committer[0], message)


def _rows(answer: tuple[bytes, bytes, bytes] | None) -> Iterator[tuple[str, bytes, str]]:
    """The rows of a tree object: mode, name, id."""
    if answer is None or answer[1] != b"tree":
        raise MachineError("a folder of the commit is not in the repository")
    width = len(answer[0]) // 2
    content, place = answer[2], 0
    while place < len(content):
        space, end = content.index(b" ", place), content.index(b"\0", place)
        yield content[place:space].decode(), content[space + 1 : end], content[end + 1 : end + 1 + width].hex()
        place = end + 1 + width


@contextmanager
def reading(repository: str) -> Iterator[Reader]:
    """A reader of the repository whose own folder that is, as long as the block lasts."""
    pipe, environment = subprocess.PIPE, {**isolated(), "GIT_DIR": repository}
    command = ["git", "cat-file", "--batch"]
    process = subprocess.Popen(command, cwd=repository, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    with process:
        try:
            yield Reader(repository, process)
        finally:
            process.kill()  # it holds nothing that would have to be put back
            with suppress(BrokenPipeError):
                process.communicate()
