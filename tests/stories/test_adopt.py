"""`adopt`: a repository that people made becomes a project, and every file of theirs stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit import LINES, cli, commit, git, put, rules, snapshot, tree
from tests.stories.test_new import STAMPED

RUNBOOK = LINES.replace("line 20\n", "line of ours\n")
AUDIT = "src/small_thing/controls/audit.py"
THEIRS = {  # what the team has: the same as the factory, other than it, and what it does not know
    "docs/extra.md": "extra\n",
    "ops/runbook.md": RUNBOOK,
    AUDIT: "def record() -> None:\n    ours()\n",
    "src/small_thing/main.py": "ours = True\n",
    "pyproject.toml": '[project]\nname = "small_thing"\ndependencies = [\n  "requests>=2",\n]\n',
    "README.md": "# Ours\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of the team's, with one commit and no trace of a factory."""
    folder = tmp_path / "small-thing"
    put(folder, THEIRS)
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    commit(folder)
    return folder


def adopt(repository: Path, factory: Path, *options: str, version: str = "v1.0.0") -> tuple[str, ...]:
    return ("adopt", str(repository), "--blueprint", "small", "--factory", str(factory), "--version", version, *options)


def test_files_are_added_and_every_file_of_the_teams_stays(repository: Path, factory: Path) -> None:
    result = cli(*adopt(repository, factory))
    assert result.code == 0, result.err
    assert tree(repository) == {**STAMPED, **THEIRS}
    assert git(repository, "diff", "--cached", "--name-status").splitlines() == [
        "A\t.ai-factory/.gitattributes",
        "A\t.ai-factory/base",
        "A\t.ai-factory/lock.json",
        "A\t.ai-factory/project.yaml",
        "A\tops/old.md",
        "A\tsettings.txt",
    ]
    assert git(repository, "diff", "--name-only") == ""


def test_the_plan_tells_of_each_path_what_becomes_of_it_and_writes_nothing(repository: Path, factory: Path) -> None:
    before = snapshot(repository)
    result = cli(*adopt(repository, factory, "--plan"))
    assert (result.code, result.out) == (
        0,
        f"""\
small v1.0.0 → {repository}
  = docs/extra.md (merged, of extras): adopt, is there already, the same
  + ops/old.md (merged, of core)
  = ops/runbook.md (merged, of core): keep, differs from the factory's, and later changes are merged into it
  = pyproject.toml (merged, of core): keep, differs from the factory's, and later changes are merged into it
  + settings.txt (merged, of core)
  = {AUDIT} (managed, of core): keep, differs from the factory's, which promises this file: `check` says so
  = src/small_thing/main.py (seeded, of core): keep, differs from the factory's, and is the team's own
  use_case: small thing
  package: small_thing (default)
7 files: 2 added, 1 there already, the same, 4 kept as you have them
drift: {AUDIT} was edited, and it stays so
      hint: `ai-factory restore {AUDIT}` puts the factory's there
hint: to get the factory's entries into files of yours as well: `--merge pyproject.toml`
hint: the same command without `--plan` applies this
""",
    )
    assert snapshot(repository) == before


def test_json_holds_the_whole_plan(repository: Path, factory: Path) -> None:
    data = cli(*adopt(repository, factory, "--json")).data
    changes = {row["path"]: row["action"] for row in data.pop("changes")}
    assert changes == {
        "docs/extra.md": "adopt",
        "evidence/run.json": "same",
        "ops/old.md": "add",
        "ops/runbook.md": "keep",
        "pyproject.toml": "keep",
        "settings.txt": "add",
        AUDIT: "keep",
        "src/small_thing/main.py": "keep",
    }
    assert [row["rule"] for row in data.pop("drift")] == ["AF002"]
    assert data.pop("factory")["version"] == "v1.0.0"
    assert data == {
        "schema": "ai-factory/adopt/1",
        "applied": True,
        "committed": False,
        "destination": str(repository),
        "blueprint": "small",
        "with": [],
        "without": [],
        "signed_by": "",
        "answers": {"use_case": "small thing", "package": "small_thing"},
        "components": {"core": "1.0.0", "extras": "v1.0.0"},
        "conflicts": [],
        "install": "",
    }


def test_check_says_of_a_promised_file_that_it_differs(repository: Path, factory: Path) -> None:
    cli(*adopt(repository, factory, "--commit"))
    assert rules(repository) == [("AF002", AUDIT), ("AF001", ".ai-factory/lock.json")]
    assert cli("restore", AUDIT, cwd=repository).code == 0
    assert cli("check", cwd=repository).code == 0


