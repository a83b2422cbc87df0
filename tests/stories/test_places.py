"""Where a project may lie: in a subfolder, beside another, in a worktree, in a SHA-256 repository; and odd names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import LINES, cli, commit, git, put, snapshot

ODD = (
    "sp ace.txt",
    'quo"te.txt',
    "new\nline.txt",
    "ünï.txt",
    "-dash.txt",
    "tab\t.txt",
    "*.txt",
    "!bang.txt",
    "back`tick.txt",
)
OURS = LINES.replace("line 19\n", "line nineteen\n")
BOTH = OURS.replace("line 2\n", "line two\n")


@pytest.fixture
def odd_factory(factory: Path) -> Path:
    """The small factory with files of odd names, changed from v3 to v4."""
    for version, content in (("v3.0.0", LINES), ("v4.0.0", LINES.replace("line 2\n", "line two\n"))):
        put(factory, {f"templates/extras/files/{name}": content for name in ODD})
        commit(factory)
        git(factory, "tag", version)
    return factory


@pytest.fixture(params=["sha1", "sha256"])
def mono(request: pytest.FixtureRequest, tmp_path: Path, odd_factory: Path) -> Path:
    """A repository with two projects in sibling folders, one of them edited."""
    root = tmp_path / "mono repo"
    git(tmp_path, "init", "-q", f"--object-format={request.param}", str(root))
    for place in ("teams/a", "teams/b"):
        options = ["--defaults", "--factory", str(odd_factory), "--version", "v3.0.0"]
        assert cli("new", "small", place, *options, cwd=root).code == 0
    put(root, {f"teams/a/{name}": OURS for name in ODD})
    commit(root)
    return root


def test_a_project_in_a_subfolder_syncs_and_its_sibling_is_left_alone(mono: Path) -> None:
    sibling = snapshot(mono / "teams/b")
    assert cli("sync", "teams/a", cwd=mono).code == 0
    assert [(mono / "teams/a" / name).read_text() for name in ODD] == [BOTH] * len(ODD)
    assert snapshot(mono / "teams/b") == sibling
    assert git(mono, "diff", "--name-only") == ""
    assert cli("check", "teams/a", "teams/b", cwd=mono).code == 0


def test_an_aborted_sync_leaves_the_whole_repository_as_it_was(mono: Path) -> None:
    before = snapshot(mono)
    assert cli("sync", cwd=mono / "teams/a").code == 0
    assert cli("sync", "--abort", cwd=mono / "teams/a").code == 0
    assert snapshot(mono) == before


def test_a_commit_of_the_sync_takes_nothing_else_along(mono: Path) -> None:
    put(mono, {"other.txt": "staged by somebody\n"})
    git(mono, "add", "other.txt")
    assert cli("sync", "teams/b", "--commit", cwd=mono).code == 0
    assert git(mono, "status", "--porcelain") == "A  other.txt"


def test_a_worktree_is_a_place_like_any_other(mono: Path, tmp_path: Path) -> None:
    git(mono, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    before = git(tmp_path / "side", "status", "--porcelain")
    assert cli("sync", "teams/a", cwd=tmp_path / "side").code == 0
    assert git(mono, "status", "--porcelain") == ""
    assert cli("sync", "--abort", "teams/a", cwd=tmp_path / "side").code == 0
    assert git(tmp_path / "side", "status", "--porcelain") == before


def test_odd_names_are_restored_and_shown_on_one_line(mono: Path) -> None:
    put(mono, {f"teams/b/{name}": "edited\n" for name in ODD})
    shown = cli("status", "teams/b", cwd=mono).out
    assert len([line for line in shown.splitlines() if line.endswith("(merged)")]) == len(ODD)
    result = cli("restore", "--force", *(f"./teams/b/{name}" for name in ODD), cwd=mono)
    assert result.code == 0, result.err
    assert [(mono / "teams/b" / name).read_text() for name in ODD] == [LINES] * len(ODD)


def test_a_program_is_told_whose_each_file_is(project: Path) -> None:
    """Every path of the lock, whatever was done to it: what is managed is not to be edited."""
    put(project, {"src/small_thing/controls/audit.py": "# mine\n", "ops/old.md": None})
    assert cli("status", "--json", cwd=project).data["ownership"] == {
        "docs/extra.md": "merged",
        "evidence/run.json": "produced",
        "ops/old.md": "merged",
        "ops/runbook.md": "merged",
        "pyproject.toml": "merged",
        "settings.txt": "merged",
        "src/small_thing/controls/audit.py": "managed",
        "src/small_thing/main.py": "seeded",
    }
