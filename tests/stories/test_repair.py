"""Two branches both synced, and git merged them: `sync --repair` makes one project of it again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kit import LINES, cli, commit, git, put, rules, snapshot, tree

RUNBOOK = "ops/runbook.md"
AUDIT = "src/small_thing/controls/audit.py"
RENDERED = "templates/core/files/ops/runbook.md"
SETTINGS = LINES.replace("line", "setting")
V3 = {  # on top of v2: the same lines again, and more
    "templates/core/CHANGELOG.md": "# Changelog\n\n## 3.0.0\n\n- more\n\n## 2.0.0\n\n- x\n\n## 1.0.0\n\n- first\n",
    "templates/core/files/ops/runbook.md": LINES.replace("line 2\n", "line II\n").replace("line 12\n", "line XII\n"),
    "templates/core/files/src/{{ package }}/controls/audit.py": "def record() -> None:\n    print(3)\n",
    "templates/core/files/ops/new.md": "newer\n",
    "templates/core/files/ops/newest.md": "newest\n",
}


@pytest.fixture
def project(project: Path) -> Path:
    """The project, on a branch whose name does not depend on the machine."""
    git(project, "branch", "-m", "main")
    return project


@pytest.fixture
def released(factory: Path) -> Path:
    put(factory, V3)
    commit(factory)
    git(factory, "tag", "v3.0.0")
    return factory


@pytest.fixture
def branched(project: Path, released: Path) -> Path:
    """The branch `side` is at v3 and the main branch at v2; each with an edit of the team's."""
    assert released
    git(project, "checkout", "-q", "-b", "side")
    put(project, {RUNBOOK: LINES.replace("line 19\n", "line nineteen\n"), "side.txt": "side\n"})
    commit(project)
    assert cli("sync", "--to", "v3.0.0", "--commit", cwd=project).code == 0
    git(project, "checkout", "-q", "main")
    put(project, {RUNBOOK: LINES.replace("line 7\n", "line seven\n"), "main.txt": "main\n"})
    commit(project)
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=project).code == 0
    return project


def merge(folder: Path, branch: str) -> None:
    """Merge as git does it; that it conflicts is expected."""
    done = subprocess.run(["git", "merge", "-q", branch], cwd=folder, check=False, capture_output=True)
    assert done.returncode == 1, done.stdout


def lock_of(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / ".ai-factory/lock.json").read_text())
    return found


NEWEST = V3["templates/core/files/ops/runbook.md"]
BOTH = NEWEST.replace("line 19\n", "line nineteen\n").replace("line 7\n", "line seven\n")


@pytest.mark.parametrize("onto", ["main", "side"])
def test_both_merge_orders_end_at_the_newer_version_with_both_edits(branched: Path, onto: str) -> None:
    git(branched, "checkout", "-q", onto)
    merge(branched, {"main": "side", "side": "main"}[onto])
    assert cli("sync", cwd=branched).code == 2
    result = cli("sync", "--repair", cwd=branched)
    assert (result.code, result.err) == (0, "")
    assert git(branched, "ls-files", "--unmerged") == ""
    assert tree(branched)[RUNBOOK] == BOTH
    assert tree(branched)[AUDIT] == "def record() -> None:\n    print(3)\n"
    assert tree(branched)["ops/new.md"] == "newer\n"
    assert rules(branched) == []
    commit(branched)
    record = lock_of(branched)
    assert record["factory"]["version"] == "v3.0.0"
    assert {
        row["base_version"] for path, row in record["paths"].items() if "base" in row and "main.py" not in path
    } == {"v3.0.0"}
    assert cli("sync", "--commit", cwd=branched).code == 0
    assert cli("sync", cwd=branched).out == "nothing to do: the project is at v3.0.0\n"
    assert tree(branched)[RUNBOOK] == BOTH
    assert cli("check", cwd=branched).code == 0


def test_a_merge_that_was_committed_with_one_side_is_mended_from_its_parents(branched: Path) -> None:
    merge(branched, "side")
    git(branched, "checkout", "--ours", "--", ".ai-factory")
    git(branched, "checkout", "--theirs", "--", RUNBOOK, AUDIT, "ops/new.md")
    commit(branched, "merged by hand")
    assert ("AF002", AUDIT) in rules(branched)
    result = cli("sync", "--repair", "--json", cwd=branched)
    assert (result.code, result.data["open"], result.data["unmerged"]) == (0, [], [])
    assert rules(branched) == []
    assert lock_of(branched)["factory"]["version"] == "v3.0.0"