def test_the_next_sync_is_an_ordinary_one(repository: Path, factory: Path) -> None:
    assert cli(*adopt(repository, factory, "--commit")).code == 0
    assert cli("sync", "--to", "v1.0.0", cwd=repository).out == (
        "nothing to do: the project is at v1.0.0\n"
        f"drift: {AUDIT} was edited, and this sync leaves it so\n"
        f"      hint: `ai-factory restore {AUDIT}`\n"
    )
    result = cli("sync", cwd=repository)
    assert result.code == 1  # the factory changes the line of the promised file that the team has otherwise
    files = tree(repository)
    assert files["ops/runbook.md"] == RUNBOOK.replace("line 2\n", "line two\n")
    assert files["src/small_thing/main.py"] == "ours = True\n"
    assert files["pyproject.toml"] == THEIRS["pyproject.toml"]
    assert "ops/old.md" not in files
    assert rules(repository) == [("AF004", AUDIT)]


def test_an_adoption_can_be_taken_back_to_the_byte(repository: Path, factory: Path) -> None:
    before = snapshot(repository)
    cli(*adopt(repository, factory))
    assert cli("sync", "--abort", cwd=repository).code == 0
    assert snapshot(repository) == before
    assert git(repository, "status", "--porcelain", "--ignored") == ""


def test_entries_of_the_factory_are_joined_into_a_file_on_request(repository: Path, factory: Path) -> None:
    result = cli(*adopt(repository, factory, "--merge", "pyproject.toml"), cwd=repository)
    assert result.code == 0, result.err
    assert (repository / "pyproject.toml").read_text() == (
        '[project]\nname = "small_thing"\ndependencies = [\n  "requests>=2",\n  "polars>=2,<3",\n]\n'
    )


def test_where_both_have_an_entry_the_teams_stays(repository: Path, factory: Path) -> None:
    put(repository, {"pyproject.toml": '[project]\nname = "other"  # ours\ndependencies = ["requests"]\n'})
    commit(repository)
    assert cli(*adopt(repository, factory, "--merge", "pyproject.toml"), cwd=repository).code == 0
    assert (repository / "pyproject.toml").read_text() == (
        '[project]\nname = "other"  # ours\ndependencies = ["requests", "polars>=2,<3"]\n'
    )


def test_a_file_without_entries_to_join_is_a_conflict(repository: Path, factory: Path) -> None:
    """Line by line nobody can say what belongs in it: both are in it, with marks, and a person decides."""
    put(repository, {"ops/runbook.md": "ours\n"})
    commit(repository)
    result = cli(*adopt(repository, factory, "--merge", "ops/runbook.md"), cwd=repository)
    assert result.code == 1
    assert ("AF004", "ops/runbook.md") in rules(repository)
    assert "<<<<<<< yours\nours\n=======\nline 1\n" in (repository / "ops/runbook.md").read_text()
    assert cli("sync", "--take", "ours", "ops/runbook.md", cwd=repository).code == 0
    assert (repository / "ops/runbook.md").read_text() == "ours\n"


def test_a_document_whose_entries_do_not_go_together_is_a_conflict(repository: Path, factory: Path) -> None:
    """It is not said to have what it lacks; and what would gain nothing is not offered."""
    put(factory, {"templates/core/files/ours.yaml": "a: 1\n"})
    commit(factory, "v1.0.1")
    git(factory, "tag", "v1.0.1")
    put(repository, {"ours.yaml": "- 1\n"})
    commit(repository)
    plan = cli(*adopt(repository, factory, "--plan", version="v1.0.1"), cwd=repository)
    assert "well: `--merge pyproject.toml`\n" in plan.out
    result = cli(*adopt(repository, factory, "--merge", "ours.yaml", version="v1.0.1"), cwd=repository)
    assert result.code == 1
    assert (
        "  ! ours.yaml (merged, of core): conflict, its entries and the factory's do not go together: "
        "a person puts it together\n"
    ) in result.out
    assert (repository / "ours.yaml").read_text() == "- 1\n"
    assert (repository / "ours.yaml.incoming").read_text() == "a: 1\n"


