"""Two at work in one place: one goes first, the other is refused or waits its turn, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ai_factory import journal
from ai_factory.errors import FactoryError, ProjectError
from ai_factory.project import states, sync
from ai_factory.project.opening import open_project
from ai_factory.project.release import Request
from tests.kit import LINES, cli, commit, git, put, refusal, small_project, snapshot, tree

AUDIT = "src/small_thing/controls/audit.py"
RUNBOOK = "ops/runbook.md"
HOLD = """\
import sys
from ai_factory import journal
with journal.exclusive(journal.journal_of(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
BUSY = "error: another sync is running in this project\nhint: wait until it has ended\n"


@contextmanager
def another(project: Path) -> Iterator[None]:
    """Another process that is at work in the project."""
    command = [sys.executable, "-c", HOLD, str(project)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


def together(folders: Sequence[Path], *arguments: str) -> list[tuple[int, str]]:
    """Run the command in all the folders at the same time; exit codes and what stderr says."""
    command = [sys.executable, "-m", "ai_factory", *arguments]
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for folder in folders
    ]
    told = [process.communicate(timeout=300)[1] for process in running]
    return [(process.returncode, text) for process, text in zip(running, told, strict=True)]


@pytest.fixture
def conflicting(project: Path) -> Path:
    """A project in which a sync has ended with a conflict."""
    put(project, {RUNBOOK: LINES.replace("line 2\n", "line zwei\n")})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    return project


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync", "--abort"],
        ["sync", "--continue"],
        ["sync", "--take", "ours", RUNBOOK],
        ["sync", "--take", "theirs", RUNBOOK],
        ["sync", "--repair"],
        ["restore", AUDIT],
    ],
)
def test_while_another_is_at_work_nothing_is_written(conflicting: Path, arguments: list[str]) -> None:
    put(conflicting, {AUDIT: "edited\n"})
    before = snapshot(conflicting)
    with another(conflicting):
        result = cli(*arguments, cwd=conflicting)
        assert (result.code, result.err, snapshot(conflicting)) == (2, BUSY, before)
    assert cli(*arguments, cwd=conflicting).err != BUSY  # the lock went with the process


def test_while_another_is_at_work_no_sync_begins(project: Path) -> None:
    before = snapshot(project)
    with another(project):
        result = cli("sync", cwd=project)
        assert (result.code, result.err, snapshot(project)) == (2, BUSY, before)
        assert cli("sync", "--plan", cwd=project).code == 0
    assert cli("sync", cwd=project).code == 0


def test_of_many_syncs_at_once_one_goes_first_and_the_others_are_refused(project: Path) -> None:
    before = snapshot(project)
    results = together([project] * 5, "sync")
    assert sorted(code for code, _ in results) == [0, 2, 2, 2, 2]
    assert tree(project)[RUNBOOK] == LINES.replace("line 2\n", "line two\n")
    assert cli("sync", "--abort", cwd=project).code == 0
    assert snapshot(project) == before


def test_worktrees_of_one_repository_do_not_wait_for_each_other(project: Path, tmp_path: Path) -> None:
    """Each hides the proposal of a conflict in the one exclude file that they share."""
    put(project, {"docs/extra.md": b"ours\0"})
    commit(project)
    put(tmp_path / "factory", {"templates/extras/files/docs/extra.md": b"theirs\0"})
    commit(tmp_path / "factory")
    git(tmp_path / "factory", "tag", "v3.0.0")
    others = [tmp_path / f"linked {number}" for number in range(3)]
    for other in others:
        git(project, "worktree", "add", "-q", "--detach", str(other))
    with another(others[0]):
        assert cli("sync", cwd=others[1]).code == 1
    exclude = project / ".git/info/exclude"
    exclude.write_text("# mine\n")
    places = [project, others[0], others[2]]
    assert together(places, "sync") == [(1, "")] * 3
    assert exclude.read_text() == "# mine\n/docs/extra.md.incoming\n"
    assert [(place / "docs/extra.md.incoming").read_bytes() for place in places] == [b"theirs\0"] * 3
    assert [git(place, "status", "--porcelain").count("extra") for place in places] == [0] * 3


