"""Gitea and Forgejo, which share one interface, through httpx."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from ai_factory.forge import answers
from ai_factory.forge.answers import LARGEST, Answer, Row
from ai_factory.forge.host import Comment, Host, Query, SilentError, Status, Verb, checked
from ai_factory.forge.opening import TIMEOUT
from ai_factory.forge.protocol import Found, Permissions, Proposal, PullRequest
from ai_factory.forge.tokens import Token

MOST = {"limit": "50"}  # more is not given, unless whoever runs the host says so
WIP = "WIP: "  # a title that begins so is that of a draft
_STATES = {"success": "success", "warning": "success", "skipped": "success", "pending": "pending"}
_WAYS = ("merge", "squash", "rebase", "rebase-merge", "fast-forward-only")


class Gitea(Host):
    """Gitea or Forgejo as one identity."""

    def __init__(self, api: str, host: str, token: Token, timeout: int = TIMEOUT) -> None:
        super().__init__(api, host, token, timeout)
        # `auth` is given so that no `.netrc` puts another password in its place
        self._client = httpx.Client(
            timeout=timeout, follow_redirects=False, auth=self._signed, headers={"User-Agent": "ai-factory"}
        )

    def permissions(self, name: str) -> Permissions:
        """See Forge. Neither host asks for a right of its own to push workflow files."""
        row = self._content(f"read the rights in `{name}`", "GET", _repository(name))
        rights = answers.inner(row, "permissions")
        return Permissions(
            push=answers.flag(rights, "push"),
            propose=answers.flag(rights, "pull") and answers.flag(row, "has_pull_requests"),
            workflows=True,
            archived=answers.flag(row, "archived"),
        )

    # ---- how Gitea is asked ------------------------------------------------------------------------

    def _signed(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"token {self._secret(self.host)}"
        return request

    def _sent(self, verb: Verb, path: str, query: Query, body: Row | None) -> Answer:
        try:
            with self._client.stream(verb, self.api + path, params=dict(query), json=body) as response:
                content = _bounded(response)
        except httpx.TimeoutException:
            raise SilentError(f"not within {self._timeout} seconds") from None
        except httpx.HTTPError as error:
            raise SilentError(type(error).__name__) from None
        return Answer(response.status_code, dict(response.headers), content.decode(errors="replace"))

    # ---- how Gitea spells it -----------------------------------------------------------------------

    def _repository_lists(self, owner: str) -> tuple[tuple[str, Query], tuple[str, Query]]:
        return (f"/orgs/{owner}/repos", MOST), (f"/users/{owner}/repos", MOST)

    def _found(self, row: Row) -> Found:
        return Found(
            answers.address(row, "clone_url"),
            answers.text(row, "full_name"),
            answers.flag(row, "archived"),
            answers.texts(row, "topics"),
        )

    def _place(self, name: str, number: int | None = None) -> str:
        return f"{_repository(name)}/pulls" + (f"/{number}" if number is not None else "")

    def _listed(self, name: str, branch: str) -> Iterable[Row]:
        """All of the repository: the host cannot be asked by branch alone."""
        return self._pages(self._place(name), {**MOST, "state": "all"}, f"list the pull requests of `{name}`")

    def _is_from(self, row: Row, name: str, branch: str) -> bool:
        head = answers.inner(row, "head")
        whole = answers.text(answers.inner(head, "repo"), "full_name")
        return answers.text(head, "ref") == branch and whole.lower() == name.lower()

    def _pull_request(self, row: Row) -> PullRequest:
        title, draft = answers.text(row, "title"), answers.flag(row, "draft")
        merged = answers.flag(row, "merged")
        return PullRequest(
            number=answers.number(row, "number"),
            url=answers.address(row, "html_url"),
            state="merged" if merged else answers.one_of(row, "state", {"open": "open", "closed": "closed"}),
            head=answers.commit(answers.inner(row, "head"), "sha"),
            title=title.removeprefix(WIP),
            body=answers.text(row, "body"),
            target=answers.text(answers.inner(row, "base"), "ref"),
            merged_at=answers.moment(row, "merged_at") if merged else 0,
            closed_at=answers.moment(row, "closed_at"),
            opened_at=answers.moment(row, "created_at"),
            draft=draft or title.startswith(WIP),
        )

    def _fields(self, proposal: Proposal) -> Row:
        return {"head": proposal.branch, **_changeable(proposal)}

    def _edited(self, name: str, row: Row, proposal: Proposal) -> Row:
        number = answers.number(row, "number")
        doing = f"update pull request {number} of `{name}`"
        return self._content(doing, "PATCH", self._place(name, number), body=_changeable(proposal))

    def _comments(self, name: str, number: int) -> Iterable[Comment]:
        """All at once: the host knows no pages here."""
        doing = f"list the comments of pull request {number} of `{name}`"
        answer = self._asked(doing, "GET", f"{_repository(name)}/issues/{number}/comments")
        for row in answers.rows(answers.content(answer)):
            author = answers.text(answers.inner(row, "user"), "login")
            yield Comment(answers.number(row, "id"), author, answers.text(row, "body"))

    def _write_comment(self, name: str, number: int, known: Comment | None, text: str) -> None:
        doing, issues = f"comment on pull request {number} of `{name}`", f"{_repository(name)}/issues"
        if known is None:
            self._asked(doing, "POST", f"{issues}/{number}/comments", body={"body": text})
        else:
            self._asked(doing, "PATCH", f"{issues}/comments/{known.number}", body={"body": text})

    def _statuses(self, name: str, commit: str) -> Iterable[Status]:
        """Also the jobs of its actions, which report themselves as statuses."""
        path = f"{_repository(name)}/commits/{commit}/status"
        for row in self._pages(path, MOST, f"read the statuses of `{name}`", "statuses"):
            state = _STATES.get(answers.text(row, "status"), "failure")
            yield Status(answers.text(row, "context"), state, answers.text(row, "description"))

    def _write_status(self, name: str, commit: str, status: Status) -> None:
        body = {"state": status.state, "context": status.context, "description": status.text}
        self._asked(f"set a status in `{name}`", "POST", f"{_repository(name)}/statuses/{commit}", body=body)

    def _merge(self, name: str, number: int, commit: str) -> None:
        doing = f"merge pull request {number} of `{name}`"
        way = answers.text(self._content(doing, "GET", _repository(name)), "default_merge_style")
        body = {"Do": way if way in _WAYS else "merge", "head_commit_id": commit}
        self._asked(doing, "POST", f"{self._place(name, number)}/merge", body=body)


def _repository(name: str) -> str:
    return f"/repos/{checked(name)}"


def _changeable(proposal: Proposal) -> Row:
    """The fields that may also change later; a draft is one by its title."""
    return {
        "title": WIP + proposal.title if proposal.draft else proposal.title,
        "body": proposal.body,
        "base": proposal.target,
    }


def _bounded(response: httpx.Response) -> bytes:
    """The bytes of the answer, of which no more are taken than we would read."""
    content = b""
    for piece in response.iter_bytes():
        content += piece
        if len(content) > LARGEST:
            raise answers.nonsense(f"has more than {LARGEST:,} bytes")
    return content
