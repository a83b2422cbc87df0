"""Nothing of a project's, and nothing of a person's that a project asks for, runs while it is looked at or synced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit import LINES, Result, cli, commit, git, put, small_project

HOOKS = (
    *("pre-commit", "commit-msg", "post-commit", "post-checkout", "post-index-change", "post-merge", "pre-auto-gc"),
    *("prepare-commit-msg", "reference-transaction", "pre-merge-commit", "post-rewrite"),
)
ATTRIBUTES = "* filter=evil merge=evil diff=evil\n*.md filter=process\n*.txt filter=included\n"


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """The file in which every program of the hostile settings writes its name."""
    return tmp_path / "ran"


@pytest.fixture
def evil(tmp_path: Path, trap: Path) -> str:
    """A program that leaves its mark, then does what a harmless filter does."""
    return program(tmp_path / "evil", f"echo \"$@\" >> '{trap}'; cat")


def program(place: Path, script: str) -> str:
    put(place.parent, {place.name: f"#!/bin/sh\n{script}\n"})
    place.chmod(0o755)
    return str(place)


def settings(evil: str, hooks: Path, included: Path) -> dict[str, str]:
    """Every setting of git's that names a program, or that makes git fetch what a program gives."""
    return {
        "core.hooksPath": str(hooks),
        "core.fsmonitor": f"{evil} fsmonitor",
        "core.editor": f"{evil} editor",
        "core.pager": f"{evil} pager",
        "core.askPass": f"{evil} askpass",
        "core.sshCommand": f"{evil} ssh",
        "core.alternateRefsCommand": f"{evil} alternates",
        "core.gitProxy": f"{evil} proxy",
        "credential.helper": f"!{evil} credential",
        "diff.external": f"{evil} external",
        "diff.evil.command": f"{evil} command",
        "diff.evil.textconv": f"{evil} textconv",
        "filter.evil.clean": f"{evil} clean",
        "filter.evil.smudge": f"{evil} smudge",
        "filter.evil.required": "true",
        "filter.process.process": f"{evil} process <&-",
        "merge.default": "evil",
        "merge.evil.driver": f"{evil} merge",
        "gpg.program": evil,
        "gpg.ssh.program": evil,
        "commit.gpgSign": "true",
        "log.showSignature": "true",
        "interactive.diffFilter": evil,
        "uploadpack.packObjectsHook": f"{evil} pack",
        "alias.status": f"!{evil} alias",
        "alias.merge-tree": f"!{evil} alias",
        "status.submoduleSummary": "true",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
        f"url.ext::{evil} .insteadOf": "/",
        "include.path": str(included),
    }


def infect(project: Path, evil: str) -> None:
    """Put every trap into the project's own repository, and attributes into its tree that spring them."""
    folder = Path(evil).parent
    for hook in HOOKS:
        program(folder / "hooks" / hook, f"{evil} {hook} < /dev/null")
    put(folder, {"included": f'[filter "included"]\n\tclean = {evil} included\n'})
    put(project, {".gitattributes": ATTRIBUTES, ".git/info/attributes": ATTRIBUTES})
    commit(project)
    for key, value in settings(evil, folder / "hooks", folder / "included").items():
        git(project, "config", key, value)


def touched(project: Path, moment: int = 1) -> None:
    """Let git doubt every file: only its content tells whether it changed."""
    for place in project.rglob("*"):
        if place.is_file() and ".git" not in place.parts:
            os.utime(place, (moment, moment))


def run(project: Path, *arguments: str) -> Result:
    touched(project)
    return cli(*arguments, cwd=project)


@pytest.fixture
def infected(project: Path, evil: str) -> Path:
    """A project with edits that need every kind of merge, and a trap at every corner."""
    put(project, {"ops/runbook.md": LINES.replace("line 18\n", "line eighteen\n")})
    put(project, {"settings.txt": LINES.replace("line", "setting").replace("setting 3\n", "setting three\n")})
    put(project, {"src/small_thing/controls/audit.py": "edited\n"})
    infect(project, evil)
    return project


