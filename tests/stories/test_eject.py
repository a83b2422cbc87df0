"""`eject`: a project leaves the factory, and every file of the system stays."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ai_factory.factory import open_factory
from tests.kit import LINES, SMALL, cli, commit, git, put, small_project, snapshot, tree

CI = """\
jobs:
  project: {run: make test}
  # ai-factory: begin
  factory: {run: ai-factory check}
  # ai-factory: end
  release:
    needs:
      - project
      # ai-factory: begin
      - factory
      # ai-factory: end
"""
LEFT = "jobs:\n  project: {run: make test}\n  release:\n    needs:\n      - project\n"
RECORD = [".ai-factory/.gitattributes", ".ai-factory/base", ".ai-factory/project.yaml", ".ai-factory/lock.json"]


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A project whose workflow calls the tool between two marks, and whose page names it."""
    factory = tmp_path / "marked"
    put(factory, {**SMALL, "templates/core/files/ci.yml": CI, "templates/core/files/page.md": "By ai-factory.\n"})
    git(tmp_path, "init", "-q", "-b", "main", str(factory))
    commit(factory)
    git(factory, "tag", "v1.0.0")
    return small_project(tmp_path / "small-thing", factory)


def test_the_record_goes_and_what_only_serves_it_and_all_else_stays(marked: Path) -> None:
    put(marked, {"ops/runbook.md": f"{LINES}ours\n"})
    commit(marked)
    before = tree(marked)
    result = cli("eject", cwd=marked)
    assert result.code == 0, result.err
    assert result.out.partition("\n")[2] == "".join(f"  - {path}\n" for path in RECORD) + (
        "  ~ ci.yml: 6 lines that only the factory needs\n"
        "9 files of the factory's stay as they are, and are yours alone\n"
        "still names the factory: page.md line 1\n"
        "staged, not committed\n"
        "hint: look at it with `git diff --cached`, then `git commit`\n"
        "hint: to undo it: `git restore --source=HEAD --staged --worktree -- .ai-factory ci.yml`\n"
    )
    assert tree(marked) == {**before, "ci.yml": LEFT}
    assert not (marked / ".ai-factory").exists()
    assert git(marked, "diff", "--cached", "--name-status").splitlines() == [
        *(f"D\t{path}" for path in sorted(RECORD)),
        "M\tci.yml",
    ]
    assert git(marked, "status", "--porcelain", "--ignored").splitlines() == [
        *(f"D  {path}" for path in sorted(RECORD)),
        "M  ci.yml",
    ]


def test_the_plan_writes_nothing(marked: Path) -> None:
    before = snapshot(marked)
    data = cli("eject", "--plan", "--json", cwd=marked).data
    assert data.pop("factory")["version"] == "v1.0.0"
    assert data == {
        "schema": "ai-factory/eject/1",
        "applied": False,
        "removed": RECORD,
        "changed": [{"path": "ci.yml", "lines": 6}],
        "mentions": [{"path": "page.md", "line": 1}],
        "unpaired": [],
        "copies": [],
        "undo": "git restore --source=HEAD --staged --worktree -- .ai-factory ci.yml",
    }
    assert snapshot(marked) == before


def test_gits_command_and_an_abort_both_undo_it(marked: Path) -> None:
    before = snapshot(marked)
    undo = cli("eject", "--json", cwd=marked).data["undo"].split()
    git(marked, *undo[1:])
    assert tree(marked)["ci.yml"] == CI
    assert cli("check", cwd=marked).code == 0
    assert git(marked, "status", "--porcelain") == ""
    cli("eject", cwd=marked)
    assert cli("sync", "--abort", cwd=marked).code == 0
    assert {path: content for path, (_, content) in snapshot(marked).items() if path != ".git/index"} == {
        path: content for path, (_, content) in before.items() if path != ".git/index"
    }


def test_what_the_team_moved_or_edited_is_found_as_well(marked: Path) -> None:
    put(marked, {"ci.yml": None, "elsewhere.yml": CI.replace("make test", "make all")})
    commit(marked)
    assert cli("eject", cwd=marked).code == 0
    assert (marked / "elsewhere.yml").read_text() == LEFT.replace("make test", "make all")


def test_a_mark_without_a_partner_is_told_and_the_file_stays(marked: Path) -> None:
    torn = CI.replace("  # ai-factory: end\n  release", "  release")
    put(marked, {"ci.yml": torn})
    commit(marked)
    result = cli("eject", cwd=marked)
    assert "by hand: a mark has no partner in ci.yml, which stays as it is" in result.out
    assert (marked / "ci.yml").read_text() == torn


def test_an_ejected_project_can_be_adopted_again(marked: Path) -> None:
    factory = marked.parent / "marked"
    cli("eject", cwd=marked)
    commit(marked)
    result = cli("adopt", "--blueprint", "small", "--factory", str(factory), cwd=marked)
    assert result.code == 0, result.err
    assert "  = ci.yml (merged, of core): keep, differs from the factory's, and" in result.out
    assert tree(marked)["ci.yml"] == LEFT
    assert cli("check", cwd=marked).code == 0


