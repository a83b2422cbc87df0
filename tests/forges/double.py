"""One host that answers as GitHub (`/api/v3`), GitLab (`/api/v4`) and Gitea (`/api/v1`) over the same repositories.

Pull requests, comments, statuses and checks live in memory; branches, heads and merges are git's own. What is asked
and answered is held against what the hosts publish: a difference is a complaint, with which `host_at` fails in the end.
What the interface does wrong on purpose is a Fault: `host.faults` holds them, each used up by requests that it fits.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ai_factory.forge.opening import Spec, spec
from ai_factory.forge.tokens import Token
from tests.forges.githttp import Handler, Server, listening
from tests.forges.published import published
from tests.kit import git

SECRET = "ghp_a-secret-of-tests"  # noqa: S105 - of a server that lives as long as a test
BOT = "factory-bot"
BEGIN = 1_767_323_045  # 2026-01-02T03:04:05Z; every event comes a minute after the one before
PREFIXES = {"/api/v3": "github", "/api/graphql": "github", "/api/v4": "gitlab", "/api/v1": "gitea"}


@dataclass
class Pull:
    """A pull request; `head` is the last commit known at the top of its branch."""

    name: str
    number: int
    branch: str
    target: str
    title: str
    body: str
    draft: bool
    author: str
    opened: int
    head: str
    state: str = "open"
    closed: int = 0
    merged: int = 0
    fork: bool = False


@dataclass
class Note:
    """A comment."""

    name: str
    pull: int
    number: int
    author: str
    text: str


class Judged(NamedTuple):
    """A status, or with `run` what the host's own CI says; `state` is pending, success or failure."""

    context: str
    state: str
    text: str = ""
    run: bool = False


class RefusalError(Exception):
    """The host does not: `taken`, `empty`, `missing`, `archived`, `forbidden`, `moved`, `unmergeable` or `wrong`."""


class Answer(NamedTuple):
    """What is answered: a status, data for JSON, and headers."""

    status: int
    data: Any = None
    headers: Mapping[str, str] = {}


class Request(NamedTuple):
    """What is asked, and by whom."""

    verb: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    who: str


@dataclass
class Fault:
    """What the interface does wrong: to requests of that verb (empty: any) whose path matches, `left` times."""

    verb: str
    path: str
    status: int = 0
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # said instead of JSON
    after: bool = False  # the request is carried out first: only its answer is lost
    silent: float = 0  # seconds without an answer, and then none
    left: int = 1


Face = Callable[["Host", Request], Answer]


