"""GitLab, on its own host or at home, through python-gitlab's connection.

python-gitlab brings the token's header and the form of requests. It tries nothing again, because Session hands on every
answer that is no success; pages are ours, because it follows the addresses that an answer names, and the token goes
along.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

import requests
from gitlab import Gitlab

from ai_factory.forge import answers
from ai_factory.forge.answers import Answer, Row
from ai_factory.forge.host import Comment, Host, Query, Status, Verb, checked
from ai_factory.forge.opening import TIMEOUT
from ai_factory.forge.protocol import Found, Permissions, Proposal, PullRequest
from ai_factory.forge.session import Session, answer_to
from ai_factory.forge.tokens import Token

MOST = {"per_page": "100"}
DEVELOPER = 30  # the level from which one may push branches and open merge requests
_STATES = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}  # locked: while it is merged
_JOBS = {  # what a job or a status says, in our words; the rest is still to come
    "success": "success",
    "skipped": "success",
    "failed": "failure",
    "canceled": "failure",
}
_SAID = {"pending": "pending", "success": "success", "failure": "failed"}
_DRAFT = re.compile(r"^(\[Draft\]|\(Draft\)|Draft:)\s*", re.IGNORECASE)


class GitLab(Host):
    """GitLab as one identity."""

    request = "merge request"
    longest_status = 255

    def __init__(self, api: str, host: str, token: Token, timeout: int = TIMEOUT) -> None:
        super().__init__(api, host, token, timeout)
        self._gitlab = Gitlab(
            api.removesuffix("/api/v4"),
            oauth_token=self._secret(host),  # GitLab takes access tokens of every kind so
            timeout=timeout,
            user_agent="ai-factory",
            session=Session(),
        )

    def permissions(self, name: str) -> Permissions:
        """See Forge. GitLab asks for no right of its own to push files that its CI reads."""
        row = self._content(f"read the rights in `{name}`", "GET", _project(name))
        rights = answers.inner(row, "permissions")
        levels = [answers.inner(rights, key).get("access_level") for key in ("project_access", "group_access")]
        may = any(isinstance(level, int) and level >= DEVELOPER for level in levels)
        takes = answers.text(row, "merge_requests_access_level") != "disabled"
        return Permissions(push=may, propose=may and takes, workflows=True, archived=answers.flag(row, "archived"))

    # ---- how GitLab is asked -----------------------------------------------------------------------

    def _sent(self, verb: Verb, path: str, query: Query, body: Row | None) -> Answer:
        def call() -> requests.Response:
            return self._gitlab.http_request(
                verb,
                path,
                query_data=dict(query),
                post_data=dict(body) if body is not None else None,
            )

        return answer_to(call, self._timeout)

    # ---- how GitLab spells it ----------------------------------------------------------------------

    def _repository_lists(self, owner: str) -> tuple[tuple[str, Query], tuple[str, Query]]:
        whole = {**MOST, "order_by": "id", "sort": "asc"}
        group = {**whole, "include_subgroups": "true", "with_shared": "false"}
        return (f"/groups/{quote(owner, safe='')}/projects", group), (f"/users/{quote(owner, safe='')}/projects", whole)

    def _found(self, row: Row) -> Found:
        return Found(
            answers.address(row, "http_url_to_repo"),
            answers.text(row, "path_with_namespace"),
            answers.flag(row, "archived"),
            answers.texts(row, "topics"),
        )

    def _place(self, name: str, number: int | None = None) -> str:
        return f"{_project(name)}/merge_requests" + (f"/{number}" if number is not None else "")

    def _listed(self, name: str, branch: str) -> Iterable[Row]:
        query = {**MOST, "state": "all", "source_branch": branch, "order_by": "created_at", "sort": "desc"}
        return self._pages(self._place(name), query, f"list the merge requests of `{name}`")

    def _is_from(self, row: Row, name: str, branch: str) -> bool:
        own = answers.number(row, "target_project_id")
        return answers.text(row, "source_branch") == branch and row.get("source_project_id") == own

    def _pull_request(self, row: Row) -> PullRequest:
        title = answers.text(row, "title")
        mark = _DRAFT.match(title)
        return PullRequest(
            number=answers.number(row, "iid"),
            url=answers.address(row, "web_url"),
            state=answers.one_of(row, "state", _STATES),
            head=answers.commit(row, "sha"),
            title=title[mark.end() :] if mark else title,
            body=answers.text(row, "description"),
            target=answers.text(row, "target_branch"),
            merged_at=answers.moment(row, "merged_at"),
            closed_at=answers.moment(row, "closed_at"),
            opened_at=answers.moment(row, "created_at"),
            draft=mark is not None,
        )

    def _fields(self, proposal: Proposal) -> Row:
        return {"source_branch": proposal.branch, "remove_source_branch": True, **_changeable(proposal)}

    def _edited(self, name: str, row: Row, proposal: Proposal) -> Row:
        number = answers.number(row, "iid")
        doing = f"update merge request {number} of `{name}`"
        return self._content(doing, "PUT", self._place(name, number), body=_changeable(proposal))

    def _comments(self, name: str, number: int) -> Iterable[Comment]:
        query = {**MOST, "order_by": "created_at", "sort": "asc"}
        doing = f"list the comments of merge request {number} of `{name}`"
        for row in self._pages(f"{self._place(name, number)}/notes", query, doing):
            author = answers.text(answers.inner(row, "author"), "username")
            yield Comment(answers.number(row, "id"), author, answers.text(row, "body"))

    def _write_comment(self, name: str, number: int, known: Comment | None, text: str) -> None:
        doing, notes = f"comment on merge request {number} of `{name}`", f"{self._place(name, number)}/notes"
        if known is None:
            self._asked(doing, "POST", notes, body={"body": text})
        else:
            self._asked(doing, "PUT", f"{notes}/{known.number}", body={"body": text})

    def _statuses(self, name: str, commit: str) -> Iterable[Status]:
        """Also the jobs of its pipelines, those that may fail without harm left out."""
        path = f"{_project(name)}/repository/commits/{commit}/statuses"
        for row in self._pages(path, MOST, f"read the statuses of `{name}`"):
            state = _JOBS.get(answers.text(row, "status"), "pending")
            if not (answers.flag(row, "allow_failure") and state != "success"):
                yield Status(answers.text(row, "name"), state, answers.text(row, "description"))

    def _write_status(self, name: str, commit: str, status: Status) -> None:
        body = {"state": _SAID[status.state], "name": status.context, "description": status.text}
        self._asked(f"set a status in `{name}`", "POST", f"{_project(name)}/statuses/{commit}", body=body)

    def _merge(self, name: str, number: int, commit: str) -> None:
        doing = f"merge merge request {number} of `{name}`"
        self._asked(doing, "PUT", f"{self._place(name, number)}/merge", body={"sha": commit})

    def _name_in(self, row: Row) -> str:
        return answers.text(row, "username")


def _project(name: str) -> str:
    return f"/projects/{quote(checked(name), safe='')}"


def _changeable(proposal: Proposal) -> Row:
    """The fields that may also change later; a draft is one by its title."""
    return {
        "title": f"Draft: {proposal.title}" if proposal.draft else proposal.title,
        "description": proposal.body,
        "target_branch": proposal.target,
    }
