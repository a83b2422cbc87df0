"""Each adapter, method by method and fault by fault, against a host that answers as published, over real git."""

from __future__ import annotations

import json
import logging
import pickle
import re
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ai_factory.errors import ForgeError, UsageError
from ai_factory.forge import Found, Permissions, Proposal, PullRequest
from ai_factory.forge.host import Host as Adapter
from ai_factory.forge.opening import forge_at
from ai_factory.forge.tokens import Token
from tests.forges import double, gitea_face, github_face, gitlab_face
from tests.forges.double import SECRET, Fault, Host, host_at
from tests.forges.githttp import serving
from tests.forges.published import SCHEMAS, published
from tests.kit import git, refusal

FACES = {"github": github_face, "gitlab": gitlab_face, "gitea": gitea_face}
KINDS = ("github", "gitlab", "gitea")
NAME = "risk/credit-line"
BRANCH = "ai-factory/root--small"
PROPOSAL = Proposal(BRANCH, "main", "Update small to 2.0.0", "What changes:\n\n- the audit writes\n")
OURS = "ai-factory/conflicts"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with one repository, in which the branch of an update lies one commit ahead."""
    with host_at(tmp_path / "www") as running:
        running.repository(NAME, {"README.md": "hello\n"})
        running.push(NAME, BRANCH, {"audit.py": "print()\n"})
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of host in turn."""
    return str(request.param)


def adapter(host: Host, kind: str, timeout: int = 20) -> Adapter:
    found = forge_at(host.spec(kind), host.token(), timeout=timeout)
    assert isinstance(found, Adapter)
    return found


@pytest.fixture
def forge(host: Host, kind: str) -> Adapter:
    """The adapter of that kind."""
    return adapter(host, kind)


def failure(call: Callable[[], object]) -> tuple[str, str, float]:
    """Of which kind the failure of a call is, what it says, and how long to wait."""
    error = refusal(call)
    assert isinstance(error, ForgeError), error
    return error.failure, error.message, error.after


# ---- what a host is asked for ----------------------------------------------------------------------


def test_all_repositories_page_by_page(host: Host, forge: Adapter) -> None:
    """Archived ones and labels included, subgroups where the host has them; addresses of pages are not followed."""
    host.page = 2
    others = [f"risk/{name}" for name in ("alerts", "chat", "docs", "forecast")]
    for name in others:
        host.folder(name).mkdir(parents=True)
    host.archived, host.topics = {"risk/chat"}, {NAME: ("ai", "ring-early")}
    found = [*forge.repositories("risk")]
    assert found == [
        Found(host.clone_url(name), name, name in host.archived, host.topics.get(name, ()))
        for name in sorted([NAME, *others])
    ]


def test_the_repositories_of_a_person(host: Host, forge: Adapter) -> None:
    host.folder("factory-bot/toy").mkdir(parents=True)
    assert [found.name for found in forge.repositories("factory-bot")] == ["factory-bot/toy"]


def test_permissions(host: Host, forge: Adapter, kind: str) -> None:
    """What is missing is told before anything is written; workflow files are a right of their own on GitHub alone."""
    assert forge.permissions(NAME) == Permissions(push=True, propose=True, workflows=True)
    host.rights[NAME], host.archived, host.scopes = {"pull"}, {NAME}, "repo"
    found = forge.permissions(NAME)
    assert (found.push, found.workflows, found.archived) == (False, kind != "github", True)
    assert found.missing[-1] == "the repository is archived"


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ("", (True, True, True)),
        ("repo", (True, True, False)),
        ("public_repo, workflow", (False, False, True)),
        ("gist", (False, False, False)),
    ],
)
def test_the_scopes_of_a_token_on_github(scopes: str, expected: tuple[bool, bool, bool], host: Host) -> None:
    """A fine-grained token has none: what it may do, GitHub does not tell. The repository is private."""
    host.scopes = scopes
    found = adapter(host, "github").permissions(NAME)
    assert (found.push, found.propose, found.workflows) == expected


