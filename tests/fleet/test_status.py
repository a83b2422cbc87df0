"""Where projects stand: each word of each axis, from real repositories; what was not seen is never called good."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_factory import cache
from ai_factory.errors import ForgeError
from ai_factory.fleet import each, hosts
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Host, Registry
from ai_factory.fleet.standing import rollout
from ai_factory.forge.protocol import PullRequest
from tests.fleet.kit import AUDIT, OURS, SOON, allow_filters, axes, copied, fleet, lock_of, looked, must, rows, served
from tests.kit import LINES, cli, commit, git, put, small_project
from tests.trust.web import serving

WAIVER = {"rule": "AF002", "path": AUDIT, "reason": "r", "owner": "a@x", "approver": "b@x", "until": SOON}


@pytest.fixture
def newest(project: Path, factory: Path) -> Path:
    """A project at the newest release, committed."""
    return small_project(project.parent / "newest", factory, "--data", "package=small_thing", version="v2.0.0")


# ---- sync ----------------------------------------------------------------------------------------


def test_each_word_of_sync(project: Path, newest: Path, factory: Path, tmp_path: Path) -> None:
    """By trees alone: edits in the work tree that nobody committed do not count, nor do edits of merged files."""
    put(newest, {"ops/runbook.md": "ours\n", "src/small_thing/main.py": "ours\n"})
    commit(newest)
    put(newest, {AUDIT: "not committed\n"})
    copied(newest, "drifted", {AUDIT: "edited\n"})
    copied(newest, "gone", {AUDIT: None})
    copied(project, "diverged", {AUDIT: "edited\n"})
    other = tmp_path / "other"
    put(other, {"README.md": "nothing of ours\n"})
    git(tmp_path, "init", "-q", "-b", "main", str(other))
    commit(other)
    names = ("newest", "drifted", "gone", "small-thing", "diverged", "other", "nowhere")
    where = fleet(tmp_path / "f", rows(*(tmp_path / name for name in names), factory=factory))
    result = cli("fleet", "status", "--json", cwd=where)
    found = looked(where)
    assert result.code == 3
    assert {name: row["sync"] for name, row in found.items()} == {
        "newest": "Synced",
        "drifted": "Drifted",
        "gone": "Drifted",
        "small-thing": "Behind",
        "diverged": "Diverged",
        "other": "Unmanaged",
        "nowhere": "Unknown",
    }
    assert result.data["counts"]["sync"] == {
        "Unknown": 1,
        "Diverged": 1,
        "Drifted": 2,
        "Behind": 1,
        "Unmanaged": 1,
        "Synced": 1,
    }
    assert found["nowhere"]["why"] == {
        "kind": "permission",
        "message": f"`{tmp_path}/nowhere` is no git repository",
        "hint": "name the folder of a clone, or of a bare one",
        "rule": "",
    }
    del found["diverged"]["days_behind"]
    assert found["diverged"] == {
        "project": str(tmp_path / "diverged"),
        "url": str(tmp_path / "diverged"),
        "path": "",
        "owner": "",
        "ring": "",
        "labels": {},
        "branch": git(tmp_path / "diverged", "branch", "--show-current"),
        "commit": git(tmp_path / "diverged", "rev-parse", "HEAD"),
        "blueprint": "small",
        "version": "v1.0.0",
        "newest": "v2.0.0",
        "sync": "Diverged",
        "rollout": "None",
        "health": "Unknown",
        "releases_behind": 1,
        "drifted_files": 1,
        "drifted_controls": ["AUD-01"],
        "open_conflicts": 0,
        "waived": 0,
        "hold": None,
        "pull_request": None,
        "why": None,
    }


def test_the_same_as_a_check_finds(newest: Path, factory: Path) -> None:
    """Line endings are no drift, a mode is; a file where all are the factory's is none; marks are a conflict."""
    audit = newest / AUDIT
    audit.write_bytes(audit.read_bytes().replace(b"\n", b"\r\n"))
    commit(newest)
    where = fleet(newest.parent / "f", rows(newest, factory=factory))
    assert (looked(where)["newest"]["sync"], cli("check", cwd=newest).code) == ("Synced", 0)
    audit.chmod(0o755)
    put(newest, {"src/small_thing/controls/own.py": "x = 1\n"})
    put(newest, {"ops/runbook.md": f"<<<<<<< yours\na\n=======\nb\n>>>>>>> theirs\n{LINES}"})
    commit(newest)
    row = looked(where)["newest"]
    assert (row["sync"], row["drifted_files"], row["open_conflicts"]) == ("Diverged", 1, 1)
    assert cli("check", cwd=newest).code == 1


