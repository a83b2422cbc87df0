"""Where a project lies and what its repository does: subfolders, worktrees, submodules, hooks, settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit import cli, commit, git, put, rules, snapshot
from tests.stories.scenarios.story import (
    BASE,
    BOTH,
    CLASH,
    MARKED,
    NEW,
    TEAM,
    Content,
    Story,
    clean,
    contents,
    file,
    lay,
    loud,
    ran,
    refused,
    stamped,
)


def inside(top: Path, tmp_path: Path) -> Story:
    """A project in a subfolder of the repository at `top`, committed."""
    story = stamped(tmp_path, {"f.txt": BASE, "d/g.toml": "a = 1\n"}, name=f"{top.name}/teams/one")
    commit(top)
    return story


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    """A repository with files of its own around the projects."""
    top = tmp_path / "mono repo"
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    put(top, {"f.txt": "not a project's\n", "d/g.toml": "x = 1\n", "teams/README.md": "ours\n"})
    commit(top)
    return top


def around(top: Path) -> dict[str, object]:
    """All that lies in the repository outside the projects."""
    return {path: item for path, item in contents(top).items() if not path.startswith("teams/one/")}


# ---- a monorepo ----------------------------------------------------------------------------------


def test_a_project_in_a_subfolder_is_merged_and_nothing_outside_is_touched(mono: Path, tmp_path: Path) -> None:
    """A project lies in a subfolder of a bigger repository: edits there are merged, files outside are not looked at."""
    story = inside(mono, tmp_path)
    story.team({"f.txt": TEAM})
    before = around(mono)
    story.release({"f.txt": NEW, "d/g.toml": "a = 1\n"}, 2)
    clean(story, {"f.txt": BOTH, "d/g.toml": "a = 1\n"})
    assert around(mono) == before


def test_conflicts_of_both_kinds_in_a_subfolder(mono: Path, tmp_path: Path) -> None:
    """Markers and proposals work in a subfolder: stages of the right path, and the proposal hidden from git."""
    story = inside(mono, tmp_path)
    story.team({"f.txt": CLASH, "d/g.toml": "a = 2\n"})
    before, saved = around(mono), snapshot(mono)
    story.release({"f.txt": NEW, "d/g.toml": "a = 3\n"}, 2)
    tree = {"f.txt": MARKED, "d/g.toml": "a = 2\n", "d/g.toml.incoming": "a = 3\n"}
    loud(story, tree, {"f.txt": "123", "d/g.toml": ""})
    assert "??" not in git(mono, "status", "--porcelain")
    assert around(mono) == before
    assert cli("sync", "--abort", cwd=story.project).code == 0
    assert snapshot(mono) == saved


def test_a_file_that_the_team_moved_out_of_the_project(mono: Path, tmp_path: Path) -> None:
    """The team moved a file from the project to elsewhere in the repository: deleted here, untouched there."""
    story = inside(mono, tmp_path)
    git(mono, "mv", "teams/one/f.txt", "moved.txt")
    commit(mono)
    story.release({"f.txt": NEW, "d/g.toml": "a = 1\n"}, 2)
    clean(story, {"d/g.toml": "a = 1\n"})
    assert (mono / "moved.txt").read_text() == BASE


def test_two_projects_in_sibling_folders(mono: Path, tmp_path: Path) -> None:
    """Two projects of one repository come from different factories: each is synced by itself."""
    one = inside(mono, tmp_path)
    (tmp_path / "second").mkdir()
    made = stamped(tmp_path / "second", {"f.txt": BASE, "h.txt": "h\n"}, name="../mono repo/teams/two")
    two = replace(made, project=mono / "teams/two")
    commit(mono)
    one.team({"f.txt": TEAM})
    two.team({"f.txt": CLASH})
    two.release({"f.txt": NEW, "h.txt": "2\n"}, 2)
    one.release({"f.txt": NEW, "d/g.toml": "a = 1\n"}, 2)
    first = contents(one.project)
    loud(two, {"f.txt": MARKED, "h.txt": "2\n"}, {"f.txt": "123"})
    assert contents(one.project) == first
    assert one.sync("--json").code == 0  # the other's open conflict does not stop it
    assert contents(one.project) == {"f.txt": file(BOTH), "d/g.toml": file("a = 1\n")}
    assert cli("sync", "--take", "theirs", "f.txt", cwd=two.project).code == 0
    commit(mono)
    assert cli("check", "teams/one", "teams/two", cwd=mono).code == 0


def test_a_project_inside_another_project(tmp_path: Path) -> None:
    """A project lies in a folder of another one, with the same files: no change of the outer one follows there."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "1\n"})
    made = cli("new", "small", "services/x", "--defaults", "--factory", str(story.factory), cwd=story.project)
    assert made.code == 0, made.err
    story.team({"f.txt": None})
    story.release({"f.txt": NEW, "g.txt": "2\n"}, 2)
    clean(story, {"g.txt": "2\n", "services/x/f.txt": BASE, "services/x/g.txt": "1\n"})
    inner = replace(story, project=story.project / "services/x")
    clean(inner, {"f.txt": NEW, "g.txt": "2\n"})
    assert rules(story.project) == []