def test_open_update_and_find(host: Host, forge: Adapter) -> None:
    """One pull request a branch: opened twice, it is the same; brought to another proposal, it is still that one."""
    first = forge.open(NAME, PROPOSAL)
    assert first == PullRequest(
        number=1,
        url=first.url,
        state="open",
        head=host.head(NAME, BRANCH),
        title=PROPOSAL.title,
        body=PROPOSAL.body,
        target="main",
        opened_at=double.BEGIN + 60,
    )
    assert first.url.startswith(f"{host.url}/{NAME}/")
    assert forge.open(NAME, PROPOSAL) == first
    changed = PROPOSAL._replace(title="Update small to 3.0.0", body="more\n")
    assert forge.open(NAME, changed) == first._replace(title=changed.title, body=changed.body)
    assert forge.update(NAME, 1, PROPOSAL) == first
    assert forge.pull_requests(NAME, BRANCH) == [first]
    assert len(host.pulls) == 1


def test_nothing_is_written_twice(host: Host, forge: Adapter) -> None:
    """What is as it should be costs reads alone, which hosts count apart."""
    commit = host.head(NAME, BRANCH)

    def everything() -> None:
        forge.open(NAME, PROPOSAL)
        forge.update(NAME, 1, PROPOSAL)
        forge.comment(NAME, 1, "ai-factory:edited", "text\n")
        forge.set_status(NAME, commit, OURS, "failure", "2 files are open")

    everything()
    writes = [seen for seen in host.seen if seen.verb != "GET"]
    everything()
    assert (len(writes), [seen for seen in host.seen if seen.verb != "GET"]) == (3, writes)


def test_a_draft_is_one_until_it_is_not(host: Host, forge: Adapter) -> None:
    """By a field or by the title, as the host wants it; the title is told without what marks a draft."""
    draft = PROPOSAL._replace(draft=True)
    assert (forge.open(NAME, draft).title, host.pulls[0].draft) == (PROPOSAL.title, True)
    assert (forge.update(NAME, 1, PROPOSAL).title, host.pulls[0].draft) == (PROPOSAL.title, False)
    forge.update(NAME, 1, draft)
    assert ([pull.draft for pull in forge.pull_requests(NAME, BRANCH)], host.pulls[0].title) == ([True], PROPOSAL.title)


def test_declined_merged_and_opened_again(host: Host, forge: Adapter, kind: str) -> None:
    """What people did is told with its time, the newest first; a branch from a fork of the same name is not ours."""
    forge.open(NAME, PROPOSAL)
    host.people.close(NAME, 1)
    host.people.open_from_fork(NAME, BRANCH)
    forge.open(NAME, PROPOSAL)
    host.people.merge(NAME, 3)
    found = forge.pull_requests(NAME, BRANCH)
    assert [(pull.number, pull.state) for pull in found] == [(3, "merged"), (1, "closed")]
    assert found[0].merged_at == double.BEGIN + 60 * 5
    assert found[0].closed_at == (0 if kind == "gitlab" else found[0].merged_at)
    assert (found[1].opened_at, found[1].closed_at, found[1].merged_at) == (double.BEGIN + 60, double.BEGIN + 120, 0)
    assert git(host.folder(NAME), "log", "-1", "--format=%s", "main") == f"{PROPOSAL.title} (#3)"


def test_one_comment_a_marker(host: Host, forge: Adapter) -> None:
    """Ours is brought to the text; what a stranger wrote, with our marker or not, stays."""
    host.page = 2
    forge.open(NAME, PROPOSAL)
    host.people.comment(NAME, 1, "<!-- ai-factory:edited -->\nnot ours")
    host.people.comment(NAME, 1, "first!")
    forge.comment(NAME, 1, "ai-factory:edited", "one")
    forge.comment(NAME, 1, "ai-factory:other", "other")
    forge.comment(NAME, 1, "ai-factory:edited", "two")
    assert [(note.author, note.text) for note in host.notes] == [
        ("somebody", "<!-- ai-factory:edited -->\nnot ours"),
        ("somebody", "first!"),
        ("factory-bot", "<!-- ai-factory:edited -->\ntwo"),
        ("factory-bot", "<!-- ai-factory:other -->\nother"),
    ]


