"""What a pull request may try besides its files: to take a record away, to go back, to change what it is made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ai_factory.report.formats import FORMATS
from tests.kit import cli, commit, git, put, small_project

AUDIT = "src/small_thing/controls/audit.py"
LOCK, BASE, PROJECT = ".ai-factory/lock.json", ".ai-factory/base", ".ai-factory/project.yaml"
EVIL = "def record() -> None:\n    return\n"
AGAINST = ("--against", "main")
VERIFIED = (*AGAINST, "--verify")


@pytest.fixture
def here(project: Path) -> Path:
    """A project at v1.0.0 on a branch of its own, with `main` behind it."""
    git(project, "branch", "-m", "main")
    git(project, "checkout", "-q", "-b", "feature")
    return project


@pytest.fixture
def top(here: Path, tmp_path: Path) -> Path:
    """A repository with one project at its top and another in a folder; a branch is checked out."""
    top = tmp_path / "top"
    shutil.copytree(here, top, ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(here, top / "services/limits", ignore=shutil.ignore_patterns(".git"))
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    commit(top)
    git(top, "checkout", "-q", "-b", "feature")
    return top


def checked(folder: Path, *arguments: str) -> Any:
    return cli("check", "--json", *arguments, cwd=folder).data


def told(folder: Path, *arguments: str) -> list[tuple[str, str, str, str]]:
    """Project, rule, path and message of each finding but that a newer version is there."""
    rows = [(one["path"], row) for one in checked(folder, *arguments)["projects"] for row in one["findings"]]
    return [(place, row["rule"], row["path"], row["message"]) for place, row in rows if row["rule"] != "AF001"]


def hint(folder: Path, *arguments: str) -> str:
    (row,) = [row for row in checked(folder, *arguments)["projects"][0]["findings"] if row["rule"] != "AF001"]
    return str(row["hint"])


def at_main(here: Path, *command: str) -> None:
    """Run a command on `main`, and go back to the branch."""
    git(here, "checkout", "-q", "main")
    assert cli(*command, cwd=here).code == 0
    git(here, "checkout", "-q", "feature")


# ---- the record of a project ---------------------------------------------------------------------


def without_record(top: Path) -> None:
    git(top, "rm", "-rq", "services/limits/.ai-factory")
    put(top, {f"services/limits/{AUDIT}": EVIL})
    commit(top)


def test_a_project_whose_record_is_gone_is_not_judged_by_that_above_it(top: Path) -> None:
    """Whoever names it, with a reference or without."""
    without_record(top)
    place = "services/limits"
    above = f"`{place}` is no project: there is no `{LOCK}` in it, and that of `.` says nothing of it alone"
    lost = f"`{place}` is no project any more: `main` has `{LOCK}` there, and this branch has none"
    assert told(top, ".", place) == [(place, "AF005", LOCK, above)]
    assert told(top, ".", place, *VERIFIED) == [(place, "AF005", LOCK, lost)]
    assert hint(top, place) == "name the project: `ai-factory check .`"
    assert hint(top, place, *AGAINST) == f"bring it back: `git checkout main -- {place}/.ai-factory`"
    git(top, *hint(top, place, *AGAINST).split("`")[1].split()[1:])
    assert told(top, ".", place, *VERIFIED) == [(place, "AF002", AUDIT, "was edited")]


def test_no_format_lets_it_pass(top: Path) -> None:
    without_record(top)
    result = cli("check", ".", "services/limits", *VERIFIED, "--output", "junit=j.xml", cwd=top)
    assert (result.code, 'errors="1"' in (top / "j.xml").read_text()) == (2, True)


def test_nor_when_the_branch_brings_the_project_above_it(here: Path, tmp_path: Path) -> None:
    top = tmp_path / "top"
    shutil.copytree(here, top / "services/limits", ignore=shutil.ignore_patterns(".git"))
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    commit(top)
    git(top, "checkout", "-q", "-b", "feature")
    shutil.copytree(here, top, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    without_record(top)
    for folder in ("services/limits", "services/limits/src"):
        assert [row[1:3] for row in told(top, folder)] == [("AF005", LOCK)]
        assert [row[1:3] for row in told(top / folder, *VERIFIED)] == [("AF005", LOCK)]


def test_nor_by_that_which_a_link_leads_to(top: Path) -> None:
    """A link is another project under the name of one; the repository itself may lie behind one."""
    git(top, "mv", "services", "moved")
    (top / "services").mkdir()
    (top / "services/limits").symlink_to("../moved/limits")
    commit(top)
    ((_, rule, path, message),) = told(top, "services/limits", *VERIFIED)
    said = "`services/limits` leads over a link, `services/limits`, to another project"
    assert (rule, path, message) == ("AF005", LOCK, said)
    assert hint(top, "services/limits") == "name the project: `ai-factory check moved/limits`"
    (top.parent / "elsewhere").symlink_to(top)
    assert told(top.parent, "elsewhere", "elsewhere/moved/limits") == []


@pytest.mark.parametrize("name", ["src", "src/small_thing", "pyproject.toml", "{here}/src"])
def test_a_path_that_is_named_is_the_root_of_a_project(name: str, here: Path) -> None:
    """A person within one need not know where it begins: that is `.`, or nothing."""
    ((_, rule, path, message),) = told(here, name.format(here=here))
    assert (rule, path, message.partition(":")[0]) == ("AF005", LOCK, f"`{name.format(here=here)}` is no project")
    for arguments in ((), (".",), ("..",), (str(here),)):
        assert told(here / "src", *arguments) == []
    assert told(here.parent, here.name) == []


def test_a_record_that_a_branch_deletes_is_brought_back_from_the_reference(here: Path) -> None:
    git(here, "rm", "-rq", ".ai-factory")
    commit(here)
    assert hint(here, *VERIFIED) == "bring it back: `git checkout main -- ./.ai-factory`"
    git(here, "checkout", "main", "--", "./.ai-factory")
    assert told(here, *VERIFIED) == []


def test_an_empty_path_is_none(here: Path) -> None:
    result = cli("check", "", cwd=here)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: a path is empty")


EMPTY = ("--format", "--against", "--factory", "--baseline", "--write-baseline", "--fail-on")


@pytest.mark.parametrize("option", EMPTY)
def test_an_option_without_its_value_is_refused(option: str, here: Path) -> None:
    """A job has not set the variable: to leave the option out would be another question."""
    put(here, {AUDIT: EVIL})
    for arguments in ((option, ""), (f"{option}=",)):
        result = cli("check", *arguments, cwd=here)
        assert (result.code, result.out) == (2, "")
        assert result.err.splitlines()[0] == f"error: `{option}` is empty"
    assert [cli("check", option, "", cwd=here).code for option in ("--output", "--max-behind")] == [2, 2]
    assert cli("check", "--fail-on", " , ", cwd=here).code == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_password_is_never_told(name: str, here: Path) -> None:
    """Nor written to a file."""
    address = "https://user:s3cret@example.org/x.git"
    result = cli("check", "--factory", address, "--format", name, "--output", "sarif=out.sarif", cwd=here)
    assert (result.code, "s3cret" in result.out + result.err, (here / "out.sarif").exists()) == (2, False, False)
    assert "holds a name or a password" in result.out + result.err


# ---- versions ------------------------------------------------------------------------------------


def test_a_branch_that_is_merely_behind_says_nothing(here: Path) -> None:
    """Its notes are of what it changes itself."""
    at_main(here, "sync", "--to", "v2.0.0", "--commit")
    assert checked(here, *VERIFIED)["notes"] == []
    assert cli("sync", "--data", "use_case=other thing", "--data", "package=small_thing", cwd=here).code == 0
    assert checked(here, *VERIFIED)["notes"] == ["against `main`: other answers: use_case"]


def test_a_branch_that_follows_says_from_where(here: Path) -> None:
    at_main(here, "sync", "--data", "use_case=other thing", "--data", "package=small_thing", "--commit")
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=here).code == 0
    assert checked(here, *VERIFIED)["notes"] == ["against `main`: version v1.0.0 becomes v2.0.0"]


def test_a_sync_that_is_taken_back_is_told_and_no_fault(here: Path) -> None:
    """To revert it is the way back."""
    at_main(here, "sync", "--to", "v2.0.0", "--commit")
    git(here, "checkout", "-q", "-B", "feature", "main")
    git(here, "revert", "--no-edit", "HEAD")
    data = checked(here, *VERIFIED)
    assert (data["exit_code"], data["notes"]) == (0, ["against `main`: version goes back from v2.0.0 to v1.0.0"])


@pytest.mark.parametrize("kind", ["security", "yanked"])
def test_but_not_to_a_version_that_nobody_should_be_at(kind: str, here: Path, factory: Path) -> None:
    """A branch that is merely at that version is told as always."""
    put(factory, {"releases.yaml": f"{kind}: {{v1.0.0: forged entries pass}}\n"})
    commit(factory)
    git(factory, "tag", "v2.1.0")
    at_main(here, "sync", "--to", "v2.1.0", "--commit")
    (row,) = checked(here, *VERIFIED)["projects"][0]["findings"]
    assert (row["rule"], row["level"]) == ("AF001", "warning")
    git(here, "checkout", "-q", "-B", "feature", "main")
    git(here, "revert", "--no-edit", "HEAD")
    data = checked(here, *VERIFIED)
    (row,) = data["projects"][0]["findings"]
    assert (data["exit_code"], row["rule"], row["level"]) == (1, "AF001", "error")
    assert row["message"].endswith(": forged entries pass; and this branch goes back to it")


# ---- what it is made from ------------------------------------------------------------------------


def test_another_blueprint_and_what_it_takes_away_is_named(here: Path, factory: Path) -> None:
    put(factory, {"blueprints/bare.yaml": "summary: Less\ncomponents: [spare]\n"})
    put(factory, {"templates/spare/component.yaml": "summary: Spare\n", "templates/spare/files/spare.md": "spare\n"})
    commit(factory)
    git(factory, "tag", "v2.1.0")
    put(here, {PROJECT: f"factory: {factory}\nblueprint: bare\n"})
    commit(here)
    assert cli("sync", "--commit", cwd=here).code == 0
    put(here, {AUDIT: EVIL})
    assert checked(here, *VERIFIED)["notes"] == [
        "against `main`: blueprint small becomes bare",
        "against `main`: version v1.0.0 becomes v2.1.0",
        "against `main`: components that go: core, extras; controls that lose their evidence: AUD-01, GOV-08",
        "against `main`: other answers: package, use_case",
    ]


def test_a_note_of_several_projects_says_whose_it_is(top: Path) -> None:
    assert cli("sync", "services/limits", "--to", "v2.0.0", "--commit", cwd=top).code == 0
    notes = checked(top, ".", "services/limits", *VERIFIED)["notes"]
    assert notes == ["services/limits: against `main`: version v1.0.0 becomes v2.0.0"]


@pytest.mark.parametrize("in_ci", [False, True])
def test_a_factory_that_project_yaml_alone_names_is_not_trusted(
    in_ci: bool, here: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where the next sync would take from."""
    monkeypatch.setenv("CI", str(in_ci).lower())
    evil = "https://evil.example/x.git"
    put(here, {PROJECT: (here / PROJECT).read_text().replace(str(factory), evil)})
    finding = (".", "AF005", PROJECT, f"names the factory `{evil}`, and not `{factory}`")
    for options in (AGAINST, VERIFIED, ("--factory", str(factory)), (*VERIFIED, "--factory", str(factory))):
        assert finding in told(here, *options)
    assert hint(here, "--factory", str(factory)) == f"if it is the right one: `--factory {evil}`"