def test_a_waiver_counts_while_it_holds(newest: Path, factory: Path) -> None:
    """As in a check: one that has run out covers nothing, and one that its owner approved neither."""
    where = fleet(newest.parent / "f", rows(newest, factory=factory))
    put(newest, {AUDIT: "edited\n"})
    seen = []
    for more in ({}, {"until": "2020-01-01"}, {"approver": "A@X"}):
        put(newest, {".ai-factory/waivers.yaml": json.dumps([{**WAIVER, **more}])})
        commit(newest)
        row = looked(where)["newest"]
        seen.append((row["sync"], row["drifted_files"], row["waived"]))
    assert seen == [("Synced", 0, 1), ("Drifted", 2, 0), ("Drifted", 2, 0)]


def test_a_conflict_that_is_open_is_no_sync(project: Path, factory: Path) -> None:
    """A part of the new version has not arrived: the lock says so in every clone."""
    put(project, {"ops/runbook.md": LINES.replace("line 2\n", "line ours\n")})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    git(project, "add", "-A")
    git(project, "checkout", "-q", "HEAD", "--", "ops/runbook.md")
    commit(project)
    row = looked(fleet(project.parent / "f", rows(project, factory=factory)))["small-thing"]
    assert (row["sync"], row["version"], row["releases_behind"], row["open_conflicts"]) == ("Behind", "v2.0.0", 0, 1)


def test_a_bound_and_a_hold_are_the_teams_word(project: Path, factory: Path) -> None:
    """Within its bound a project is not behind; on hold it is left alone, and shown, until that day is past."""
    where = fleet(project.parent / "f", rows(project, factory=factory))
    wish = project / ".ai-factory/project.yaml"
    before = wish.read_text()
    seen = []
    for more in (
        "version: <2\n",
        f"hold: {{until: {SOON}, reason: freeze}}\n",
        "hold: {until: 2020-01-01, reason: r}\n",
    ):
        wish.write_text(before + more)
        commit(project)
        row = looked(where)["small-thing"]
        seen.append((row["sync"], row["rollout"], row["hold"]))
    held = {"until": SOON, "reason": "freeze"}
    assert seen == [("Synced", "None", None), ("Behind", "Held", held), ("Behind", "None", None)]
    fleet(where, f"{rows(project, factory=factory)}    hold: {{until: {SOON}, reason: ours}}\n")
    row = looked(where)["small-thing"]
    assert (row["rollout"], row["hold"]) == ("Held", {"until": SOON, "reason": "ours"})


# ---- what a project says of itself ---------------------------------------------------------------

LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another origin": lambda factory: factory.update(url="https://git.example.org/evil.git"),
    "the embedded factory": lambda factory: factory.update(url="embedded", kind="embedded", version="0.0.1"),
    "another kind": lambda factory: factory.update(kind="embedded"),
    "a version to come": lambda factory: factory.update(version="v9.0.0"),
    "the newest version": lambda factory: factory.update(version="v2.0.0"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lock_that_lies_hides_nothing(lie: str, project: Path, factory: Path) -> None:
    """A project cannot make itself look up to date: not by its origin, and not by a version that it never got."""
    record = lock_of(project)
    LIES[lie](record["factory"])
    put(project, {".ai-factory/lock.json": json.dumps(record)})
    commit(project)
    row = looked(fleet(project.parent / "f", rows(project, factory=factory)))["small-thing"]
    assert (row["sync"], row["why"]["rule"], row["why"]["kind"]) == ("Unknown", "AF005", "policy")


BROKEN: dict[str, dict[str, str | None]] = {
    "no JSON": {".ai-factory/lock.json": "{"},
    "a newer schema": {".ai-factory/lock.json": '{"schema": 9}'},
    "no base": {".ai-factory/base": None},
    "no wish": {".ai-factory/project.yaml": None},
    "a broken wish": {".ai-factory/project.yaml": "factory: [\n"},
    "broken waivers": {".ai-factory/waivers.yaml": "1\n"},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_project_is_unknown(what: str, newest: Path, factory: Path) -> None:
    put(newest, BROKEN[what])
    commit(newest)
    where = fleet(newest.parent / "f", rows(newest, factory=factory))
    row = looked(where)["newest"]
    assert (row["sync"], row["rollout"], row["health"], row["why"]["kind"]) == ("Unknown",) * 3 + ("policy",)
    assert cli("fleet", "status", cwd=where).code == 3


def test_a_factory_that_cannot_be_read_leaves_its_projects_unknown(newest: Path, factory: Path) -> None:
    """What drifted is still told, but not whether anything newer is there: so it is not called drifted alone."""
    put(newest, {AUDIT: "edited\n"})
    commit(newest)
    factory.rename(factory.parent / "elsewhere")
    row = looked(fleet(newest.parent / "f", rows(newest, factory=factory)))["newest"]
    assert (row["sync"], row["drifted_files"], row["why"]["rule"]) == ("Unknown", 1, "AF006")


def test_a_factory_in_a_folder(tmp_path: Path, factory: Path) -> None:
    """Behind as soon as anything in the folder is another than what was applied."""
    shutil.rmtree(factory / ".git")
    made = tmp_path / "p"
    must(cli("new", "small", str(made), "--defaults", "--factory", str(factory)))
    where = fleet(tmp_path / "f", rows(made, factory=factory))
    assert looked(where)["p"]["sync"] == "Synced"
    put(factory, {"templates/core/files/ops/new.md": "newer\n"})
    row = looked(where)["p"]
    assert (row["sync"], row["newest"]) == ("Behind", f"the folder `{factory}` as it is now")


# ---- rollout -------------------------------------------------------------------------------------


@pytest.fixture
def proposed(project: Path, factory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an update on a branch of ours, by a commit of ours; it stands on its own branch."""
    git(project, "branch", "-m", "main")
    git(project, "checkout", "-q", "-b", "ai-factory/root--small")
    must(cli("sync", cwd=project))
    _commit_as_ours(project, monkeypatch)
    git(project, "checkout", "-q", "main")
    fleet(project.parent / "f", rows(project, factory=factory))
    return project


def _commit_as_ours(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for name, value in OURS.items():
            patch.setenv(name, value)
        commit(project, "Update")


def _word(proposed: Path) -> str:
    word: str = looked(proposed.parent / "f")["small-thing"]["rollout"]
    return word


def test_an_update_on_its_branch(proposed: Path) -> None:
    """Open while its top commit is ours; edited once it is somebody else's; and again ours after."""
    assert _word(proposed) == "Open"
    git(proposed, "checkout", "-q", "ai-factory/root--small")
    put(proposed, {"README.md": "help\n"})
    commit(proposed, "a person helps")
    git(proposed, "checkout", "-q", "main")
    assert _word(proposed) == "Edited"
    git(proposed, "branch", "-q", "-m", "ai-factory/root--small", "ai-factory/root--other")
    assert _word(proposed) == "None"


@pytest.mark.parametrize("how", [["merge", "-q", "--no-edit"], ["merge", "-q", "--squash"], ["rebase", "-q"]])
def test_an_update_that_was_merged(how: list[str], proposed: Path) -> None:
    """However it came in: with the branch's commits, squashed, or rebased; other work before and after it."""
    put(proposed, {"README.md": "work\n"})
    commit(proposed)
    git(proposed, *how, "ai-factory/root--small")
    put(proposed, {"README.md": "more\n"})
    commit(proposed)
    assert _word(proposed) == "Merged"


def test_an_update_that_waits_for_a_decision(proposed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock on the branch says so; and an update that a newer one overtook is not waited for."""
    git(proposed, "checkout", "-q", "ai-factory/root--small")
    record = lock_of(proposed)
    record["paths"]["ops/runbook.md"] |= {"state": "open", "theirs": "0" * 40}
    put(proposed, {".ai-factory/lock.json": json.dumps(record)})
    _commit_as_ours(proposed, monkeypatch)
    git(proposed, "checkout", "-q", "main")
    assert _word(proposed) == "Conflicted"
    record = lock_of(proposed)
    record["factory"]["version"] = "v3.0.0"
    put(proposed, {".ai-factory/lock.json": json.dumps(record)})
    commit(proposed)
    assert _word(proposed) == "Merged"


BRANCH = rollout.Branch("abc", ours=True, merged=False)
REQUEST = PullRequest(1, "https://h/1", "open", "abc", "t", "b", "main")


@pytest.mark.parametrize(
    ("branch", "request_", "recorded", "word"),
    [
        (None, None, "", "None"),
        (None, None, "Planned", "Planned"),
        (None, None, "Failed", "Failed"),
        (BRANCH, None, "Planned", "Open"),
        (BRANCH, None, "Failed", "Failed"),
        (BRANCH._replace(ours=False), None, "Failed", "Edited"),
        (BRANCH._replace(open=1), REQUEST, "", "Conflicted"),
        (BRANCH, REQUEST._replace(state="closed"), "", "Held"),
        (BRANCH, REQUEST._replace(state="merged"), "", "Merged"),
        (None, REQUEST._replace(state="merged"), "", "Merged"),
        (BRANCH._replace(top="def"), REQUEST._replace(state="merged"), "", "Open"),
        (BRANCH._replace(merged=True), REQUEST, "", "Merged"),
    ],
)
def test_the_word_for_a_rollout(
    branch: rollout.Branch | None, request_: PullRequest | None, recorded: str, word: str
) -> None:
    """A branch that has gone on since its pull request was merged is a new proposal."""
    assert rollout.state(branch, request_, recorded) == word


class Told:
    """A code host that knows one pull request, and says what it is told to of checks."""

    def __init__(self, request: PullRequest | None, checks: str) -> None:
        self.request, self.said = request, checks
        self.asked: list[tuple[str, ...]] = []

    def pull_requests(self, name: str, branch: str) -> list[PullRequest]:
        self.asked.append((name, branch))
        return [self.request] if self.request else []

    def checks(self, name: str, commit: str) -> str:
        self.asked.append((name, commit))
        if self.said == "refused":
            raise ForgeError("it hangs up", "transient")
        return self.said


@pytest.mark.parametrize(
    ("request_", "checks", "words"),
    [
        (REQUEST, "passing", ("Behind", "Open", "Passing")),
        (REQUEST._replace(state="closed"), "failing", ("Behind", "Held", "Failing")),
        (None, "\x1b[2J", ("Behind", "Open", "Unknown")),
        (None, "refused", ("Behind", "Unknown", "Unknown")),
    ],
)
def test_what_a_code_host_says(
    request_: PullRequest | None,
    checks: str,
    words: tuple[str, ...],
    proposed: Path,
    factory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pull request and the checks of the branch's commit; what it refuses is unknown, and does not touch sync."""
    root = proposed.parent
    git(root, "clone", "-q", "--bare", str(proposed), str(root / "served/risk/limits.git"))
    allow_filters(root / "served/risk/limits.git")
    told = Told(request_, checks)
    with serving(served(root / "served")) as server:
        monkeypatch.setattr(hosts, "connected", lambda host: told)
        monkeypatch.setattr(hosts.asking, "__defaults__", (lambda host: told,))
        host = server.url.removeprefix("http://")
        url = f"{server.url}/risk/limits.git"
        fleet(root / "f", f"forges: [{{ host: '{host}', kind: gitea }}]\n{rows(url, factory=factory)}")
        row = looked(root / "f")["limits.git"]
    assert (row["sync"], row["rollout"], row["health"]) == words
    assert row["pull_request"] == ("https://h/1" if words[1] == "Open" and request_ else None)
    assert told.asked == [("risk/limits", "ai-factory/root--small"), ("risk/limits", row["commit"])]


def test_a_host_is_connected_once_and_only_when_it_is_asked() -> None:
    made: list[Host] = []
    host = Host("git.example.org", "gitea")
    assert hosts.asking(Registry(()), made.append) is None  # type: ignore[arg-type]
    assert (hosts.asking(Registry((), hosts=(host,)), made.append), made)[1] == []  # type: ignore[arg-type]


# ---- many of them --------------------------------------------------------------------------------


def test_one_failure_stops_no_other() -> None:
    """Each in its place, whatever was raised; how many are done is told as they are."""

    def look(item: int) -> int:
        if item % 2:
            raise {1: ZeroDivisionError("0"), 3: ForgeError("away", "transient", "wait")}[item]
        return item

    done: list[int] = []
    assert each.over([0, 1, 2, 3], look, 2, done.append) == [
        0,
        Failure("bug", "unexpected ZeroDivisionError: 0", "run it for this project alone, and report what it says"),
        2,
        Failure("transient", "away", "wait"),
    ]
    assert done == [1, 2, 3, 4]


def test_an_interruption_begins_nothing_more() -> None:
    begun: list[int] = []
    stopped = threading.Event()

    def look(item: int) -> None:
        begun.append(item)
        assert item == 0 or stopped.wait(60)

    def stop(_: int) -> None:
        stopped.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each.over(range(1_000), look, 1, stop)
    assert len(begun) < 1_000


def test_what_was_seen_of_a_commit_is_remembered(project: Path, factory: Path) -> None:
    """A second look reads no object; another commit is looked at, and what is remembered of it takes the same place."""
    where = fleet(project.parent / "f", rows(project, factory=factory))
    first = looked(where)
    kept = next(Path(os.environ["AI_FACTORY_CACHE"]).glob("fleet-seen-*"))
    assert len(list(kept.iterdir())) == 1
    objects = project / ".git/objects"
    objects.rename(project / "objects")
    objects.mkdir()
    assert looked(where) == first
    objects.rmdir()
    (project / "objects").rename(objects)
    put(project, {AUDIT: "edited\n"})
    commit(project)
    assert (looked(where)["small-thing"]["sync"], len(list(kept.iterdir()))) == ("Diverged", 1)
    next(kept.iterdir()).write_bytes(b"torn")
    assert looked(where)["small-thing"]["sync"] == "Diverged"


def test_a_cache_that_cannot_be_used_is_done_without(
    project: Path, factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"file": ""})
    monkeypatch.setenv("AI_FACTORY_CACHE", str(tmp_path / "file/cache"))
    assert cache.latest("name", "key", "state", lambda: 1) == 1
    assert axes(fleet(tmp_path / "f", rows(project, factory=factory))) == {"small-thing": ("Behind", "None", "Unknown")}


# ---- repositories elsewhere ----------------------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_over_http_only_what_is_needed_comes(newest: Path, factory: Path, tmp_path: Path) -> None:
    """The same as of the folders; a second look at the same commits asks for their heads, and for nothing else."""
    copied(newest, "drifted", {AUDIT: "edited\n", "data.bin": b"\0" * 300_000})
    copied(newest, "windows", {AUDIT: (newest / AUDIT).read_bytes().replace(b"\n", b"\r\n")})
    names = ("small-thing", "newest", "drifted", "windows")
    root = tmp_path / "served"
    for name in names:
        git(tmp_path, "clone", "-q", "--bare", str(tmp_path / name), str(root / f"{name}.git"))
    allow_filters(*root.iterdir())
    here = fleet(tmp_path / "here", rows(*(tmp_path / name for name in names), factory=factory))
    with serving(served(root)) as server:
        urls = [f"{server.url}/{name}.git" for name in names]
        there = fleet(tmp_path / "there", rows(*urls, f"{server.url}/away.git", factory=factory))
        first = looked(there)
        asked = len(server.asked)
        again = looked(there)
        more = [path for path, _ in server.asked[asked:]]
    local = looked(here)
    places = ("project", "url", "branch", "why")
    assert {name: {k: v for k, v in first[f"{name}.git"].items() if k not in places} for name in names} == {
        name: {k: v for k, v in local[name].items() if k not in places} for name in names
    }
    assert [first[f"{name}.git"]["sync"] for name in names] == ["Behind", "Synced", "Drifted", "Synced"]
    assert (first["away.git"]["sync"], first["away.git"]["why"]["kind"]) == ("Unknown", "permission")
    assert again == first
    assert all("git-upload-pack" in path for path in more)
    assert len(more) <= 2 * len(names) + 1
    size = sum(place.stat().st_size for place in Path(os.environ["AI_FACTORY_CACHE"], "fleet").rglob("*.pack"))
    assert size < 100_000  # nobody asked for the data


def test_offline_nothing_is_asked(newest: Path, factory: Path, tmp_path: Path) -> None:
    """A folder is looked at; what lies elsewhere is unknown, and the exit code says so."""
    with serving(served(tmp_path)) as server:
        where = fleet(tmp_path / "f", rows(newest, f"{server.url}/a.git", factory=factory))
        result = cli("fleet", "status", "--offline", "--json", cwd=where)
        assert (result.code, server.asked) == (3, [])
    assert axes(where, "--offline") == {"newest": ("Synced", "None", "Unknown"), "a.git": ("Unknown",) * 3}