def test_the_comment_of_an_app(host: Host) -> None:
    """GitHub does not tell an app who it is; no person's name ends as an app's does."""
    host.users[SECRET] = "fleet[bot]"
    forge = adapter(host, "github")
    forge.open(NAME, PROPOSAL)
    host.people.comment(NAME, 1, "<!-- ai-factory:edited -->\nnot ours")
    host.faults = [Fault("GET", "/user$", 403, {"message": "Resource not accessible by integration"})]
    for text in ("one", "two", "two"):
        forge.comment(NAME, 1, "ai-factory:edited", text)
    assert [note.text for note in host.notes] == [f"<!-- ai-factory:edited -->\n{text}" for text in ("not ours", "two")]
    assert [fault.left for fault in host.faults] == [0]


@pytest.mark.parametrize("kind_of", ["gitlab", "gitea"])
def test_without_a_name_nothing_is_written_twice(kind_of: str, host: Host) -> None:
    """A token that may not ask who it is gets a refusal, not a second comment."""
    forge = adapter(host, kind_of)
    forge.open(NAME, PROPOSAL)
    host.people.comment(NAME, 1, "<!-- ai-factory:edited -->\nnot ours")
    host.faults = [Fault("GET", "/user$", 403, {"message": "token does not have scope"})]
    assert failure(lambda: forge.comment(NAME, 1, "ai-factory:edited", "one"))[0] == "permission"
    assert len(host.notes) == 1


def test_a_host_that_lists_more_than_asked(host: Host, forge: Adapter, kind: str) -> None:
    """Another branch, and a fork of the same owner, are not ours, whatever the host takes our question for."""
    fork = host.people.open_from_fork(NAME, BRANCH)
    fork.author = "risk"
    other = host.open(NAME, host.push(NAME, "other", {"x": ""}) and "other", "main", "t", "b", False, "somebody")
    rows = [FACES[kind]._pull(host, pull) for pull in (fork, other)]
    if kind != "gitlab":
        rows[0]["head"]["repo"]["full_name"] = "risk/credit-line-2"
    host.faults = [Fault("GET", "", 200, rows)]
    assert forge.pull_requests(NAME, BRANCH) == []


@pytest.mark.parametrize("marker", ["a --> b", "a\nb", "", "x" * 501, "a>"])
def test_a_marker_cannot_end_its_comment(marker: str, forge: Adapter) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(marker)}$"):
        forge.comment(NAME, 1, marker, "text")


def test_what_the_checks_say_together(host: Host, forge: Adapter) -> None:
    """Statuses and runs count, ours do not; failing before pending before passing, and unknown where there is none."""
    commit = host.head(NAME, BRANCH)
    said = [forge.checks(NAME, commit)]
    forge.set_status(NAME, commit, OURS, "failure", "2 files are open")
    said.append(forge.checks(NAME, commit))
    host.people.run(NAME, commit, "ci / test", "success")
    said.append(forge.checks(NAME, commit))
    host.people.judge(NAME, commit, "coverage", "pending")
    said.append(forge.checks(NAME, commit))
    host.people.run(NAME, commit, "ci / lint", "failure")
    said.append(forge.checks(NAME, commit))
    assert said == ["unknown", "unknown", "passing", "pending", "failing"]


def test_a_status_changes(host: Host, forge: Adapter) -> None:
    commit = host.head(NAME, BRANCH)
    forge.set_status(NAME, commit, OURS, "failure", "x" * 300)
    forge.set_status(NAME, commit, OURS, "success", "nothing is open")
    assert host.judged[NAME, commit] == [double.Judged(OURS, "success", "nothing is open")]


