"""What a rollout keeps to, whoever runs it: rings, factories, branches, and plans that are not what was planned."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_factory.fleet.updates import plan as plans
from tests import kit
from tests.fleet.test_apply import planned
from tests.fleet.world import BRANCH, World, world

GATED = "rings: [{name: canary, merged: 1, failing: 0}, {name: early, merged: 1, failing: 0}, {name: rest}]\n"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """Six projects in folders of this machine, two in each of three rings that wait for each other."""
    with world(tmp_path, {"plain": 6}) as made:
        rows = (made.folder / "fleet.yaml").read_text().splitlines(keepends=True)
        text = "".join(GATED if row.startswith("rings:") else row for row in rows)
        for name in made.kinds:
            text = text.replace(made.url(name), str(made.server.folder(name)))
        (made.folder / "fleet.yaml").write_text(text)
        yield made


def states(here: World, *options: str, plan: str = "plan.jsonl") -> dict[str, str]:
    """The state of each project that a run tells of, by the last part of its name."""
    done = here.run("apply", plan, "--json", *options)
    assert done.out, done.err
    return {Path(row["key"]).stem: row["state"] for row in done.data["projects"]}


def merge(here: World, *names: str) -> None:
    """The teams merge their branches."""
    for name in names:
        folder = here.server.folder(f"team/{name}")
        kit.git(folder, "update-ref", "refs/heads/main", here.server.head(f"team/{name}", BRANCH))


def test_rings_count_the_whole_fleet_in_every_shard(here: World) -> None:
    """Each part sees that the canaries, which belong to other parts too, have it."""
    planned(here)
    for part in ("1/2", "2/2"):
        states(here, "--shard", part)
    merge(here, "plain-0", "plain-3")
    found = states(here, "--shard", "1/2") | states(here, "--shard", "2/2")
    assert found == {
        **dict.fromkeys(("plain-0", "plain-3"), "merged"),
        **dict.fromkeys(("plain-1", "plain-4"), "pushed"),
        **dict.fromkeys(("plain-2", "plain-5"), "waiting"),
    }


def test_a_plan_of_a_later_ring_waits_for_the_canary(here: World) -> None:
    """Though no canary is in it."""
    assert here.run("plan", "--output", "plan.jsonl", "--ring", "early").code == 0
    assert states(here) == {"plain-1": "waiting", "plain-4": "waiting"}


def test_a_ring_by_name_counts_what_the_one_before_has_come_to_since(here: World) -> None:
    """Not what an earlier run has left of it."""
    planned(here)
    states(here)
    merge(here, "plain-0", "plain-3")
    assert states(here, "--ring", "early") == {"plain-1": "pushed", "plain-4": "pushed"}


def test_since_when_a_ring_has_it_does_not_begin_anew(here: World) -> None:
    """Not with another plan; with the memory lost, the last commit of a project counts."""
    text = (here.folder / "fleet.yaml").read_text()
    (here.folder / "fleet.yaml").write_text(text.replace("name: canary, merged: 1", "name: canary, days: 1, merged: 1"))
    planned(here)
    states(here)
    merge(here, "plain-0", "plain-3")
    for _ in range(2):
        planned(here)
        assert states(here)["plain-1"] == "pushed"  # merged in January, by the dates of the commits
        shutil.rmtree(here.folder / ".fleet")


def test_a_ring_that_was_renamed_loses_nobody(here: World) -> None:
    """The fleet of today says who is in which ring; one that is none is refused."""
    planned(here)
    text = (here.folder / "fleet.yaml").read_text()
    (here.folder / "fleet.yaml").write_text(
        text.replace("name: rest", "name: later").replace("ring: rest", "ring: later")
    )
    assert len(states(here)) == 6
    done = here.run("apply", "plan.jsonl", "--ring", "cnary")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: the fleet has no ring `cnary`")


def test_an_answer_that_waits_is_not_merged_by_another_commit(here: World) -> None:
    """The version is the same before and after: that the project moved on says nothing."""
    folder = here.server.folder("team/plain-0")
    wish = kit.git(folder, "show", "main:.ai-factory/project.yaml") + '\nversion: "<2"\nwith: [nice]\n'
    here.server.push("team/plain-0", "main", {".ai-factory/project.yaml": wish})
    planned(here)
    here.server.push("team/plain-0", "main", {"own.md": "x"})
    assert states(here)["plain-0"] == "moved"


def test_a_factory_that_was_struck_out_reaches_nobody(here: World) -> None:
    planned(here)
    text = (here.folder / "fleet.yaml").read_text()
    (here.folder / "fleet.yaml").write_text(text.replace(f"url: {here.factory}", "url: embedded"))
    done = here.run("apply", "plan.jsonl", "--json")
    assert {(row["state"], row["failure"]) for row in done.data["projects"] if row["state"] != "waiting"} == {
        ("failed", "policy")
    }
    assert set(here.heads().values()) == {""}


def test_a_factory_that_is_gone_stops_only_its_own_projects(here: World) -> None:
    text = (here.folder / "fleet.yaml").read_text()
    more = text.replace("factories: [", "factories: [{url: 'https://127.0.0.1:9/x.git'}, ")
    (here.folder / "fleet.yaml").write_text(more)
    assert planned(here).code == 0
    assert states(here)["plain-0"] == "pushed"


def test_a_plan_that_was_made_up_is_not_believed(here: World) -> None:
    """Another project's commit, another branch: what was planned here is compared, or made again."""
    here.server.push("team/plain-3", "main", {"own.md": "x"})
    planned(here)
    with (here.folder / "plan.jsonl").open() as stream:
        found = plans.read(stream, "plan.jsonl")
    one, other = (next(e for e in found.entries if e.key.endswith(f"{name}.git")) for name in ("plain-0", "plain-3"))
    evil = one._replace(commit=other.commit, tree=other.tree, branch="release/prod")
    lines = plans.lines(found.head, [evil])
    (here.folder / "evil.jsonl").write_text("".join(f"{line}\n" for line in lines))
    assert states(here, plan="evil.jsonl") == {"plain-0": "failed"}
    folder = here.server.folder("team/plain-0")
    assert kit.git(folder, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert kit.git(folder, "fsck") == ""


def test_a_clone_in_which_somebody_works_is_not_at_another_branch(here: World, tmp_path: Path) -> None:
    """Its origin's default branch counts; one that has none, and stands at our branch, is named."""
    clone, alone = tmp_path / "clone", tmp_path / "alone"
    kit.git(tmp_path, "clone", "-q", str(here.server.folder("team/plain-0")), str(clone))
    shutil.copytree(clone, alone)
    kit.git(alone, "remote", "remove", "origin")
    rows = f"factories: [{{url: {here.factory}}}]\nprojects: [{{url: {clone}}}, {{url: {alone}}}]\n"
    (here.folder / "fleet.yaml").write_text(rows)
    planned(here)
    states(here)
    for place in (clone, alone):
        kit.git(place, "checkout", "-q", BRANCH)
    done = here.run("status", "--json").data["projects"]
    assert [(Path(row["project"]).name, row["sync"], row["rollout"]) for row in done] == [
        ("alone", "Unknown", "Unknown"),
        ("clone", "Behind", "Open"),
    ]
    assert here.run("plan").code == 3


def test_a_plan_is_written_over_nothing_else(here: World) -> None:
    before = (here.folder / "fleet.yaml").read_text()
    done = here.run("plan", "--output", "fleet.yaml")
    assert (done.code, (here.folder / "fleet.yaml").read_text()) == (2, before)
    assert planned(here).code == planned(here).code == 0


def test_a_memory_that_is_broken_keeps_nobody_from_looking(here: World) -> None:
    (here.folder / ".fleet").mkdir()
    (here.folder / ".fleet/journal.db").write_bytes(b"not a database, not at all" * 100)
    done = here.run("status", "--json")
    assert (done.code, {row["sync"] for row in done.data["projects"]}) == (0, {"Behind"})
    planned(here)
    assert here.run("apply", "plan.jsonl").code == 2


def test_several_who_add_at_once_lose_nothing(tmp_path: Path, project: Path) -> None:
    """One writer at a time, in processes of their own."""
    names = [tmp_path / f"p{number}" for number in range(5)]
    for name in names:
        shutil.copytree(project, name, symlinks=True)
    command = [sys.executable, "-m", "ai_factory", "fleet", "add"]
    (tmp_path / "fleet").mkdir()
    running = [
        subprocess.Popen([*command, str(name)], cwd=tmp_path / "fleet", stdout=subprocess.DEVNULL) for name in names
    ]
    assert [process.wait(60) for process in running] == [0] * 5
    text = (tmp_path / "fleet/fleet.yaml").read_text()
    assert all(str(name) in text for name in names)
    assert json.loads(kit.cli("fleet", "status", "--json", cwd=tmp_path / "fleet").out)["projects"]


def test_in_a_persons_clone_nothing_runs_and_no_checked_out_branch_moves(here: World, tmp_path: Path) -> None:
    """Its hooks are its owner's; a bare repository's are the rules of the place that it is."""
    clone, bare, ran = tmp_path / "clone", tmp_path / "bare.git", tmp_path / "ran"
    kit.git(tmp_path, "clone", "-q", str(here.server.folder("team/plain-0")), str(clone))
    kit.git(tmp_path, "clone", "-q", "--bare", str(here.server.folder("team/plain-0")), str(bare))
    for place in (clone / ".git", bare):
        for hook in ("pre-receive", "update", "post-receive", "reference-transaction"):
            kit.put(place, {f"hooks/{hook}": f"#!/bin/sh\necho {place} >> {ran}\n"})
            (place / "hooks" / hook).chmod(0o755)
    rows = f"factories: [{{url: {here.factory}}}]\nprojects: [{{url: {clone}}}, {{url: {bare}}}]\n"
    (here.folder / "fleet.yaml").write_text(rows)
    planned(here)
    assert states(here) == {"clone": "pushed", "bare": "pushed"}
    assert set(ran.read_text().split()) == {str(bare)}
    kit.git(clone, "checkout", "-q", BRANCH)
    head = kit.git(clone, "rev-parse", "HEAD")
    kit.put(here.factory, {"templates/core/files/ops/third.md": "three\n"})
    kit.commit(here.factory, "v3")
    kit.git(here.factory, "tag", "v3.0.0")
    planned(here)
    assert states(here)["clone"] == "failed"
    assert (kit.git(clone, "rev-parse", "HEAD"), kit.git(clone, "status", "--porcelain")) == (head, "")
