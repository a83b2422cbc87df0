"""The double as Gitea, and as Forgejo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.forges.double import Answer, Host, Judged, Note, Pull, Request, paged, stamp
from tests.forges.routes import Step, routed

_REFUSALS = {
    "taken": (409, {"message": "pull request already exists for these targets [id: 1]", "url": "x"}),
    "empty": (409, {"message": "There are no changes between the head and the base: no commits between"}),
    "wrong": (404, {"message": "The target couldn't be found."}),
    "missing": (404, {"message": "The target couldn't be found.", "errors": None}),
    "archived": (423, {"message": "repo is archived"}),
    "forbidden": (403, {"message": "user should have a permission to write to the repo"}),
    "moved": (409, {"message": "head out of date"}),
    "unmergeable": (405, {"message": "Please try again later"}),
}
_WIP = "WIP: "


def answer(host: Host, asked: Request) -> Answer:
    """What Gitea answers."""
    return routed(_STEPS, _REFUSALS, host, asked, Answer(401, {"message": "user does not exist [uid: 0, name: ]"}))


def _repository(host: Host, name: str) -> Any:
    return {
        "id": 1,
        "full_name": name,
        "name": name.partition("/")[2],
        "clone_url": host.clone_url(name),
        "html_url": f"{host.url}/{name}",
        "archived": name in host.archived,
        "topics": [*host.topics.get(name, ())],
        "has_pull_requests": True,
        "default_merge_style": host.way,
        "permissions": {"admin": False, "push": host.may(name, "push"), "pull": True},
    }


def _pull(host: Host, pull: Pull) -> Any:
    """The times of a request that is not closed are null, as there."""
    owner = pull.author if pull.fork else pull.name.partition("/")[0]
    whole = f"{owner}/{pull.name.partition('/')[2]}"
    return {
        "id": 100 + pull.number,
        "number": pull.number,
        "html_url": f"{host.url}/{pull.name}/pulls/{pull.number}",
        "state": "open" if pull.state == "open" else "closed",
        "merged": bool(pull.merged),
        "draft": pull.draft,
        "title": (_WIP if pull.draft else "") + pull.title,
        "body": pull.body,
        "user": {"login": pull.author},
        "head": {"label": pull.branch, "ref": pull.branch, "sha": pull.head, "repo": _repository(host, whole)},
        "base": {"label": pull.target, "ref": pull.target, "repo": _repository(host, pull.name)},
        "created_at": stamp(pull.opened),
        "closed_at": stamp(pull.closed),
        "merged_at": stamp(pull.merged),
    }


def _note(note: Note) -> Any:
    return {"id": note.number, "body": note.text, "user": {"login": note.author}}


def _titled(title: str) -> tuple[str, bool]:
    return title.removeprefix(_WIP), title.startswith(_WIP)


def _whoami(host: Host, asked: Request) -> Answer:
    return Answer(200, {"id": 1, "login": asked.who})


def _repositories(host: Host, asked: Request, owner: str, organisations: bool = True) -> Answer:
    if not host.names(owner) or organisations == (owner in host.users.values()):
        return Answer(404, {"message": "GetOrgByName"})
    rows = [_repository(host, name) for name in host.names(owner)]
    return Answer(200, *paged(host, rows, asked.query, "limit"))


def _own(host: Host, asked: Request, owner: str) -> Answer:
    return _repositories(host, asked, owner, organisations=False)


def _one(host: Host, asked: Request, owner: str, repo: str) -> Answer:
    return Answer(200, _repository(host, host.known(f"{owner}/{repo}")))


def _pulls(host: Host, asked: Request, owner: str, repo: str) -> Answer:
    rows = [_pull(host, pull) for pull in host.listed(f"{owner}/{repo}")]
    return Answer(200, *paged(host, rows, asked.query, "limit"))


def _open(host: Host, asked: Request, owner: str, repo: str) -> Answer:
    body = asked.body
    title, draft = _titled(body["title"])
    made = host.open(f"{owner}/{repo}", body["head"], body["base"], title, body["body"], draft, asked.who)
    return Answer(201, _pull(host, made))


def _read(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(200, _pull(host, host.pull(f"{owner}/{repo}", int(number))))


def _edit(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    pull = host.pull(host.changing(f"{owner}/{repo}"), int(number))
    pull.title, pull.draft = _titled(asked.body["title"])
    pull.body, pull.target = asked.body["body"], asked.body["base"]
    return Answer(201, _pull(host, pull))


def _merge(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    host.merge(f"{owner}/{repo}", int(number), asked.body["head_commit_id"], asked.body["Do"])
    return Answer(200)


def _notes(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(200, [_note(note) for note in host.noted(f"{owner}/{repo}", int(number))])


def _comment(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(201, _note(host.note(f"{owner}/{repo}", int(number), asked.who, asked.body["body"])))


def _edit_comment(host: Host, asked: Request, owner: str, repo: str, number: str) -> Answer:
    return Answer(200, _note(host.edit_note(f"{owner}/{repo}", int(number), asked.who, asked.body["body"])))


def _statuses(host: Host, asked: Request, owner: str, repo: str, commit: str) -> Answer:
    found = host.judged.get((host.known(f"{owner}/{repo}"), commit), ())
    rows = [{"context": row.context, "status": row.state, "description": row.text} for row in found]
    page, link = paged(host, rows, asked.query, "limit")
    return Answer(200, {"sha": commit, "state": "pending", "total_count": len(rows), "statuses": page}, link)


def _judge(host: Host, asked: Request, owner: str, repo: str, commit: str) -> Answer:
    body = asked.body
    judged = Judged(body["context"], body["state"], body["description"])
    host.judge(host.changing(f"{owner}/{repo}"), commit, judged)
    return Answer(201, {"context": judged.context, "status": judged.state, "description": judged.text})


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
    f"POST {_REPO}/pulls/{{number}}/merge": _merge,
    f"GET {_REPO}/issues/{{number}}/comments": _notes,
    f"POST {_REPO}/issues/{{number}}/comments": _comment,
    f"PATCH {_REPO}/issues/comments/{{number}}": _edit_comment,
    f"GET {_REPO}/commits/{{commit}}/status": _statuses,
    f"POST {_REPO}/statuses/{{commit}}": _judge,
}
