"""A whole rollout on a real git server: every project ends in the right state, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kit
from tests.fleet.world import BRANCH, CONFLICT, RUNBOOK, WORD, World, world

FEW = {"plain": 4, "edited": 2, "conflict": 2, "protected": 1, "gone": 1, "human": 2}
MANY = {"plain": 158, "edited": 20, "conflict": 10, "protected": 5, "gone": 3, "human": 4}
ENDS = {  # how a project of each kind ends
    "plain": ("pushed", ""),
    "edited": ("pushed", ""),
    "conflict": ("conflicted", ""),
    "protected": ("failed", "policy"),
    "gone": ("failed", "transient"),
    "human": ("edited", ""),
}
HELPER = f"!f() {{ echo username=fleet; echo password={WORD}; }}; f"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential helper of git's, as a person has one."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "credential.helper")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", HELPER)


@pytest.fixture
def few(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, FEW) as made:
        yield made


def planned(here: World, *options: str) -> kit.Result:
    return here.run("plan", "--output", "plan.jsonl", *options)


def ended(here: World, data: dict[str, object]) -> dict[str, tuple[str, str]]:
    """State and kind of failure by the name of the project."""
    rows = data["projects"]
    assert isinstance(rows, list)
    rows = {row["key"]: (row["state"], row["failure"]) for row in rows}
    return {name: rows[here.url(name)] for name in here.kinds if here.url(name) in rows}


def wanted(here: World) -> dict[str, tuple[str, str]]:
    return {name: ENDS[kind] for name, kind in here.kinds.items()}


def everything(here: World) -> str:
    """All text that the run has written or could show: fleet folder, repositories' settings, logs."""
    places = [place for place in here.folder.rglob("*") if place.is_file()]
    places += list(here.server.root.rglob("config"))
    return "".join(place.read_bytes().decode("latin-1") for place in places)


def test_every_project_ends_in_the_right_state(few: World) -> None:
    """And a second run changes nothing; a person's commit stays, and no marker is published."""
    before = {name: few.server.head(name, BRANCH) for name in few.named("human")}
    plan = planned(few)
    assert plan.code == 3, plan.err
    done = few.run("apply", "plan.jsonl", "--json")
    assert (done.code, ended(few, done.data)) == (
        3,
        wanted(few) | dict.fromkeys(few.named("gone"), ("failed", "transient")),
    )
    heads = few.heads()
    assert {name: heads[name] for name in few.named("human")} == before
    assert [heads[name] for name in (*few.named("protected"), *few.named("gone"))] == [""] * 2
    for name in few.named("conflict"):
        folder = few.server.folder(name)
        assert kit.git(folder, "show", f"{BRANCH}:{RUNBOOK}") == CONFLICT.strip()
        assert (
            json.loads(kit.git(folder, "show", f"{BRANCH}:.ai-factory/lock.json"))["paths"][RUNBOOK]["state"] == "open"
        )
        assert "<<<<<<<" not in kit.git(folder, "grep", "-h", "", BRANCH)
    again = few.run("apply", "plan.jsonl", "--json")
    assert (ended(few, again.data), few.heads()) == (ended(few, done.data), heads)
    assert WORD not in everything(few) + plan.out + plan.err + done.out + done.err


def test_the_report_says_what_to_do_next(few: World) -> None:
    planned(few)
    told = few.run("apply", "plan.jsonl").out.splitlines()
    assert told[-6:] == [
        "12 projects: 2 conflicted, 2 edited, 2 failed, 6 pushed",
        "next: 1 failed (policy): whoever owns the rule has to act",
        "next: 1 failed (transient): mend that, then plan again",
        "next: 2 edited: its team merges its branch, or deletes it",
        "next: 2 conflicted: its team resolves what the pull request names",
        "next: 6 pushed: its team looks at the branch, and merges it",
    ]


