"""What becomes of a conflict that stays open, is half resolved, or is resolved in another clone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.kit import LINES, cli, commit, git, put, snapshot, tree

RUNBOOK = "ops/runbook.md"
AUDIT = "src/small_thing/controls/audit.py"
STAMPED = f"templates/core/files/{RUNBOOK}"
V2 = LINES.replace("line 2\n", "line two\n")
V3 = V2.replace("line 15\n", "line fifteen\n")
LOG = "# Changelog\n\n## 3.0.0\n\n- more\n\n## 2.0.0\n\n- x\n\n## 1.0.0\n\n- first\n"


def release(factory: Path, changes: dict[str, str | None], tag: str = "v3.0.0") -> None:
    put(factory, {"templates/core/CHANGELOG.md": LOG, **changes})
    commit(factory)
    git(factory, "tag", tag)


def edited(project: Path, text: str) -> None:
    put(project, {RUNBOOK: text})
    commit(project)


def row(project: Path, path: str = RUNBOOK) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / ".ai-factory/lock.json").read_text())["paths"][path]
    return found


@pytest.fixture
def open_at_v3(project: Path, factory: Path) -> Path:
    """The conflict with v2 was still open when the project went on to v3, which changes another line of the file."""
    release(factory, {STAMPED: V3})
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", "--to", "v2.0.0", cwd=project).code == 1
    put(project, {RUNBOOK: LINES.replace("line 2\n", "team\n")})
    commit(project, "still open")
    assert cli("sync", "--to", "v3.0.0", cwd=project).code == 1
    commit(project, "v3")
    return project


@pytest.mark.parametrize("side", ["ours", "theirs", "mended"])
def test_what_a_later_version_changed_in_an_open_file_comes_after_it(open_at_v3: Path, side: str) -> None:
    """The next sync brings the rest, as the plan had said; until then the lock claims no more than it holds."""
    assert row(open_at_v3)["theirs_version"] == "v2.0.0"
    assert not cli("sync", cwd=open_at_v3).out.startswith("nothing to do: the project is at v3.0.0\nhint")
    if side == "mended":
        put(open_at_v3, {RUNBOOK: LINES.replace("line 2\n", "team two\n")})
        assert cli("sync", "--continue", cwd=open_at_v3).code == 0
    else:
        assert cli("sync", "--take", side, RUNBOOK, cwd=open_at_v3).code == 0
    assert (row(open_at_v3)["base_version"], "theirs_version" in row(open_at_v3)) == ("v2.0.0", False)
    commit(open_at_v3, "resolved")
    assert cli("sync", "--commit", cwd=open_at_v3).code == 0
    second = {"ours": "team", "theirs": "line two", "mended": "team two"}[side]
    assert tree(open_at_v3)[RUNBOOK] == V3.replace("line two\n", f"{second}\n")
    assert row(open_at_v3)["base_version"] == "v3.0.0"
    assert cli("sync", cwd=open_at_v3).out == "nothing to do: the project is at v3.0.0\n"


def test_a_sync_that_leaves_a_conflict_open_has_nothing_to_do_twice(open_at_v3: Path) -> None:
    result = cli("sync", cwd=open_at_v3)
    assert (result.code, result.out) == (1, f"nothing to do: the project is at v3.0.0\nstill open: {RUNBOOK}\n")


def test_a_sync_beside_an_open_conflict_says_how_to_end_it(project: Path, factory: Path) -> None:
    release(factory, {"templates/core/files/ops/new.md": "newer\n"})
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", "--to", "v2.0.0", cwd=project).code == 1
    commit(project, "still open")
    result = cli("sync", "--to", "v3.0.0", "--commit", cwd=project)
    told = f"committed\nstill open: {RUNBOOK}\nhint: mend an open file, or decide: `ai-factory sync --take ours FILE`"
    assert (result.code, told in result.out) == (1, True)


def test_a_version_that_moves_what_is_in_conflict_has_to_wait(project: Path, factory: Path) -> None:
    manifest = (factory / "templates/core/component.yaml").read_text()
    declared = f"  - {{ since: 3.0.0, rename: {{ {RUNBOOK}: ops/handbook.md }} }}\n"
    moved = {STAMPED: None, "templates/core/files/ops/handbook.md": V3}
    release(factory, {"templates/core/component.yaml": manifest + declared, **moved})
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", "--to", "v2.0.0", cwd=project).code == 1
    commit(project, "still open")
    before = snapshot(project)
    result = cli("sync", cwd=project)
    assert (result.code, snapshot(project)) == (2, before)
    assert f"`{RUNBOOK}` → `ops/handbook.md`" in result.err
    assert cli("sync", "--take", "ours", RUNBOOK, cwd=project).code == 0
    commit(project, "ours")
    assert cli("sync", "--commit", cwd=project).code == 0
    assert tree(project)["ops/handbook.md"] == V3.replace("line two\n", "team\n")
    assert RUNBOOK not in tree(project)


def test_the_teams_own_underline_is_no_mark(project: Path) -> None:
    """A heading in Markdown may be underlined with equals signs, also with seven of them."""
    for underline in ("=" * 12, "=" * 7):
        mine = LINES.replace("line 2\n", f"Heading\n{underline}\none\ntwo\n")
        edited(project, mine)
        assert cli("sync", cwd=project).code == 1
        assert cli("sync", "--take", "ours", RUNBOOK, cwd=project).code == 0
        assert tree(project)[RUNBOOK] == mine
        assert cli("sync", "--abort", cwd=project).code == 0


def test_text_about_marks_is_no_mark_of_a_sync(project: Path) -> None:
    """A page that explains conflicts keeps its example, whatever is decided about the rest of it."""
    example = "<<<<<<< HEAD\nmine\n=======\nother\n>>>>>>> branch\n"
    mine = LINES.replace("line 2\n", f"team\n{example}")
    edited(project, mine)
    assert cli("sync", cwd=project).code == 1
    assert (tree(project)[RUNBOOK], tree(project)[f"{RUNBOOK}.incoming"]) == (mine, V2)
    assert cli("sync", "--continue", cwd=project).code == 1
    assert cli("sync", "--take", "ours", RUNBOOK, cwd=project).code == 0
    assert tree(project)[RUNBOOK] == mine


def test_a_large_file_of_the_teams_does_not_stop_a_decision(project: Path) -> None:
    """Nor does an open file that was moved: what is too large to be read is no text with marks."""
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", cwd=project).code == 1
    with (project / "data.bin").open("wb") as large:
        large.truncate(65 * 1024 * 1024)
    (project / RUNBOOK).unlink()
    git(project, "add", "-A")
    assert cli("sync", "--continue", cwd=project).code == 0


@pytest.mark.parametrize("removed", ["<<<<<<<", "=======", ">>>>>>>"])
def test_a_mark_that_is_left_is_named(project: Path, removed: str) -> None:
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", cwd=project).code == 1
    lines = (project / RUNBOOK).read_text().splitlines(keepends=True)
    put(project, {RUNBOOK: "".join(line for line in lines if not line.startswith(removed))})
    result = cli("sync", "--continue", cwd=project)
    assert (result.code, f"`{RUNBOOK}`" in result.err) == (1, True)


def test_marks_that_moved_with_their_file_are_named(project: Path) -> None:
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", cwd=project).code == 1
    git(project, "add", "-A")
    git(project, "mv", RUNBOOK, "ops/handbook.md")
    result = cli("sync", "--continue", cwd=project)
    assert (result.code, "`ops/handbook.md`" in result.err) == (1, True)


EXTRA = "templates/core/files/requirements.txt"


@pytest.fixture
def without_marks(project: Path, factory: Path) -> Path:
    """A conflict between entries, in a file that holds no marks."""
    release(factory, {EXTRA: "aaa==1\nbbb==1\nccc==1\n"})
    assert cli("sync", "--commit", cwd=project).code == 0
    put(factory, {EXTRA: "aaa==1\nbbb==1\nccc==1\nzzz==2\n"})
    commit(factory)
    git(factory, "tag", "v4.0.0")
    put(project, {"requirements.txt": "zzz==1\naaa==1\nbbb==1\nccc==1\n"})
    commit(project)
    assert cli("sync", cwd=project).code == 1
    return project


def test_an_untouched_file_is_no_resolved_one_in_a_fresh_clone(without_marks: Path, tmp_path: Path) -> None:
    """Git does not carry the proposal that lies beside it."""
    commit(without_marks, "still open")
    git(tmp_path, "clone", "-q", str(without_marks), "clone")
    result = cli("sync", "--continue", "--json", cwd=tmp_path / "clone")
    assert (result.code, result.data["open"]) == (1, ["requirements.txt"])
    put(tmp_path / "clone", {"requirements.txt": "aaa==1\nbbb==1\nccc==1\nzzz==2\n"})
    assert cli("sync", "--continue", cwd=tmp_path / "clone").code == 0


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_proposal_that_somebody_wrote_in_stays(without_marks: Path, side: str) -> None:
    place = without_marks / "requirements.txt.incoming"
    text = place.read_text() + "team==1\n"
    place.write_text(text)
    result = cli("sync", "--take", side, "requirements.txt", "--json", cwd=without_marks)
    assert (result.code, result.data["left"], place.read_text()) == (0, ["requirements.txt.incoming"], text)


def test_a_file_of_the_teams_named_like_a_proposal_stays(project: Path) -> None:
    """Also one that git tracks: a file with marks has no proposal beside it."""
    put(project, {f"{RUNBOOK}.incoming": "notes\n"})
    edited(project, LINES.replace("line 2\n", "team\n"))
    assert cli("sync", cwd=project).code == 1
    assert cli("sync", "--take", "ours", RUNBOOK, cwd=project).code == 0
    assert tree(project)[f"{RUNBOOK}.incoming"] == "notes\n"


def test_with_nothing_under_way_there_is_nothing_to_continue(project: Path) -> None:
    result = cli("sync", "--continue", cwd=project)
    assert (result.code, result.err) == (
        2,
        "error: there is nothing to continue: no conflict is open, and no sync is under way\n",
    )


def test_a_staged_sync_is_not_committed_by_the_next(project: Path) -> None:
    """Which has nothing to do: a job that believes otherwise would push nothing."""
    assert cli("sync", cwd=project).code == 0
    result = cli("sync", "--commit", cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: an earlier sync is staged, and not committed")
    commit(project)
    assert cli("sync", "--commit", cwd=project).code == 0


def test_an_empty_version_is_no_version(project: Path) -> None:
    """As when a job's variable is not set."""
    result = cli("sync", "--to", "", cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: `--to` names no version")


# ---- what git does not tell ----------------------------------------------------------------------


def test_what_a_filter_stores_otherwise_is_refused(project: Path) -> None:
    """Staged as it is, it would be committed in clear."""
    put(project, {".gitattributes": "*.md filter=secret -text\n"})
    git(project, "config", "filter.secret.clean", "base64 -w0")
    git(project, "config", "filter.secret.smudge", "base64 -d")
    git(project, "add", "--renormalize", ".")
    commit(project)
    for place in (project / "ops").iterdir():
        os.utime(place, (1, 1))  # else git doubts a file as young as its index
    git(project, "update-index", "--refresh")
    before = snapshot(project)
    result = cli("sync", cwd=project)
    assert (result.code, snapshot(project)) == (2, before)
    assert f"`{RUNBOOK}`" in result.err
    assert "in another form" in result.err


def test_what_one_clone_ignores_by_itself_is_stamped_for_all(project: Path) -> None:
    """And a file of its own that lies there, of which git says nothing, is not written over."""
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/exclude").write_text("new*\n")
    put(project, {"ops/new.md": "my own\n"})
    assert git(project, "status", "--porcelain") == ""
    result = cli("sync", cwd=project)
    assert (result.code, tree(project)["ops/new.md"]) == (2, "my own\n")
    assert "`ops/new.md`" in result.err
    (project / "ops/new.md").unlink()
    assert cli("sync", "--commit", cwd=project).code == 0
    assert git(project, "show", "HEAD:ops/new.md") == "new"
    assert "state" not in row(project, "ops/new.md")


def test_an_edit_that_git_was_told_not_to_see_is_in_the_way(project: Path) -> None:
    git(project, "update-index", "--assume-unchanged", RUNBOOK)
    assert cli("sync", "--plan", cwd=project).code == 0
    put(project, {RUNBOOK: LINES + "secret\n"})
    result = cli("sync", "--commit", cwd=project)
    assert (result.code, tree(project)[RUNBOOK]) == (2, LINES + "secret\n")
    assert f"`{RUNBOOK}`" in result.err


def test_a_file_that_git_skips_is_named_with_the_command(project: Path) -> None:
    git(project, "update-index", "--skip-worktree", RUNBOOK)
    result = cli("sync", cwd=project)
    assert (result.code, f"hint: `git update-index --no-skip-worktree {RUNBOOK}`" in result.err) == (2, True)


def test_a_line_with_an_ending_of_its_own_keeps_it(project: Path) -> None:
    (project / RUNBOOK).write_bytes(LINES.encode() + b"mixed\r\n")
    commit(project)
    assert cli("sync", "--commit", cwd=project).code == 0
    assert (project / RUNBOOK).read_bytes() == V2.encode() + b"mixed\r\n"
