"""Pull requests on code hosts: one a project, kept up to date, declined, merged; and what a host does wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_factory.cli.fleets import apply
from tests import kit
from tests.fleet.world import BRANCH, RUNBOOK, World, hosted
from tests.forges import double
from tests.forges.double import SECRET, Host, Judged

KINDS = ("github", "gitlab", "gitea")
SOME = {"plain": 2, "conflict": 1, "human": 1}
Hosted = tuple[World, Host]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_TOKEN", SECRET)


@pytest.fixture(params=KINDS)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hosted]:
    """A fleet on a code host of each kind."""
    with hosted(tmp_path, SOME, request.param) as made:
        yield made


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Hosted]:
    with hosted(tmp_path, SOME, "github") as made:
        yield made


def ran(here: World, *options: str) -> dict[str, tuple[str, str]]:
    """Plan and apply: state and failure of each project by its name."""
    here.run("plan", "--output", "plan.jsonl")
    return again(here, *options)


def again(here: World, *options: str) -> dict[str, tuple[str, str]]:
    done = here.run("apply", "plan.jsonl", "--json", *options)
    assert done.out, done.err
    rows = {row["key"]: (row["state"], row["failure"]) for row in done.data["projects"]}
    return {name: rows[here.url(name)] for name in here.kinds if here.url(name) in rows}


def pulls(host: Host) -> list[tuple[str, str, str, str]]:
    return sorted((one.name, one.state, one.branch, one.title) for one in host.pulls)


ENDS = {
    "team/plain-0": ("open", ""),
    "team/plain-1": ("open", ""),
    "team/conflict-0": ("conflicted", ""),
    "team/human-0": ("edited", ""),
}
TITLE = "Update to v2.0.0"
OPENED = [(f"team/{name}", "open", BRANCH, TITLE) for name in ("conflict-0", "plain-0", "plain-1")]


def test_one_pull_request_a_project(on: Hosted) -> None:
    """With what a reviewer needs; nothing more happens when it is run again, and the token is nowhere."""
    here, host = on
    host.open("team/human-0", BRANCH, "main", "a person's", "theirs", False, "somebody")
    assert ran(here) == ENDS
    assert pulls(host) == sorted([*OPENED, ("team/human-0", "open", BRANCH, "a person's")])
    body = next(one.body for one in host.pulls if one.name == "team/conflict-0")
    assert "# Update from v1.0.0 to v2.0.0\n" in body
    assert f"ai-factory sync --take theirs {RUNBOOK}" in body
    assert "-my line 2\n+line two\n" in body
    assert "<<<<<<<" not in body
    judged = {
        (name, context, one.state)
        for (name, _), rows in host.judged.items()
        for one in rows
        for context in [one.context]
    }
    assert judged == {("team/conflict-0", "ai-factory/conflicts", "failure")}
    (note,) = host.notes
    assert (note.name, note.author) == ("team/human-0", double.BOT)
    assert "somebody else has committed" in note.text
    before = (pulls(host), [one.text for one in host.notes], here.heads())
    assert again(here) == ENDS
    assert (pulls(host), [one.text for one in host.notes], here.heads()) == before
    text = "".join(place.read_bytes().decode("latin-1") for place in here.folder.rglob("*") if place.is_file())
    assert SECRET not in text + here.run("apply", "plan.jsonl").out


def test_the_same_pull_request_is_brought_to_the_next_version(on: Hosted) -> None:
    """It is never superseded by another one."""
    here, host = on
    ran(here)
    numbers = {one.name: one.number for one in host.pulls}
    heads = here.heads()
    kit.put(here.factory, {"templates/core/files/ops/third.md": "three\n"})
    kit.commit(here.factory, "v3")
    kit.git(here.factory, "tag", "v3.0.0")
    assert ran(here) == ENDS
    assert {one.name: one.number for one in host.pulls} == numbers
    assert {one.title for one in host.pulls} == {"Update to v3.0.0"}
    assert [name for name in heads if heads[name] == here.heads()[name]] == here.named("human")


def test_a_declined_pull_request_is_a_hold(github: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """For that version, until a date; afterwards it is proposed again."""
    here, host = github
    monkeypatch.setattr(apply, "_now", lambda: dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    ran(here)
    host.people.close("team/plain-0", next(one.number for one in host.pulls if one.name == "team/plain-0"))
    assert again(here)["team/plain-0"] == ("declined", "")
    done = here.run("apply", "plan.jsonl").out
    assert "its team declined v2.0.0; left alone until 2026-04-02" in done
    assert len([one for one in host.pulls if one.name == "team/plain-0"]) == 1
    monkeypatch.setattr(apply, "_now", lambda: dt.datetime(2026, 4, 3, tzinfo=dt.UTC))
    assert again(here)["team/plain-0"] == ("open", "")


FAULTS: dict[str, Callable[[], double.Fault]] = {
    "a secondary limit": lambda: double.secondary("POST", "/pulls", after=1),
    "a limit": lambda: double.limited("POST", "/pulls", after=1),
    "a bad gateway": lambda: double.broken("POST", "/pulls"),
    "an answer that is lost": lambda: double.lost("POST", "/pulls"),
    "a bad gateway for a question": lambda: double.broken("GET", "/pulls"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_host_does_wrong_for_a_moment_is_tried_again(name: str, github: Hosted) -> None:
    """And no pull request is opened twice."""
    here, host = github
    here.run("plan", "--output", "plan.jsonl")
    host.faults.append(FAULTS[name]())
    assert again(here) == ENDS
    assert pulls(host) == OPENED


def test_a_right_that_is_missing_is_told_in_the_plan(github: Hosted) -> None:
    """Before anything is written there."""
    here, host = github
    host.rights["team/plain-0"] = {"pull"}
    assert ran(here)["team/plain-0"] == ("failed", "permission")
    assert here.heads()["team/plain-0"] == ""
    assert "team/plain-0" not in {one.name for one in host.pulls}


def test_without_a_token_nothing_begins(github: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    here, host = github
    monkeypatch.delenv("FLEET_TOKEN")
    done = here.run("plan", "--output", "plan.jsonl")
    assert (done.code, "there is no token for" in done.err, host.pulls) == (2, True, [])


def test_green_checks_merge(github: Hosted) -> None:
    """Only of what touches managed files alone."""
    here, host = github
    managed = "src/{{ package }}/controls/audit.py"
    kit.put(here.factory, {path: kit.SMALL[path] for path in kit.SMALL_2 if path in kit.SMALL})
    for path, content in kit.SMALL_2.items():
        if path not in kit.SMALL and content is not None:
            (here.factory / path).unlink()
    kit.put(here.factory, {f"templates/core/files/{managed}": "def record() -> None:\n    print(3)\n"})
    kit.commit(here.factory, "v3")
    kit.git(here.factory, "tag", "v3.0.0")
    ran(here)
    for name in here.named("plain"):
        host.judge(name, here.heads()[name], Judged("ci", "success", run=True))
    done = again(here, "--automerge")
    assert {done[name] for name in here.named("plain")} == {("merged", "")}
    assert [one.state for one in host.pulls if one.name == "team/plain-0"] == ["merged"]


def test_people_may_write_into_a_pull_request(on: Hosted) -> None:
    """Their words stay, and so does a title of theirs; our part of it follows the next version."""
    here, host = on
    ran(here)
    pull = next(one for one in host.pulls if one.name == "team/plain-0")
    pull.title, pull.body = f"[PAY-7] {pull.title}", f"Look here first.\n\n{pull.body}\n- [x] reviewed by Alice\n"
    before = (pull.title, pull.body)
    again(here)
    assert (pull.title, pull.body) == before
    kit.put(here.factory, {"templates/core/files/ops/third.md": "three\n"})
    kit.commit(here.factory, "v3")
    kit.git(here.factory, "tag", "v3.0.0")
    ran(here)
    assert pull.title == before[0]
    assert pull.body.startswith("Look here first.\n\n<!-- ai-factory:update")
    assert "# Update from v1.0.0 to v3.0.0" in pull.body
    assert "to v2.0.0" not in pull.body
    assert pull.body.endswith("- [x] reviewed by Alice\n")


def test_a_pull_request_follows_its_target(github: Hosted) -> None:
    """Nothing is merged into a branch that the plan does not name."""
    here, host = github
    ran(here)
    folder = here.server.folder("team/plain-0")
    kit.git(folder, "branch", "release", "main")
    text = (here.folder / "fleet.yaml").read_text()
    url = here.url("team/plain-0")
    (here.folder / "fleet.yaml").write_text(text.replace(f"{{url: {url},", f"{{url: {url}, branch: release,"))
    assert ran(here)["team/plain-0"] == ("open", "")
    assert [(one.target, one.state) for one in host.pulls if one.name == "team/plain-0"] == [("release", "open")]


def test_a_branch_that_was_deleted_as_we_said_is_proposed_anew(github: Hosted) -> None:
    """The host closes its pull request with it: that is no word of the team's against the version."""
    here, host = github
    ran(here)
    here.server.push("team/plain-0", BRANCH, {"own.md": "x"}, start=BRANCH)
    assert again(here)["team/plain-0"] == ("edited", "")
    number = next(one.number for one in host.pulls if one.name == "team/plain-0")
    host.people.close("team/plain-0", number)
    kit.git(here.server.folder("team/plain-0"), "update-ref", "-d", f"refs/heads/{BRANCH}")
    assert ran(here)["team/plain-0"] == ("open", "")