@pytest.mark.parametrize("way", ["merge", "squash"])
def test_merge_as_the_repository_wants_it(way: str, host: Host, forge: Adapter) -> None:
    """Once; a second call finds it done. The merge is git's own."""
    host.way = way
    commit, before = host.head(NAME, BRANCH), host.head(NAME)
    forge.open(NAME, PROPOSAL)
    forge.merge(NAME, 1, commit)
    forge.merge(NAME, 1, commit)
    parents = git(host.folder(NAME), "log", "-1", "--format=%P", "main").split()
    assert parents == ([before, commit] if way == "merge" else [before])
    assert git(host.folder(NAME), "show", "main:audit.py") == "print()"


def test_no_merge_of_what_has_moved_on(host: Host, forge: Adapter) -> None:
    """Before the request, and by the host where it happens meanwhile."""
    commit = host.head(NAME, BRANCH)
    forge.open(NAME, PROPOSAL)
    host.push(NAME, BRANCH, {"more": ""}, BRANCH)
    assert failure(lambda: forge.merge(NAME, 1, commit))[0] == "conflict"
    host.people.close(NAME, 1)
    assert failure(lambda: forge.merge(NAME, 1, host.head(NAME, BRANCH)))[0] == "conflict"
    forge.open(NAME, PROPOSAL)
    host.people.merge(NAME, 2)
    assert failure(lambda: forge.merge(NAME, 2, commit))[0] == "conflict"
    assert [pull.state for pull in host.pulls] == ["closed", "merged"]


def test_no_merge_that_conflicts(host: Host, forge: Adapter) -> None:
    forge.open(NAME, PROPOSAL)
    git(host.folder(NAME), "update-ref", "refs/heads/main", host.push(NAME, "other", {"audit.py": "pass\n"}))
    assert failure(lambda: forge.merge(NAME, 1, host.head(NAME, BRANCH)))[0] in ("policy", "conflict")
    assert host.pulls[0].state == "open"


# ---- what a host refuses -------------------------------------------------------------------------


def test_without_rights_and_without_a_place(host: Host, forge: Adapter) -> None:
    """Each refusal is told in one sentence: which host, what could not be done, why, and what the host said."""
    host.rights[NAME], host.archived = {"pull"}, {"risk/old"}
    host.repository("risk/old", {"a": ""})
    host.push("risk/old", BRANCH, {"b": ""})
    kinds = [failure(lambda name=name: forge.open(name, PROPOSAL))[0] for name in (NAME, "risk/old", "risk/none")]  # type: ignore[misc]
    assert kinds == ["permission", "policy", "permission"]
    kind, message, _ = failure(lambda: forge.permissions("risk/none"))
    assert kind == "permission"
    start = f"`{urlsplit(host.url).netloc}`: cannot read the rights in `risk/none`: it is not there, or the token may"
    assert message.startswith(start), message


def test_a_branch_without_a_change_is_a_conflict(host: Host, forge: Adapter) -> None:
    """Somebody merged it already: the plan is old."""
    git(host.folder(NAME), "update-ref", "refs/heads/main", host.head(NAME, BRANCH))
    assert failure(lambda: forge.open(NAME, PROPOSAL))[0] == "conflict"


def test_an_unknown_token(host: Host, kind: str) -> None:
    wrong = forge_at(host.spec(kind), Token("another", urlsplit(host.url).netloc))
    kind_of, message, _ = failure(lambda: wrong.permissions(NAME))
    assert (kind_of, "does not know the token, or it lacks a right (401" in message) == ("permission", True), message


@pytest.mark.parametrize("name", ["../etc", "a", "a/..", "a/b?c", "a b/c", "a/b#c", "", "a/%2e%2e", "a//b"])
def test_a_name_is_a_path_of_a_repository_and_nothing_more(name: str, host: Host, forge: Adapter) -> None:
    assert isinstance(refusal(lambda: forge.permissions(name)), UsageError)
    assert host.seen == []


