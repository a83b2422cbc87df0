"""The ways that the page on fleets shows to run them: valid, and run here as their hosts would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import kit, recipes
from tests.fleet.world import World, world
from tests.shell import BIN, Shell, clean

PAGE = "push-an-update-to-a-fleet"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """A fleet in folders of this machine."""
    with world(tmp_path, {"plain": 6, "conflict": 1}) as made:
        text = (made.folder / "fleet.yaml").read_text()
        for name in made.kinds:
            text = text.replace(made.url(name), str(made.server.folder(name)))
        (made.folder / "fleet.yaml").write_text(text)
        yield made


def heads(here: World) -> set[str]:
    return {head for head in here.heads().values() if head}


def planned(here: World) -> set[str]:
    """The commits that a plan proposes."""
    assert here.run("plan", "--output", "wanted.jsonl").code == 1
    return {json.loads(line)["commit"] for line in (here.folder / "wanted.jsonl").read_text().splitlines()[1:]}


def test_the_workflow_in_parts(here: World, tmp_path: Path) -> None:
    """It meets GitHub's schema; a plan, then each part of the matrix, bring every project its commit."""
    place = recipes.written(PAGE, ".github/workflows/fleet.yml", tmp_path)
    clean("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(place))
    clean("zizmor", "--offline", "--no-config", "--strict-collection", str(place))
    jobs = yaml.safe_load(place.read_text())["jobs"]
    shell = Shell(here.folder, tmp_path / "home")
    known = {"secrets.FLEET_TOKEN": "none", "vars.AI_FACTORY": "ai-factory==0.1.0"}
    page = tmp_path / "page.md"
    for job in ("plan", "apply"):
        steps = [step for step in jobs[job]["steps"] if "pip install" not in step.get("run", "")]
        for part in jobs[job].get("strategy", {}).get("matrix", {}).get("part", [0]):
            told = {**known, "matrix.part": str(part)}
            ran = recipes.run_steps(shell, tmp_path / "temp", steps, told, GITHUB_STEP_SUMMARY=str(page))
            assert ran.code in (0, 1), ran.text
    assert heads(here) == planned(here)
    assert page.read_text().count("# Rollout of plan") == 4


def test_the_job_of_kubernetes(here: World, tmp_path: Path) -> None:
    """It is a job by the schema of Kubernetes; its command, with the index that each pod gets, does the same."""
    place = recipes.written(PAGE, "fleet-job.yaml", tmp_path)
    clean("kubernetes-validate", "--strict", str(place))
    spec = yaml.safe_load(place.read_text())["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    wanted = planned(here)
    shutil.copy(here.folder / "wanted.jsonl", here.folder / "plan.jsonl")
    (script,) = container["args"]
    for index in range(spec["completions"]):
        work = tmp_path / f"pod-{index}"
        work.mkdir()
        shell = Shell(work, tmp_path / "home")
        shell.must(f"export JOB_COMPLETION_INDEX={index} PATH={BIN}:$PATH")
        assert shell.run(script.replace("/plan/*", f"{here.folder}/fleet.yaml {here.folder}/plan.jsonl")).code in (0, 1)
    assert heads(here) == wanted


def test_the_settings_of_rings_and_quiet_hours_can_be_read(here: World) -> None:
    rules = recipes.named(PAGE, "in fleet.yaml")
    text = (here.folder / "fleet.yaml").read_text()
    own = "\n".join(line for line in text.splitlines() if not line.startswith("rings:"))
    kit.put(here.folder, {"fleet.yaml": rules + own + "\n"})
    assert here.run("plan").code == 1
