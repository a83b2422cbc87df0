"""What people do in the middle of things: nothing that they wrote is lost, and no exit code lies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import LINES, SMALL, cli, commit, git, put, rules, small_project, snapshot

RUNBOOK = "ops/runbook.md"
OWNERSHIP = "templates/core/component.yaml"
SETTINGS = "templates/core/files/config/settings.txt"
PYPROJECT = '[project]\nname = "{}"\n'


@pytest.fixture
def clashing(project: Path, factory: Path) -> Path:
    """Conflicts with v3 in a text and in a guarded file; v4 changes neither."""
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei\n"), "pyproject.toml": PYPROJECT.format("ours")})
    commit(project)
    put(factory, {"templates/core/files/pyproject.toml.jinja": PYPROJECT.format("theirs")})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    put(factory, {"templates/extras/files/docs/extra.md": "extra 4\n"})
    commit(factory)
    git(factory, "tag", "v4.0.0")
    return project


def kept(project: Path, out: str, path: str) -> str:
    """The content that a hint says is kept as a git object."""
    line = next(line for line in out.splitlines() if f"> {path}`" in line)
    return git(project, "cat-file", "blob", line.split("blob ")[1].split(" ")[0])


def test_a_second_sync_keeps_what_an_open_conflict_waits_for(clashing: Path) -> None:
    assert cli("sync", "--to", "v3.0.0", cwd=clashing).code == 1
    commit(clashing)
    assert cli("sync", "--to", "v4.0.0", cwd=clashing).code == 1
    commit(clashing)
    assert cli("sync", "--show", "theirs", "pyproject.toml", cwd=clashing).out == PYPROJECT.format("theirs")
    assert cli("sync", "--take", "theirs", "pyproject.toml", cwd=clashing).code == 1
    assert (clashing / "pyproject.toml").read_text() == PYPROJECT.format("theirs")
    assert (clashing / "docs/extra.md").read_text() == "extra 4\n"


def test_an_abort_keeps_what_was_written_since_as_an_object(clashing: Path) -> None:
    before = snapshot(clashing)
    cli("sync", "--to", "v3.0.0", cwd=clashing)
    put(clashing, {RUNBOOK: "hours of work\n"})
    result = cli("sync", "--abort", cwd=clashing)
    assert (result.code, snapshot(clashing)) == (0, before)
    assert kept(clashing, result.out, RUNBOOK) == "hours of work"


def test_an_abort_takes_a_decision_back_too(clashing: Path) -> None:
    before = snapshot(clashing)
    cli("sync", "--to", "v3.0.0", cwd=clashing)
    taken = cli("sync", "--take", "theirs", "pyproject.toml", cwd=clashing)
    assert kept(clashing, taken.out, "pyproject.toml") == PYPROJECT.format("ours").strip()
    assert cli("sync", "--abort", cwd=clashing).code == 0
    assert snapshot(clashing) == before


def test_an_abort_leaves_what_others_staged(clashing: Path) -> None:
    cli("sync", "--to", "v3.0.0", cwd=clashing)
    put(clashing, {"other.txt": "staged\n"})
    git(clashing, "add", "other.txt")
    assert cli("sync", "--abort", cwd=clashing).code == 0
    assert git(clashing, "status", "--porcelain") == "A  other.txt"


def test_a_sync_that_was_thrown_away_cannot_be_aborted_later(clashing: Path) -> None:
    cli("sync", "--to", "v3.0.0", cwd=clashing)
    git(clashing, "reset", "-q", "--hard")
    put(clashing, {RUNBOOK: "later work\n"})
    result = cli("sync", "--abort", cwd=clashing)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: no sync is under way here")
    assert (clashing / RUNBOOK).read_text() == "later work\n"


def test_taking_our_side_keeps_what_was_edited_elsewhere_in_the_file(clashing: Path) -> None:
    cli("sync", "--to", "v3.0.0", cwd=clashing)
    marked = (clashing / RUNBOOK).read_text()
    put(clashing, {RUNBOOK: marked.replace("line 18\n", "line eighteen\n")})
    cli("sync", "--take", "ours", RUNBOOK, cwd=clashing)
    expected = LINES.replace("line 2\n", "line zwei\n").replace("line 18\n", "line eighteen\n")
    assert (clashing / RUNBOOK).read_text() == expected


def test_a_conflict_that_was_mended_and_committed_can_be_continued(clashing: Path) -> None:
    cli("sync", "--to", "v3.0.0", cwd=clashing)
    put(clashing, {RUNBOOK: LINES, "pyproject.toml": PYPROJECT.format("both")})
    commit(clashing)
    result = cli("sync", "--continue", cwd=clashing)
    assert (result.code, result.out.splitlines()[:2]) == (0, [f"resolved {RUNBOOK}", "resolved pyproject.toml"])


@pytest.mark.parametrize("content", [{}, {"mine.txt": "the team's\n"}])
def test_a_folder_where_a_file_is_to_come(project: Path, content: dict[str, str]) -> None:
    (project / "ops/new.md").mkdir()
    put(project / "ops/new.md", content)
    before = snapshot(project)
    result = cli("sync", cwd=project)
    if content:
        assert (result.code, snapshot(project)) == (2, before)
        assert "`ops/new.md/`" in result.err
    else:
        assert (result.code, (project / "ops/new.md").read_text()) == (0, "new\n")


def test_a_file_saved_after_the_plan_was_made_is_not_overwritten(project: Path) -> None:
    from ai_factory.errors import ProjectError
    from ai_factory.project import sync
    from ai_factory.project.opening import open_project
    from ai_factory.project.release import Request

    prepared = sync.prepare(open_project(str(project)), Request())
    put(project, {RUNBOOK: "saved just now\n"})
    before = snapshot(project)
    with pytest.raises(ProjectError, match="was changed while the sync was under way"):
        sync.apply(prepared)
    assert snapshot(project) == before


def test_a_folder_that_became_a_link_is_left_alone(project: Path) -> None:
    git(project, "mv", "ops", "handbook")
    (project / "ops").symlink_to("handbook")
    commit(project)
    result = cli("sync", cwd=project)
    assert result.code in (0, 1, 2)
    assert "Traceback" not in result.err
    assert (project / "ops").is_symlink()
    assert "line 20" in (project / "handbook/runbook.md").read_text()


def test_a_sparse_checkout_is_no_deletion(project: Path) -> None:
    git(project, "sparse-checkout", "set", "--no-cone", "/*", "!ops")
    code, error = (result := cli("sync", cwd=project)).code, result.err.splitlines()[0]
    assert (code, error) == (2, "error: a sparse checkout leaves out 2 of the project's files")


def test_in_the_middle_of_a_merge_no_sync_begins(project: Path) -> None:
    git(project, "checkout", "-q", "-b", "side")
    put(project, {"a.txt": "side\n"})
    commit(project)
    git(project, "checkout", "-q", "-")
    put(project, {"a.txt": "main\n"})
    commit(project)
    subprocess.run(["git", "merge", "-q", "side"], cwd=project, check=False, capture_output=True)
    assert cli("sync", cwd=project).code == 2


def test_a_hold_is_honoured(project: Path) -> None:
    manifest = project / ".ai-factory/project.yaml"
    manifest.write_text(manifest.read_text() + "hold: {until: 2999-01-01, reason: audit freeze}\n")
    commit(project)
    result = cli("sync", cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (
        2,
        "error: the project is on hold until 2999-01-01: audit freeze",
    )
    assert cli("sync", "--to", "v2.0.0", cwd=project).code == 0


def test_an_empty_destination_is_refused(tmp_path: Path, factory: Path) -> None:
    work = tmp_path / "work"
    put(work, {RUNBOOK: "mine\n"})
    result = cli("new", "small", "", "--defaults", "--factory", str(factory), cwd=work)
    assert (result.code, (work / RUNBOOK).read_text()) == (2, "mine\n")


def test_a_verdict_does_not_depend_on_who_reads_it(project: Path) -> None:
    put(project, {"src/small_thing/controls/audit.py": "edited\n"})
    command = [sys.executable, "-m", "ai_factory", "check"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(timeout=60) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--json", "--bogus"],
        ["check", "--json", "--fail-on", "nope"],
        ["sync", "--json", "--bogus"],
        ["new", "--json"],
    ],
)
def test_wrong_usage_is_a_valid_document_for_machines(project: Path, arguments: list[str]) -> None:
    result = cli(*arguments, "--json", cwd=project)
    assert (result.code, result.data["schema"], result.err) == (2, "ai-factory/error/1", "")


def test_new_says_that_it_wrote_only_when_it_did(
    tmp_path: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(factory / ".git")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), "--json", cwd=tmp_path)
    assert (result.code, result.data["schema"]) == (2, "ai-factory/error/1")


def test_a_broken_waiver_is_named_and_waives_nothing(project: Path) -> None:
    put(project, {".ai-factory/waivers.yaml": "- {rule: AF002, until: 2099-13-45}\n"})
    assert ("AF005", ".ai-factory/waivers.yaml") in rules(project)
    assert cli("check", cwd=project).code == 2


def test_an_answer_like_a_marker_breaks_nothing(tmp_path: Path, factory: Path) -> None:
    options = ["--defaults", "--factory", str(factory), "--data", "use_case=<<<<<<< x", "--data", "package=p"]
    assert cli("new", "small", "p", *options, cwd=tmp_path).code == 0
    assert cli("check", "p", cwd=tmp_path).code == 0
    assert json.loads((tmp_path / "p/.ai-factory/lock.json").read_text())["answers"]["use_case"] == "<<<<<<< x"


def test_an_edit_that_git_was_told_not_to_see_is_not_overwritten(project: Path) -> None:
    moved = project / "handbook/runbook.md"
    moved.parent.mkdir()
    git(project, "mv", RUNBOOK, "handbook/runbook.md")
    commit(project)
    git(project, "update-index", "--assume-unchanged", "handbook/runbook.md")
    moved.write_text(LINES + "only here\n")
    result = cli("sync", cwd=project)
    assert (result.code, moved.read_text()) == (2, LINES + "only here\n")
    assert "`handbook/runbook.md`" in result.err


def test_a_proposal_has_no_place_below_a_file_of_the_teams(project: Path, factory: Path) -> None:
    """Both moved a file, the factory to a folder whose name is a file of the team's."""
    git(project, "mv", "settings.txt", "ours.txt")
    put(project, {"shelf": "the team's\n"})
    commit(project)
    put(factory, {"templates/core/files/shelf/settings.txt": (factory / SETTINGS).read_text(), SETTINGS: None})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    result = cli("sync", "--to", "v3.0.0", cwd=project)
    assert (result.code, result.err) == (1, "")
    assert (project / "shelf").read_text() == "the team's\n"
    assert "shelf/settings.txt" in cli("sync", "--show", "theirs", "shelf/settings.txt", "--json", cwd=project).out