def test_a_rebase_of_long_ago_is_not_what_is_under_way(branched: Path) -> None:
    """Git leaves the name of the commit behind at which a rebase had stopped."""
    git(branched, "checkout", "-q", "-b", "old", "main")
    for branch, text in (("old", "old\n"), ("main", "new\n")):
        git(branched, "checkout", "-q", branch)
        put(branched, {"note.txt": text})
        commit(branched)
    git(branched, "checkout", "-q", "old")
    assert subprocess.run(["git", "rebase", "-q", "main"], cwd=branched, check=False, capture_output=True).returncode
    git(branched, "checkout", "--theirs", "note.txt")
    git(branched, "add", "-A")
    git(branched, "-c", "core.editor=true", "rebase", "--continue")
    assert (branched / ".git/REBASE_HEAD").exists()
    merge(branched, "side")
    git(branched, "checkout", "--ours", "--", ".ai-factory")
    git(branched, "checkout", "--theirs", "--", RUNBOOK, AUDIT, "ops/new.md")
    commit(branched, "merged by hand")
    result = cli("sync", "--repair", "--json", cwd=branched)
    assert (result.code, result.data["open"], rules(branched)) == (0, [], [])
    assert lock_of(branched)["factory"]["version"] == "v3.0.0"


def test_a_lock_with_markers_names_the_command_that_mends_it(branched: Path) -> None:
    (branched / ".ai-factory/.gitattributes").unlink()
    commit(branched)
    git(branched, "checkout", "-q", "side")
    (branched / ".ai-factory/.gitattributes").unlink()
    commit(branched)
    merge(branched, "main")
    assert "<<<<<<< " in (branched / ".ai-factory/lock.json").read_text()
    found = cli("check", "--json", cwd=branched)
    finding = found.data["projects"][0]["findings"][0]
    assert (found.code, finding["rule"], finding["hint"]) == (
        2,
        "AF005",
        "rebuild it from both: `ai-factory sync --repair`",
    )
    assert cli("sync", "--repair", cwd=branched).code == 0
    assert rules(branched) == []


def test_a_conflict_that_is_open_on_one_branch_stays_open(project: Path, released: Path) -> None:
    assert released
    git(project, "checkout", "-q", "-b", "side")
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei\n")})
    commit(project)
    assert cli("sync", "--to", "v2.0.0", cwd=project).code == 1
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei\n")})
    commit(project, "still open")
    git(project, "checkout", "-q", "main")
    assert cli("sync", "--to", "v3.0.0", "--commit", cwd=project).code == 0
    merge(project, "side")
    result = cli("sync", "--repair", "--json", cwd=project)
    assert (result.code, result.data["open"]) == (1, [RUNBOOK])
    assert ("AF004", RUNBOOK) in rules(project)
    assert cli("sync", "--show", "theirs", RUNBOOK, cwd=project).out == NEWEST
    assert cli("sync", "--take", "theirs", RUNBOOK, cwd=project).code == 0
    assert (project / RUNBOOK).read_text() == NEWEST
    assert rules(project) == []


@pytest.mark.parametrize("onto", ["main", "side"])
def test_a_conflict_that_one_branch_resolved_is_resolved(project: Path, onto: str) -> None:
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei\n")})
    commit(project)
    git(project, "checkout", "-q", "-b", "side")
    assert cli("sync", cwd=project).code == 1
    commit(project, "open")
    git(project, "checkout", "-q", "main")
    assert cli("sync", cwd=project).code == 1
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei two\n")})
    assert cli("sync", "--continue", cwd=project).code == 0
    commit(project, "resolved")
    git(project, "checkout", "-q", onto)
    merge(project, {"main": "side", "side": "main"}[onto])
    result = cli("sync", "--repair", cwd=project)
    assert "this branch has resolved" in result.out or "the other branch has resolved" in result.out
    assert lock_of(project)["paths"][RUNBOOK].get("state", "") == ""
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei two\n")})
    commit(project)
    assert cli("check", cwd=project).code == 0


def test_both_branches_synced_to_the_same_version(project: Path) -> None:
    for branch in ("side", "main"):
        git(project, "checkout", "-q", *(["-b"] if branch == "side" else []), branch)
        put(project, {"team.txt": f"{branch}\n"} if branch == "main" else {"other.txt": "x\n"})
        commit(project)
        assert cli("sync", "--commit", cwd=project).code == 0
    git(project, "merge", "-q", "-m", "both", "side")
    assert rules(project) == []
    assert cli("sync", cwd=project).out.startswith("nothing to do")


