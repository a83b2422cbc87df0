"""What a fleet asks of a code host, and the values that go to and fro."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

STATES = ("pending", "success", "failure")  # of a commit status that we set
CHECKS = ("passing", "failing", "pending", "unknown")  # what a host's own checks of a commit say together
LONGEST_TITLE = 200  # characters that every host takes, with a mark for drafts before them
LONGEST_BODY = 60_000  # characters of a body or a comment that every host takes
OURS = "ai-factory/"  # how the contexts of our own statuses begin


class Found(NamedTuple):
    """A repository of an organisation (a group, an owner): the address that git clones it from, without any secret."""

    url: str
    name: str  # its path on the host, such as `risk/credit-line`
    archived: bool = False
    labels: tuple[str, ...] = ()  # topics


class Permissions(NamedTuple):
    """What our identity may do in a repository; `missing` is said in words, for the plan."""

    push: bool
    propose: bool
    workflows: bool  # whether files below `.github/workflows/` may be pushed; true on hosts that do not ask
    archived: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing to bring an update there."""
        rows = (
            (self.push, "may not push branches"),
            (self.propose, "may not open pull requests"),
            (self.workflows, "may not push workflow files"),
            (not self.archived, "the repository is archived"),
        )
        return tuple(text for given, text in rows if not given)


class Proposal(NamedTuple):
    """A pull request (a merge request) as it shall be; title and body are within LONGEST_TITLE and LONGEST_BODY."""

    branch: str  # where its commits are
    target: str  # what it is to be merged into
    title: str
    body: str
    draft: bool = False


class PullRequest(NamedTuple):
    """A pull request as the host has it; `state` is `open`, `merged` or `closed` (declined)."""

    number: int
    url: str
    state: str
    head: str  # the commit at the top of its branch, where the host tells it
    title: str
    body: str
    target: str
    merged_at: float = 0  # Unix time, as are the other two; 0: not known
    closed_at: float = 0
    opened_at: float = 0
    draft: bool = False


class Forge(Protocol):
    """One code host, as one identity. `name` is the path of a repository on it (`risk/credit-line`).

    Every method raises ForgeError: `transient` (worth another try, after `after` seconds), `permission`, `conflict`
    (the host has moved on), `policy` (a rule of host or repository), `bug` (it says what we do not understand).
    """

    def repositories(self, organisation: str) -> Iterator[Found]:
        """All repositories of an organisation that the identity can see, page by page."""
        ...

    def permissions(self, name: str) -> Permissions:
        """What the identity may do there."""
        ...

    def pull_requests(self, name: str, branch: str) -> Sequence[PullRequest]:
        """Those with that head branch in the repository itself, in any state, the newest first."""
        ...

    def open(self, name: str, proposal: Proposal) -> PullRequest:
        """Open one; where one is open for that branch already, it is brought to this proposal and returned."""
        ...

    def update(self, name: str, number: int, proposal: Proposal) -> PullRequest:
        """Bring title, body, target and whether it is a draft to this proposal; nothing is written where it is so."""
        ...

    def comment(self, name: str, number: int, marker: str, text: str) -> None:
        """Our one comment with that hidden marker, which is put before the text: written, or brought to this text."""
        ...

    def set_status(self, name: str, commit: str, context: str, state: str, text: str) -> None:
        """Set a commit status under the context, which begins with OURS; `state` is one of STATES."""
        ...

    def checks(self, name: str, commit: str) -> str:
        """What the checks of a commit say together, one of CHECKS; a status of ours does not count."""
        ...

    def merge(self, name: str, number: int, commit: str) -> None:
        """Merge it, if its head is still that commit; nothing happens where it was merged as such already."""
        ...
