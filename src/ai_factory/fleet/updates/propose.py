"""A project's one pull request: opened, brought up to date, left alone where somebody declined it, or merged."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ai_factory.errors import ForgeError
from ai_factory.fleet.updates.carry import Pushed
from ai_factory.forge import Forge, Proposal, PullRequest

CONTEXT = "ai-factory/conflicts"  # of the commit status that fails while a conflict is open
DECLINED_DAYS = 90  # for which a declined version is not proposed again
DAY = 24 * 60 * 60  # seconds
_MARK = re.compile(r"<!-- ai-factory:update (\{[^\n]*?\}) -->")
END = "<!-- ai-factory:end -->"  # of our part of the text
_NOTE = "ai-factory:edited"  # marks our one comment on a branch that somebody else has committed to


class Request(NamedTuple):
    """A pull request as it stands: `open`, `conflicted`, `edited`, `declined` or `merged`; empty: there is none."""

    state: str
    url: str = ""
    number: int = 0
    until: float = 0  # of a declined one: when it may be proposed again (Unix time)


def marked(pushed: Pushed, after: str) -> str:
    """Our part of the text, with the hidden mark from which a lost journal is rebuilt; others may write below it."""
    data = {"after": after, "base": pushed.base, "commit": pushed.commit, "title": pushed.title}
    return f"<!-- ai-factory:update {json.dumps(data, sort_keys=True)} -->\n{pushed.body.rstrip()}\n\n{END}\n"


def mark_in(body: str) -> dict[str, Any]:
    """What the mark of a pull request says; nothing where there is none."""
    found = _MARK.search(body)
    try:
        data = json.loads(found[1]) if found else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def with_part(body: str, part: str) -> str:
    """The text with our part in place of the one that it has; what people wrote around it stays."""
    begin, end = _MARK.search(body), body.find(END)
    if begin is None or end < begin.start():
        return f"{part}\n{body}".strip() + "\n" if body.strip() and begin is None else part
    return body[: begin.start()] + part.rstrip() + body[end + len(END) :]


def declined(known: Sequence[PullRequest], after: str, now: float) -> Request | None:
    """The pull request with which a team declined that very version, while that is not long ago.

    One that was closed because a person's own commits were on its branch, and that was deleted, is none.
    """
    newest = next(iter(known), None)
    told = mark_in(newest.body) if newest else {}
    if newest is None or newest.state != "closed" or told.get("after") != after:
        return None
    if newest.head not in ("", told.get("commit")):
        return None
    until = newest.closed_at + DECLINED_DAYS * DAY
    return Request("declined", newest.url, newest.number, until) if now < until else None


def propose(forge: Forge, name: str, pushed: Pushed, known: Sequence[PullRequest], after: str) -> Request:
    """Bring the pull request of that branch to what was pushed: one, always the same one. Raises ForgeError.

    People's words in it stay, and so does a title that is theirs.
    """
    part = marked(pushed, after)
    there = next((one for one in known if one.state == "open"), None)
    if there is None:
        made = forge.open(name, Proposal(pushed.branch, pushed.target, pushed.title, part))
    elif mark_in(there.body) != mark_in(part) or there.target != pushed.target:
        title = pushed.title if there.title == mark_in(there.body).get("title", there.title) else there.title
        wanted = Proposal(pushed.branch, pushed.target, title, with_part(there.body, part), there.draft)
        made = forge.update(name, there.number, wanted)
    else:
        made = there
    if made.target != pushed.target:
        raise ForgeError(f"{made.url} is to be merged into `{made.target}`, not `{pushed.target}`", "conflict", "look")
    if pushed.conflicts:
        count = len(pushed.conflicts)
        text = f"{count} {'file' if count == 1 else 'files'} in conflict: the pull request says what to run"
        forge.set_status(name, pushed.commit, CONTEXT, "failure", text)
    return Request("conflicted" if pushed.conflicts else "open", made.url, made.number)


def leave(forge: Forge, name: str, pushed: Pushed, known: Sequence[PullRequest]) -> Request:
    """Say on the pull request why it is left as it is. Raises ForgeError."""
    there = next((one for one in known if one.state == "open"), None)
    if there is None:
        return Request("")
    forge.comment(name, there.number, _NOTE, f"{pushed.reason}.\n\n{pushed.hint}.")
    return Request("edited", there.url, there.number)


def merge_if_allowed(forge: Forge, name: str, request: Request, pushed: Pushed) -> Request:
    """Merge it where it touches managed files alone, nothing is in conflict, and all checks are green."""
    if request.state != "open" or not pushed.managed_only or forge.checks(name, pushed.commit) != "passing":
        return request
    forge.merge(name, request.number, pushed.commit)
    return request._replace(state="merged")