# ---- what goes wrong -----------------------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[[], Fault], str, float]] = {
    "secondary limit": (lambda: double.secondary("", "", after=7), "transient", 7),
    "too many requests": (lambda: double.limited("", "", after=9), "transient", 9),
    "a limit without a word on its end": (lambda: Fault("", "", 429, {}), "transient", 60),
    "in trouble": (lambda: double.broken("", ""), "transient", 0),
    "overloaded": (lambda: Fault("", "", 503, {}, {"Retry-After": "30"}), "transient", 30),
    "no JSON": (lambda: double.babbling("", ""), "bug", 0),
    "a list instead of a record, a record instead of a list": (lambda: Fault("", "", 200, "text"), "bug", 0),
    "cut off": (lambda: Fault("", ""), "transient", 0),
    "nothing allowed": (lambda: Fault("", "", 403, {"message": "Forbidden"}), "permission", 0),
    "a rule": (lambda: Fault("", "", 422, {"message": "Validation Failed"}), "policy", 0),
    "accepted, later": (lambda: Fault("", "", 202, {}), "bug", 0),  # PyGithub would sleep, and ask again and again
    "a teapot": (lambda: Fault("", "", 418, {"message": "short and stout"}), "bug", 0),
    "moved": (lambda: double.moved("", "", "http://127.0.0.2:1/x", 302), "conflict", 0),
}


