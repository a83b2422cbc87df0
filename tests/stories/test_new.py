"""`new`: what a team sees when it starts a project."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import cli, converse, git, put, rules, small_factory, snapshot, tree

STAMPED = {
    "docs/extra.md": "extra\n",
    "ops/old.md": "".join(f"old {number}\n" for number in range(1, 21)),
    "ops/runbook.md": "".join(f"line {number}\n" for number in range(1, 21)),
    "pyproject.toml": '[project]\nname = "small_thing"\ndependencies = [\n\n  "polars>=2,<3",\n\n]\n',
    "settings.txt": "".join(f"setting {number}\n" for number in range(1, 21)),
    "src/small_thing/controls/audit.py": "def record() -> None:\n    pass\n",
    "src/small_thing/main.py": 'NAME = "small thing"\n',
}


def test_new_stamps_every_file_and_commits_them_once(project: Path) -> None:
    assert tree(project) == STAMPED
    assert git(project, "log", "--format=%an %s") == "Test Stamp small with ai-factory"
    assert git(project, "status", "--porcelain") == ""


def test_the_record_says_what_was_wanted_and_what_was_applied(project: Path, factory: Path) -> None:
    lock = json.loads((project / ".ai-factory/lock.json").read_text())
    assert (project / ".ai-factory/project.yaml").read_text() == (
        f"factory: {factory}\nblueprint: small\nanswers:\n  use_case: small thing\n"
    )
    assert lock["factory"]["version"] == "v1.0.0"
    assert lock["factory"]["commit"] == git(factory, "rev-parse", "v1.0.0")
    assert lock["answers"] == {"package": "small_thing", "use_case": "small thing"}
    assert lock["components"] == {"core": "1.0.0", "extras": "v1.0.0"}
    assert lock["folders"] == ["src/small_thing/controls"]
    assert lock["paths"]["src/small_thing/controls/audit.py"] == {
        "base": git(project, "rev-parse", "HEAD:src/small_thing/controls/audit.py"),
        "base_version": "v1.0.0",
        "component": "core",
        "controls": ["AUD-01"],
        "mode": "100644",
        "ownership": "managed",
    }
    assert lock["paths"]["evidence/run.json"] == {
        "component": "core",
        "controls": [],
        "mode": "100644",
        "ownership": "produced",
    }


def test_the_lock_holds_one_path_a_line_and_is_sorted(project: Path) -> None:
    content = (project / ".ai-factory/lock.json").read_text()
    paths = [line.split('"')[1] for line in content.splitlines() if line.startswith('    "') and '"base' in line]
    assert paths == sorted(STAMPED)
    assert list(json.loads(content)) == sorted(json.loads(content))


def test_two_stampings_are_the_same_to_the_byte(factory: Path, tmp_path: Path) -> None:
    for name in ("a/same", "b/same"):
        assert cli("new", "small", str(tmp_path / name), "--defaults", "--factory", str(factory), "--no-git").code == 0
    assert snapshot(tmp_path / "a/same") == snapshot(tmp_path / "b/same")


def test_the_folder_names_the_use_case_unless_it_makes_no_good_name(factory: Path, tmp_path: Path) -> None:
    for folder, package in (("claims-triage", "claims_triage"), ("7up", "small_thing"), ("test", "small_thing")):
        result = cli("new", "small", folder, "--defaults", "--factory", str(factory), "--json", cwd=tmp_path)
        assert result.data["answers"]["package"] == package


def test_answers_come_from_a_file_and_from_the_command_line(factory: Path, tmp_path: Path) -> None:
    put(tmp_path, {"answers.yaml": "use_case: claims\npackage: from_file\n"})
    options = ["--answers", "answers.yaml", "--data", "package=from_line", "--factory", str(factory)]
    result = cli("new", "small", "p", *options, cwd=tmp_path)
    assert result.code == 0, result.err
    assert (tmp_path / "p/src/from_line/main.py").read_text() == 'NAME = "claims 2"\n'


def test_a_dry_run_writes_nothing(factory: Path, tmp_path: Path) -> None:
    result = cli("new", "small", "p", "--defaults", "--dry-run", "--factory", str(factory), cwd=tmp_path)
    assert (result.code, (tmp_path / "p").exists()) == (0, False)
    assert "7 files in 2 components" in result.out


def test_inside_a_repository_no_repository_and_no_commit_is_made(factory: Path, tmp_path: Path) -> None:
    mono = tmp_path / "mono"
    git(tmp_path, "init", "-q", str(mono))
    result = cli("new", "small", "teams/p", "--defaults", "--factory", str(factory), cwd=mono)
    assert result.code == 0
    assert "no repository and no commit was made: it lies in a repository already" in result.err
    assert not (mono / "teams/p/.git").exists()
    assert cli("check", "teams/p", cwd=mono).code == 0


def test_in_a_subfolder_one_command_installs_what_works_at_the_root_only(factory: Path, tmp_path: Path) -> None:
    put(factory, {"templates/extras/files/.github/workflows/ci.yml": "on: push\n"})
    mono = tmp_path / "mono"
    git(tmp_path, "init", "-q", str(mono))
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), cwd=mono)
    command = next(line for line in result.err.splitlines() if line.strip().startswith("cp "))
    subprocess.run(shlex.split(command), cwd=mono, check=True)
    assert (mono / ".github/workflows/ci.yml").read_text() == "on: push\n"


def test_without_an_identity_the_commit_is_the_tools_and_says_so(
    factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), cwd=tmp_path)
    assert "committed as `ai-factory <noreply@invalid>`" in result.err
    assert git(tmp_path / "p", "log", "--format=%an <%ae>") == "ai-factory <noreply@invalid>"


def test_the_machines_git_settings_do_not_reach_the_first_commit(factory: Path, tmp_path: Path) -> None:
    home = Path(os.environ["HOME"])
    put(
        home,
        {
            ".gitconfig": """\
