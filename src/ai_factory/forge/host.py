"""What is the same on every code host: one pull request a branch, one comment a marker, nothing written twice."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from ai_factory.errors import ForgeError, UsageError
from ai_factory.forge import answers
from ai_factory.forge.answers import Answer, Row
from ai_factory.forge.failures import failed, refusal
from ai_factory.forge.opening import TIMEOUT, is_name
from ai_factory.forge.protocol import OURS, STATES, Found, Permissions, Proposal, PullRequest
from ai_factory.forge.tokens import Token

PAGES = 1000  # that we read of one list
Verb = Literal["GET", "POST", "PUT", "PATCH"]
Query = Mapping[str, str]
NOTHING: Query = {}


class SilentError(Exception):
    """The host gave no whole answer; the message says why in a few words, without an address."""


class Comment(NamedTuple):
    """A comment of a pull request: its id, who wrote it, and its text."""

    number: int
    author: str
    text: str


class Status(NamedTuple):
    """What one check says of a commit; `state` is one of STATES."""

    context: str
    state: str
    text: str = ""


class Host(ABC):
    """A code host as one identity. An adapter says how it is asked, and how it spells paths, fields and states."""

    request = "pull request"  # what the host calls one
    longest_status = 140  # characters of the text of a status

    def __init__(self, api: str, host: str, token: Token, timeout: int = TIMEOUT) -> None:
        self.api = api
        self.host = host
        self._token = token
        self._timeout = timeout
        self._me = ""

    # ---- what an adapter says ----------------------------------------------------------------------

    @abstractmethod
    def _sent(self, verb: Verb, path: str, query: Query, body: Row | None) -> Answer:
        """Send one request, follow no redirect, try nothing again. Raises SilentError without a whole answer."""

    @abstractmethod
    def _repository_lists(self, owner: str) -> tuple[tuple[str, Query], tuple[str, Query]]:
        """Where the repositories of an organisation are listed, and where those of a person."""

    @abstractmethod
    def _found(self, row: Row) -> Found:
        """A repository in such a list."""

    @abstractmethod
    def _listed(self, name: str, branch: str) -> Iterable[Row]:
        """The pull requests that may have that head branch, the newest first."""

    @abstractmethod
    def _pull_request(self, row: Row) -> PullRequest:
        """A pull request as the host tells it."""

    @abstractmethod
    def _is_from(self, row: Row, name: str, branch: str) -> bool:
        """Whether its head is that branch of that repository, and not of a fork."""

    @abstractmethod
    def _place(self, name: str, number: int | None = None) -> str:
        """The path of a pull request, or of all."""

    @abstractmethod
    def _fields(self, proposal: Proposal) -> Row:
        """The proposal as the host wants it when one is opened."""

    @abstractmethod
    def _edited(self, name: str, row: Row, proposal: Proposal) -> Row:
        """Bring the pull request of that row to the proposal, from which it differs; its row as it is then."""

    @abstractmethod
    def _comments(self, name: str, number: int) -> Iterable[Comment]:
        """All comments of a pull request, the oldest first."""

    @abstractmethod
    def _write_comment(self, name: str, number: int, known: Comment | None, text: str) -> None:
        """Write a comment, or bring the known one to the text."""

    @abstractmethod
    def _statuses(self, name: str, commit: str) -> Iterable[Status]:
        """The newest status of each context of a commit."""

    def _runs(self, name: str, commit: str) -> Iterable[Status]:
        """What else judges a commit there, besides statuses."""
        return ()

    @abstractmethod
    def _write_status(self, name: str, commit: str, status: Status) -> None:
        """Write a status."""

    @abstractmethod
    def _merge(self, name: str, number: int, commit: str) -> None:
        """Merge a pull request whose head is that commit, in the way that the repository wants."""

    # ---- the protocol ------------------------------------------------------------------------------

    def repositories(self, organisation: str) -> Iterator[Found]:
        """See Forge. The repositories of a person are found where no organisation has that name."""
        if not is_name(f"{organisation}/x"):
            raise UsageError(f"`{organisation}` is no organisation", "write its name as in the addresses of its pages")
        doing = f"list the repositories of `{organisation}`"
        first, other = self._repository_lists(organisation)
        try:
            yield from map(self._found, self._pages(*first, doing))
        except ForgeError as error:
            if error.failure != "permission":  # which is how a host says that there is no such organisation
                raise
            yield from map(self._found, self._pages(*other, doing))

    @abstractmethod
    def permissions(self, name: str) -> Permissions:
        """See Forge."""

    def pull_requests(self, name: str, branch: str) -> Sequence[PullRequest]:
        """See Forge."""
        return [self._pull_request(row) for row in self._rows_from(name, branch)]

    def open(self, name: str, proposal: Proposal) -> PullRequest:
        """See Forge."""
        known = self._open_row(name, proposal.branch)
        if known is None:
            try:
                return self._pull_request(self._created(name, proposal))
            except ForgeError as error:
                if error.failure not in ("conflict", "policy"):
                    raise
                known = self._open_row(name, proposal.branch)
                if known is None:
                    raise  # it is not that somebody was quicker, or that our own first try came through after all
        return self._brought(name, known, proposal)

    def update(self, name: str, number: int, proposal: Proposal) -> PullRequest:
        """See Forge."""
        return self._brought(name, self._row(name, number), proposal)

    def comment(self, name: str, number: int, marker: str, text: str) -> None:
        """See Forge. A comment that somebody else wrote is left alone, whatever it begins with."""
        first = f"<!-- {_inert(marker)} -->"
        whole = f"{first}\n{text}"
        marked = [known for known in self._comments(name, number) if known.text.partition("\n")[0].rstrip() == first]
        known = next((known for known in marked if self._wrote(known)), None)
        if known is None or _lines(known.text) != _lines(whole):
            self._write_comment(name, number, known, whole)

    def set_status(self, name: str, commit: str, context: str, state: str, text: str) -> None:
        """See Forge."""
        if not context.startswith(OURS) or state not in STATES:
            raise ValueError(context, state)
        wanted = Status(context, state, text[: self.longest_status])
        if wanted not in self._statuses(checked(name), _commit(commit)):
            self._write_status(name, commit, wanted)

    def checks(self, name: str, commit: str) -> str:
        """See Forge."""
        found = [*self._statuses(checked(name), _commit(commit)), *self._runs(name, commit)]
        return together([status.state for status in found if not status.context.startswith(OURS)])

    def merge(self, name: str, number: int, commit: str) -> None:
        """See Forge."""
        known = self._pull_request(self._row(name, number))
        if known.head != _commit(commit):
            raise self._failed(f"merge {self.request} {number} of `{name}`", "conflict", "its branch has changed")
        if known.state == "closed":
            raise self._failed(f"merge {self.request} {number} of `{name}`", "conflict", "it was closed")
        if known.state == "open":
            self._merge(name, number, commit)

    # ---- what adapters build on --------------------------------------------------------------------

    def _asked(self, doing: str, verb: Verb, path: str, query: Query = NOTHING, body: Row | None = None) -> Answer:
        """The answer, if it is a success. Raises ForgeError with its kind for everything else."""
        try:
            answer = self._sent(verb, path, query, body)
        except SilentError as error:
            raise self._failed(doing, "transient", f"the host gave no answer: {error}") from None
        clean = answer._replace(text=self._token.hidden_in(answer.text))
        if answer.status not in answers.DONE:
            raise refusal(clean, doing, self.host, time.time())
        return clean

    def _content(self, doing: str, verb: Verb, path: str, query: Query = NOTHING, body: Row | None = None) -> Row:
        """The one record in a successful answer."""
        return answers.row(answers.content(self._asked(doing, verb, path, query, body)))

    def _pages(self, path: str, query: Query, doing: str, key: str = "") -> Iterator[Row]:
        """All records of a list, page by page; `key` names the list where it stands within a record."""
        for page in range(1, PAGES + 1):
            answer = self._asked(doing, "GET", path, {**query, "page": str(page)})
            data = answers.content(answer)
            yield from answers.rows(answers.row(data).get(key) if key else data)
            if not answer.has_more:
                return
        raise answers.nonsense(f"to `{doing}` has more than {PAGES} pages")

    def _failed(self, doing: str, kind: str, why: str) -> ForgeError:
        return failed(self.host, doing, kind, why)

    def _secret(self, host: str) -> str:
        return self._token.secret_for(host)

    def _row(self, name: str, number: int) -> Row:
        return self._content(f"read {self.request} {number} of `{name}`", "GET", self._place(checked(name), number))

    def _rows_from(self, name: str, branch: str) -> list[Row]:
        return [row for row in self._listed(checked(name), branch) if self._is_from(row, name, branch)]

    def _open_row(self, name: str, branch: str) -> Row | None:
        rows = self._rows_from(name, branch)
        return next((row for row in rows if self._pull_request(row).state == "open"), None)

    def _created(self, name: str, proposal: Proposal) -> Row:
        return self._content(
            f"open a {self.request} in `{name}`", "POST", self._place(name), body=self._fields(proposal)
        )

    def _brought(self, name: str, row: Row, proposal: Proposal) -> PullRequest:
        known = self._pull_request(row)
        now = (known.title, _lines(known.body), known.target, known.draft)
        if now == (proposal.title, _lines(proposal.body), proposal.target, proposal.draft):
            return known
        return self._pull_request(self._edited(name, row, proposal))

    def _wrote(self, comment: Comment) -> bool:
        """Whether it is ours."""
        return comment.author == self._identity()

    def _identity(self) -> str:
        """What the host calls us."""
        if not self._me:
            self._me = self._name_in(self._content("ask who we are", "GET", "/user"))
        return self._me

    def _name_in(self, row: Row) -> str:
        """The name of a user as the host tells it."""
        return answers.text(row, "login")


def together(states: Sequence[str]) -> str:
    """What several checks say as one: failing before pending before passing; unknown where there is none."""
    for state, word in (("failure", "failing"), ("pending", "pending"), ("success", "passing")):
        if state in states:
            return word
    return "unknown"


def _lines(text: str) -> str:
    """The text as hosts keep it: they trim, and some end lines otherwise."""
    return text.replace("\r\n", "\n").strip()


def _inert(marker: str) -> str:
    """The marker as it may stand in a hidden comment."""
    if not re.fullmatch(r"[ -=?-~]{1,500}", marker) or "--" in marker:  # what ends a comment of HTML
        raise ValueError(marker)
    return marker


def checked(name: str) -> str:
    """The name, if it is one that may stand in a path."""
    if not is_name(name):
        raise UsageError(f"`{name}` is no path of a repository", "write it as `owner/name`")
    return name


def _commit(commit: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise ValueError(commit)
    return commit