def calls(forge: Adapter, commit: str) -> dict[str, Callable[[], object]]:
    """Every method once."""
    return {
        "repositories": lambda: [*forge.repositories("risk")],
        "permissions": lambda: forge.permissions(NAME),
        "pull_requests": lambda: forge.pull_requests(NAME, BRANCH),
        "open": lambda: forge.open(NAME, PROPOSAL),
        "update": lambda: forge.update(NAME, 1, PROPOSAL),
        "comment": lambda: forge.comment(NAME, 1, "ai-factory:edited", "text"),
        "set_status": lambda: forge.set_status(NAME, commit, OURS, "pending", "text"),
        "checks": lambda: forge.checks(NAME, commit),
        "merge": lambda: forge.merge(NAME, 1, commit),
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_every_method_tells_every_fault(fault: str, host: Host, kind: str) -> None:
    """By its kind and the wait that the host asks for, once, without a try of its own; afterwards all of it works."""
    made, expected, after = FAULTS[fault]
    forge = adapter(host, kind)
    forge.open(NAME, PROPOSAL)
    forge._identity()
    told = {}
    for method, call in calls(forge, host.head(NAME, BRANCH)).items():
        host.faults = [made()]
        before = len(host.seen)
        told[method] = (*failure(call)[::2], len(host.seen) - before)
        host.faults = []
    once = dict.fromkeys(calls(forge, ""), (expected, after, 1))
    second = (
        {"repositories": (expected, after, 2)} if expected == "permission" else {}
    )  # perhaps a person has that name
    assert told == once | second
    assert [call() for call in calls(forge, host.head(NAME, BRANCH)).values()]
    assert host.pulls[0].state == "merged"


@pytest.mark.parametrize("path", ["(pulls|merge_requests)$", "(comments|notes)$", "/statuses/", "/merge$"])
def test_an_answer_that_is_lost_costs_nothing(path: str, host: Host, forge: Adapter) -> None:
    """The first try came through unseen: the second finds it, and nothing is there twice."""
    commit = host.head(NAME, BRANCH)
    steps = [calls(forge, commit)[name] for name in ("open", "comment", "set_status", "merge")]
    host.faults = [double.lost(verb, path) for verb in ("PUT", "POST")]
    lost = 0
    for step in steps:
        try:
            step()
        except ForgeError as error:
            lost += error.failure == "transient"
            step()
    assert (lost, len(host.pulls), len(host.notes), len(host.judged[NAME, commit])) == (1, 1, 1, 1)
    assert host.pulls[0].state == "merged"


def test_a_host_that_is_silent_is_not_waited_for(host: Host, kind: str) -> None:
    host.faults, forge = [double.silent("", "", 3)], adapter(host, kind, timeout=1)
    assert failure(lambda: forge.permissions(NAME)) == (
        "transient",
        f"`{forge.host}`: cannot read the rights in `{NAME}`: the host gave no answer: not within 1 seconds",
        0,
    )


def test_a_host_that_is_not_there(kind: str, tmp_path: Path) -> None:
    with host_at(tmp_path) as gone:
        forge = adapter(gone, kind)
    assert failure(lambda: forge.permissions(NAME))[0] == "transient"


def test_the_hourly_limit_of_github_names_its_end(host: Host) -> None:
    host.faults = [double.primary("GET", "", int(time.time()) + 1000)]
    kind, _, after = failure(lambda: adapter(host, "github").permissions(NAME))
    assert (kind, 990 < after <= 1000) == ("transient", True)


def test_somebody_was_quicker(host: Host, forge: Adapter) -> None:
    """Between our look and our request: theirs is brought to the proposal."""
    host.open(NAME, BRANCH, "main", "old", "old", False, "factory-bot")
    host.faults = [Fault("GET", "", 200, [])]
    assert (forge.open(NAME, PROPOSAL).title, len(host.pulls), host.pulls[0].title) == (
        PROPOSAL.title,
        1,
        PROPOSAL.title,
    )


STRANGE: dict[str, object] = {
    "number": "1; rm -rf",
    "iid": -1,
    "html_url": "javascript:alert(1)",
    "web_url": "https://user:password@example.org/",
    "state": "weird",
    "title": 7,
    "created_at": "yesterday",
}


@pytest.mark.parametrize("field", STRANGE)
def test_what_has_not_the_right_form_is_not_believed(field: str, host: Host, forge: Adapter, kind: str) -> None:
    """Numbers are numbers, addresses addresses, words known ones: what is none ends in a `bug`, and goes no further."""
    made = forge.open(NAME, PROPOSAL)
    whole = FACES[kind]._pull(host, host.pulls[0])
    host.faults = [Fault("GET", "", 200, [{**whole, field: STRANGE[field]}])]
    if field in whole:
        assert failure(lambda: forge.pull_requests(NAME, BRANCH))[0] == "bug"
    else:
        assert forge.pull_requests(NAME, BRANCH) == [made]


# ---- the token -----------------------------------------------------------------------------------


def test_the_token_is_nowhere_but_in_the_header(
    host: Host, kind: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Not in a log at its most talkative, an error with all that led to it, a repr, an address or a file."""
    caplog.set_level(logging.DEBUG)
    forge = adapter(host, kind)
    told = [repr(forge), repr(forge._token), str(forge._token), f"{forge._token:>20}"]
    for made, _, _ in FAULTS.values():
        for call in calls(forge, host.head(NAME, BRANCH)).values():
            host.faults = [made()]
            try:
                told.append(repr(call()))
            except ForgeError as error:
                told += [repr(error), error.hint, *traceback.format_exception(error)]
    host.faults = [Fault("", "", 403, {"message": f"you sent {SECRET}"})]
    told.append(failure(lambda: forge.permissions(NAME))[1])
    assert "you sent ***" in told[-1]
    told += [seen.path for seen in host.seen] + [record.getMessage() for record in caplog.records]
    files = [place for folder in (tmp_path, Path.home()) for place in folder.rglob("*") if place.is_file()]
    assert SECRET not in "\n".join(told)
    assert [place for place in files if SECRET.encode() in place.read_bytes()] == []
    assert {seen.secret for seen in host.seen} == {SECRET}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_no_token(status: int, host: Host, forge: Adapter, tmp_path: Path) -> None:
    """Another host is not asked at all, whatever the method."""
    with serving(tmp_path / "other") as other:
        for call in calls(forge, host.head(NAME, BRANCH)).values():
            host.faults = [double.moved("", "", f"{other.url.replace('127.0.0.1', 'localhost')}/x", status)]
            assert failure(call)[0] == "conflict"
        assert other.seen == []


def test_a_repository_with_another_name_is_told(host: Host, forge: Adapter) -> None:
    """Within the host too: whoever keeps the list of repositories has to know."""
    host.faults = [double.moved("GET", "", f"{host.url}/elsewhere")]
    kind, message, _ = failure(lambda: forge.permissions(NAME))
    assert (kind, "it has moved to another address" in message, len(host.seen)) == ("conflict", True, 1)


def test_no_other_password_takes_its_place(host: Host, forge: Adapter) -> None:
    """A person's `.netrc` has one for that host; the token is what is sent."""
    Path.home().joinpath(".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    Path.home().joinpath(".netrc").chmod(0o600)
    forge.permissions(NAME)
    assert {seen.secret for seen in host.seen} == {SECRET}


def test_an_error_crosses_to_another_process(forge: Adapter) -> None:
    """A failure is data; the token is not."""
    error = refusal(lambda: forge.permissions("risk/none"))
    assert isinstance(error, ForgeError)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (again.message, again.failure, again.hint, again.after) == (
        error.message,
        error.failure,
        error.hint,
        error.after,
    )
    with pytest.raises(TypeError):
        pickle.dumps(forge._token)


# ---- the double itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ({"title": 1}, "body: $.title: 1 is not of type 'string'"),
        ({"titel": "x"}, "body: $ has no `titel`"),
    ],
)
def test_a_request_unlike_the_published_one_is_seen(what: dict[str, object], complaint: str) -> None:
    """The schemas can refuse: a wrong type, a name that is not there, and an unknown operation."""
    github = published("github")
    body = {"head": "a", "base": "b", **what}
    found = github.complaints("POST", "/repos/a/b/pulls", {}, body, 403, None)
    assert complaint in found[0]
    assert "no such operation" in github.complaints("GET", "/nonsense", {}, None, 200, {})[0]
    assert "the query has no `x`" in github.complaints("GET", "/user", {"x": "1"}, None, 404, None)[0]


def test_our_own_description_of_gitlab_names_what_its_library_knows() -> None:
    """No package carries GitLab's own; python-gitlab, kept by others, knows the fields of requests at least."""
    from gitlab.v4 import objects

    project, paging = "/projects/{id}", {"page", "per_page", "order_by", "sort"}
    requests = objects.ProjectMergeRequestManager
    bodies = {
        f"POST {project}/merge_requests": requests._create_attrs,
        f"PUT {project}/merge_requests/{{iid}}": requests._update_attrs,
        f"POST {project}/merge_requests/{{iid}}/notes": objects.ProjectMergeRequestNoteManager._create_attrs,
        f"PUT {project}/merge_requests/{{iid}}/notes/{{note_id}}": objects.ProjectMergeRequestNoteManager._update_attrs,
        f"POST {project}/statuses/{{sha}}": objects.ProjectCommitStatusManager._create_attrs,
    }
    lists = {
        f"GET {project}/merge_requests": requests._list_filters,
        "GET /groups/{id}/projects": objects.GroupProjectManager._list_filters,
        "GET /users/{id}/projects": objects.UserProjectManager._list_filters,
    }
    ours = json.loads((SCHEMAS / "gitlab.json").read_text("utf-8"))["operations"]
    strange = {
        name: {*ours[name]["body"]["properties"]} - {*known.required, *known.optional} for name, known in bodies.items()
    }
    strange |= {name: ours[name]["query"].keys() - {*known} - paging for name, known in lists.items()}
    assert {name: fields for name, fields in strange.items() if fields} == {}


def test_samples_are_as_published() -> None:
    for kind in KINDS:
        for name in published(kind)._schemas:
            whole = {"$ref": f"#/$defs/{name}"}
            assert published(kind)._wrong(whole, published(kind).sample(name)) == [], (kind, name)