def test_a_conflict_is_resolved_on_the_branch(few: World, tmp_path: Path) -> None:
    """With the command that the plan and the pull request give, in a fresh clone."""
    planned(few)
    few.run("apply", "plan.jsonl")
    name = few.named("conflict")[0]
    kit.git(tmp_path, "clone", "-q", "--branch", BRANCH, str(few.server.folder(name)), "clone")
    clone = tmp_path / "clone"
    assert kit.rules(clone) == [("AF004", RUNBOOK)]
    assert kit.cli("sync", "--take", "theirs", RUNBOOK, cwd=clone).code == 0
    assert kit.rules(clone) == []
    assert (clone / RUNBOOK).read_text() == kit.LINES.replace("line 2\n", "line two\n")


def test_what_could_not_be_reached_is_tried_again(few: World) -> None:
    """Alone, when it is asked for; the plan has to be made again for what could not even be planned."""
    (name,) = few.named("gone")
    few.server.rules.clear()
    planned(few)
    few.server.rules[name] = few.server.rules.get(
        name, __import__("tests.forges.githttp", fromlist=["Rule"]).Rule(status=502)
    )
    first = few.run("apply", "plan.jsonl", "--json")
    assert ended(few, first.data)[name] == ("failed", "transient")
    few.server.rules.clear()
    second = few.run("apply", "plan.jsonl", "--only", "failed:transient", "--json")
    assert ended(few, second.data) == {name: ("pushed", "")}


def test_a_project_that_has_moved_on_waits_for_another_plan(few: World) -> None:
    """Unless somebody says to go on from there; one in which the update was merged is merged."""
    planned(few)
    moved, merged = few.named("plain")[:2]
    few.server.push(moved, "main", {"own.md": "x"})
    few.run("apply", "plan.jsonl")
    kit.git(few.server.folder(merged), "update-ref", "refs/heads/main", few.server.head(merged, BRANCH))
    done = ended(few, few.run("apply", "plan.jsonl", "--json").data)
    assert (done[moved], done[merged]) == (("moved", "conflict"), ("merged", ""))
    assert ended(few, few.run("apply", "plan.jsonl", "--refresh", "--json").data)[moved] == ("pushed", "")
    assert kit.git(few.server.folder(moved), "rev-parse", f"{BRANCH}~1") == few.server.head(moved)


def test_a_plan_that_was_edited_is_refused(few: World) -> None:
    planned(few)
    place = few.folder / "plan.jsonl"
    place.write_text(place.read_text().replace('"owner":"team-1"', '"owner":"team-2"', 1))
    done = few.run("apply", "plan.jsonl")
    assert (done.code, "was edited after it was planned" in done.err) == (2, True)
    assert set(few.heads().values()) - {few.server.head(name, BRANCH) for name in few.named("human")} == {""}


def test_rings_wait_for_each_other(tmp_path: Path) -> None:
    """The next begins when the one before is merged."""
    with world(tmp_path, {"plain": 6}) as here:
        text = (here.folder / "fleet.yaml").read_text()
        (here.folder / "fleet.yaml").write_text(text.replace("merged: 0, failing: 1", "merged: 1, failing: 0"))
        planned(here)
        states = []
        for _ in range(3):
            done = ended(here, here.run("apply", "plan.jsonl", "--json").data)
            states.append(Counter(state for state, _ in done.values()))
            for name, (state, _) in done.items():
                if state == "pushed":
                    kit.git(here.server.folder(name), "update-ref", "refs/heads/main", here.server.head(name, BRANCH))
        assert states == [
            Counter(pushed=2, waiting=4),
            Counter(merged=2, pushed=2, waiting=2),
            Counter(merged=4, pushed=2),
        ]


def test_quiet_hours_bring_nothing(few: World) -> None:
    text = (few.folder / "fleet.yaml").read_text()
    planned(few)
    (few.folder / "fleet.yaml").write_text(text + 'quiet: [{from: "00:00", to: "23:59"}]\n')
    hour = time.strftime("%H:%M", time.gmtime())
    if hour != "23:59":
        done = ended(few, few.run("apply", "plan.jsonl", "--json").data)
        assert {state for state, _ in done.values()} == {"waiting", "failed"}
    assert ended(few, few.run("apply", "plan.jsonl", "--quiet-too", "--json").data)[few.named("plain")[0]] == (
        "pushed",
        "",
    )


# ---- killed, and elsewhere -----------------------------------------------------------------------


