"""What has become of the update that was brought to a project: its branch, its pull request, a hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ai_factory import cache, git, lock, versions
from ai_factory.errors import LockError
from ai_factory.fleet import system
from ai_factory.fleet.system import OURS, Here
from ai_factory.forge.protocol import PullRequest
from ai_factory.git import remote
from ai_factory.git.remote import NO_ACCESS, Access

STATES = ("None", "Planned", "Open", "Edited", "Conflicted", "Merged", "Held", "Failed")
OWN = f"{git.NOBODY[0]} <{git.NOBODY[1]}>"  # who made a commit of ours


class Hosted(NamedTuple):
    """What a code host knows of a project: the last pull request of our branch, and what its checks say of a commit."""

    request: PullRequest | None = None
    checks: str = "unknown"


Ask = Callable[[Here, str], Hosted]  # what asks the code host of a project, with the name of our branch


class Branch(NamedTuple):
    """Our branch of a project: its top commit, whether that is ours, and whether the project has what it brings.

    `open` counts the conflicts that wait on it for somebody to decide.
    """

    top: str
    ours: bool
    merged: bool
    open: int = 0


def branch_name(here: Here, blueprint: str) -> str:
    """How the branch is called on which updates of that project are proposed."""
    return f"{OURS}{here.member.slug}--{blueprint}"


def state(branch: Branch | None, request: PullRequest | None = None, recorded: str = "") -> str:
    """The one word for it.

    What a host says of the pull request counts more than what is told from commits; what is `recorded` of a run of
    ours, as `Planned` or `Failed`, counts where neither says that somebody else is at it.
    """
    told = _hosted(branch, request) or _committed(branch)
    return recorded if recorded and told in (("None", "Open") if recorded == "Failed" else ("None",)) else told


def _hosted(branch: Branch | None, request: PullRequest | None) -> str:
    if request is None or request.state == "open":
        return ""
    if request.state == "closed":
        return "Held"  # it was declined, and is not proposed again by itself
    again = branch is not None and request.head not in ("", branch.top)  # the branch has gone on since
    return "" if again else "Merged"


def _committed(branch: Branch | None) -> str:
    if branch is None:
        return "None"
    if branch.merged:
        return "Merged"
    if not branch.ours:
        return "Edited"
    return "Conflicted" if branch.open else "Open"


def looked_at(here: Here, name: str, reach: Access = NO_ACCESS) -> Branch | None:
    """Our branch of that name, held against the project; None where there is none. Raises ForgeError."""
    top = here.branches.get(name)
    if top is None:
        return None
    key, commits = f"{here.member.key} {name}", f"{here.commit} {top}"
    return Branch(*cache.latest("fleet-branches", key, commits, lambda: tuple(_read(here, top, reach))))


class _Told(NamedTuple):
    """What a commit says of itself, and by its lock."""

    ours: bool
    lock: str = ""  # the blob's id
    version: str = ""
    open: int = 0


def _read(here: Here, top: str, reach: Access) -> Branch:
    there, now = _told(here._replace(commit=top), reach), _told(here, reach)
    same = there.version == now.version
    merged = there.lock != "" and there.lock == now.lock and (there.ours or top != here.commit)
    merged = merged or versions.is_older(there.version, now.version) or (same and _is_ancestor(here, top))
    return Branch(top, there.ours, merged, there.open)


def _is_ancestor(here: Here, top: str) -> bool:
    """Whether the project's history holds that commit; of a repository elsewhere there is no history here."""
    local = remote.local_repository(here.member.url)
    return bool(local) and git.is_ancestor(local, top, here.commit)


def _told(here: Here, reach: Access) -> _Told:
    with system.opened(here, (lock.LOCK,), reach) as there:
        commit = there.files.commit
        ours = (commit.author, commit.committer) == (OWN, OWN)
        try:
            record = there.project().lock
        except LockError:
            return _Told(ours)
        open_ = sum(entry.state == "open" for entry in record.paths.values())
        return _Told(ours, there.files.listing[lock.LOCK].id, record.factory.version, open_)