def test_a_proposal_goes_and_the_line_that_hid_it(project: Path) -> None:
    put(project, {"ops/runbook.md": LINES.replace("line 2\n", "line zwei\n")})
    put(project, {"ops/runbook.md.incoming": "ours\n"})
    put(project, {".git/info/exclude": "# mine\n/ops/runbook.md.incoming\n/ops/old.md.incoming\n"})
    put(project, {"ops/old.md.incoming": LINES.replace("line", "old")})
    git(project, "commit", "-qam", "ours")
    assert cli("eject", cwd=project).code == 0
    assert not (project / "ops/old.md.incoming").exists()
    assert (project / "ops/runbook.md.incoming").read_text() == "ours\n"  # no proposal of ours
    assert (project / ".git/info/exclude").read_text() == "# mine\n"


def test_an_open_conflict_is_in_the_way(project: Path) -> None:
    put(project, {"ops/runbook.md": LINES.replace("line 2\n", "line zwei\n")})
    commit(project)
    cli("sync", cwd=project)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "open")
    before = snapshot(project)
    result = cli("eject", "--json", cwd=project)
    assert (result.code, result.data["message"], result.data["details"]) == (
        2,
        "1 conflict is open",
        ["`ops/runbook.md`"],
    )
    assert snapshot(project) == before


@pytest.mark.parametrize("path", ["ci.yml", ".ai-factory/project.yaml", ".ai-factory/notes.txt"])
def test_what_git_does_not_hold_is_in_the_way(path: str, marked: Path) -> None:
    put(marked, {path: f"{CI if path == 'ci.yml' else ''}# ours\n"})
    if path.endswith("project.yaml"):
        put(marked, {path: f"{git(marked, 'show', f'HEAD:{path}')}\n# ours\n"})
    before = snapshot(marked)
    result = cli("eject", "--json", cwd=marked)
    assert (result.code, result.data["details"]) == (2, [f"`{path}`"])
    assert snapshot(marked) == before


def test_what_is_no_project_cannot_leave(tmp_path: Path) -> None:
    assert cli("eject", str(tmp_path)).code == 2


# ---- our own blueprints ---------------------------------------------------------------------------

PROSE = {  # where a page, a comment or a hint of the embedded factory names the tool, and nothing runs it
    *("README.md", "docs/growing.md", "ops/runbook.md", "ops/audit.yaml"),
    *(f"governance/{name}.yaml" for name in ("approvals", "dossier", "facts")),
    *(f"src/thing/controls/{name}.py" for name in ("dossier", "governance")),
}


@pytest.mark.parametrize("blueprint", open_factory("embedded").blueprints())
def test_nothing_of_an_ejected_project_runs_the_tool(blueprint: str, tmp_path: Path) -> None:
    place = tmp_path / "thing"
    optional = ["--with", "ci-gitlab"] if "ci-gitlab" in _optional(blueprint) else []
    install = ["--data", "ai_factory_install=ai-factory==0.1.0", "--data", "code_scanning=true"]
    assert cli("new", blueprint, str(place), "--defaults", *install, *optional).code == 0
    result = cli("eject", "--json", cwd=place)
    assert result.code == 0, result.err
    found = {path: text for path, text in tree(place).items() if "ai-factory" in text.lower()}
    assert found.keys() <= PROSE
    assert Counter(one["path"] for one in result.data["mentions"]) == {
        path: sum("ai-factory" in line.lower() for line in text.splitlines()) for path, text in found.items()
    }
    workflow = yaml.safe_load((place / ".github/workflows/ci.yml").read_text())["jobs"]
    assert (workflow.keys(), workflow["release"]["needs"]) == ({"project", "release"}, ["project"])
    if optional:
        pipeline = yaml.safe_load((place / ".gitlab-ci.yml").read_text())
        assert ("factory" in pipeline, pipeline["release"]["needs"]) == (False, ["project"])


def _optional(blueprint: str) -> list[str]:
    return list(cli("blueprint", "show", blueprint, "--json").data["optional"])


def test_a_folder_of_a_repository_leaves_and_copies_at_the_root_are_told(tmp_path: Path) -> None:
    top = tmp_path / "many"
    put(top, {"README.md": "# Ours\n"})
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    assert cli("new", "blank", str(top / "thing"), "--defaults").code == 0
    shutil.copytree(top / "thing/.github", top / ".github")
    commit(top)
    result = cli("eject", str(top / "thing"), cwd=top)
    assert "by hand: .github at the root of the repository stays as it is" in result.out
    assert "`git -C thing restore --source=HEAD --staged --worktree -- .ai-factory " in result.out
    assert "factory:" in (top / ".github/workflows/ci.yml").read_text()
