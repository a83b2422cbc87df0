"""Files whose entries are keyed: what both sides add or change is joined by key, and the file stays valid."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from ai_factory import documents
from tests.stories.scenarios.story import Story, contents, file, loud, numbered, stamped

PYPROJECT = """\
[project]
name = "claims"  # as the team calls it
dependencies = [
  "polars>=2,<3",
  "structlog>=24",
]

[tool.ruff]
line-length = 100
"""


def joined(story: Story, path: str) -> str:
    """The text of a file after a sync that ends clean, with nothing left over, and is staged; the next has no work."""
    result = story.sync("--json")
    assert result.code == 0, result.out
    assert not [name for name in contents(story.project) if name.endswith(".incoming")]
    assert "open" not in story.states().values()
    story.team({})
    assert story.sync("--json").data["nothing_to_do"]
    return contents(story.project)[path].content.decode()


def told(tmp_path: Path, path: str, base: str, ours: str, theirs: str) -> Story:
    """A project with one file, changed by the team and then by the factory."""
    story = stamped(tmp_path, {path: base})
    story.team({path: ours})
    story.release({path: theirs}, 2)
    return story


def test_both_append_a_dependency(tmp_path: Path) -> None:
    """Team and factory append a dependency at the same place: both are there, and the team's comments stay."""
    last = '  "structlog>=24",\n'
    ours = PYPROJECT.replace(last, f'{last}  "httpx>=0.28",  # for the client\n')
    story = told(tmp_path, "pyproject.toml", PYPROJECT, ours, PYPROJECT.replace(last, f'{last}  "pydantic>=2",\n'))
    text = joined(story, "pyproject.toml")
    assert sorted(tomllib.loads(text)["project"]["dependencies"]) == [
        "httpx>=0.28",
        "polars>=2,<3",
        "pydantic>=2",
        "structlog>=24",
    ]
    assert ("# for the client" in text, "# as the team calls it" in text) == (True, True)


def test_a_dependency_that_both_change_is_a_conflict(tmp_path: Path) -> None:
    """Both change the bounds of one dependency: the team's file stays valid, the factory's lies beside it."""
    ours, theirs = (PYPROJECT.replace("structlog>=24", new) for new in ("structlog>=25", "structlog>=26"))
    story = told(tmp_path, "pyproject.toml", PYPROJECT, ours, theirs)
    loud(story, {"pyproject.toml": ours, "pyproject.toml.incoming": theirs}, {"pyproject.toml": ""})


HOOKS = """\
# checked before each commit
repos:
  - repo: https://example.org/ruff
    rev: v1
    hooks:
      - id: ruff
"""
THEIR_HOOK = "  - repo: https://example.org/mypy\n    rev: v2\n    hooks:\n      - id: mypy\n"
OUR_HOOK = "  - repo: local\n    hooks:\n      - id: ours  # by hand\n        name: ours\n"


def test_both_add_a_pre_commit_repo(tmp_path: Path) -> None:
    """Team and factory append a repository to the pre-commit file: both are there, and the file can be parsed."""
    story = told(tmp_path, ".pre-commit-config.yaml", HOOKS, HOOKS + OUR_HOOK, HOOKS + THEIR_HOOK)
    text = joined(story, ".pre-commit-config.yaml")
    data: dict[str, Any] = documents.load(text.encode(), "x")
    found = {row["repo"]: [hook["id"] for hook in row["hooks"]] for row in data["repos"]}
    assert found == {
        "https://example.org/ruff": ["ruff"],
        "https://example.org/mypy": ["mypy"],
        "local": ["ours"],
    }
    assert ("# checked before each commit" in text, "# by hand" in text) == (True, True)


