"""The sync of one project as a commit: the one that a laptop makes, without a work tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ai_factory.errors import HoldError, LockError
from ai_factory.fleet.registry import Member
from tests import kit
from tests.fleet.drafts import bare, changed, drafted, edited, synced_by_hand

CONTROLS = "src/small_thing/controls"
AUDIT, RUNBOOK, OLD, SETTINGS = f"{CONTROLS}/audit.py", "ops/runbook.md", "ops/old.md", "settings.txt"
MORE = kit.LINES + "own\n"
CONFLICT = kit.LINES.replace("line 2\n", "my line 2\n")

STATES: Mapping[str, Callable[[Path], object]] = {  # what the team did before the update
    "nothing": lambda _: None,
    "an edit elsewhere": lambda here: edited(here, {RUNBOOK: MORE}),
    "an edit at the same place": lambda here: edited(here, {RUNBOOK: CONFLICT}),
    "two conflicts": lambda here: edited(here, {RUNBOOK: CONFLICT, AUDIT: "def record() -> None:\n    return\n"}),
    "an edit of what goes": lambda here: edited(here, {OLD: "mine\n"}),
    "an edit of what moves": lambda here: edited(here, {SETTINGS: kit.LINES.replace("line", "setting") + "own\n"}),
    "a conflict in what moves": lambda here: edited(
        here, {SETTINGS: kit.LINES.replace("line", "setting").replace("setting 20", "my 20")}
    ),
    "deleted": lambda here: edited(here, {RUNBOOK: None, AUDIT: None}),
    "moved": lambda here: edited(here, {RUNBOOK: None, "docs/runbook.md": MORE}),
    "the same file added": lambda here: edited(here, {"ops/new.md": "new\n"}),
    "another file added": lambda here: edited(here, {"ops/new.md": "mine\n"}),
    "ignored": lambda here: edited(here, {".gitignore": "ops/new.md\n"}),
    "line endings": lambda here: edited(here, {RUNBOOK: MORE.replace("\n", "\r\n")}),
    "a folder in the way": lambda here: edited(here, {"ops/new.md/own.md": "mine\n"}),
    "another answer": lambda here: edited(
        here, {".ai-factory/project.yaml": (here / ".ai-factory/project.yaml").read_text() + "with: [nice]\n"}
    ),
    "a name that git quotes": lambda here: edited(here, {'docs/ü\n".md': "x"}),
}


@pytest.mark.parametrize("state", STATES)
def test_the_commit_is_the_one_of_a_laptop(state: str, project: Path, factory: Path, tmp_path: Path) -> None:
    """Byte for byte, lock and base included; of a conflict the project's own version, and no marker anywhere."""
    STATES[state](project)
    wanted = synced_by_hand(project, tmp_path / "by hand")
    found = drafted(Member(str(project)), factory)
    assert found.tree == wanted, kit.git(project, "diff", "--stat", wanted, found.tree)
    assert (found.before.version, found.after.version) == ("v1.0.0", "v2.0.0")


def test_it_is_the_same_commit_from_everywhere(project: Path, factory: Path, tmp_path: Path) -> None:
    """From a clone, from a bare repository, and from behind an address; whoever makes it, however often."""
    edited(project, {RUNBOOK: CONFLICT})
    place = bare(project, tmp_path / "bare.git")
    urls = (str(project), str(place), f"file://{place}", str(project))
    found = [drafted(Member(url), factory) for url in urls]
    assert len({(one.commit, one.tree, one.body) for one in found}) == 1
    assert kit.git(project, "status", "--porcelain") == ""
    assert kit.git(project, "count-objects") == kit.git(project, "count-objects")


def test_a_project_in_a_folder_of_its_repository(project: Path, factory: Path) -> None:
    """Only its own files change; its branch is named by its path."""
    kit.small_project(project / "services/limits", factory)
    kit.commit(project)
    member = Member(str(project), "services/limits")
    assert drafted(member, factory).branch == "ai-factory/services-limits--small"
    paths = changed(member, factory)
    inner = [path.removeprefix("services/limits/") for path in paths if path.startswith("services/limits/")]
    assert len(inner) == len(paths)
    assert {"ops/new.md", ".ai-factory/lock.json", RUNBOOK} < set(inner)


def test_what_a_reviewer_has_to_know(project: Path, factory: Path) -> None:
    edited(project, {RUNBOOK: CONFLICT})
    found = drafted(Member(str(project)), factory)
    assert found.branch == "ai-factory/root--small"
    assert found.conflicts == (RUNBOOK,)
    assert (found.gained, found.lost, found.weakened) == ((), (), ("GOV-08",))
    assert [(one.path, one.action, one.source) for one in found.decisions] == [
        ("config/settings.txt", "rename", SETTINGS),
        ("ops/new.md", "add", ""),
        (OLD, "delete", ""),
        (RUNBOOK, "conflict", ""),
        (AUDIT, "change", ""),
    ]
    assert (found.managed_only, found.workflows) == (False, False)
    assert found.body.startswith("# Update from v1.0.0 to v2.0.0\n")


def test_a_project_that_is_current_gets_nothing(project: Path, factory: Path) -> None:
    assert kit.cli("sync", "--commit", cwd=project).code == 0
    found = drafted(Member(str(project)), factory)
    assert (found.commit, found.tree, found.decisions, found.body) == ("", "", (), "")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ("hold: {until: 2027-01-01, reason: audit}\n", HoldError, "on hold until 2027-01-01: audit"),
        ('version: "<2"\n', HoldError, "its team's bound `<2` ends before v2.0.0"),
        ("factory: /elsewhere\n", LockError, "its project.yaml names the factory `/elsewhere`"),
    ],
)
def test_a_team_that_is_to_be_left_alone_is(
    change: str, error: type[Exception] | None, says: str, project: Path, factory: Path
) -> None:
    """By a hold, by a bound; and what names another factory is not to be trusted."""
    text = (project / ".ai-factory/project.yaml").read_text()
    key = change.partition(":")[0]
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}:")]
    edited(project, {".ai-factory/project.yaml": "".join([*lines, change])})
    if error is None:
        assert drafted(Member(str(project)), factory).after.version == "v1.0.0"
        return
    with pytest.raises(error, match=says):
        drafted(Member(str(project)), factory)


def test_the_hold_of_the_fleet_counts(project: Path, factory: Path) -> None:
    with pytest.raises(HoldError, match="on hold until 2026-06-01: freeze"):
        drafted(Member(str(project), hold={"until": "2026-06-01", "reason": "freeze"}), factory)
    assert drafted(Member(str(project), hold={"until": "2026-05-31", "reason": "freeze"}), factory).commit


def test_a_version_beyond_the_bound_is_refused(project: Path, factory: Path) -> None:
    text = (project / ".ai-factory/project.yaml").read_text()
    edited(project, {".ai-factory/project.yaml": f'{text}version: "<2"\n'})
    with pytest.raises(HoldError, match=r"its team's bound `<2` ends before v2\.0\.0"):
        drafted(Member(str(project)), factory, "v2.0.0")