class Host(Server):
    """The host: a git server (see `githttp`) with three interfaces."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, (SECRET,))
        self.secret = SECRET
        self.users = {SECRET: BOT}
        self.rights: dict[str, set[str]] = {}  # of our identity in a repository; all where it is not in here
        self.archived: set[str] = set()
        self.topics: dict[str, tuple[str, ...]] = {}
        self.scopes = "repo, workflow"  # of the token, as GitHub tells them; empty: it tells none
        self.way = "merge"  # the only way of merging that is allowed
        self.page = 100  # the most that one page of a list holds
        self.faults: list[Fault] = []
        self.complaints: list[str] = []
        self.pulls: list[Pull] = []
        self.notes: list[Note] = []
        self.judged: dict[tuple[str, str], list[Judged]] = {}
        self.people = People(self)
        self._events = 0
        self._busy = threading.RLock()

    def spec(self, kind: str) -> Spec:
        """The host as that kind."""
        return spec(kind, self.url)

    def token(self) -> Token:
        """Our token for it."""
        return Token(self.secret, urlsplit(self.url).netloc)

    def now(self) -> int:
        """The time of an event."""
        self._events += 1
        return BEGIN + 60 * self._events

    # ---- what is asked of it ---------------------------------------------------------------------

    def answer(self, handler: Handler) -> None:
        """Answer a request: its interface, or git."""
        path = urlsplit(handler.path).path
        prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), "")
        if not prefix:
            super().answer(handler)
            return
        asked = self._request(handler, path.removeprefix(prefix))
        fault = self._fault(handler.command, path)
        if fault is None or fault.after:
            made = self._made(PREFIXES[prefix], prefix, asked)
        if fault is not None:
            self._go_wrong(handler, fault)
        else:
            handler.say(
                made.status, _json(made.data), {"Content-Type": "application/json; charset=utf-8", **made.headers}
            )

    def _request(self, handler: Handler, path: str) -> Request:
        body = json.loads(handler.body) if handler.body else {}
        return Request(handler.command, path, handler.query, body, self.users.get(handler.secret, ""))

    def _fault(self, verb: str, path: str) -> Fault | None:
        with self._busy:
            for fault in self.faults:
                if fault.left and fault.verb in ("", verb) and re.search(fault.path, path):
                    fault.left -= 1
                    return fault
        return None

    def _go_wrong(self, handler: Handler, fault: Fault) -> None:
        if fault.silent:
            time.sleep(fault.silent)
        if fault.silent or not fault.status:
            handler.hang_up()
        elif fault.raw is not None:
            handler.say(fault.status, fault.raw, fault.headers)
        else:
            handler.say(fault.status, _json(fault.data), fault.headers)

    def _made(self, kind: str, prefix: str, asked: Request) -> Answer:
        """The answer of that interface; what is not as published is noted."""
        from tests.forges import gitea_face, github_face, gitlab_face

        faces: Mapping[str, Face] = {
            "github": github_face.answer,
            "gitlab": gitlab_face.answer,
            "gitea": gitea_face.answer,
        }
        try:
            with self._busy:
                made = faces[kind](self, asked)
        except Exception as error:  # a fault of the double itself: it must not look like one of the host
            self.complaints.append(f"{asked.verb} {asked.path}: {type(error).__name__}: {error}")
            raise
        if prefix != "/api/graphql":
            body = asked.body or None
            if kind == "gitea" and "Do" in asked.body:  # how Gitea before 1.27 and Forgejo spell it; all take both
                body = {"do" if key == "Do" else key: value for key, value in asked.body.items()}
            wrong = published(kind).complaints(asked.verb, asked.path, asked.query, body, made.status, made.data)
            self.complaints += [f"{kind}: {text}" for text in wrong]
        return made

    # ---- what the faces build on -----------------------------------------------------------------

    def names(self, owner: str) -> list[str]:
        """The repositories of an owner, those in its subgroups included."""
        found: list[str] = []
        for here, folders, _ in os.walk(self.root / owner):
            found += [os.path.join(here, name) for name in folders if name.endswith(".git")]
            folders[:] = [name for name in folders if not name.endswith(".git")]
        return sorted(os.path.relpath(place, self.root).removesuffix(".git") for place in found)

    def known(self, name: str) -> str:
        """The repository's name, if there is one that our identity may see."""
        if not self.folder(name).is_dir() or "pull" not in self.rights.get(name, {"pull"}):
            raise RefusalError("missing")
        return name

    def may(self, name: str, right: str) -> bool:
        """Whether our identity has a right (`pull`, `push`) there."""
        return right in self.rights.get(name, {"pull", "push"})

    def changing(self, name: str) -> str:
        """The repository's name, if our identity may change something there."""
        if self.known(name) in self.archived:
            raise RefusalError("archived")
        if not self.may(name, "push"):
            raise RefusalError("forbidden")
        return name

    def listed(self, name: str, branch: str = "") -> list[Pull]:
        """Pull requests, the newest first."""
        found = [pull for pull in self.pulls if pull.name == self.known(name) and branch in ("", pull.branch)]
        return [self._refreshed(pull) for pull in reversed(found)]

    def pull(self, name: str, number: int) -> Pull:
        """One pull request."""
        for pull in self.pulls:
            if (pull.name, pull.number) == (self.known(name), number):
                return self._refreshed(pull)
        raise RefusalError("missing")

    def open(self, name: str, branch: str, target: str, title: str, body: str, draft: bool, author: str) -> Pull:
        """Open a pull request."""
        head = self.head(self.changing(name), branch)
        if not head or not self.head(name, target):
            raise RefusalError("wrong")
        known = [pull for pull in self.listed(name, branch) if pull.state == "open" and not pull.fork]
        if any(pull.target == target for pull in known):
            raise RefusalError("taken")
        if not git(self.folder(name), "rev-list", "--max-count=1", f"{target}..{branch}"):
            raise RefusalError("empty")
        number = 1 + sum(pull.name == name for pull in self.pulls)
        made = Pull(name, number, branch, target, title, body, draft, author, self.now(), head)
        self.pulls.append(made)
        return made

    def noted(self, name: str, pull: int) -> list[Note]:
        """The comments of a pull request, the oldest first."""
        return [note for note in self.notes if (note.name, note.pull) == (name, self.pull(name, pull).number)]

    def note(self, name: str, pull: int, author: str, text: str) -> Note:
        """Write a comment."""
        made = Note(name, self.pull(name, pull).number, 1000 + len(self.notes), author, text)
        self.notes.append(made)
        return made

    def edit_note(self, name: str, number: int, author: str, text: str) -> Note:
        """Change a comment, which only its author may."""
        for note in self.notes:
            if (note.name, note.number) == (name, number):
                if note.author != author:
                    raise RefusalError("forbidden")
                note.text = text
                return note
        raise RefusalError("missing")

    def judge(self, name: str, commit: str, judged: Judged) -> None:
        """Say something of a commit; the same context says something new."""
        done = subprocess.run(
            ["git", "cat-file", "-e", commit], cwd=self.folder(name), check=False, capture_output=True
        )
        if done.returncode:
            raise RefusalError("missing")
        rows = self.judged.setdefault((name, commit), [])
        rows[:] = [row for row in rows if row.context != judged.context] + [judged]

    def merge(self, name: str, number: int, commit: str, way: str) -> str:
        """Merge a pull request by git in the repository itself; the new head of its target."""
        pull = self.pull(self.changing(name), number)
        if pull.head != commit:
            raise RefusalError("moved")
        if pull.state != "open" or pull.draft or way != self.way:
            raise RefusalError("unmergeable")
        pull.merged = pull.closed = self.now()
        pull.state = "merged"
        folder, target = self.folder(name), self.head(name, pull.target)
        done = subprocess.run(
            ["git", "merge-tree", "--write-tree", target, commit],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pull.merged = pull.closed = 0
            pull.state = "open"
            raise RefusalError("unmergeable")
        parents = ["-p", target, *(["-p", commit] if way == "merge" else [])]
        made = git(folder, "commit-tree", done.stdout.split()[0], *parents, "-m", f"{pull.title} (#{number})")
        git(folder, "update-ref", f"refs/heads/{pull.target}", made, target)
        return made

    def _refreshed(self, pull: Pull) -> Pull:
        if pull.state == "open" and not pull.fork:
            pull.head = self.head(pull.name, pull.branch) or pull.head
        return pull


class People:
    """What other people, and the host's CI, do there."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def close(self, name: str, number: int) -> None:
        """Decline a pull request."""
        pull = self._host.pull(name, number)
        pull.state, pull.closed = "closed", self._host.now()

    def merge(self, name: str, number: int) -> str:
        """Merge a pull request; the new head of its target."""
        return self._host.merge(name, number, self._host.pull(name, number).head, self._host.way)

    def comment(self, name: str, number: int, text: str, author: str = "somebody") -> None:
        """Write a comment."""
        self._host.note(name, number, author, text)

    def open_from_fork(self, name: str, branch: str, title: str = "theirs") -> Pull:
        """Open a pull request from a branch of that name in somebody's fork."""
        number = 1 + sum(pull.name == name for pull in self._host.pulls)
        head = self._host.head(name)
        made = Pull(name, number, branch, "main", title, "", False, "somebody", self._host.now(), head, fork=True)
        self._host.pulls.append(made)
        return made

    def judge(self, name: str, commit: str, context: str, state: str) -> None:
        """A status of somebody else's; `state` is pending, success or failure."""
        self._host.judge(name, commit, Judged(context, state))

    def run(self, name: str, commit: str, context: str, state: str) -> None:
        """A job of the host's own CI says so."""
        self._host.judge(name, commit, Judged(context, state, run=True))


# ---- faults ------------------------------------------------------------------------------------------


def secondary(verb: str, path: str, after: int = 7, left: int = 1) -> Fault:
    """GitHub's secondary limit."""
    said = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
    return Fault(verb, path, 403, said, {"Retry-After": str(after)}, left=left)


def primary(verb: str, path: str, ends: int) -> Fault:
    """GitHub's hourly limit, which ends at that Unix time."""
    headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(ends)}
    return Fault(verb, path, 403, {"message": "API rate limit exceeded for user ID 1."}, headers)


