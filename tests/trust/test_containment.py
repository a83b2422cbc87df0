"""One place decides what may be read, written and deleted: links, hard links and what is swapped meanwhile."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from ai_factory.errors import ProjectError
from ai_factory.project import sync
from ai_factory.project.opening import open_project
from ai_factory.project.release import Request
from tests.kit import cli, commit, git, put, refusal, small_project, snapshot

RUNBOOK = "ops/runbook.md"
SOURCE = Path(sync.__file__).parents[1]


@pytest.fixture
def outside(project: Path) -> Path:
    """A folder beside the project with files of the names that the factory changes; it must never change."""
    put(project.parent, {f"outside/{name}": "not ours\n" for name in ("runbook.md", "old.md", "base", "lock.json")})
    return project.parent / "outside"


def linked(project: Path, name: str, target: str) -> None:
    """Put a link in the place of a file or a folder."""
    place = project / name
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)


COMMANDS = (["check"], ["status"], ["diff"], ["diff", "--incoming"], ["sync", "--plan"], ["sync"], ["restore", "--all"])

CODES = [2, 2, 2, 2, 2, 2, 0]  # nothing that is promised lies there, so there is nothing to restore


@pytest.mark.parametrize("target", ["{}/outside", "../outside"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_folder_that_became_a_link_out_is_neither_read_nor_written(
    target: str, committed: bool, project: Path, outside: Path
) -> None:
    linked(project, "ops", target.format(project.parent))
    if committed:
        commit(project)
    before = snapshot(outside)
    results = [cli(*command, cwd=project) for command in COMMANDS]
    assert [result.code for result in results] == CODES
    assert all("not ours" not in result.out + result.err for result in results)
    assert snapshot(outside) == before


def test_a_link_to_a_link_out_is_no_way_either(project: Path, outside: Path) -> None:
    (project / "hop").symlink_to("../outside")
    linked(project, "ops", "hop")
    commit(project)
    before = snapshot(outside)
    assert [cli(*command, cwd=project).code for command in COMMANDS] == CODES
    assert snapshot(outside) == before


def test_a_file_that_became_a_link_is_replaced_and_not_followed(project: Path, outside: Path) -> None:
    """`restore` and a taken side put a file where the link was; what it pointed to stays."""
    audit = "src/small_thing/controls/audit.py"
    linked(project, audit, str(outside / "runbook.md"))
    commit(project)
    before = snapshot(outside)
    assert cli("check", cwd=project).code == 1
    assert "not ours" not in cli("diff", cwd=project).out
    assert cli("sync", cwd=project).code == 1
    assert cli("sync", "--take", "theirs", audit, cwd=project).code == 0
    assert (snapshot(outside), (project / audit).is_symlink()) == (before, False)


@pytest.mark.parametrize(
    "name", [".ai-factory", ".ai-factory/lock.json", ".ai-factory/base", ".ai-factory/project.yaml"]
)
def test_a_record_that_is_a_link_is_none(name: str, project: Path, outside: Path) -> None:
    shutil.copytree(project / ".ai-factory", outside / "record")
    target = outside / "record" / name.removeprefix(".ai-factory").strip("/")
    linked(project, name, str(target))
    commit(project)
    before = snapshot(outside)
    codes = [cli(*command, cwd=project).code for command in (["check"], ["sync"], ["restore", "--all"])]
    assert snapshot(outside) == before
    known = {".ai-factory/base": [2, 0, 0], ".ai-factory/project.yaml": [0, 2, 0]}  # without a base a sync finds one
    assert codes == known.get(name, [2, 2, 2])


def test_a_project_may_be_reached_through_a_link(project: Path) -> None:
    (project.parent / "alias").symlink_to(project)
    assert cli("check", cwd=project.parent / "alias").code == 0
    assert cli("sync", str(project.parent / "alias")).code == 0


def test_a_link_that_is_swapped_in_between_plan_and_apply_is_not_followed(project: Path, outside: Path) -> None:
    prepared = sync.prepare(open_project(str(project)), Request())
    linked(project, "ops", str(outside))
    before = snapshot(outside)
    assert isinstance(refusal(lambda: sync.apply(prepared)), ProjectError)
    assert snapshot(outside) == before
    (project / "ops").unlink()
    git(project, "checkout", "-q", "--", "ops")
    assert cli("sync", "--abort", cwd=project).code in (0, 2)
    assert git(project, "status", "--porcelain") == ""


def test_a_file_that_is_swapped_for_a_link_between_plan_and_apply_is_not_written_through(
    project: Path, outside: Path
) -> None:
    prepared = sync.prepare(open_project(str(project)), Request())
    linked(project, RUNBOOK, str(outside / "runbook.md"))
    before = snapshot(outside)
    assert isinstance(refusal(lambda: sync.apply(prepared)), ProjectError)
    assert (snapshot(outside), os.readlink(project / RUNBOOK)) == (before, str(outside / "runbook.md"))


def test_the_other_name_of_a_hard_link_keeps_its_content(project: Path, outside: Path) -> None:
    """A file is replaced, never written into."""
    names = {RUNBOOK: "runbook", ".ai-factory/lock.json": "lock", "src/small_thing/controls/audit.py": "audit"}
    for path, name in names.items():
        os.link(project / path, outside / name)
    before = snapshot(outside)
    assert cli("sync", cwd=project).code == 0
    put(project.parent, {"drift": "edited\n"})
    (project / "src/small_thing/controls/audit.py").unlink()
    os.link(project.parent / "drift", project / "src/small_thing/controls/audit.py")
    assert cli("restore", "--all", cwd=project).code == 0
    assert (snapshot(outside), (project.parent / "drift").read_text()) == (before, "edited\n")


@pytest.mark.parametrize("name", ["info/exclude", "info", "ai-factory", "ai-factory/{}.lock"])
def test_a_link_in_gits_own_folder_is_not_written_through(
    name: str, project: Path, factory: Path, outside: Path
) -> None:
    """A repository that was unpacked, not cloned, may hold anything there."""
    put(project, {"pyproject.toml": '[project]\nname = "ours"\n'})
    commit(project)
    put(factory, {"templates/core/files/pyproject.toml.jinja": '[project]\nname = "theirs"\n'})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    own = project / ".git" / name.format(hashlib.sha256(b".").hexdigest()[:16])
    own.parent.mkdir(exist_ok=True)
    put(outside, {"target/exclude": "not ours\n", "file": "not ours\n"})
    own.symlink_to(outside / ("target" if name in ("info", "ai-factory") else "file"))
    before = snapshot(outside)
    assert cli("sync", cwd=project).code == (1 if name.startswith("info") else 2)
    cli("sync", "--abort", cwd=project)
    assert snapshot(outside) == before


def test_a_work_tree_that_git_is_told_lies_elsewhere_is_not_written(project: Path, outside: Path) -> None:
    git(project, "config", "core.worktree", str(outside))
    before = snapshot(outside)
    for command in (["sync"], ["restore", "--all"], ["sync", "--abort"], ["status"]):
        cli(*command, cwd=project)
    assert snapshot(outside) == before


@pytest.mark.parametrize("path", ["../outside/runbook.md", "/etc/passwd", ".git/config"])
@pytest.mark.parametrize("command", ["--abort", "--continue"])
def test_a_journal_that_somebody_wrote_leads_nowhere_else(
    path: str, command: str, project: Path, outside: Path
) -> None:
    """A repository that was unpacked, not cloned, may hold one."""
    assert cli("sync", cwd=project).code == 0
    record = next((project / ".git/ai-factory").glob("*/journal.json"))
    data = json.loads(record.read_text())
    data["steps"][0]["path"] = path
    data["state"] = "applying" if command == "--continue" else data["state"]
    record.write_text(json.dumps(data))
    before = snapshot(outside), (project / ".git/config").read_bytes()
    result = cli("sync", command, cwd=project)
    assert ((snapshot(outside), (project / ".git/config").read_bytes()), result.code) == (before, 2)


def test_a_project_in_a_folder_of_another_is_not_left(project: Path, factory: Path) -> None:
    """The nearest record counts, and nothing above it is touched."""
    inner = small_project(project / "inner", factory)
    commit(project)
    before = {path: file for path, file in snapshot(project).items() if not path.startswith(("inner/", ".git/"))}
    assert cli("sync", cwd=inner).code == 0
    after = {path: file for path, file in snapshot(project).items() if not path.startswith(("inner/", ".git/"))}
    assert after == before


# ---- the one place -------------------------------------------------------------------------------

DISK = {
    *("open", "unlink", "remove", "rename", "replace", "mkdir", "makedirs", "rmdir", "symlink", "link", "chmod"),
    *(
        "rmtree",
        "copy",
        "copy2",
        "copyfile",
        "copytree",
        "move",
        "read_bytes",
        "read_text",
        "write_bytes",
        "write_text",
    ),
    *("walk", "listdir", "scandir"),
}
ALLOWED = {  # who touches the disk besides `workspace`, and what it touches there
    "workspace.py": "the files of projects and factories, within their folder",
    "cache.py": "the person's own cache",
    "journal.py": "git's own folder of a project",
    "newest.py": "tags of a factory's repository",
    "isolate.py": "/proc/self",
    "exclusion.py": "locks in git's own folder",
    "fleet/governance/bundles.py": "bundles of repositories, in a folder that a person named",
    "git/editions.py": "git's own folder of an exported template",
    "git/exclude.py": "git's exclude file",
    "git/index.py": "git's index",
    "git/proposals.py": "scratch repositories",
    "fleet/book.py": "the folder of fleet.yaml, so that one at a time writes it",
    "fleet/updates/journal.py": "the folder of the journal, beside fleet.yaml",
    "cli/fleets/options.py": "fleet.yaml and what it includes, to read",
    "cli/fleets/plan.py": "the plan that a person named",
    "git/remote.py": "repositories of a fleet in the cache, and which of them are in use",
    "git/committed.py": "ignore files of a commit, in a temporary folder",
    "git/commits.py": "git's own folder of a new project",
    "git/scratch.py": "scratch repositories",
    "git/mirror.py": "mirrors in the cache",
    "git/objects.py": "git's own folder of a project",
    "git/process.py": "git's settings, temporary files",
    "git/worktree.py": "git's own folder of a project",
    "fleet/sources.py": "the folders below one that a person named, to find repositories",
    "project/filling.py": "the folder that is to become a project or a factory, while it is empty",
    "cli/bench.py": "the folder in which tried projects are to be kept, while it is empty",
    "project/foreign/copying.py": "the scratch folder in which Copier works",
    "project/foreign/engine.py": "the scratch folder in which an engine works",
    "project/foreign/job.py": "the scratch folder in which an engine works",
    "cli/new.py": "a file of answers that a person named",
    "project/trail.py": "audit logs and checkpoints, where the project keeps them or a person says, to read",
    "project/bundle.py": "the script that a bundle carries, in the package itself",
    "proof.py": "the bundle that a person named, to read",
    "workshop/exporting/repository.py": "the folder that is to hold an exported template",
    "workshop/exporting/backstage.py": "the folder that is to hold an exported template",
    "cli/__init__.py": "/dev/null",
    "cli/output.py": "the page of a job that GitHub names, to append to",
    "__main__.py": "/dev/null",
}


def test_nobody_else_touches_the_disk() -> None:
    """One function for every read, write and delete: who is not in the list has no call that does without it."""
    found = {
        place.relative_to(SOURCE).as_posix()
        for place in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(place.read_text()))
        if isinstance(node, ast.Call) and _touches(node.func)
    }
    assert found - ALLOWED.keys() == set()


def _touches(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "open"
    owner = called.value.id if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) else ""
    return (
        isinstance(called, ast.Attribute) and called.attr in DISK and owner in ("os", "shutil", "io", "path", "place")
    )