@pytest.mark.parametrize("name", ["pro\nject", 'with "quotes" and \\', "#x", "ünï cödé", "-dash"])
def test_a_project_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """The folder of the project has spaces, quotes, a line break, a leading dash: a merge and an abort work there."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": BASE}, name=f"at/{name}")
    story.team({"f.txt": TEAM, "g.txt": CLASH, "mine.txt": "x\n"})
    saved = snapshot(story.project)
    story.release({"renamed.txt": NEW, "g.txt": NEW}, 2)
    loud(story, {"renamed.txt": BOTH, "g.txt": MARKED, "mine.txt": "x\n"}, {"g.txt": "123"})
    assert cli("sync", "--abort", cwd=story.project).code == 0
    assert snapshot(story.project) == saved


# ---- kinds of repositories -----------------------------------------------------------------------


def separate_git_dir(project: Path, folder: Path) -> Path:
    git(project, "init", "-q", "--separate-git-dir", str(folder / "elsewhere.git"))
    return project


def worktree(project: Path, folder: Path) -> Path:
    git(project, "worktree", "add", "-q", "-b", "side", str(folder / "side"))
    return folder / "side"


def worktree_of_a_bare_repository(project: Path, folder: Path) -> Path:
    git(folder, "clone", "-q", "--bare", str(project), "bare.git")
    git(folder / "bare.git", "worktree", "add", "-q", str(folder / "side"))
    return folder / "side"


def submodule_of_another(project: Path, folder: Path) -> Path:
    git(folder, "init", "-q", "parent")
    git(folder / "parent", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(project), "sub")
    commit(folder / "parent")
    return folder / "parent/sub"


def sha256(project: Path, folder: Path) -> Path:
    shutil.rmtree(project / ".git")
    git(folder, "init", "-q", "--object-format=sha256", str(project))
    commit(project)
    return project


@pytest.mark.parametrize(
    "placed", [separate_git_dir, worktree, worktree_of_a_bare_repository, submodule_of_another, sha256]
)
def test_a_project_in_another_kind_of_work_tree(tmp_path: Path, placed: Callable[[Path, Path], Path]) -> None:
    """The repository's data lie elsewhere, or the project is a submodule itself: sync, conflict and abort work."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.bin": b"\0", "h.txt": BASE})
    story = replace(story, project=placed(story.project, tmp_path))
    story.team({"f.txt": CLASH, "h.txt": TEAM})
    saved = snapshot(story.project)
    story.release({"f.txt": NEW, "g.bin": b"\0", "h.txt": NEW}, 2)
    loud(story, {"f.txt": MARKED, "g.bin": b"\0", "h.txt": BOTH}, {"f.txt": "123"})
    assert cli("sync", "--abort", cwd=story.project).code == 0
    assert snapshot(story.project) == saved
    story.release({"f.txt": BASE, "g.bin": b"\0", "h.txt": NEW}, 3)
    clean(story, {"f.txt": CLASH, "g.bin": b"\0", "h.txt": BOTH})


def submodule(project: Path, tmp_path: Path, path: str) -> Path:
    """A submodule of the project, with one file, committed."""
    git(tmp_path, "init", "-q", "library")
    put(tmp_path / "library", {"lib.txt": "lib\n"})
    commit(tmp_path / "library")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "library"), path)
    commit(project)
    return project / path


def test_a_submodule_in_the_project_is_left_alone(tmp_path: Path) -> None:
    """The team keeps a submodule, with changes in it: a sync neither commits, cleans nor looks into it."""
    story = stamped(tmp_path, {"f.txt": BASE})
    inner = submodule(story.project, tmp_path, "vendor/lib")
    put(inner, {"lib.txt": "changed\n", "new.txt": "untracked\n"})
    story.release({"f.txt": NEW, "vendor/ours.txt": "o\n"}, 2)
    before = git(story.project, "ls-files", "-s", "vendor/lib")
    assert story.sync("--json").code == 0
    assert git(story.project, "ls-files", "-s", "vendor/lib") == before
    assert contents(inner) == {"lib.txt": file("changed\n"), "new.txt": file("untracked\n")}