def test_a_host_that_tells_no_rights_of_one_project_stops_no_other(github: Hosted) -> None:
    here, host = github
    host.faults.append(double.Fault("GET", r"/repos/team/plain-0$", status=404, data={"message": "Not Found"}, left=99))
    assert here.run("plan", "--output", "plan.jsonl").code == 3
    done = again(here)
    assert (done["team/plain-0"], done["team/plain-1"]) == (("failed", "permission"), ("open", ""))


def test_a_ring_whose_checks_fail_holds_up_the_next(github: Hosted) -> None:
    """More of them than it may: its own checks of what we proposed count."""
    here, host = github
    text = (here.folder / "fleet.yaml").read_text()
    (here.folder / "fleet.yaml").write_text(
        text.replace("{name: canary, merged: 0, failing: 1}", "{name: canary, merged: 0, failing: 0.4}")
    )
    here.run("plan", "--output", "plan.jsonl")
    assert again(here, "--ring", "canary") == {"team/plain-0": ("open", ""), "team/human-0": ("edited", "")}
    host.judge("team/plain-0", here.heads()["team/plain-0"], Judged("ci", "failure", run=True))
    assert again(here)["team/plain-1"] == ("waiting", "")
    host.judge("team/plain-0", here.heads()["team/plain-0"], Judged("ci", "success", run=True))
    assert again(here)["team/plain-1"] == ("open", "")


def test_a_host_that_tells_no_checks_holds_up_the_next_ring_and_ends_no_run(github: Hosted) -> None:
    """What cannot be told counts as failing, for that project alone."""
    here, host = github
    text = (here.folder / "fleet.yaml").read_text()
    stricter = text.replace("{name: canary, merged: 0, failing: 1}", "{name: canary, merged: 0, failing: 0.4}")
    (here.folder / "fleet.yaml").write_text(stricter)
    here.run("plan", "--output", "plan.jsonl")
    host.faults.append(double.Fault("GET", r"/commits/", status=403, data={"message": "Forbidden"}, left=99))
    assert again(here) == {**ENDS, "team/plain-1": ("waiting", ""), "team/conflict-0": ("waiting", "")}