def test_only_some_components_are_taken_on_request(repository: Path, factory: Path) -> None:
    result = cli(*adopt(repository, factory, "--only", "nice"))
    assert result.code == 0, result.err
    assert (repository / ".ai-factory/project.yaml").read_text() == (
        f"factory: {factory}\nblueprint: small\n"
        "with:\n  - nice\nwithout:\n  - extras\nanswers:\n  use_case: small thing\n"
    )
    assert json.loads((repository / ".ai-factory/lock.json").read_text())["components"].keys() == {"core", "nice"}


def test_a_folder_of_a_repository_is_adopted_alone(tmp_path: Path, factory: Path) -> None:
    top = tmp_path / "many"
    put(top, {"services/small-thing/README.md": "# Ours\n", "other/x.md": "x\n"})
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    commit(top)
    assert cli(*adopt(top / "services/small-thing", factory, "--commit")).code == 0
    assert tree(top / "other") == {"x.md": "x\n"}
    assert git(top, "status", "--porcelain") == ""
    assert cli("check", cwd=top / "services/small-thing").code == 0


# ---- refused, and nothing is written -------------------------------------------------------------

SPELLED = "Settings.txt"
UNFIT = {
    "case": ({SPELLED: "x\n"}, True, f"`settings.txt` differs from your `{SPELLED}` only in how it is spelled"),
    "ignored": ({".gitignore": "/ops/old.md\n"}, True, "`ops/old.md` is ignored by git, which would not keep it"),
    "untracked": ({"settings.txt": "x\n"}, False, "`settings.txt` is there, and git does not hold it"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_lie_in_the_repository_is_told(name: str, repository: Path, factory: Path) -> None:
    files, committed, why = UNFIT[name]
    put(repository, files)
    if committed:
        commit(repository)
    before = snapshot(repository)
    result = cli(*adopt(repository, factory, "--json"))
    assert (result.code, result.data["details"]) == (2, [why])
    assert snapshot(repository) == before


def test_a_folder_that_is_a_link_is_told(repository: Path, factory: Path) -> None:
    (repository / "ops/runbook.md").rename(repository / "docs/runbook.md")
    (repository / "ops").rmdir()
    (repository / "ops").symlink_to("docs")
    commit(repository)
    details = cli(*adopt(repository, factory, "--json")).data["details"]
    assert details == [f"`ops/{name}.md` lies beyond a folder that is a link" for name in ("old", "runbook")]


def test_a_file_where_a_folder_is_to_come_is_told(repository: Path, factory: Path) -> None:
    put(repository, {"ops/runbook.md": None})
    (repository / "ops").rmdir()
    put(repository, {"ops": "a file\n"})
    commit(repository)
    before = snapshot(repository)
    result = cli(*adopt(repository, factory))
    assert result.code == 2
    assert "there is no room for `ops/old.md`: needs a folder where the team has the file `ops`" in result.err
    assert snapshot(repository) == before


def test_a_deleted_file_that_is_not_committed_is_in_the_way(repository: Path, factory: Path) -> None:
    put(repository, {"ops/runbook.md": None})
    result = cli(*adopt(repository, factory, "--json"))
    assert (result.code, result.data["details"]) == (2, ["`ops/runbook.md`"])


def test_a_project_is_not_adopted_again(project: Path, factory: Path) -> None:
    for place in (project, project / "src/small_thing"):
        result = cli(*adopt(place, factory))
        assert result.code == 2
        assert result.err == (
            f"error: `{place}` is a project of the factory already\n"
            f"hint: bring it up to date: `ai-factory sync {project}`\n"
        )


def test_a_folder_without_git_is_not_adopted(tmp_path: Path, factory: Path) -> None:
    (tmp_path / "plain").mkdir()
    result = cli(*adopt(tmp_path / "plain", factory))
    assert result.code == 2
    assert "lies in no git work tree: nothing would keep what is there" in result.err


def test_without_a_blueprint_nothing_is_guessed(repository: Path) -> None:
    assert cli("adopt", str(repository)).err == (
        f"error: `{repository}` has no record of Copier's, such as `.copier-answers.yml`, and no `.cruft.json`: "
        "no template is known that it came from\n"
        "hint: adopt it with a blueprint: `ai-factory adopt --blueprint NAME`\n"
    )


def test_only_a_file_that_differs_can_be_joined(repository: Path, factory: Path) -> None:
    for path, why in {
        "docs/extra.md": "no file of yours there differs from one of the blueprint",
        "src/small_thing/main.py": "the file is the team's own from birth, and nothing is merged into it",
    }.items():
        result = cli(*adopt(repository, factory, "--merge", path), cwd=repository)
        assert result.code == 2
        assert f"error: `--merge {path}`: {why}" in result.err