def test_both_add_a_hook_to_one_repo(tmp_path: Path) -> None:
    """Team and factory add a hook to the same repository, whose revision the factory raises: all of it comes."""
    ours, theirs = HOOKS + "      - id: ruff-ours\n", HOOKS.replace("v1", "v3") + "      - id: ruff-format\n"
    story = told(tmp_path, ".pre-commit-config.yaml", HOOKS, ours, theirs)
    (row,) = documents.load(joined(story, ".pre-commit-config.yaml").encode(), "x")["repos"]
    assert (row["rev"], sorted(hook["id"] for hook in row["hooks"])) == ("v3", ["ruff", "ruff-format", "ruff-ours"])


def test_both_add_a_line_to_an_env_file(tmp_path: Path) -> None:
    """Team and factory append a variable to the file of variables: both are there; one that both set is a conflict."""
    base = "# what to set\nA=1\n"
    story = told(tmp_path, ".env.example", base, f"{base}OURS=2\n", f"{base}THEIRS=3\n")
    lines = joined(story, ".env.example").splitlines()
    assert (lines[:2], sorted(lines[2:])) == (["# what to set", "A=1"], ["OURS=2", "THEIRS=3"])
    story.team({".env.example": "# what to set\nA=ours\n"})
    story.release({".env.example": "# what to set\nA=theirs\n"}, 3)
    assert story.sync("--json").data["conflicts"] == [".env.example"]


def test_both_add_a_line_to_an_ignore_file(tmp_path: Path) -> None:
    """Team and factory append a pattern to the ignore file: both are there, each once."""
    base = "var/\n*.pyc\n"
    story = told(tmp_path, ".gitignore", base, f"{base}mine/\nboth/\n", f"{base}both/\ntheirs/\n")
    lines = joined(story, ".gitignore").splitlines()
    assert (lines[:2], sorted(lines[2:])) == (["var/", "*.pyc"], ["both/", "mine/", "theirs/"])


def test_both_add_a_requirement(tmp_path: Path) -> None:
    """Team and factory append a requirement: both are there."""
    base = "# the exact set\npolars==2.0\n"
    story = told(tmp_path, "requirements.txt", base, f"{base}httpx==0.28\n", f"{base}pydantic==2.9\n")
    lines = joined(story, "requirements.txt").splitlines()
    assert (lines[:2], sorted(lines[2:])) == (["# the exact set", "polars==2.0"], ["httpx==0.28", "pydantic==2.9"])


def test_both_add_a_key_to_a_json_file(tmp_path: Path) -> None:
    """Team and factory add a key at the same place of a JSON file: both are there, and it stays valid."""
    base, ours, theirs = (
        {"name": "x", "on": {"a": 1}},
        {"name": "x", "on": {"a": 1, "b": 2}},
        {"name": "x", "on": {"a": 1, "c": 3}},
    )
    texts = [json.dumps(data, indent=2) + "\n" for data in (base, ours, theirs)]
    story = told(tmp_path, "settings.json", *texts)
    assert json.loads(joined(story, "settings.json")) == {"name": "x", "on": {"a": 1, "b": 2, "c": 3}}


def test_a_clean_merge_by_lines_that_is_no_valid_file(tmp_path: Path) -> None:
    """Both add the same key at different places with different values: lines would join, the file would be none."""
    keys = "".join(f"k{number} = {number}\n" for number in range(9))
    story = told(tmp_path, "f.toml", keys, "new = 1\n" + keys, keys + "new = 2\n")
    ours, theirs = "new = 1\n" + keys, keys + "new = 2\n"
    loud(story, {"f.toml": ours, "f.toml.incoming": theirs}, {"f.toml": ""})


def test_a_file_that_only_looks_like_such_a_one_is_merged_by_lines(tmp_path: Path) -> None:
    """The team's file is no valid TOML any more: it is merged as text, and a clash leaves it as it is."""
    base, ours = f"= broken\n{numbered()}", f"= broken\n{numbered(l18='x')}"
    story = told(tmp_path, "f.toml", base, ours, f"= broken\n{numbered(l3='y')}")
    assert story.sync("--json").code == 0
    assert contents(story.project)["f.toml"] == file(f"= broken\n{numbered(l3='y', l18='x')}")