def test_a_seeded_file_is_not_taken_for_one_that_the_team_moved(project: Path, factory: Path) -> None:
    """The team deleted a file that was like it; the new version moves that one, and drops the seeded one."""
    box, seeded = "templates/core/files/box.txt", "templates/core/files/src/{{ package }}/main.py.jinja"
    put(factory, {box: LINES, seeded: LINES})
    for version, files in (("v3.0.0", {}), ("v4.0.0", {box: None, "templates/core/files/moved.txt": LINES})):
        put(factory, files)
        commit(factory)
        git(factory, "tag", version)
    place = small_project(project.parent / "p", factory, "--data", "package=p", version="v3.0.0")
    put(place, {"box.txt": None, "other.txt": "other\n"})
    commit(place)
    put(factory, {seeded: None, OWNERSHIP: SMALL[OWNERSHIP].replace('  "src/{{ package }}/main.py": seeded\n', "")})
    commit(factory)
    git(factory, "tag", "v5.0.0")
    result = cli("sync", "--to", "v5.0.0", cwd=place)
    assert (result.code, result.err, (place / "src/p/main.py").read_text()) == (0, "", LINES)


def test_a_decision_that_cannot_be_carried_out_changes_nothing(project: Path, factory: Path) -> None:
    """The new version's file needs a folder where the team has a link."""
    shutil.rmtree(project / "docs")
    (project / "docs").symlink_to("ops")
    commit(project)
    put(factory, {"templates/extras/files/docs/more.md": "more\n"})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    assert cli("sync", "--to", "v3.0.0", cwd=project).code == 1
    before = snapshot(project)
    result = cli("sync", "--take", "theirs", "docs/more.md", cwd=project)
    assert (result.code, snapshot(project)) == (2, before)
    assert result.err == (
        "error: there is no room for 1 file: something of yours is there\n  `docs/more.md`: `docs` is in the way\n"
        "hint: move that elsewhere (`git mv docs …`), or decline with `--take ours`\n"
    )
    assert cli("sync", "--take", "ours", "docs/more.md", cwd=project).code == 0


def test_a_folder_of_the_teams_where_a_file_is_to_come_can_be_decided(project: Path) -> None:
    """The folder stays, and the file is declined: the name of a folder is a file's where the lock says so."""
    put(project, {"ops/new.md/mine.txt": "mine\n"})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    assert cli("sync", "--take", "ours", "ops/new.md", cwd=project).code == 0
    assert (project / "ops/new.md/mine.txt").read_text() == "mine\n"
    assert cli("check", cwd=project).code == 0
    commit(project)
    assert cli("sync", cwd=project).out.startswith("nothing to do")


def test_another_repository_where_a_file_is_to_come_is_told_before_anything_is_written(project: Path) -> None:
    git(project, "init", "-q", "config")
    before = snapshot(project)
    result = cli("sync", cwd=project)
    assert (result.code, result.err.splitlines()[1]) == (
        2,
        "  `config/settings.txt (in another repository)` (a stash would leave it)",
    )
    assert snapshot(project) == before
