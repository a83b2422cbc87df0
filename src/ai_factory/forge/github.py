"""GitHub, on its own host or at home (GitHub Enterprise Server), through PyGithub's connection.

PyGithub brings the token's header and the form of requests. Paths and pages are ours, because its objects follow
addresses that an answer names; so are tries and waits, because the governor decides on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import requests
from github import Auth, Github
from github.Requester import HTTPSRequestsConnectionClass, Requester, RequestsResponse

from ai_factory.errors import ForgeError
from ai_factory.forge import answers
from ai_factory.forge.answers import Answer, Row
from ai_factory.forge.host import Comment, Host, Query, Status, Verb, checked
from ai_factory.forge.opening import TIMEOUT
from ai_factory.forge.protocol import Found, Permissions, Proposal, PullRequest
from ai_factory.forge.session import Session, answer_to
from ai_factory.forge.tokens import Token

MOST = {"per_page": "100"}
APP = "[bot]"
_STATES = {"success": "success", "failure": "failure", "error": "failure", "pending": "pending"}
_GOOD = ("success", "neutral", "skipped")  # conclusions of a check run that stand in nobody's way
_WAYS = (("merge", "allow_merge_commit"), ("squash", "allow_squash_merge"), ("rebase", "allow_rebase_merge"))
_DRAFT = "mutation($id: ID!) { change: convertPullRequestToDraft(input: {pullRequestId: $id}) { clientMutationId } }"
_READY = _DRAFT.replace("convertPullRequestToDraft", "markPullRequestReadyForReview")


class _Connection(HTTPSRequestsConnectionClass):
    """What PyGithub sends one request through. Its own keeps a request between two calls, and threads mix them up."""

    def __init__(self, session: Session, api: str, timeout: int) -> None:
        self.session = session
        self.timeout = timeout
        self._origin = urlsplit(api)._replace(path="", query="").geturl()
        self.response = requests.Response()

    def getresponse(self) -> RequestsResponse:
        self.response = self.session.request(
            self.verb, self._origin + self.url, headers=self.headers, data=self.input, timeout=self.timeout
        )
        return RequestsResponse(self.response)


class GitHub(Host):
    """GitHub as one identity."""

    def __init__(self, api: str, host: str, token: Token, timeout: int = TIMEOUT) -> None:
        super().__init__(api, host, token, timeout)
        self._session = Session()
        self._session.auth = Requester.noopAuth  # else a `.netrc` puts another password in the token's place
        self._requester = Github(
            base_url=api,
            auth=Auth.Token(self._secret(host)),
            seconds_between_requests=None,
            seconds_between_writes=None,
            user_agent="ai-factory",
        ).requester

    def permissions(self, name: str) -> Permissions:
        """See Forge. A token with scopes says them; of others it is not told whether they may push workflow files."""
        answer = self._asked(f"read the rights in `{name}`", "GET", self._repository(name))
        row = answers.row(answers.content(answer))
        rights, archived = answers.inner(row, "permissions"), answers.flag(row, "archived")
        scopes = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")} - {""}
        private = answers.flag(row, "private")
        reaches = not scopes or "repo" in scopes or ("public_repo" in scopes and not private)
        return Permissions(
            push=answers.flag(rights, "push") and reaches,
            propose=answers.flag(rights, "pull") and reaches,
            workflows=not scopes or "workflow" in scopes,
            archived=archived,
        )

    # ---- how GitHub is asked -----------------------------------------------------------------------

    def _sent(self, verb: Verb, path: str, query: Query, body: Row | None) -> Answer:
        connection = _Connection(self._session, self.api, self._timeout)

        def call() -> requests.Response:
            sent = dict(body) if body is not None else None
            self._requester.requestJson(verb, path, dict(query), {}, sent, connection)
            return connection.response

        try:
            return answer_to(call, self._timeout)
        except (ValueError, OverflowError):
            raise answers.nonsense("counts its limits in what is no number") from None

    # ---- how GitHub spells it ----------------------------------------------------------------------

    def _repository_lists(self, owner: str) -> tuple[tuple[str, Query], tuple[str, Query]]:
        return (f"/orgs/{owner}/repos", {**MOST, "type": "all"}), (f"/users/{owner}/repos", {**MOST, "type": "owner"})

    def _found(self, row: Row) -> Found:
        return Found(
            answers.address(row, "clone_url"),
            answers.text(row, "full_name"),
            answers.flag(row, "archived"),
            answers.texts(row, "topics"),
        )

    def _repository(self, name: str) -> str:
        return f"/repos/{checked(name)}"

    def _place(self, name: str, number: int | None = None) -> str:
        return f"{self._repository(name)}/pulls" + (f"/{number}" if number is not None else "")

    def _listed(self, name: str, branch: str) -> Iterable[Row]:
        head = f"{name.partition('/')[0]}:{branch}"
        query = {**MOST, "state": "all", "head": head, "sort": "created", "direction": "desc"}
        return self._pages(self._place(name), query, f"list the pull requests of `{name}`")

    def _is_from(self, row: Row, name: str, branch: str) -> bool:
        head = answers.inner(row, "head")
        whole = answers.text(answers.inner(head, "repo"), "full_name")
        return answers.text(head, "ref") == branch and whole.lower() == name.lower()

    def _pull_request(self, row: Row) -> PullRequest:
        merged = answers.moment(row, "merged_at")
        return PullRequest(
            number=answers.number(row, "number"),
            url=answers.address(row, "html_url"),
            state="merged" if merged else answers.one_of(row, "state", {"open": "open", "closed": "closed"}),
            head=answers.commit(answers.inner(row, "head"), "sha"),
            title=answers.text(row, "title"),
            body=answers.text(row, "body"),
            target=answers.text(answers.inner(row, "base"), "ref"),
            merged_at=merged,
            closed_at=answers.moment(row, "closed_at"),
            opened_at=answers.moment(row, "created_at"),
            draft=answers.flag(row, "draft"),
        )

    def _fields(self, proposal: Proposal) -> Row:
        return {
            "title": proposal.title,
            "head": proposal.branch,
            "base": proposal.target,
            "body": proposal.body,
            "draft": proposal.draft,
        }

    def _edited(self, name: str, row: Row, proposal: Proposal) -> Row:
        known = self._pull_request(row)
        doing = f"update pull request {known.number} of `{name}`"
        fields = {"title": proposal.title, "body": proposal.body, "base": proposal.target}
        if known.draft != proposal.draft:
            self._turn(doing, answers.text(row, "node_id"), proposal.draft)
        return self._content(doing, "PATCH", self._place(name, known.number), body=fields)

    def _turn(self, doing: str, node: str, draft: bool) -> None:
        """Make it a draft, or no draft any more: only GitHub's other interface (GraphQL) can."""
        query = {"query": _DRAFT if draft else _READY, "variables": {"id": node}}
        # its whole address: PyGithub puts the prefix of the REST interface before a path
        said = self._content(doing, "POST", self._requester.graphql_url, body=query)
        if said.get("errors") or not said.get("data"):
            raise self._failed(doing, "policy", "GitHub does not change whether it is a draft")

    def _comments(self, name: str, number: int) -> Iterable[Comment]:
        path = f"{self._repository(name)}/issues/{number}/comments"
        for row in self._pages(path, MOST, f"list the comments of pull request {number} of `{name}`"):
            author = answers.text(answers.inner(row, "user"), "login")
            yield Comment(answers.number(row, "id"), author, answers.text(row, "body"))

    def _wrote(self, comment: Comment) -> bool:
        return comment.author == self._identity() or (self._me == APP and comment.author.endswith(APP))

    def _identity(self) -> str:
        """What GitHub calls us; it does not tell an app its name, which ends as that of no person can."""
        try:
            return super()._identity()
        except ForgeError as error:
            if error.failure != "permission":
                raise
            self._me = APP
        return self._me

    def _write_comment(self, name: str, number: int, known: Comment | None, text: str) -> None:
        doing, issues = f"comment on pull request {number} of `{name}`", f"{self._repository(name)}/issues"
        if known is None:
            self._asked(doing, "POST", f"{issues}/{number}/comments", body={"body": text})
        else:
            self._asked(doing, "PATCH", f"{issues}/comments/{known.number}", body={"body": text})

    def _statuses(self, name: str, commit: str) -> Iterable[Status]:
        path = f"{self._repository(name)}/commits/{commit}/status"
        for row in self._pages(path, MOST, f"read the statuses of `{name}`", "statuses"):
            state = _STATES.get(answers.text(row, "state"), "pending")
            yield Status(answers.text(row, "context"), state, answers.text(row, "description"))

    def _runs(self, name: str, commit: str) -> Iterable[Status]:
        path = f"{self._repository(name)}/commits/{commit}/check-runs"
        for row in self._pages(path, {**MOST, "filter": "latest"}, f"read the checks of `{name}`", "check_runs"):
            ended = answers.text(row, "status") == "completed"
            good = answers.text(row, "conclusion") in _GOOD
            yield Status(answers.text(row, "name"), ("success" if good else "failure") if ended else "pending")

    def _write_status(self, name: str, commit: str, status: Status) -> None:
        body = {"state": status.state, "context": status.context, "description": status.text}
        self._asked(f"set a status in `{name}`", "POST", f"{self._repository(name)}/statuses/{commit}", body=body)

    def _merge(self, name: str, number: int, commit: str) -> None:
        doing = f"merge pull request {number} of `{name}`"
        repository = self._content(doing, "GET", self._repository(name))
        way = next((way for way, field in _WAYS if answers.flag(repository, field)), "merge")
        self._asked(doing, "PUT", f"{self._place(name, number)}/merge", body={"sha": commit, "merge_method": way})