def test_answers_of_both_branches_come_together_at_the_next_sync(project: Path) -> None:
    git(project, "checkout", "-q", "-b", "side")
    assert cli("sync", "--to", "v1.0.0", "--data", "use_case=wide thing", "--commit", cwd=project).code == 0
    git(project, "checkout", "-q", "main")
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=project).code == 0
    merge(project, "side")
    assert cli("sync", "--repair", cwd=project).code in (0, 1)
    put(project, {})
    commit(project)
    assert lock_of(project)["factory"]["tree"] == ""
    result = cli("sync", "--commit", cwd=project)
    assert result.code == 0, result.out
    assert lock_of(project)["answers"]["use_case"] == "wide thing"
    assert cli("sync", cwd=project).out.startswith("nothing to do")


def test_without_two_versions_there_is_nothing_to_repair(project: Path) -> None:
    result = cli("sync", "--repair", cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (
        2,
        "error: nothing to repair: git holds no two versions of the lock, neither in a merge under way nor as parents",
    )


def test_a_repair_can_be_undone_to_the_byte(branched: Path) -> None:
    merge(branched, "side")
    before = snapshot(branched)
    assert cli("sync", "--repair", cwd=branched).code == 0
    assert cli("sync", "--abort", cwd=branched).code == 0
    assert snapshot(branched) == before


def test_both_branches_at_one_version_add_a_dependency(project: Path) -> None:
    """Git conflicts in a file that the factory knows; the lock is the same on both branches."""
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=project).code == 0
    before = (project / "pyproject.toml").read_text()
    git(project, "checkout", "-q", "-b", "side")
    put(project, {"pyproject.toml": before.replace("[\n\n", '[\n\n  "django",\n')})
    commit(project)
    git(project, "checkout", "-q", "main")
    put(project, {"pyproject.toml": before.replace("[\n\n", '[\n\n  "flask",\n')})
    commit(project)
    merge(project, "side")
    result = cli("sync", "--repair", cwd=project)
    assert result.code == 0, result.err
    assert all(name in (project / "pyproject.toml").read_text() for name in ("django", "flask", "polars"))
    assert git(project, "ls-files", "--unmerged") == ""
    assert cli("check", cwd=project).code == 0


def test_a_path_that_the_newer_version_has_moved_on_is_forgotten(branched: Path) -> None:
    """And the next sync renders once, since no one rendering gave the merged project."""
    merge(branched, "side")
    assert cli("sync", "--repair", cwd=branched).code == 0
    commit(branched)
    assert lock_of(branched)["factory"]["tree"] == ""
    assert not cli("sync", cwd=branched).out.startswith("nothing to do")
    assert lock_of(branched)["factory"]["tree"] != ""


@pytest.mark.parametrize("onto", ["main", "side"])
@pytest.mark.parametrize("edited", ["nobody", "main", "both"])
def test_a_file_that_each_version_renames_ends_at_its_last_name(
    project: Path, factory: Path, onto: str, edited: str
) -> None:
    """Git sees each branch move it to another place, and leaves all three paths in conflict."""
    upstream = SETTINGS.replace("setting 20\n", "setting twenty\n")
    manifest = (factory / "templates/core/component.yaml").read_text()
    once_more = "  - { since: 3.0.0, rename: { config/settings.txt: settings/main.txt } }\n"
    old, new = (f"templates/core/files/{path}" for path in ("config/settings.txt", "settings/main.txt"))
    put(factory, {**V3, "templates/core/component.yaml": manifest + once_more, old: None, new: upstream})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    git(project, "checkout", "-q", "-b", "side")
    if edited == "both":
        put(project, {"settings.txt": SETTINGS.replace("setting 12\n", "setting twelve\n")})
        commit(project)
    assert cli("sync", "--to", "v3.0.0", "--commit", cwd=project).code == 0
    git(project, "checkout", "-q", "main")
    if edited != "nobody":
        put(project, {"settings.txt": SETTINGS.replace("setting 5\n", "setting five\n")})
        commit(project)
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=project).code == 0
    git(project, "checkout", "-q", onto)
    merge(project, {"main": "side", "side": "main"}[onto])
    result = cli("sync", "--repair", "--json", cwd=project)
    assert (result.code, result.data["open"], result.data["unmerged"]) == (0, [], [])
    assert git(project, "ls-files", "--unmerged") == ""
    wanted = upstream if edited == "nobody" else upstream.replace("setting 5\n", "setting five\n")
    wanted = wanted if edited != "both" else wanted.replace("setting 12\n", "setting twelve\n")
    found = {path: text for path, text in tree(project).items() if "settings" in path}
    assert found == {"settings/main.txt": wanted}
    assert rules(project) == []


