"""`sync`: a new version arrives, and nothing that the team wrote is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit import LINES, SMALL, cli, commit, git, put, rules, small_project, snapshot, tree

SETTINGS = LINES.replace("line", "setting")
AUDIT = "src/small_thing/controls/audit.py"
AUDIT_TEMPLATE = "templates/core/files/src/{{ package }}/controls/audit.py"
EDITS = {  # in merged and seeded files, none where v2 changes the same lines
    "ops/runbook.md": LINES.replace("line 19\n", "line nineteen\n"),
    "settings.txt": SETTINGS.replace("setting 3\n", "setting three\n"),
    "src/small_thing/main.py": "mine = True\n",
    "team.txt": "the team's\n",
}


@pytest.fixture
def edited(project: Path) -> Path:
    put(project, EDITS)
    commit(project)
    return project


def test_every_edit_is_kept_and_every_change_arrives(edited: Path) -> None:
    result = cli("sync", cwd=edited)
    assert result.code == 0, result.err
    assert tree(edited) == {
        "config/settings.txt": SETTINGS.replace("setting 3\n", "setting three\n").replace("20", "twenty"),
        "docs/extra.md": "extra\n",
        "ops/new.md": "new\n",
        "ops/runbook.md": LINES.replace("line 19\n", "line nineteen\n").replace("line 2\n", "line two\n"),
        "pyproject.toml": '[project]\nname = "small_thing"\ndependencies = [\n\n  "polars>=2,<3",\n\n]\n',
        AUDIT: "def record() -> None:\n    print()\n",
        "src/small_thing/main.py": "mine = True\n",
        "team.txt": "the team's\n",
    }
    assert cli("check", cwd=edited).code == 0


def test_the_result_is_staged_and_not_committed(edited: Path) -> None:
    head = git(edited, "rev-parse", "HEAD")
    cli("sync", cwd=edited)
    assert git(edited, "rev-parse", "HEAD") == head
    assert git(edited, "diff", "--name-only") == ""
    assert git(edited, "diff", "--cached", "--name-status", "--no-renames").splitlines() == [
        "M\t.ai-factory/base",
        "M\t.ai-factory/lock.json",
        "A\tconfig/settings.txt",
        "A\tops/new.md",
        "D\tops/old.md",
        "M\tops/runbook.md",
        "D\tsettings.txt",
        f"M\t{AUDIT}",
    ]


def test_it_works_after_the_old_tag_is_gone(edited: Path, factory: Path) -> None:
    git(factory, "tag", "-d", "v1.0.0")
    assert cli("sync", "--to", "v2.0.0", cwd=edited).code == 0
    assert "line nineteen" in (edited / "ops/runbook.md").read_text()


def test_a_second_sync_has_nothing_to_do(edited: Path) -> None:
    cli("sync", "--commit", cwd=edited)
    before = snapshot(edited)
    result = cli("sync", cwd=edited)
    assert (result.code, result.out) == (0, "nothing to do: the project is at v2.0.0\n")
    assert snapshot(edited) == before
    assert git(edited, "status", "--porcelain") == ""


def test_commit_makes_one_commit_with_the_persons_name(edited: Path) -> None:
    cli("sync", "--commit", cwd=edited)
    assert git(edited, "log", "-1", "--format=%an %s").startswith("Test Sync with ")
    assert git(edited, "status", "--porcelain") == ""


def test_an_untouched_project_becomes_exactly_the_new_version(project: Path, factory: Path, tmp_path: Path) -> None:
    cli("sync", cwd=project)
    fresh = small_project(tmp_path / "fresh" / "small-thing", factory, version="v2.0.0")
    seeded = {"src/small_thing/main.py": 'NAME = "small thing"\n'}  # the team's since birth
    assert tree(project) == tree(fresh) | seeded


def test_a_plan_writes_nothing_and_says_everything(edited: Path) -> None:
    before = snapshot(edited)
    result = cli("sync", "--plan", "--json", cwd=edited)
    assert snapshot(edited) == before
    assert result.code == 0
    assert {row["path"]: row["action"] for row in result.data["changes"]} == {
        "config/settings.txt": "merge",
        "ops/new.md": "add",
        "ops/old.md": "delete",
        "ops/runbook.md": "merge",
        AUDIT: "change",
    }
    assert result.data["manual"] == ["core 2.0.0: call `record()` once"]
    notes = "## 2.0.0\n\n- the audit writes"
    assert result.data["components"][0] == {"name": "core", "from": "1.0.0", "to": "2.0.0", "notes": notes}


# ---- conflicts -----------------------------------------------------------------------------------


@pytest.fixture
def clashing(project: Path) -> Path:
    """The team changed a line that v2 changes too, in a text and in a guarded file."""
    put(project, {"ops/runbook.md": LINES.replace("line 2\n", "line zwei\n")})
    commit(project)
    return project


MARKED = LINES.replace("line 2\n", "<<<<<<< yours\nline zwei\n=======\nline two\n>>>>>>> factory-v2.0.0\n")


def test_a_conflict_is_loud_and_lives_in_the_lock(clashing: Path) -> None:
    assert cli("sync", cwd=clashing).code == 1
    assert (clashing / "ops/runbook.md").read_text() == MARKED
    entry = json.loads((clashing / ".ai-factory/lock.json").read_text())["paths"]["ops/runbook.md"]
    assert (entry["state"], entry["base_version"]) == ("open", "v1.0.0")
    assert git(clashing, "ls-files", "--unmerged", "--format=%(stage)").split() == ["1", "2", "3"]
    assert rules(clashing) == [("AF004", "ops/runbook.md")]
    assert cli("check", cwd=clashing).code == 1


def test_a_fresh_clone_sees_the_conflict(clashing: Path, tmp_path: Path) -> None:
    cli("sync", cwd=clashing)
    commit(clashing, "a conflict, committed by mistake")
    git(tmp_path, "clone", "-q", str(clashing), "clone")
    assert cli("check", "clone", cwd=tmp_path).code == 1
    shown = cli("sync", "--show", "theirs", "ops/runbook.md", cwd=tmp_path / "clone")
    assert shown.out == LINES.replace("line 2\n", "line two\n")


def test_continue_refuses_while_a_marker_is_left(clashing: Path) -> None:
    cli("sync", cwd=clashing)
    result = cli("sync", "--continue", cwd=clashing)
    assert (result.code, result.err.splitlines()[:2]) == (
        1,
        ["error: conflict markers are left in 1 file", "  `ops/runbook.md`"],
    )


def test_continue_takes_a_mended_file_as_resolved(clashing: Path) -> None:
    cli("sync", cwd=clashing)
    put(clashing, {"ops/runbook.md": LINES.replace("line 2\n", "line zwei two\n")})
    result = cli("sync", "--continue", cwd=clashing)
    assert (result.code, result.out.splitlines()[0]) == (0, "resolved ops/runbook.md")
    assert cli("check", cwd=clashing).code == 0
    commit(clashing)
    assert cli("sync", cwd=clashing).out.startswith("nothing to do")


@pytest.mark.parametrize(("side", "expected"), [("ours", "line zwei\n"), ("theirs", "line two\n")])
def test_take_decides_for_one_side(clashing: Path, side: str, expected: str) -> None:
    cli("sync", cwd=clashing)
    if side == "ours":
        git(clashing, "checkout", "--ours", "--", "ops/runbook.md")
    assert cli("sync", "--take", side, "ops/runbook.md", cwd=clashing).code == 0
    assert (clashing / "ops/runbook.md").read_text() == LINES.replace("line 2\n", expected)
    assert git(clashing, "ls-files", "--unmerged") == ""
    assert cli("check", cwd=clashing).code == 0


def test_take_ours_brings_the_teams_version_back_without_markers(clashing: Path) -> None:
    cli("sync", cwd=clashing)
    assert cli("sync", "--take", "ours", "ops/runbook.md", cwd=clashing).code == 0
    assert (clashing / "ops/runbook.md").read_text() == LINES.replace("line 2\n", "line zwei\n")


def test_abort_brings_back_every_byte_and_the_index(clashing: Path) -> None:
    put(clashing, {"staged.txt": "staged\n"})
    git(clashing, "add", "staged.txt")
    before = snapshot(clashing)
    assert cli("sync", cwd=clashing).code == 1
    assert cli("sync", "--abort", cwd=clashing).code == 0
    assert snapshot(clashing) == before


def test_abort_refuses_once_the_sync_is_committed(edited: Path) -> None:
    cli("sync", "--commit", cwd=edited)
    result = cli("sync", "--abort", cwd=edited)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: the sync was committed already")


def test_a_guarded_file_stays_valid_and_the_proposal_lies_beside_it(project: Path, factory: Path) -> None:
    put(project, {"pyproject.toml": (project / "pyproject.toml").read_text().replace("small_thing", "ours")})
    commit(project)
    put(factory, {"templates/core/files/pyproject.toml.jinja": '[project]\nname = "{{ package }}-theirs"\n'})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    result = cli("sync", cwd=project)
    assert result.code == 1
    assert 'name = "ours"' in (project / "pyproject.toml").read_text()
    assert (project / "pyproject.toml.incoming").read_text() == '[project]\nname = "small_thing-theirs"\n'
    assert "incoming" not in git(project, "status", "--porcelain")
    assert cli("sync", "--continue", cwd=project).code == 1  # nobody has decided yet
    assert cli("sync", "--take", "theirs", "pyproject.toml", cwd=project).code == 0
    assert (project / "pyproject.toml").read_text() == '[project]\nname = "small_thing-theirs"\n'
    assert not (project / "pyproject.toml.incoming").exists()


# ---- the tables of ownership ---------------------------------------------------------------------


def test_drift_that_the_new_version_is_silent_about_is_reported(project: Path, factory: Path) -> None:
    put(factory, {AUDIT_TEMPLATE: SMALL[AUDIT_TEMPLATE]})
    commit(factory)
    git(factory, "tag", "v3.0.0")  # as v1 in this file: v3 is silent about it
    put(project, {AUDIT: "mine = 1\n"})
    commit(project)
    result = cli("sync", cwd=project)
    assert (result.code, rules(project)) == (0, [("AF002", AUDIT)])
    assert f"drift: {AUDIT} was edited, and this sync leaves it so" in result.out
    assert f"hint: `ai-factory restore {AUDIT}`" in result.out


def test_what_the_team_deleted_stays_deleted_and_is_named(project: Path) -> None:
    put(project, {"ops/runbook.md": None, "docs/extra.md": None})
    commit(project)
    result = cli("sync", "--json", cwd=project)
    assert result.code == 0
    rows = {row["path"]: (row["action"], row["state"]) for row in result.data["changes"]}
    assert rows["ops/runbook.md"] == ("decline", "declined")
    assert not (project / "ops/runbook.md").exists()
    assert not (project / "docs/extra.md").exists()


def test_an_edited_file_that_the_new_version_drops_is_a_conflict_and_kept(project: Path) -> None:
    mine = LINES.replace("line", "old") + "mine\n"
    put(project, {"ops/old.md": mine})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    assert (project / "ops/old.md").read_text() == mine
    assert cli("sync", "--take", "theirs", "ops/old.md", cwd=project).code == 0
    assert not (project / "ops/old.md").exists()
    assert cli("check", cwd=project).code == 0


def test_a_change_follows_a_file_that_the_team_moved(project: Path) -> None:
    (project / "handbook").mkdir()
    git(project, "mv", "ops/runbook.md", "handbook/runbook.md")
    commit(project)
    assert cli("sync", cwd=project).code == 0
    assert (project / "handbook/runbook.md").read_text() == LINES.replace("line 2\n", "line two\n")
    assert not (project / "ops/runbook.md").exists()


def test_an_edit_follows_a_rename_that_nobody_declared(project: Path, factory: Path) -> None:
    put(project, {"ops/runbook.md": LINES.replace("line 19\n", "line nineteen\n")})
    commit(project)
    git(factory, "mv", "templates/core/files/ops/runbook.md", "templates/core/files/ops/handbook.md")
    commit(factory)
    git(factory, "tag", "v3.0.0")
    result = cli("sync", cwd=project)
    assert result.code == 0, result.out
    expected = LINES.replace("line 19\n", "line nineteen\n").replace("line 2\n", "line two\n")
    assert (project / "ops/handbook.md").read_text() == expected
    assert not (project / "ops/runbook.md").exists()


def test_both_sides_add_one_path(project: Path) -> None:
    put(project, {"ops/new.md": "the team's\n"})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    assert (project / "ops/new.md").read_text() == ("<<<<<<< yours\nthe team's\n=======\nnew\n>>>>>>> factory-v2.0.0\n")


def test_a_dropped_component_leaves_its_files_to_the_team(project: Path) -> None:
    manifest = project / ".ai-factory/project.yaml"
    manifest.write_text("# ours\n" + manifest.read_text() + "without: [extras]\n")
    commit(project)
    result = cli("sync", "--json", cwd=project)
    assert result.code == 0
    assert {row["path"]: row["action"] for row in result.data["changes"]}["docs/extra.md"] == "forget"
    assert (project / "docs/extra.md").exists()
    assert manifest.read_text().startswith("# ours\n")


def test_sync_data_answers_anew_at_the_same_version(project: Path) -> None:
    result = cli("sync", "--to", "v1.0.0", "--data", "package=claims", cwd=project)
    assert result.code == 0, result.err
    assert (project / "src/claims/controls/audit.py").exists()
    assert "package: claims" in (project / ".ai-factory/project.yaml").read_text()
    assert json.loads((project / ".ai-factory/lock.json").read_text())["answers"]["package"] == "claims"


# ---- what stands in the way ----------------------------------------------------------------------


def test_uncommitted_changes_in_the_way_are_all_named_and_nothing_is_written(project: Path) -> None:
    put(project, {"ops/runbook.md": "x\n", "ops/new.md": "untracked\n", "docs/extra.md": "not in the way\n"})
    before = snapshot(project)
    result = cli("sync", cwd=project)
    assert result.code == 2
    assert result.err.splitlines() == [
        "error: 2 uncommitted changes are in the way",
        "  `ops/runbook.md`",
        "  `ops/new.md`",
        "hint: commit or move them, or `git stash --include-untracked`, sync, `git stash pop`",
    ]
    assert snapshot(project) == before


def test_a_stash_puts_new_files_aside_where_a_file_is_to_come(project: Path) -> None:
    """In a folder of that name as well: then they are uncommitted changes, and the hint mends it."""
    put(project, {"ops/new.md/mine.txt": "mine\n"})
    assert cli("sync", cwd=project).err.splitlines() == [
        "error: 1 uncommitted change is in the way",
        "  `ops/new.md/`",
        "hint: commit or move them, or `git stash --include-untracked`, sync, `git stash pop`",
    ]
    git(project, "stash", "--include-untracked")
    assert cli("sync", cwd=project).code == 0


def test_what_a_stash_would_leave_is_told_apart(project: Path) -> None:
    """A file that git ignores is no uncommitted change, and is moved by hand."""
    put(project, {"ops/new.md": "ignored here\n"})
    put(project, {".git/info/exclude": "ops/new.md\n"})
    assert cli("sync", cwd=project).err.splitlines() == [
        "error: 1 file is in the way",
        "  `ops/new.md` (a stash would leave it)",
        "hint: move elsewhere what a stash would leave",
    ]
    put(project, {"ops/runbook.md": "x\n"})
    before = snapshot(project)
    result = cli("sync", cwd=project)
    assert (result.code, result.err.splitlines()) == (
        2,
        [
            "error: 2 files are in the way",
            "  `ops/runbook.md`",
            "  `ops/new.md` (a stash would leave it)",
            (
                "hint: move elsewhere what a stash would leave; commit the others, "
                "or `git stash --include-untracked`, sync, `git stash pop`"
            ),
        ],
    )
    assert snapshot(project) == before


def test_a_sync_that_is_staged_comes_to_an_end_before_the_next(project: Path) -> None:
    """No stash would help: it is committed, or taken back."""
    put(project, {"ops/new.md": "the team's\n"})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    told, back = "error: a sync is staged, and not committed", "`git commit`; or go back with `ai-factory sync --abort`"
    decide = "`ai-factory sync --take ours|theirs FILE`, or by hand and `ai-factory sync --continue`"
    assert cli("sync", cwd=project).err == f"{told}\nhint: {decide}; then {back}\n"
    assert cli("sync", "--take", "ours", "ops/new.md", cwd=project).code == 0
    record = project / ".ai-factory/project.yaml"
    record.write_text(record.read_text() + "without: [extras]\n")
    result = cli("sync", cwd=project)
    assert (result.code, result.err) == (2, f"{told}\nhint: {back}\n")


def test_a_downgrade_is_refused(project: Path) -> None:
    cli("sync", "--commit", cwd=project)
    result = cli("sync", "--to", "v1.0.0", cwd=project)
    assert result.code == 2
    assert "a sync never goes back" in result.err


def test_another_origin_needs_consent(project: Path, factory: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(factory), "elsewhere")
    manifest = project / ".ai-factory/project.yaml"
    manifest.write_text(manifest.read_text().replace(str(factory), str(tmp_path / "elsewhere")))
    commit(project)
    assert cli("sync", cwd=project).code == 4
    assert cli("sync", "--accept-factory", str(tmp_path / "elsewhere"), cwd=project).code == 0


def test_in_ci_the_origin_does_not_come_from_the_project(
    project: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert cli("sync", "--plan", cwd=project).code == 2
    assert cli("sync", "--plan", "--factory", str(factory), cwd=project).code == 0


def test_a_base_that_is_gone_is_found_among_the_repositorys_objects(edited: Path) -> None:
    (edited / ".ai-factory/base").unlink()
    commit(edited)
    assert cli("check", cwd=edited).code == 2
    result = cli("sync", cwd=edited)
    assert result.code == 0, result.err
    assert "were found among the repository's own objects" in result.out
    assert "line nineteen" in (edited / "ops/runbook.md").read_text()
    assert cli("check", cwd=edited).code == 0


def test_an_interrupted_sync_is_finished_or_undone(edited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_factory import journal

    before = snapshot(edited)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "undo", lambda *_, **__: {})  # as if the process had been killed
        patch.setattr("ai_factory.git.stage", _killed)
        with pytest.raises(KeyboardInterrupt):
            _sync_here(edited)
    assert cli("sync", cwd=edited).code == 2
    assert cli("sync", "--abort", cwd=edited).code == 0
    assert snapshot(edited) == before


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _sync_here(folder: Path) -> None:
    from ai_factory.project import sync
    from ai_factory.project.opening import open_project
    from ai_factory.project.release import Request

    sync.apply(sync.prepare(open_project(str(folder)), Request()))


def test_line_endings_of_the_project_are_kept(project: Path) -> None:
    for path in ("ops/runbook.md", "settings.txt", AUDIT):
        place = project / path
        place.write_bytes(place.read_bytes().replace(b"\n", b"\r\n"))
    commit(project)
    assert cli("check", cwd=project).code == 0
    assert cli("sync", cwd=project).code == 0
    expected = LINES.replace("line 2\n", "line two\n").replace("\n", "\r\n")
    assert (project / "ops/runbook.md").read_bytes() == expected.encode()
