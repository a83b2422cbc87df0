"""The double as GitLab."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from tests.forges.double import Answer, Host, Judged, Note, Pull, Request, paged, stamp
from tests.forges.published import published
from tests.forges.routes import Step, routed

_REFUSALS = {
    "taken": (409, {"message": ["Another open merge request already exists for this source branch: !1"]}),
    "empty": (409, {"message": ["No commits between main and x"]}),
    "wrong": (400, {"message": {"base": ['Source branch "x" does not exist']}}),
    "missing": (404, {"message": "404 Project Not Found"}),
    "archived": (403, {"message": "403 Forbidden - This project is archived"}),
    "forbidden": (403, {"message": "403 Forbidden"}),
    "moved": (409, {"message": "SHA does not match HEAD of source branch: 0"}),
    "unmergeable": (405, {"message": "405 Method Not Allowed"}),
}
_JOBS = {"failure": "failed"}
_STATES = {"open": "opened"}


def answer(host: Host, asked: Request) -> Answer:
    """What GitLab answers."""
    return routed(_STEPS, _REFUSALS, host, asked, Answer(401, {"message": "401 Unauthorized"}))


def _sample(kind: str, /, **fields: Any) -> Any:
    return {**published("gitlab").sample(kind), **fields}


def _number(name: str) -> int:
    """The id of a project."""
    return zlib.crc32(name.encode())


def _project(host: Host, name: str, kind: str) -> Any:
    return _sample(
        kind,
        id=_number(name),
        path=name.rpartition("/")[2],
        path_with_namespace=name,
        http_url_to_repo=host.clone_url(name),
        web_url=f"{host.url}/{name}",
        archived=name in host.archived,
        topics=[*host.topics.get(name, ())],
    )


def _pull(host: Host, pull: Pull) -> Any:
    return _sample(
        "MergeRequest",
        iid=pull.number,
        project_id=_number(pull.name),
        source_project_id=1 if pull.fork else _number(pull.name),
        target_project_id=_number(pull.name),
        title=f"Draft: {pull.title}" if pull.draft else pull.title,
        description=pull.body,
        state=_STATES.get(pull.state, pull.state),
        draft=pull.draft,
        source_branch=pull.branch,
        target_branch=pull.target,
        sha=pull.head,
        web_url=f"{host.url}/{pull.name}/-/merge_requests/{pull.number}",
        created_at=stamp(pull.opened),
        closed_at=None if pull.merged else stamp(pull.closed),
        merged_at=stamp(pull.merged),
    )


def _note(note: Note) -> Any:
    author = {**published("gitlab").sample("User"), "username": note.author}
    return _sample("Note", id=note.number, body=note.text, author=author)


def _judged(commit: str, row: Judged) -> Any:
    state = _JOBS.get(row.state, row.state)
    return _sample("CommitStatus", sha=commit, name=row.context, status=state, description=row.text)


def _titled(title: str) -> tuple[str, bool]:
    return title.removeprefix("Draft: "), title.startswith("Draft: ")


def _whoami(host: Host, asked: Request) -> Answer:
    return Answer(200, _sample("User", username=asked.who))


def _projects(host: Host, asked: Request, owner: str, groups: bool = True) -> Answer:
    if not host.names(owner) or groups == (owner in host.users.values()):
        return Answer(404, {"message": "404 Group Not Found"})
    rows = [_project(host, name, "BasicProject") for name in host.names(owner)]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _own(host: Host, asked: Request, owner: str) -> Answer:
    return _projects(host, asked, owner, groups=False)


def _one(host: Host, asked: Request, name: str) -> Answer:
    access = {"access_level": 30 if host.may(host.known(name), "push") else 20, "notification_level": 3}
    rights = {"project_access": None, "group_access": access}
    return Answer(200, {**_project(host, name, "Project"), "permissions": rights})


def _pulls(host: Host, asked: Request, name: str) -> Answer:
    rows = [_pull(host, pull) for pull in host.listed(name, asked.query.get("source_branch", ""))]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _open(host: Host, asked: Request, name: str) -> Answer:
    body = asked.body
    title, draft = _titled(body["title"])
    made = host.open(name, body["source_branch"], body["target_branch"], title, body["description"], draft, asked.who)
    return Answer(201, _pull(host, made))


def _read(host: Host, asked: Request, name: str, number: str) -> Answer:
    return Answer(200, _pull(host, host.pull(name, int(number))))


def _edit(host: Host, asked: Request, name: str, number: str) -> Answer:
    pull = host.pull(host.changing(name), int(number))
    pull.title, pull.draft = _titled(asked.body["title"])
    pull.body, pull.target = asked.body["description"], asked.body["target_branch"]
    return Answer(200, _pull(host, pull))


def _merge(host: Host, asked: Request, name: str, number: str) -> Answer:
    host.merge(name, int(number), asked.body["sha"], host.way)
    return Answer(200, _pull(host, host.pull(name, int(number))))


def _notes(host: Host, asked: Request, name: str, number: str) -> Answer:
    rows = [_note(note) for note in host.noted(name, int(number))]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _comment(host: Host, asked: Request, name: str, number: str) -> Answer:
    return Answer(201, _note(host.note(name, int(number), asked.who, asked.body["body"])))


def _edit_comment(host: Host, asked: Request, name: str, number: str, note: str) -> Answer:
    return Answer(200, _note(host.edit_note(name, int(note), asked.who, asked.body["body"])))


def _statuses(host: Host, asked: Request, name: str, commit: str) -> Answer:
    rows = [_judged(commit, row) for row in host.judged.get((host.known(name), commit), ())]
    return Answer(200, *paged(host, rows, asked.query, "per_page"))


def _judge(host: Host, asked: Request, name: str, commit: str) -> Answer:
    """As GitLab does, a status that is set to what it is already is refused."""
    state = {"failed": "failure"}.get(asked.body["state"], asked.body["state"])
    judged = Judged(asked.body["name"], state, asked.body["description"])
    known = host.judged.get((host.changing(name), commit), ())
    if any((row.context, row.state) == judged[:2] for row in known):
        said = f"Cannot transition status via :enqueue from :{state} (Reason(s): Status cannot transition)"
        return Answer(400, {"message": said})
    host.judge(name, commit, judged)
    return Answer(201, _judged(commit, judged))


_PROJECT = "/projects/{name}"
_STEPS: Mapping[str, Step] = {
    "GET /user": _whoami,
    "GET /groups/{owner}/projects": _projects,
    "GET /users/{owner}/projects": _own,
    f"GET {_PROJECT}": _one,
    f"GET {_PROJECT}/merge_requests": _pulls,
    f"POST {_PROJECT}/merge_requests": _open,
    f"GET {_PROJECT}/merge_requests/{{number}}": _read,
    f"PUT {_PROJECT}/merge_requests/{{number}}": _edit,
    f"PUT {_PROJECT}/merge_requests/{{number}}/merge": _merge,
    f"GET {_PROJECT}/merge_requests/{{number}}/notes": _notes,
    f"POST {_PROJECT}/merge_requests/{{number}}/notes": _comment,
    f"PUT {_PROJECT}/merge_requests/{{number}}/notes/{{note}}": _edit_comment,
    f"GET {_PROJECT}/repository/commits/{{commit}}/statuses": _statuses,
    f"POST {_PROJECT}/statuses/{{commit}}": _judge,
}
