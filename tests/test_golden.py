"""What each blueprint stamps, file by file: a template change shows here as an ordinary diff."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ai_factory import render
from ai_factory.factory import open_factory
from ai_factory.lock import FOLDER
from ai_factory.project.target import Choice, recipe, rendered, settle
from ai_factory.tree import File
from tests import golden, kit


@pytest.mark.parametrize(("blueprint", "name"), golden.KEPT)
def test_golden_tree(blueprint: str, name: str, pytestconfig: pytest.Config) -> None:
    """A blueprint stamps the golden tree, with the golden owners and controls."""
    found = golden.target(blueprint, golden.answers_of(blueprint, name))
    owners = golden.ownership(golden.lock_of(found))
    own = golden.own(blueprint, name, found.rendered.tree)
    place = golden.GOLDEN / blueprint / name
    beside = place.with_name(f"{name}.ownership.json")
    if pytestconfig.getoption("golden"):
        golden.write(place, own)
        beside.write_text(owners)
    expected = golden.differences(golden.read(place), own)
    assert not expected, f"the golden tree is stale\n{expected}\n{golden.UPDATE}"
    rows = golden.differences({beside.name: File(beside.read_bytes())}, {beside.name: File(owners.encode())})
    assert not rows, f"the golden ownership is stale\n{rows}\n{golden.UPDATE}"


def test_every_blueprint_has_goldens() -> None:
    """And a set of other answers; a golden of no blueprint is removed."""
    assert {blueprint for blueprint, _ in golden.OTHERS} == set(golden.BLUEPRINTS)
    trees = {(place.parent.name, place.name) for place in golden.GOLDEN.glob("*/*") if place.is_dir()}
    assert trees == set(golden.KEPT)


def test_the_other_answers_differ_from_every_default() -> None:
    """The second golden is no second copy of the first: it gives every answer, each another than the default."""
    for blueprint in {blueprint for blueprint, _ in golden.CASES}:
        given = golden.answers_of(blueprint, "other")
        defaults = golden.target(blueprint, {}).answers
        assert given.keys() == defaults.keys()
        assert {key: value for key, value in given.items() if defaults[key] == value} == {}


@pytest.mark.parametrize(("blueprint", "name"), golden.KEPT)
def test_new_writes_the_golden_tree(blueprint: str, name: str, tmp_path: Path) -> None:
    """What `new` puts on disk is the golden tree, byte for byte and mode for mode, beside our own record."""
    answers = golden.GOLDEN / blueprint / f"{name}.answers.yaml"
    options = (
        ["--answers", str(answers)]
        if answers.exists()
        else ["--data", f"use_case={golden.target(blueprint, {}).answers['use_case']}"]
    )
    done = kit.cli("new", blueprint, str(tmp_path / "p"), "--defaults", "--factory", str(golden.ROOT), *options)
    assert (done.code, done.err.splitlines()[:1]) == (0, ["next:"])
    stamped = golden.read(tmp_path / "p")
    ours = {path for path in stamped if path.split("/")[0] == FOLDER}
    assert ours == {f"{FOLDER}/{name}" for name in (".gitattributes", "base", "lock.json", "project.yaml")}
    files = {path: file for path, file in stamped.items() if path not in ours}
    own = golden.own(blueprint, name, files)
    assert golden.differences(golden.read(golden.GOLDEN / blueprint / name), own) == ""


RENDER = """\
import sys
from ai_factory.tree import tree_id
from tests import golden
found = golden.target(sys.argv[1], golden.answers_of(sys.argv[1], sys.argv[2]))
print(tree_id(found.rendered.tree))
print(golden.ownership(golden.lock_of(found)), *found.rendered.folders)
"""


@pytest.mark.parametrize(("blueprint", "name"), golden.CASES)
def test_two_hash_seeds_give_the_same_bytes(blueprint: str, name: str, tmp_path: Path) -> None:
    """No set or hash decides on a byte: two processes with different seeds, caches apart, agree."""
    outputs = [_rendered_apart(blueprint, name, seed, tmp_path / seed) for seed in ("1", "4242")]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()[0]) == 40


def _rendered_apart(blueprint: str, name: str, seed: str, cache: Path) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "AI_FACTORY_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", RENDER, blueprint, name],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("blueprint", "name"), golden.CASES)
def test_rendering_again_gives_the_same_bytes(blueprint: str, name: str) -> None:
    """Without a cache, with an empty one, and from the templates compiled in it: three equal renderings."""
    made = recipe(open_factory(str(golden.ROOT)), Choice(blueprint))
    answers = settle(made, golden.answers_of(blueprint, name))
    one, two, three = (
        golden.target(blueprint, golden.answers_of(blueprint, name)),
        rendered(made, answers),
        rendered(made, answers),
    )
    assert golden.differences(one.rendered.tree, two.rendered.tree) == ""
    assert one == two == three


@pytest.mark.parametrize(("blueprint", "name"), golden.CASES)
def test_every_line_is_led_back_to_its_template(blueprint: str, name: str) -> None:
    """What is marked renders to the same text; a line begins as its template line does, up to where Jinja begins."""
    made = recipe(open_factory(str(golden.ROOT)), Choice(blueprint))
    found = golden.target(blueprint, golden.answers_of(blueprint, name))
    owned = {path: one for path, one in found.rendered.owned.items() if one.source.endswith(render.SUFFIX)}
    for path, one in owned.items():
        text, places = render.line_origins(made.blueprint, made.components, found.answers, one.component, one.source)
        assert text == found.rendered.tree[path].content.decode(), path
        lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        for line, (template, number) in zip(lines, places, strict=True):
            written = (golden.ROOT / template).read_text().split("\n")[number - 1]
            plain = re.split(r"\{[{%#]", written)[0]
            assert line.startswith(plain.rstrip()) or "{" in written or not plain.strip(), (path, line, written)