@pytest.mark.parametrize("path", ["vendor/lib", "vendor/lib/x.txt", "vendor/lib/lib.txt"])
def test_the_factory_brings_a_file_where_the_team_has_a_submodule(tmp_path: Path, path: str) -> None:
    """A new file lies at or below a submodule of the team's: the submodule stays, and a person decides."""
    story = stamped(tmp_path, {"f.txt": BASE})
    inner = submodule(story.project, tmp_path, "vendor/lib")
    before, held = contents(inner), git(story.project, "ls-files", "-s", "vendor/lib")
    story.release({"f.txt": NEW, path: "x\n"}, 2)
    whole = snapshot(story.project)
    result = story.sync("--json")
    assert result.code == 1, result.out
    assert (contents(inner), git(story.project, "ls-files", "-s", "vendor/lib")) == (before, held)
    assert git(inner, "status", "--porcelain") == ""
    assert rules(story.project) == [("AF004", path)]
    refused = cli("sync", "--take", "theirs", path, cwd=story.project)
    assert (refused.code, refused.err.splitlines()[0]) == (
        2,
        "error: there is no room for 1 file: something of yours is there",
    )
    assert cli("sync", "--take", "ours", path, cwd=story.project).code == 0
    assert (contents(inner), git(story.project, "ls-files", "-s", "vendor/lib")) == (before, held)
    assert rules(story.project) == []
    assert cli("sync", "--abort", cwd=story.project).code == 0
    assert snapshot(story.project) == whole


def test_a_repository_inside_the_project_is_left_alone(tmp_path: Path) -> None:
    """Somebody cloned another repository into the project, tracked by nobody: it is left alone."""
    story = stamped(tmp_path, {"f.txt": BASE, "d/g.txt": "g\n"})
    git(story.project, "init", "-q", "d/inner")
    put(story.project, {"d/inner/x.txt": "x\n"})
    commit(story.project / "d/inner")
    story.release({"f.txt": NEW}, 2)
    assert story.sync("--json").code == 0
    assert (story.project / "d/inner/x.txt").read_text() == "x\n"
    assert (story.project / "d/inner/.git/HEAD").exists()


def test_a_submodule_in_the_factory_is_refused(tmp_path: Path) -> None:
    """A component holds a submodule, whose files nobody fetches: it is refused rather than stamped without them."""
    story = stamped(tmp_path, {"f.txt": BASE, "vendor/x.txt": "x\n"}, tags=True)
    story.release({"f.txt": NEW}, 2)
    git(tmp_path, "init", "-q", "library")
    put(tmp_path / "library", {"x.txt": "x\n"})
    commit(tmp_path / "library")
    options = ["-c", "protocol.file.allow=always", "submodule", "add", "-q"]
    git(story.factory, *options, str(tmp_path / "library"), "templates/core/files/vendor")
    commit(story.factory)
    git(story.factory, "tag", "v3.0.0")
    data = refused(story)
    assert "templates/core/files/vendor" in data["message"]


# ---- hooks, filters, settings --------------------------------------------------------------------


def test_no_hook_of_the_project_stops_or_sees_a_sync(tmp_path: Path) -> None:
    """A failing or side-effecting hook of the project does not break an update, nor run at all."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": TEAM})
    hook = ran(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    names = ("post-checkout", "pre-commit", "post-index-change", "reference-transaction", "post-merge", "post-rewrite")
    lay(story.project / ".git/hooks", dict.fromkeys(names, hook))
    story.release({"f.txt": NEW}, 2)
    assert story.sync("--json").code == 0
    assert contents(story.project) == {"f.txt": file(BOTH)}
    assert not (tmp_path / "ran").exists()


def test_a_commit_hook_that_refuses_the_sync_leaves_it_staged(tmp_path: Path) -> None:
    """`sync --commit` meets the project's own failing hook: the sync is staged, and can be committed or aborted."""
    story = stamped(tmp_path, {"f.txt": BASE})
    lay(story.project / ".git/hooks", {"pre-commit": ran("#!/bin/sh\nexit 1\n")})
    saved = snapshot(story.project)
    story.release({"f.txt": NEW}, 2)
    result = story.sync("--commit", "--json")
    assert (result.code, result.data["message"].split(":")[0]) == (2, "the sync is staged, but not committed")
    assert git(story.project, "diff", "--cached", "--name-only").splitlines()[-1] == "f.txt"
    assert cli("sync", "--abort", cwd=story.project).code == 0
    assert snapshot(story.project) == saved