def test_the_traps_would_spring(infected: Path, trap: Path) -> None:
    """Without this, the tests below would prove nothing."""
    touched(infected)
    for command in ("status", "hash-object --path settings.txt settings.txt"):
        subprocess.run(["git", *command.split()], cwd=infected, capture_output=True, check=False)
    ran = {line.split()[0] for line in trap.read_text().splitlines()}
    assert {"fsmonitor", "clean", "process", "included"} <= ran


COMMANDS = (
    ["check"],
    ["status"],
    ["status", "--remote"],
    ["diff"],
    ["diff", "--incoming"],
    ["explain", "ops/runbook.md:3"],
    ["sync", "--plan"],
    ["sync", "--plan", "--json"],
    ["sync", "--plan", "--markdown"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_of_the_project_runs_while_it_is_looked_at(command: list[str], infected: Path, trap: Path) -> None:
    before = git_folder(infected)
    result = run(infected, *command)
    assert (result.err, trap.exists(), git_folder(infected)) == ("", False, before)


def git_folder(project: Path) -> dict[str, bytes]:
    """Every file of the repository's own: a plan writes nothing into it."""
    return {str(place): place.read_bytes() for place in (project / ".git").rglob("*") if place.is_file()}


def test_nothing_of_the_project_runs_while_it_is_synced_and_mended(infected: Path, trap: Path) -> None:
    codes = [
        run(infected, *command).code
        for command in (
            ["sync"],
            ["sync", "--show", "theirs", "src/small_thing/controls/audit.py"],
            ["sync", "--take", "theirs", "src/small_thing/controls/audit.py"],
            ["sync", "--continue"],
            ["sync", "--abort"],
            ["restore", "--all"],
        )
    ]
    assert (codes, trap.exists()) == ([1, 0, 0, 0, 0, 0], False)


def test_an_interrupted_sync_is_undone_without_the_projects_programs(
    infected: Path, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ai_factory.git.stage", fail)
    assert run(infected, "sync").code == 130
    assert trap.exists() is False


def test_what_a_filter_stores_otherwise_is_refused_touched_or_not(project: Path) -> None:
    """The price of running no filter: the sync leaves such a file alone, and says which it is."""
    put(project, {".gitattributes": "ops/runbook.md filter=upper\n"})
    git(project, "config", "filter.upper.clean", "tr a-z A-Z")
    touched(project)
    commit(project)
    for moment in (1, 2):
        touched(project, moment)
        result = cli("sync", "--plan", cwd=project)
        assert (result.code, [line for line in result.err.splitlines() if line.startswith("  ")]) == (
            2,
            ["  `ops/runbook.md`"],
        )
    put(project, {".gitattributes": "ops/runbook.md -filter\n"})
    commit(project)
    assert cli("sync", "--plan", cwd=project).code == 0


def test_what_a_project_lacks_is_not_fetched_by_a_program_of_its_own(
    project: Path, factory: Path, evil: str, trap: Path
) -> None:
    """A partial clone names a remote that promises what it lacks, and a program to run there."""
    put(project, {"ops/runbook.md": "edited\n"})
    (project / ".ai-factory/base").unlink()
    commit(project)
    lacking(project, str(factory), evil)
    cli("sync", "--plan", cwd=project)
    cli("status", cwd=project)
    assert trap.exists() is False


def test_nothing_of_a_factorys_repository_runs_while_it_is_read(
    factory: Path, tmp_path: Path, evil: str, trap: Path
) -> None:
    """Neither where it is a folder, nor where it is fetched from."""
    infect(factory, evil)
    git(factory, "-c", "core.hooksPath=/dev/null", "tag", "v9.0.0")
    trap.unlink(missing_ok=True)
    touched(factory)
    for number, options in enumerate((["--factory", str(factory)], ["--factory", f"file://{factory}"])):
        assert cli("new", "small", f"p{number}", "--defaults", *options, cwd=tmp_path).code == 0
    assert trap.exists() is False


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_what_a_factory_lacks_is_not_fetched_by_a_program_of_its_own(
    form: str, factory: Path, tmp_path: Path, evil: str, trap: Path
) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(factory), "whole")
    lacking(factory, str(tmp_path / "whole"), evil)
    options = ("--defaults", "--factory", form.format(factory), "--version", "v1.0.0")
    assert cli("new", "small", "p", *options, cwd=tmp_path).code == 2
    assert (trap.exists(), (tmp_path / "p").exists()) == (False, False)


def lacking(repository: Path, whole: str, evil: str) -> None:
    """Make it a partial clone without any content, whose settings name a program that brings what is missing."""
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "evil",
        "remote.evil.promisor": "true",
        "remote.evil.url": whole,
        "remote.evil.uploadpack": evil,
    }.items():
        git(repository, "config", key, value)
    for place in (repository / ".git/objects").glob("??/*"):
        if git(repository, "cat-file", "-t", place.parent.name + place.name) == "blob":
            place.unlink()


@pytest.mark.parametrize("settings_of", ["person", "machine"])
def test_a_template_with_attributes_makes_no_program_of_the_persons_run(
    settings_of: str, factory: Path, tmp_path: Path, evil: str, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.gitattributes` and `.gitmodules` may be stamped: they are data until somebody's git acts on them."""
    config = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL" if settings_of == "person" else "GIT_CONFIG_SYSTEM", str(config))
    monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    put(tmp_path, {"gitconfig": f'[filter "evil"]\n\tclean = {evil} clean\n\tsmudge = {evil} smudge\n'})
    modules = f'[submodule "x"]\n\tpath = x\n\turl = "ext::{evil} submodule"\n\tupdate = "!{evil}"\n'
    stamped = {".gitattributes": "* filter=evil\n", ".gitmodules": modules}
    put(factory, {f"templates/core/files/{path}": text for path, text in stamped.items()})
    git(factory, "add", "-A")
    commit(factory)
    git(factory, "tag", "v3.0.0")
    trap.unlink(missing_ok=True)
    project = small_project(tmp_path / "p", factory, version="v3.0.0")
    assert ({path: (project / path).read_text() for path in stamped}, trap.exists()) == (stamped, False)


HOSTILE_HOME: Mapping[str, str] = {"filter.evil.clean": "clean", "filter.evil.process": "process"}


def test_a_project_makes_no_filter_of_the_persons_run(project: Path, evil: str, trap: Path) -> None:
    put(project, {".gitattributes": "* filter=evil\n"})
    commit(project)
    for key, word in HOSTILE_HOME.items():
        git(project, "config", "--global", key, f"{evil} {word}")
    assert run(project, "sync", "--plan").code == 0
    assert run(project, "status").code == 0
    assert trap.exists() is False


@pytest.mark.parametrize("command", [["status"], ["diff", "--incoming"], ["sync"], ["restore", "--all"], ["check"]])
def test_a_repository_hidden_among_the_files_of_another_is_not_obeyed(
    command: list[str], factory: Path, tmp_path: Path, evil: str, trap: Path
) -> None:
    """Git would take a folder with these names for a repository, and anybody can commit them."""
    mono = tmp_path / "mono"
    git(tmp_path, "init", "-q", "mono")
    project = small_project(mono / "sub", factory)
    put(
        project,
        {"HEAD": "ref: refs/heads/main\n", "objects/x": "", "refs/x": "", "src/small_thing/main.py": "edited\n"},
    )
    hostile = settings(evil, tmp_path / "hooks", tmp_path / "included")
    for key, value in {
        "core.bare": "false",
        "core.worktree": ".",
        "core.repositoryFormatVersion": "0",
        **hostile,
    }.items():
        git(tmp_path, "config", "--file", str(project / "config"), key, value)
    put(project, {".gitattributes": ATTRIBUTES})
    commit(mono)
    trap.unlink(missing_ok=True)
    result = run(project, *command)
    assert (trap.exists(), result.code) == (False, 2 if command[0] in ("sync", "restore") else 0)


def test_nothing_of_the_repository_around_runs_while_a_project_is_born_in_it(
    factory: Path, tmp_path: Path, evil: str, trap: Path
) -> None:
    mono = tmp_path / "mono"
    git(tmp_path, "init", "-q", "mono")
    infect(mono, evil)
    trap.unlink(missing_ok=True)
    assert cli("new", "small", "sub", "--defaults", "--factory", str(factory), cwd=mono).code == 0
    assert trap.exists() is False
