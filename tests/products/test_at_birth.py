"""What is stamped is clean before anybody runs it: few files, sound documents, no loose ends, a workflow that holds."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import golden, markdown
from tests.golden import CASES
from tests.shell import BIN

MOST_FILES = 130
ZIZMOR = ("zizmor", "--offline", "--no-config", "--pedantic", "--strict-collection")
# `${{ }}` is GitHub's, `{{ $`, `{{ (`, `{{ with`, `{{ range` and `{{ end` Prometheus's; `"{{"` only speaks of it.
LOOSE = re.compile(r"\b(?:TODO|FIXME|XXX)\b|\{%|(?<!\$)\{\{(?! [$(]| with | range | end |\")|\{#")
BUILT = ("evidence/", "var/")  # what the project's own run writes, links to it included
CARD = "docs/model-card.md"  # written where a run evaluates


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stamped tree on disk, without our record."""
    blueprint, name = request.param
    place = tmp_path_factory.mktemp("stamped") / str(name)
    golden.write(place, golden.target(blueprint, golden.answers_of(blueprint, name)).rendered.tree)
    return place


def _texts(folder: Path, *endings: str) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name.endswith(endings))
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in found}


def test_few_files(folder: Path) -> None:
    """Fewer files than anybody minds to look through."""
    assert len(_texts(folder, "")) < MOST_FILES


@pytest.mark.parametrize("package", ["ab", "a_name_of_exactly_thirty_chars"])
@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_any_package_name_is_as_tidy(blueprint: str, package: str, tmp_path: Path) -> None:
    """Neither the shortest name nor the longest one changes how a line has to be wrapped."""
    golden.write(tmp_path, golden.target(blueprint, {"package": package}).rendered.tree)
    for command in (("check",), ("format", "--check")):
        _clean("ruff", *command, "--quiet", "--no-cache", "--output-format=concise", str(tmp_path))


def test_no_loose_ends(folder: Path) -> None:
    """Nothing is left to do, and nothing of a template is left over."""
    found = [f"{path}: {match[0]}" for path, text in _texts(folder, "").items() for match in LOOSE.finditer(text)]
    assert found == []


def test_texts_are_tidy(folder: Path) -> None:
    """LF, one newline at the end, no white space before it, no tab but in Makefiles."""
    found = [
        path
        for path, text in _texts(folder, "").items()
        if "\r" in text
        or (text and (not text.endswith("\n") or text.endswith("\n\n")))
        or re.search(r"[ \t]$", text, re.MULTILINE)
        or ("\t" in text and path != "Makefile")
    ]
    assert found == []


def test_documents_parse(folder: Path) -> None:
    """Every YAML, TOML, JSON and Python file is one."""
    for text in _texts(folder, ".yml", ".yaml").values():
        list(YAML(typ="safe", pure=True).load_all(text))  # manifests hold several
    for text in _texts(folder, ".toml").values():
        tomllib.loads(text)
    for text in _texts(folder, ".json").values():
        json.loads(text)
    for path, text in _texts(folder, ".py").items():
        ast.parse(text, path)


def test_no_dead_link(folder: Path) -> None:
    """Relative links lead to files of the project, or to what its run writes."""
    known = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    dead = markdown.dead_links(_texts(folder, ".md"), known)
    written = (*BUILT, CARD) if any(folder.glob("src/*/controls/evaluation.py")) else BUILT
    assert [link for link in dead if not link.partition(": ")[2].lstrip("./").startswith(written)] == []


def test_workflow_is_sound(folder: Path) -> None:
    """The workflow and Dependabot's file meet their schemas, and zizmor finds no hole, without any exception."""
    schemas = {".github/workflows/ci.yml": "vendor.github-workflows", ".github/dependabot.yml": "vendor.dependabot"}
    for path, schema in schemas.items():
        _clean("check-jsonschema", "--builtin-schema", schema, str(folder / path))
    _clean(*ZIZMOR, str(folder / ".github"))


def test_a_weak_workflow_is_seen(folder: Path, tmp_path: Path) -> None:
    """The check of the workflow can fail: an action by a moving tag, a title that is run, no YAML."""
    place = tmp_path / ".github" / "workflows" / "ci.yml"
    shutil.copytree(folder / ".github", tmp_path / ".github")
    sound = place.read_text()
    for weak in (
        re.sub(r"(actions/checkout)@\w+ # \S+", r"\1@main", sound),
        sound.replace("run: make lint", "run: echo ${{ github.event.pull_request.title }}"),
        sound.replace("jobs:", "jobs: ["),
    ):
        assert weak != sound
        place.write_text(weak)
        assert _run(*ZIZMOR, str(tmp_path / ".github")).returncode > 0


def _clean(*command: str) -> None:
    done = _run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / tool), *arguments], capture_output=True, text=True, check=False, timeout=120)