def test_a_commit_hook_that_reformats_the_sync(tmp_path: Path) -> None:
    """`sync --commit` meets a formatter: the commit holds what it made of the files, and the next sync is clean."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.release({"f.txt": NEW.replace("line 9\n", "line 9   \n")}, 2)
    hook = "#!/bin/sh\nsed -i 's/ *$//' f.txt\ngit add f.txt\n"
    lay(story.project / ".git/hooks", {"pre-commit": ran(hook)})
    assert story.sync("--commit", "--json").code == 0
    assert git(story.project, "status", "--porcelain") == ""
    assert contents(story.project) == {"f.txt": file(NEW)}
    story.release({"f.txt": BOTH.replace("line 9\n", "line 9   \n")}, 3)
    clean(story, {"f.txt": BOTH})


SETTINGS = {
    "merge.default": "ours",
    "merge.ours.driver": "false",
    "merge.conflictStyle": "diff3",
    "rerere.enabled": "true",
    "merge.renames": "false",
    "diff.renames": "false",
    "core.quotePath": "true",
    "core.ignoreCase": "true",
    "core.splitIndex": "true",
    "core.untrackedCache": "true",
    "status.showUntrackedFiles": "no",
    "status.short": "true",
    "color.ui": "always",
    "core.pager": "false",
    "commit.gpgSign": "true",
    "gpg.program": "false",
}


def test_no_setting_of_the_repository_changes_a_sync(tmp_path: Path) -> None:
    """Whatever the repository's configuration says about merging and output, the sync ends the same."""
    story = stamped(tmp_path, {"f.txt": BASE, "clash.txt": BASE, "a.txt": "a\n" + BASE, "ü.txt": BASE})
    mine: dict[str, Content] = {"f.txt": TEAM, "clash.txt": CLASH, "a.txt": "a\n" + TEAM, "ü.txt": TEAM}
    story.team({**mine, ".gitattributes": "*.txt merge=ours\n"})
    for key, value in SETTINGS.items():
        git(story.project, "config", key, value)
    story.release({"f.txt": NEW, "clash.txt": NEW, "b.txt": "a\n" + NEW, "ü.txt": NEW}, 2)
    tree: dict[str, Content] = {"f.txt": BOTH, "clash.txt": MARKED, "b.txt": "a\n" + BOTH, "ü.txt": BOTH}
    loud(story, {**tree, ".gitattributes": "*.txt merge=ours\n"}, {"clash.txt": "123"})


def test_a_project_without_a_commit_or_without_git(tmp_path: Path) -> None:
    """Outside a work tree there is no way back, so no sync; in a repository nothing is written before a commit."""
    story = stamped(tmp_path, {"f.txt": BASE}, "--no-git")
    story.release({"f.txt": NEW}, 2)
    before = contents(story.project)
    outside = story.sync("--json")
    assert (outside.code, contents(story.project)) == (2, before)
    git(story.project, "init", "-q")
    unborn = story.sync("--json")
    assert (unborn.code, contents(story.project)) == (2, before)
    commit(story.project)
    clean(story, {"f.txt": NEW})


def test_a_shallow_clone_and_a_fork_sync_like_the_original(tmp_path: Path) -> None:
    """A shallow clone has no history: the base lies in the project, so the sync is the same."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": TEAM})
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{story.project}", "shallow")
    story = replace(story, project=tmp_path / "shallow")
    story.release({"f.txt": NEW}, 2)
    clean(story, {"f.txt": BOTH})


def test_a_detached_head_is_a_place_like_any_other(tmp_path: Path) -> None:
    """The project stands at no branch, as in many CI jobs: a sync works there."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": TEAM})
    git(story.project, "checkout", "-q", "--detach")
    story.release({"f.txt": NEW}, 2)
    clean(story, {"f.txt": BOTH})


def test_uncommitted_changes_are_refused_only_where_they_are_in_the_way(tmp_path: Path) -> None:
    """A file of the plan has uncommitted changes, staged or not: all are named; others do not count."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": BASE, "h.txt": BASE, "quiet.txt": "q\n"})
    story.release({"f.txt": NEW, "g.txt": NEW, "new.txt": "n\n", "quiet.txt": "q\n"}, 2)
    lay(story.project, {"f.txt": TEAM, "g.txt": TEAM, "new.txt": "mine\n", "h.txt": TEAM, "quiet.txt": "mine\n"})
    git(story.project, "add", "g.txt")
    lay(story.project, {"other.txt": "o\n"})
    data = refused(story)
    assert sorted(data["details"]) == ["`f.txt`", "`g.txt`", "`h.txt`", "`new.txt`"]
