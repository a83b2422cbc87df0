"""`component add` and `component remove`: project.yaml and the files change in one go, and the version stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import cli, commit, git, put, rules, snapshot, tree

WISH = ".ai-factory/project.yaml"


@pytest.fixture
def commented(project: Path) -> Path:
    """A project whose people wrote a comment into project.yaml."""
    put(project, {WISH: f"# ours\n{(project / WISH).read_text()}"})
    commit(project)
    return project


def test_a_component_is_added_and_the_version_stays(commented: Path) -> None:
    before = (commented / WISH).read_text()
    result = cli("component", "add", "nice", cwd=commented)
    assert result.code == 0
    assert result.out == (
        "v1.0.0 → v1.0.0\n  + docs/nice.md: add (is new)\n1 add\n"
        "staged, not committed\nhint: look at it with `git diff --cached`, then `git commit`\n"
    )
    assert (commented / WISH).read_text() == f"{before}with:\n  - nice\n"
    assert (commented / "docs/nice.md").read_text() == "nice\n"
    assert cli("sync", "--to", "v1.0.0", cwd=commented).out == "nothing to do: the project is at v1.0.0\n"
    assert cli("sync", "--abort", cwd=commented).code == 0
    assert (commented / WISH).read_text() == before


def test_a_component_is_removed_and_its_files_stay(commented: Path) -> None:
    result = cli("component", "remove", "extras", "--commit", cwd=commented)
    assert result.code == 0, result.err
    assert (commented / WISH).read_text().endswith("without:\n  - extras\n")
    assert tree(commented)["docs/extra.md"] == "extra\n"
    assert "polars" not in (commented / "pyproject.toml").read_text()
    assert git(commented, "status", "--porcelain") == ""


def test_what_was_added_can_be_removed_and_the_other_way_round(commented: Path) -> None:
    before = (commented / WISH).read_bytes()
    for command in (("add", "nice"), ("remove", "nice"), ("remove", "extras"), ("add", "extras")):
        assert cli("component", *command, "--commit", cwd=commented).code == 0
    assert (commented / WISH).read_bytes() == before
    assert rules(commented) == [("AF001", ".ai-factory/lock.json")]


def test_comments_in_the_list_stay(commented: Path) -> None:
    text = (commented / WISH).read_text()
    put(commented, {WISH: f"{text}with:\n  - nice # we like it\n"})
    cli("sync", "--to", "v1.0.0", "--commit", cwd=commented)
    commit(commented)
    assert cli("component", "remove", "extras", cwd=commented).code == 0
    assert (commented / WISH).read_text() == f"{text}with:\n  - nice # we like it\nwithout:\n  - extras\n"


def test_a_component_that_is_there_is_nothing_to_do(commented: Path) -> None:
    before = snapshot(commented)
    assert cli("component", "add", "extras", cwd=commented).out == "nothing to do: the project is at v1.0.0\n"
    assert snapshot(commented) == before


def test_the_plan_writes_nothing(commented: Path) -> None:
    before = snapshot(commented)
    assert cli("component", "add", "nice", "--plan", "--json", cwd=commented).data["applied"] is False
    assert snapshot(commented) == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("add", "nicer"), "error: `blueprints/small.yaml` does not offer `nicer`; did you mean `nice`?"),
        (("remove", "nice"), "error: the project has no component `nice`; known are core, extras"),
        (("remove", "core"), "error: the component `extras` requires `core`, which is not taken"),
        (("add", "nice", "--plan", "--commit"), "error: `--commit` and `--plan` exclude each other"),
    ],
)
def test_what_cannot_be_is_refused(command: tuple[str, ...], message: str, commented: Path) -> None:
    before = snapshot(commented)
    result = cli("component", *command, cwd=commented)
    assert (result.code, result.err.splitlines()[0]) == (2, message)
    assert snapshot(commented) == before