[core]
  excludesFile = ~/ignore
  hooksPath = ~/hooks
  autocrlf = true
[commit]
  gpgSign = true
""",
            "ignore": "*.md\n",
            "hooks/pre-commit": "#!/bin/sh\nexit 1\n",
        },
    )
    (home / "hooks/pre-commit").chmod(0o755)
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), cwd=tmp_path)
    assert result.code == 0, result.err
    assert "ops/runbook.md" in git(tmp_path / "p", "ls-files").splitlines()
    assert result.err.splitlines()[0] == (
        "the commit is not signed, though your git signs commits (`commit.gpgsign`): "
        "`git -C p commit --amend --no-edit --gpg-sign`"
    )


def test_a_fresh_clone_of_an_empty_repository_can_be_stamped(factory: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    git(tmp_path, "clone", "-q", "empty.git", "p")
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), cwd=tmp_path)
    assert result.code == 0, result.err
    assert (tmp_path / "p/ops/runbook.md").exists()


def test_optional_components_are_taken_and_others_left_out(factory: Path, tmp_path: Path) -> None:
    options = ["--with", "nice", "--without", "extras", "--defaults", "--factory", str(factory)]
    assert cli("new", "small", "p", *options, cwd=tmp_path).code == 0
    files = tree(tmp_path / "p")
    assert ("docs/nice.md" in files, "docs/extra.md" in files) == (True, False)


def test_json_is_one_object_and_nothing_else(factory: Path, tmp_path: Path) -> None:
    result = cli("new", "small", "p", "--json", "--factory", str(factory), cwd=tmp_path)
    assert (result.data["schema"], result.data["written"], result.err) == ("ai-factory/new/1", True, "")


def test_on_a_terminal_the_questions_are_asked_one_by_one(factory: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ai_factory", "new", "small", "p", "--factory", str(factory)]
    said = converse(command, tmp_path, ["my claims\n", "not valid\n", "claims\n"])
    assert "What it is for" in said
    assert "is no identifier" in said
    assert (tmp_path / "p/src/claims/main.py").read_text() == 'NAME = "my claims 2"\n'


def test_a_folder_factory_is_read_as_it_is(tmp_path: Path) -> None:
    folder = small_factory(tmp_path / "factory", tags=False)
    assert cli("new", "small", "p", "--defaults", "--factory", str(folder), cwd=tmp_path).code == 0
    assert cli("check", "p", cwd=tmp_path).out == f"1 project ({_version(tmp_path / 'p')}): as the factory promised\n"
    put(folder, {"templates/extras/files/docs/extra.md": "more\n"})
    assert rules(tmp_path / "p") == [("AF001", ".ai-factory/lock.json")]


def _version(project: Path) -> str:
    return str(json.loads((project / ".ai-factory/lock.json").read_text())["factory"]["version"])