@pytest.mark.parametrize("onto", ["main", "team"])
def test_where_only_one_branch_synced_nothing_of_the_update_is_lost(project: Path, factory: Path, onto: str) -> None:
    """Git merges the lock cleanly, and leaves a file in conflict that the new version changed in two places."""
    put(factory, {RENDERED: LINES.replace("line 5\n", "line V\n").replace("line 15\n", "line XV\n")})
    put(factory, {"templates/core/CHANGELOG.md": V3["templates/core/CHANGELOG.md"]})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    git(project, "checkout", "-q", "-b", "team")
    put(project, {RUNBOOK: LINES.replace("line 5\n", "team\n").replace("line 10\n", "ten\n")})
    commit(project)
    git(project, "checkout", "-q", "main")
    assert cli("sync", "--commit", cwd=project).code == 0
    git(project, "checkout", "-q", onto)
    merge(project, {"main": "team", "team": "main"}[onto])
    before = snapshot(project)
    result = cli("sync", "--repair", "--json", cwd=project)
    assert (result.code, result.data["unmerged"]) == (1, [RUNBOOK])
    assert snapshot(project)[RUNBOOK] == before[RUNBOOK]
    text = (project / RUNBOOK).read_text()
    assert all(line in text for line in ("team\n", "line V\n", "line XV\n", "ten\n"))
    put(project, {RUNBOOK: LINES.replace("line 5\n", "team\n").replace("line 15\n", "line XV\n")})
    commit(project)
    assert rules(project) == []
    assert cli("sync", cwd=project).out == "nothing to do: the project is at v3.0.0\n"


def test_what_a_person_has_resolved_in_part_is_left_to_them(branched: Path, factory: Path) -> None:
    assert factory
    merge(branched, "side")
    text = (branched / RUNBOOK).read_text()
    assert text.count("<<<<<<< ") == 1
    put(branched, {RUNBOOK: text + "written by hand\n"})
    result = cli("sync", "--repair", "--json", cwd=branched)
    assert (result.code, result.data["unmerged"]) == (1, [RUNBOOK])
    assert (branched / RUNBOOK).read_text() == text + "written by hand\n"


def test_what_one_version_brought_and_the_next_took_back_is_gone(project: Path, factory: Path) -> None:
    """Git merges the file cleanly, with both lines; only one is in the newer version."""
    put(factory, {RENDERED: LINES.replace("line 3\n", "line 3\nwithdrawn\n")})
    commit(factory)
    git(factory, "tag", "v2.1.0")
    put(factory, {RENDERED: LINES.replace("line 15\n", "line 15\nadded\n")})
    commit(factory)
    git(factory, "tag", "v2.2.0")
    git(project, "checkout", "-q", "-b", "side")
    assert cli("sync", "--to", "v2.2.0", "--commit", cwd=project).code == 0
    git(project, "checkout", "-q", "main")
    put(project, {RUNBOOK: LINES.replace("line 9\n", "team\n")})
    commit(project)
    assert cli("sync", "--to", "v2.1.0", "--commit", cwd=project).code == 0
    merge(project, "side")
    assert "withdrawn" in (project / RUNBOOK).read_text()
    assert cli("sync", "--repair", cwd=project).code == 0
    wanted = LINES.replace("line 15\n", "line 15\nadded\n").replace("line 9\n", "team\n")
    assert tree(project)[RUNBOOK] == wanted
    assert rules(project) == []


def test_an_answer_under_its_old_name_comes_along_after_a_merge(project: Path, factory: Path) -> None:
    """One branch answers anew, the other goes to the version that renames the question."""
    questions = (factory / "templates/core/copier.yml").read_text().replace("use_case", "purpose")
    manifest = (factory / "templates/core/component.yaml").read_text()
    main = (factory / "templates/core/files/src/{{ package }}/main.py.jinja").read_text().replace("use_case", "purpose")
    log = V3["templates/core/CHANGELOG.md"]
    renamed = manifest + "  - { since: 3.0.0, answer: { rename: { use_case: purpose } } }\n"
    put(factory, {"templates/core/copier.yml": questions, "templates/core/component.yaml": renamed})
    put(factory, {"templates/core/files/src/{{ package }}/main.py.jinja": main, "templates/core/CHANGELOG.md": log})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    git(project, "checkout", "-q", "-b", "side")
    assert (
        cli("sync", "--data", "use_case=wide thing", "--data", "package=small_thing", "--commit", cwd=project).code == 0
    )
    git(project, "checkout", "-q", "main")
    assert cli("sync", "--to", "v3.0.0", "--commit", cwd=project).code == 0
    merge(project, "side")
    put(project, {".ai-factory/project.yaml": git(project, "show", "side:.ai-factory/project.yaml") + "\n"})
    assert cli("sync", "--repair", cwd=project).code in (0, 1)
    commit(project)
    result = cli("sync", cwd=project)
    assert result.code == 0, result.err
    assert lock_of(project)["answers"]["purpose"] == "wide thing"
    assert "purpose: wide thing" in (project / ".ai-factory/project.yaml").read_text()