def test_in_ci_the_factory_that_the_tool_carries_is_the_one_to_trust(
    here: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So project.yaml may name no other, though the job names none."""
    data = json.loads((here / LOCK).read_text())
    data["factory"] |= {"kind": "embedded", "url": "embedded", "commit": ""}
    put(here, {LOCK: json.dumps(data)})
    monkeypatch.setenv("CI", "true")
    finding = (".", "AF005", PROJECT, f"names the factory `{factory}`, and not `embedded`")
    assert told(here, "--verify") == [finding]


def test_a_project_file_that_cannot_be_read_names_no_factory(here: Path) -> None:
    put(here, {PROJECT: "factory: [\n"})
    assert [row[1:3] for row in told(here, *AGAINST)] == [("AF005", PROJECT)]
    (here / PROJECT).unlink()
    assert told(here, *AGAINST) == [(".", "AF005", PROJECT, f"`{PROJECT}` is missing")]


def test_whoever_stamped_from_another_factory_is_told_of_the_answer(here: Path, factory: Path) -> None:
    """A stamped job names the factory by an answer, which is `embedded` until somebody says otherwise."""
    data = json.loads((here / LOCK).read_text())
    data["answers"]["ai_factory_source"] = "embedded"
    put(here, {LOCK: json.dumps(data)})
    command = f"`ai-factory sync --data ai_factory_source={factory}`"
    said = f"if it is the right one: `--factory {factory}`; the job has that from an answer: {command}"
    assert hint(here, "--verify", "--factory", "embedded") == said


# ---- what mends the reference --------------------------------------------------------------------


@pytest.mark.parametrize("in_ci", [False, True])
def test_a_branch_that_mends_a_broken_lock_can_be_proved(
    in_ci: bool, here: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the factory that project.yaml names at the reference; a forged one cannot."""
    whole = (here / LOCK).read_text()
    git(here, "checkout", "-q", "main")
    put(here, {LOCK: "{"})
    commit(here)
    git(here, "checkout", "-q", "-B", "feature")
    monkeypatch.setenv("CI", str(in_ci).lower())
    put(here, {LOCK: whole})
    assert told(here, *VERIFIED) == []
    assert told(here, *AGAINST) == [(".", "AF005", LOCK, "is broken at `main`, and nothing proves it")]
    put(here, {AUDIT: EVIL})
    assert [row[1:3] for row in told(here, *VERIFIED)] == [("AF002", AUDIT)]
    put(here, {LOCK: whole.replace(str(factory), f"{factory}2")})
    assert ("AF005", LOCK) in [row[1:3] for row in told(here, *VERIFIED)]


def test_a_branch_whose_name_has_a_brace_is_one(here: Path) -> None:
    git(here, "branch", "a{b", "main")
    assert told(here, "--against", "a{b") == []
    for name in ("HEAD@{0}", "main^{tree}", "@{-1}"):
        assert told(here, "--against", name)[0][3] == f"the clone has no `{name}` to check against"


def test_a_clone_without_its_content_says_how_to_bring_it(here: Path, tmp_path: Path) -> None:
    """And that command does."""
    at_main(here, "sync", "--to", "v2.0.0", "--commit")
    git(here, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--branch", "feature", f"file://{here}", "clone")
    clone = tmp_path / "clone"
    options = ("--against", "origin/main")
    message = "the clone has `origin/main` without the content of its files"
    assert told(clone, *options) == [(".", "AF005", LOCK, message)]
    command = hint(clone, *options).split("`")[1]
    assert command == "git fetch --refetch --no-filter origin"
    git(clone, *command.split()[1:])
    assert told(clone, *options) == []


def test_a_tag_that_the_factory_moved_is_not_the_locks_fault(here: Path, factory: Path) -> None:
    """Where the reference has the same commit, that is certain; else both may be."""
    put(factory, {"README.md": "more\n"})
    commit(factory)
    git(factory, "tag", "-f", "v1.0.0")
    moved = "`v1.0.0` of the factory is another commit than when it was applied: its tag was moved"
    assert told(here, *VERIFIED) == [(".", "AF005", LOCK, moved)]
    assert hint(here, *VERIFIED) == (
        "ask those who release it why; `ai-factory sync --to TAG` goes to a release that stands"
    )
    assert hint(here, "--verify").startswith("if the tag was moved, ask those who release it; if the lock was edited, ")


# ---- bounds --------------------------------------------------------------------------------------

BOUNDS = {
    "quoted": 'version: "<1.5"\n',
    "after a comment": "version: '<1.5' # a freeze\n",
    "without quotes": "version: <1.5\r\n",
    "folded": "version: >-\n  <1.5\n",
    "as a quoted key": '"version": "<1.5"\n',
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_counts_however_it_is_written(name: str, here: Path) -> None:
    put(here, {PROJECT: (here / PROJECT).read_text() + BOUNDS[name]})
    assert checked(here)["projects"][0]["findings"] == []
    assert checked(here, "--max-behind", "0")["projects"][0]["findings"] == []


def test_a_bound_in_flow_style_counts(here: Path, factory: Path) -> None:
    text = f'{{factory: {factory}, blueprint: small, answers: {{use_case: version}}, version: "<1.5"}}\n'
    put(here, {PROJECT: text})
    assert checked(here)["projects"][0]["findings"] == []
    put(here, {PROJECT: text.replace(', version: "<1.5"', "")})
    assert [row["rule"] for row in checked(here)["projects"][0]["findings"]] == ["AF001"]


def test_a_project_that_was_never_one_at_the_reference_is_new(here: Path, factory: Path) -> None:
    """In a folder of the repository, beside one that was."""
    small_project(here / "services/limits", factory)
    commit(here)
    assert told(here, ".", "services/limits", *VERIFIED) == []
