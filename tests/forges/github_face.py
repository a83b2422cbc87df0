"""The double as GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.forges.double import Answer, Host, Judged, Note, Pull, Request, paged, stamp
from tests.forges.published import published
from tests.forges.routes import Step, routed

_DOCS = "https://docs.github.com/rest"
_REFUSALS = {
    "taken": (422, {"message": "Validation Failed", "errors": [{"message": "A pull request already exists for x."}]}),
    "empty": (422, {"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]}),
    "wrong": (422, {"message": "Validation Failed", "errors": [{"resource": "PullRequest", "field": "head"}]}),
    "missing": (404, {"message": "Not Found", "documentation_url": _DOCS}),
    "archived": (403, {"message": "Repository was archived so is read-only.", "documentation_url": _DOCS}),
    "forbidden": (403, {"message": "Resource not accessible by personal access token", "documentation_url": _DOCS}),
    "moved": (
        409,
        {"message": "Head branch was modified. Review and try the merge again.", "documentation_url": _DOCS},
    ),
    "unmergeable": (405, {"message": "Pull Request is not mergeable", "documentation_url": _DOCS}),
}


def answer(host: Host, asked: Request) -> Answer:
    """What GitHub answers."""
    unknown = Answer(401, {"message": "Bad credentials", "documentation_url": _DOCS})
    made = routed(_STEPS, _REFUSALS, host, asked, unknown)
    scopes = {"X-OAuth-Scopes": host.scopes} if host.scopes else {}
    return made._replace(
        headers={**made.headers, **scopes, "X-RateLimit-Remaining": "4999", "X-RateLimit-Limit": "5000"}
    )


def sample(kind: str, /, **fields: Any) -> Any:
    """The smallest record of that kind, with these fields."""
    return {**published("github").sample(kind), **fields}


def _user(login: str) -> Any:
    return sample("simple-user", login=login)


def _repository(host: Host, name: str, kind: str) -> Any:
    rights = {"admin": False, "push": host.may(name, "push"), "pull": True}
    return sample(
        kind,
        full_name=name,
        name=name.partition("/")[2],
        clone_url=host.clone_url(name),
        html_url=f"{host.url}/{name}",
        archived=name in host.archived,
        topics=[*host.topics.get(name, ())],
        permissions=rights,
        private=True,
    )


def _pull(host: Host, pull: Pull, kind: str = "pull-request") -> Any:
    owner = pull.author if pull.fork else pull.name.partition("/")[0]
    whole = f"{owner}/{pull.name.partition('/')[2]}"
    schema = sample(kind)
    head = {**schema["head"], "ref": pull.branch, "sha": pull.head, "label": f"{owner}:{pull.branch}"}
    base = {**schema["base"], "ref": pull.target, "sha": host.head(pull.name, pull.target), "label": pull.target}
    merged = {"merged": bool(pull.merged)} if kind == "pull-request" else {}
    return {
        **schema,
        "number": pull.number,
        "node_id": f"PR_{pull.name}#{pull.number}",
        "html_url": f"{host.url}/{pull.name}/pull/{pull.number}",
        "state": "open" if pull.state == "open" else "closed",
        "draft": pull.draft,
        "title": pull.title,
        "body": pull.body,
        "user": _user(pull.author),
        "head": {**head, "repo": _repository(host, whole, "repository")},
        "base": {**base, "repo": _repository(host, pull.name, "repository")},
        "created_at": stamp(pull.opened),
        "closed_at": stamp(pull.closed),
        "merged_at": stamp(pull.merged),
        **merged,
    }


def _note(host: Host, note: Note) -> Any:
    return sample("issue-comment", id=note.number, body=note.text, user=_user(note.author))


def _whoami(host: Host, asked: Request) -> Answer:
    return Answer(200, sample("public-user", login=asked.who))


def _repositories(host: Host, asked: Request, owner: str, organisations: bool = True) -> Answer:
    if not host.names(owner) or organisations == (owner in host.users.values()):
        return Answer(*_REFUSALS["missing"])
    rows = [_repository(host, name, "minimal-repository") for name in host.names(owner)]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _own(host: Host, asked: Request, owner: str) -> Answer:
    return _repositories(host, asked, owner, organisations=False)


def _one(host: Host, asked: Request, owner: str, repo: str) -> Answer:
    ways = {f"allow_{way}": way.startswith(host.way) for way in ("merge_commit", "squash_merge", "rebase_merge")}
    return Answer(200, {**_repository(host, host.known(f"{owner}/{repo}"), "full-repository"), **ways})


def _pulls(host: Host, asked: Request, owner: str, repo: str) -> Answer:
    login, _, branch = asked.query.get("head", "").rpartition(":")
    rows = [
        _pull(host, pull, "pull-request-simple")
        for pull in host.listed(f"{owner}/{repo}", branch)
        if (pull.author if pull.fork else owner) in (login, login or pull.author)
    ]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _open(host: Host, asked: Request, owner: str, repo: str) -> Answer:
    body = asked.body
    made = host.open(
        f"{owner}/{repo}", body["head"], body["base"], body["title"], body["body"], body["draft"], asked.who
    )
    return Answer(201, _pull(host, made))


def _read(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(200, _pull(host, host.pull(f"{owner}/{repo}", int(number))))


def _edit(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    pull = host.pull(host.changing(f"{owner}/{repo}"), int(number))
    pull.title, pull.body, pull.target = (asked.body[key] for key in ("title", "body", "base"))
    return Answer(200, _pull(host, pull))


def _merge(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    made = host.merge(f"{owner}/{repo}", int(number), asked.body["sha"], asked.body["merge_method"])
    return Answer(200, {"sha": made, "merged": True, "message": "Pull Request successfully merged"})


def _notes(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    rows = [_note(host, note) for note in host.noted(f"{owner}/{repo}", int(number))]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _comment(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(201, _note(host, host.note(f"{owner}/{repo}", int(number), asked.who, asked.body["body"])))


def _edit_comment(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(200, _note(host, host.edit_note(f"{owner}/{repo}", int(number), asked.who, asked.body["body"])))


def _statuses(host: Host, asked: Request, owner: str, repo: str, commit: str) -> Answer:
    found = [row for row in host.judged.get((f"{owner}/{repo}", commit), ()) if not row.run]
    rows = [sample("simple-commit-status", context=row.context, state=row.state, description=row.text) for row in found]
    page, link = paged(host, rows, asked.query, "per_page")
    whole = sample("combined-commit-status", sha=commit, state="pending", total_count=len(rows), statuses=page)
    return Answer(200, whole, link)


def _runs(host: Host, asked: Request, owner: str, repo: str, commit: str) -> Answer:
    found = [row for row in host.judged.get((f"{owner}/{repo}", commit), ()) if row.run]
    rows = [
        sample(
            "check-run",
            name=row.context,
            head_sha=commit,
            status="in_progress" if row.state == "pending" else "completed",
            conclusion=None if row.state == "pending" else row.state,
        )
        for row in found
    ]
    page, link = paged(host, rows, asked.query, "per_page")
    return Answer(200, {"total_count": len(rows), "check_runs": page}, link)


def _judge(host: Host, asked: Request, owner: str, repo: str, commit: str) -> Answer:
    body = asked.body
    judged = Judged(body["context"], body["state"], body["description"])
    host.judge(host.changing(f"{owner}/{repo}"), commit, judged)
    return Answer(201, sample("status", context=judged.context, state=judged.state, description=judged.text))


def _turn(host: Host, asked: Request) -> Answer:
    """GraphQL: the two changes that the adapter asks for."""
    name, _, number = asked.body["variables"]["id"].removeprefix("PR_").partition("#")
    query = asked.body["query"]
    pull = host.pull(host.changing(name), int(number))
    pull.draft = "convertPullRequestToDraft(input: {pullRequestId: $id})" in query
    if not pull.draft and "markPullRequestReadyForReview(input: {pullRequestId: $id})" not in query:
        return Answer(200, {"errors": [{"message": "Field doesn't exist on type 'Mutation'"}]})
    return Answer(200, {"data": {"change": {"clientMutationId": None}}})


_REPO = "/repos/{owner}/{repo}"
_STEPS: Mapping[str, Step] = {
    "GET /user": _whoami,
    "GET /orgs/{owner}/repos": _repositories,
    "GET /users/{owner}/repos": _own,
    f"GET {_REPO}": _one,
    f"GET {_REPO}/pulls": _pulls,
    f"POST {_REPO}/pulls": _open,
    f"GET {_REPO}/pulls/{{number}}": _read,
    f"PATCH {_REPO}/pulls/{{number}}": _edit,
    f"PUT {_REPO}/pulls/{{number}}/merge": _merge,
    f"GET {_REPO}/issues/{{number}}/comments": _notes,
    f"POST {_REPO}/issues/{{number}}/comments": _comment,
    f"PATCH {_REPO}/issues/comments/{{number}}": _edit_comment,
    f"GET {_REPO}/commits/{{commit}}/status": _statuses,
    f"GET {_REPO}/commits/{{commit}}/check-runs": _runs,
    f"POST {_REPO}/statuses/{{commit}}": _judge,
    "POST ": _turn,
}