def test_projects_side_by_side_share_an_index_and_lose_nothing_of_it(tmp_path: Path, factory: Path) -> None:
    top = tmp_path / "mono"
    top.mkdir()
    git(top, "init", "-q")
    projects = [small_project(top / name, factory, "--data", "package=p") for name in ("a", "b", "c")]
    commit(top)
    assert together(projects, "sync") == [(0, "")] * 3
    staged = git(top, "diff", "--cached", "--name-only").splitlines()
    assert [sum(path.startswith(f"{name}/") for path in staged) for name in "abc"] == [len(staged) // 3] * 3
    assert git(top, "diff", "--name-only") == ""
    assert cli("sync", "--abort", cwd=projects[1]).code == 0
    left = git(top, "diff", "--cached", "--name-only").splitlines()
    assert left == [path for path in staged if not path.startswith("b/")]


def test_what_somebody_staged_while_a_sync_was_written_stays_staged(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a sync of the project next door does; an abort takes back no more than its own paths."""
    stage = journal._stage
    put(project, {"other.txt": "x\n"})

    def meanwhile(*arguments: Any) -> None:
        git(project, "add", "other.txt")
        stage(*arguments)

    monkeypatch.setattr(journal, "_stage", meanwhile)
    assert cli("sync", cwd=project).code == 0
    assert cli("sync", "--abort", cwd=project).code == 0
    assert git(project, "status", "--porcelain") == "A  other.txt"


# ---- between the plan and its writing ------------------------------------------------------------


def planned(project: Path) -> sync.Sync:
    return sync.prepare(open_project(str(project)), Request())


def refused(plan: sync.Sync) -> FactoryError:
    error = refusal(lambda: sync.apply(plan))
    assert (type(error), error.hint) == (ProjectError, "run it again")
    return error


def test_of_two_planned_at_once_the_second_is_refused(project: Path) -> None:
    before = snapshot(project)
    first, second = planned(project), planned(project)
    sync.apply(first)
    between = snapshot(project)
    assert "were changed while the sync was under way" in refused(second).message
    assert snapshot(project) == between
    assert cli("sync", "--abort", cwd=project).code == 0  # the first one can still be taken back
    assert snapshot(project) == before


@pytest.mark.parametrize(
    "path", [RUNBOOK, "ops/old.md", "ops/new.md", ".ai-factory/project.yaml", ".ai-factory/lock.json"]
)
def test_what_was_saved_since_the_plan_is_not_overwritten(project: Path, path: str) -> None:
    plan = planned(project)
    put(project, {path: "saved just now\n"})
    before = snapshot(project)
    assert refused(plan).details == (f"`{path}`",)
    assert snapshot(project) == before


def test_what_was_deleted_since_the_plan_stays_deleted(project: Path) -> None:
    plan = planned(project)
    put(project, {RUNBOOK: None})
    before = snapshot(project)
    assert refused(plan).details == (f"`{RUNBOOK}`",)
    assert snapshot(project) == before


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param([["commit", "-q", "--allow-empty", "-m", "other"]], id="committed"),
        pytest.param([["update-index", "--chmod=+x", RUNBOOK]], id="staged"),
        pytest.param([["rm", "-q", "--cached", RUNBOOK]], id="unstaged"),
    ],
)
def test_what_git_was_told_since_the_plan_is_seen(project: Path, commands: list[list[str]]) -> None:
    plan = planned(project)
    for command in commands:
        git(project, *command)
    before = snapshot(project)
    assert refused(plan).message == "something was staged or committed while the sync was under way"
    assert snapshot(project) == before


def test_a_sync_that_was_cut_off_since_the_plan_is_seen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = planned(project), planned(project)
    with monkeypatch.context() as patch:
        patch.setattr("ai_factory.journal.finish", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        patch.setattr("ai_factory.journal.undo", lambda *_, **__: {})
        with pytest.raises(OSError, match="killed"):
            sync.apply(first)
    assert refusal(lambda: sync.apply(second)).message == "a sync was cut off half-way"


def test_what_is_saved_while_the_plan_is_made_is_not_overwritten(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = states.merged

    def saved_meanwhile(*arguments: Any) -> Any:
        result = real(*arguments)
        put(project, {RUNBOOK: "saved just now\n"})
        return result

    monkeypatch.setattr(states, "merged", saved_meanwhile)
    result = cli("sync", cwd=project)
    assert (result.code, (project / RUNBOOK).read_text()) == (2, "saved just now\n")
    assert result.err.splitlines()[1:] == [f"  `{RUNBOOK}`", "hint: run it again"]
