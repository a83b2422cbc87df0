"""`sync --plan`: the whole truth before anything is written, for people, machines and pull requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_factory.tree import blob_id
from tests.kit import LINES, cli, commit, git, put, snapshot

RUNBOOK = "ops/runbook.md"
AUDIT = "src/small_thing/controls/audit.py"
OURS = LINES.replace("line 2\n", "line zwei\n")
V3 = {
    "templates/core/copier.yml": """\
_subdirectory: files
use_case: {type: str, help: What it is for, default: small thing}
package: {type: str, help: Name of the package, default: "{{ use_case | lower | replace(' ', '_') }}"}
level: {type: str, help: How loud, default: quiet}
""",
    "templates/core/CHANGELOG.md": """\
# Changelog

## 3.0.0

- the level of `core` can be chosen, says @somebody in #7

## 2.0.0

Two things:

* the audit writes

## 1.0.0

- first
""",
}


@pytest.fixture
def clashing(project: Path, factory: Path) -> Path:
    """A conflict, a drift that the new version is silent about, and a new question with a default."""
    put(factory, V3)
    commit(factory)
    git(factory, "tag", "v3.0.0")
    put(project, {RUNBOOK: OURS, AUDIT: "mine = 1\n"})
    commit(project)
    return project


def test_the_plan_as_the_text_of_a_pull_request(clashing: Path, factory: Path) -> None:
    before = snapshot(clashing)
    result = cli("sync", "--plan", "--markdown", cwd=clashing)
    assert (result.code, snapshot(clashing)) == (1, before)
    assert (
        result.out
        == f"""\
# Update from v1.0.0 to v3.0.0

Factory: `{factory}`

## Conflicts

- `{RUNBOOK}`: both sides changed the same lines
- `{AUDIT}`: both sides changed the same lines

## By hand

- core 2.0.0: call `record()` once

## Changes

- rename `settings.txt` → `config/settings.txt` (core, merged): the new version changes it, and nobody had edited it
- add `ops/new.md` (core, merged): is new
- delete `ops/old.md` (core, merged): the new version has it no more, and nobody had edited it

## Components

- core: 1.0.0 → 3.0.0
  > **3.0.0**
  >
  > - the level of `core` can be chosen, says @\u200bsomebody in \\#\u200b7
  >
  > **2.0.0**
  >
  > Two things:
  >
  > - the audit writes
- extras: v1.0.0 → v3.0.0

## Controls

- Weakened: AUD-01, GOV-08

## Answers

- `level` is new: `quiet` (the new default)
"""
    )


def test_the_plan_for_machines_names_the_three_versions_of_each_conflict(clashing: Path) -> None:
    found = cli("sync", "--plan", "--json", cwd=clashing).data
    assert (found["conflicts"], found["open"]) == ([RUNBOOK, AUDIT], [RUNBOOK, AUDIT])
    row = next(row for row in found["changes"] if row["path"] == RUNBOOK)
    theirs = LINES.replace("line 2\n", "line two\n")
    ids = {"base": LINES, "ours": OURS, "theirs": theirs}
    assert row == {
        "path": RUNBOOK,
        "action": "conflict",
        "why": "both sides changed the same lines",
        "component": "core",
        "ownership": "merged",
        "controls": ["GOV-08"],
        "state": "open",
        "versions": {side: {"mode": "100644", "id": blob_id(text.encode())} for side, text in ids.items()},
    }
    assert found["answers"] == [{"key": "level", "from": None, "to": "quiet", "default": True}]
    assert found["components"][0]["notes"].startswith("## 3.0.0\n\n- the level of `core`")
    assert found["controls"] == {"gained": [], "lost": [], "weakened": ["AUD-01", "GOV-08"]}
    assert found["manual"] == ["core 2.0.0: call `record()` once"]


def test_what_was_planned_is_what_is_done(clashing: Path) -> None:
    planned = cli("sync", "--plan", "--json", cwd=clashing).data
    done = cli("sync", "--json", cwd=clashing).data
    assert done == {**planned, "applied": True}


def test_a_plan_says_drift_that_stays_with_the_command_that_heals_it(project: Path, factory: Path) -> None:
    put(factory, {"templates/core/files/src/{{ package }}/controls/audit.py": "def record() -> None:\n    pass\n"})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    put(project, {AUDIT: "mine = 1\n"})
    commit(project)
    shown = cli("sync", "--plan", "--markdown", cwd=project).out
    assert f"## Drift that stays\n\n- `{AUDIT}` was edited: `ai-factory restore {AUDIT}`\n" in shown
    row = cli("sync", "--plan", "--json", cwd=project).data["drift"][0]
    assert (row["rule"], row["path"], row["controls"]) == ("AF002", AUDIT, ["AUD-01"])


def test_a_long_list_is_cut_where_a_forge_would_refuse_it(project: Path, factory: Path) -> None:
    put(factory, {f"templates/core/files/docs/{number:03}.md": "x\n" for number in range(150)})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    lines = cli("sync", "--plan", "--markdown", cwd=project).out.splitlines()
    assert sum(line.startswith("- add ") for line in lines) < 100
    assert [line for line in lines if " more: " in line] == ["- and 55 more: `ai-factory sync --plan` lists them"]
