"""One git process that answers many questions about what a repository holds: commits, trees, blobs, by id."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import NamedTuple

from ai_factory.errors import MachineError
from ai_factory.git.objects import object_format
from ai_factory.git.process import isolated
from ai_factory.git.scratch import scratch
from ai_factory.tree import Blob, git_id

TREE = "40000"
_WHO = re.compile(r"^(author|committer) (.*>) (\d+) [-+]\d+$", re.MULTILINE)
_TAGGER = re.compile(rb"^tagger .*> (\d+) [-+]\d+$", re.MULTILINE)
_ID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
READ_FIRST = ("HEAD", "config", "objects/info/alternates")  # files of a repository for which git would wait
BATCH = 400  # questions asked at once: as many fit into a pipe before anybody reads the answers
FSCK = "see what else is damaged: `git fsck`"
KEPT = 50_000  # rows of trees that are remembered: some 10 MiB
ENTRIES = 1_000_000  # of one listing: a few objects can stand for billions of files
BLOB = 64 * 1024 * 1024  # bytes of one file that is read


Rows = tuple[tuple[str, str, str], ...]  # of a tree: mode, name, id


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
            trees = self._trees([name for _, name in waiting])
            rows = [
                (prefix + name, mode, identity)
                for (prefix, _), tree in zip(waiting, trees, strict=True)
                for mode, name, identity in tree
            ]
            waiting = [(f"{path}/", identity) for path, mode, identity in rows if mode == TREE]
            found |= {path: Blob(mode, identity) for path, mode, identity in rows if mode != TREE}
            if len(found) + len(waiting) > ENTRIES:
                raise MachineError(f"`{self.repository}` holds more than {ENTRIES} files")
        return found

    def _folder(self, tree: str, folder: str) -> str:
        """The id of the tree of a folder; empty where there is none."""
        for part in filter(None, folder.split("/")):
            (rows,) = self._trees([tree])
            inner = {name: identity for mode, name, identity in rows if mode == TREE}
            if (tree := inner.get(part, "")) == "":
                return ""
        return tree

    def _trees(self, ids: Sequence[str]) -> list[Rows]:
        """What stands in each of those trees. Raises MachineError for one that is missing."""
        known = {name: _READ.get(name) for name in ids}
        unknown = [name for name, rows in known.items() if rows is None]
        read = {name: _rows(answer) for name, answer in zip(unknown, self._asked(unknown), strict=True)}
        _READ.keep(read)
        return [read[name] if rows is None else rows for name, rows in ((name, known[name]) for name in ids)]

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The content of those that the repository holds. Raises MachineError for one that is too large."""
        wanted = list(dict.fromkeys(ids))
        answers = self._asked(wanted)
        return {name: found[2] for name, found in zip(wanted, answers, strict=True) if found and found[1] == b"blob"}

    def _asked(self, names: Sequence[str]) -> list[tuple[bytes, bytes, bytes] | None]:
        """Id, kind and content of each object; None for one that is not there."""
        found: list[tuple[bytes, bytes, bytes] | None] = []
        if self._process.poll() is not None:
            raise self._ended()
        try:
            for start in range(0, len(names), BATCH):
                some = names[start : start + BATCH]
                self._write("".join(f"{name}\n" for name in some).encode())
                found += [self._answer(name) for name in some]
        except BaseException:  # what is left of its answers is no answer to a later question
            self._process.kill()
            self._process.wait()
            raise
        return found

    def _write(self, questions: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(questions)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _answer(self, name: str) -> tuple[bytes, bytes, bytes] | None:
        assert self._process.stdout
        head = self._process.stdout.readline()
        if not head:
            raise self._ended()
        if head.endswith((b" missing\n", b" ambiguous\n")):
            return None
        identity, kind, size = head.split()
        if _ID.fullmatch(name) and identity.decode() != name:
            raise MachineError(f"git gave another object of `{self.repository}` than it was asked for")
        if int(size) > BLOB:
            raise MachineError(f"an object of `{self.repository}` holds more than {BLOB} bytes")
        content = self._process.stdout.read(int(size) + 1)[:-1]
        if git_id(kind.decode(), content, "sha1" if len(identity) == 40 else "sha256").encode() != identity:
            raise MachineError(f"an object of `{self.repository}` is not what its id says: {identity.decode()}", FSCK)
        return identity, kind, content

    def _ended(self) -> MachineError:
        assert self._process.stderr
        said = [] if self._process.stderr.closed else self._process.stderr.read().decode(errors="replace").splitlines()
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


class _Trees:
    """Trees that were read, by id, which names one content in every repository: those of a fleet share most."""

    def __init__(self) -> None:
        self._rows: dict[str, Rows] = {}
        self._count = 0

    def get(self, name: str) -> Rows | None:
        return self._rows.get(name)

    def keep(self, read: Mapping[str, Rows]) -> None:
        """Keep these too; beyond a bound, all others are forgotten."""
        self._count += sum(map(len, read.values()))
        if self._count > KEPT:
            self._rows, self._count = {}, 0
        self._rows |= read


_READ = _Trees()


def _rows(answer: tuple[bytes, bytes, bytes] | None) -> Rows:
    if answer is None or answer[1] != b"tree":
        raise MachineError("a folder of the commit is not in the repository")
    return tuple(_parsed(answer[2], len(answer[0]) // 2))


def _parsed(content: bytes, width: int) -> Iterator[tuple[str, str, str]]:
    """The rows of a tree object, whose ids are so many bytes wide."""
    place = 0
    while place < len(content):
        space, end = content.index(b" ", place), content.index(b"\0", place)
        name = os.fsdecode(content[space + 1 : end])
        yield content[place:space].decode(), name, content[end + 1 : end + 1 + width].hex()
        place = end + 1 + width


@contextmanager
def reading(repository: str) -> Iterator[Reader]:
    """A reader of the repository whose own folder that is, as long as the block lasts."""
    with _answering(repository) as process:
        yield Reader(repository, process)


Reading = Callable[[str], AbstractContextManager[Reader]]


@contextmanager
def reading_together(repositories: Sequence[str]) -> Iterator[Reading]:
    """What opens a reader of each, all served by one process, which begins with the first; of any other, one by itself.

    What one of these repositories holds, all of them give: an id names one content in each.
    """
    places = {one: os.path.join(one, "objects") for one in repositories if not _waits(one)}
    shared = {one: place for one, place in places.items() if object_format(place) == "sha1"}
    with ExitStack() as until_the_end:
        begun: list[subprocess.Popen[bytes]] = []

        def read(repository: str) -> AbstractContextManager[Reader]:
            if repository not in shared or len(shared) == 1 or (begun and begun[0].poll() is not None):
                return reading(repository)
            if not begun:
                place = until_the_end.enter_context(scratch(*shared.values()))
                begun.append(until_the_end.enter_context(_answering(place)))
            return nullcontext(Reader(repository, begun[0]))

        yield read


def _waits(repository: str) -> str:
    """The first of the files that git begins with which is a pipe or the like; empty where none is."""
    places = (os.path.join(repository, name) for name in READ_FIRST)
    return next((one for one in places if os.path.exists(one) and not (os.path.isfile(one) or os.path.isdir(one))), "")


@contextmanager
def _answering(repository: str) -> Iterator[subprocess.Popen[bytes]]:
    if place := _waits(repository):
        raise MachineError(f"git would wait for ever for `{place}`, which is no file", "see what put it there")
    pipe, environment = subprocess.PIPE, {**isolated(), "GIT_DIR": repository}
    command = ["git", "cat-file", "--batch"]
    process = subprocess.Popen(command, cwd=repository, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    questions = process.stdin
    assert questions
    with process:
        try:
            yield process
        finally:
            process.kill()  # it holds nothing that would have to be put back
            with suppress(BrokenPipeError):  # a question that it never read
                questions.close()