def killed_after(here: World, seconds: float) -> bool:
    """Run `apply` in a process of its own, and kill it after so long; whether it was still running."""
    command = [sys.executable, "-m", "ai_factory", "fleet", "apply", "plan.jsonl"]
    process = subprocess.Popen(
        command, cwd=here.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def test_killed_and_resumed_nothing_is_lost_and_nothing_is_doubled(few: World) -> None:
    """At five moments; each branch ends with exactly one commit of ours on what the project had."""
    planned(few)
    assert sum(killed_after(few, 0.2 + number / 7) for number in range(5))
    done = few.run("apply", "plan.jsonl", "--json")
    assert ended(few, done.data) == wanted(few)
    ours = [name for name in few.kinds if ENDS[few.kinds[name]][0] in ("pushed", "conflicted")]
    for name in ours:
        folder = few.server.folder(name)
        assert kit.git(folder, "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert kit.git(folder, "for-each-ref", "--format=%(refname)").split() == [
            f"refs/heads/{BRANCH}",
            "refs/heads/main",
        ]


def test_threads_dask_and_shards_give_the_same_commits(tmp_path: Path) -> None:
    """One path of code: the plans are equal to the byte, and so are the branches."""
    with world(tmp_path, {"plain": 3, "conflict": 2}) as here:
        plans = []
        for options in ((), ("--executor", "dask", "--workers", "2"), ("--workers", "1")):
            assert planned(here, *options).code == 1
            plans.append((here.folder / "plan.jsonl").read_text())
        assert len(set(plans)) == 1
        for number in (1, 2, 3):
            here.run("apply", "plan.jsonl", "--shard", f"{number}/3")
        rows = [json.loads(line) for line in plans[0].splitlines()[1:]]
        wanted = {row["url"]: row["commit"] for row in rows}
        assert {here.url(name): head for name, head in here.heads().items()} == wanted


@pytest.mark.slow
def test_two_hundred_projects_killed_at_twenty_moments(tmp_path: Path) -> None:
    """In three rings, as in the report: nothing lost, nothing doubled, exit 3."""
    with world(tmp_path, MANY) as here:
        assert planned(here).code == 3
        assert sum(killed_after(here, 0.2 + number / 7) for number in range(20)) >= 10
        done = here.run("apply", "plan.jsonl", "--json")
        assert (done.code, ended(here, done.data)) == (3, wanted(here))
        for name, kind in here.kinds.items():
            count = "1" if ENDS[kind][0] in ("pushed", "conflicted", "edited") else "0"
            folder = here.server.folder(name)
            there = kit.git(folder, "for-each-ref", "--format=x", f"refs/heads/{BRANCH}")
            assert (kit.git(folder, "rev-list", "--count", f"main..{BRANCH}") if there else "0") == count
        assert WORD not in everything(here)


def test_what_a_plan_has_made_is_brought_as_it_is_or_made_again(tmp_path: Path) -> None:
    """For repositories in folders of this machine, with their own rules; with the cache lost, the same commits."""
    with world(tmp_path, {"plain": 2, "conflict": 1, "protected": 1}) as here:
        text = (here.folder / "fleet.yaml").read_text()
        for name in here.kinds:
            text = text.replace(here.url(name), str(here.server.folder(name)))
        (here.folder / "fleet.yaml").write_text(text)
        planned(here)
        rows = [json.loads(line) for line in (here.folder / "plan.jsonl").read_text().splitlines()[1:]]
        commits = {Path(row["url"]).stem: row["commit"] for row in rows}
        states = []
        for lost in (False, True):
            if lost:
                shutil.rmtree(os.environ["AI_FACTORY_CACHE"])
                for name in here.kinds:
                    kit.git(here.server.folder(name), "update-ref", "-d", f"refs/heads/{BRANCH}")
            done = here.run("apply", "plan.jsonl", "--json").data["projects"]
            states.append({Path(row["key"]).stem: (row["state"], row["failure"]) for row in done})
            heads = {name.rpartition("/")[2]: head for name, head in here.heads().items() if head}
            assert heads == {name: one for name, one in commits.items() if not name.startswith("protected")}
        assert states[0] == states[1] == {Path(name).stem: ENDS[kind] for name, kind in here.kinds.items()}