def limited(verb: str, path: str, after: int = 7, left: int = 1) -> Fault:
    """Too many requests."""
    return Fault(verb, path, 429, {"message": "Retry later"}, {"Retry-After": str(after)}, left=left)


def broken(verb: str, path: str, status: int = 502, left: int = 1) -> Fault:
    """The host is in trouble, and says so in HTML."""
    return Fault(verb, path, status, raw=b"<html>Bad Gateway</html>", left=left)


def babbling(verb: str, path: str) -> Fault:
    """A success that is no JSON."""
    return Fault(verb, path, 200, raw=b"<html>Welcome</html>", headers={"Content-Type": "text/html"})


def lost(verb: str, path: str) -> Fault:
    """The request is carried out, and the connection ends before the answer."""
    return Fault(verb, path, after=True)


def silent(verb: str, path: str, seconds: float) -> Fault:
    """Nothing is answered for so long, and then nothing at all."""
    return Fault(verb, path, silent=seconds)


def moved(verb: str, path: str, to: str, status: int = 301) -> Fault:
    """It is somewhere else."""
    return Fault(verb, path, status, {"message": "Moved Permanently"}, {"Location": to})


def _json(data: Any) -> bytes:
    return b"" if data is None else json.dumps(data).encode()


def paged(host: Host, rows: list[Any], query: Mapping[str, str], size: str) -> tuple[list[Any], dict[str, str]]:
    """One page of a list, and the header that says whether more follow; its address leads nowhere on purpose."""
    most = min(int(query.get(size, "30")), host.page)
    page = int(query.get("page", "1"))
    more = len(rows) > page * most
    link = {"Link": f'<https://elsewhere.invalid/?page={page + 1}>; rel="next"'} if more else {}
    return rows[(page - 1) * most : page * most], link


def stamp(seconds: int) -> str | None:
    """A time as hosts write it; None for none."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None


@contextmanager
def host_at(root: Path) -> Iterator[Host]:
    """The host over the bare repositories below that folder; nothing may have been unlike what is published."""
    host = Host(root)
    root.mkdir(parents=True, exist_ok=True)
    with listening(host):
        yield host
    assert host.complaints == []
