"""Projects that were assessed, with a register of approvals, and what the gate says of them: what many stories need."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ai_factory import documents
from ai_factory.governance.approvals import REGISTER as PLACE
from tests.kit import SMALL, Result, cli, commit, git, put

ROOT = Path(__file__).parent.parent
DAY = ("--as-of", "2026-11-26")
REGISTER = """\
# Who approved what.
required_roles: [business owner]

subjects:
  - governance/facts.yaml
  - ops/*.md

approvals: []
"""
WHO = ("--approver", "owner@example.org", "--author", "author@example.org", "--expires", "2027-06-30")


RISK = ("--approver", "risk@example.org", *WHO[2:])
CONFIRM = ("approve", "business owner", "--confirm", "--approver", "second@example.org")
COMPONENT = "templates/core/component.yaml"


def assessed(project: Path, tmp_path: Path, name: str = "internal-code-assistant", **change: Any) -> None:
    """The project with the facts of an archetype, some of them changed, and a clean screen."""
    facts = {**documents.load((ROOT / f"tests/archetypes/{name}.yaml").read_bytes(), name), **change}
    rows = documents.load((ROOT / "controls/assessment.yaml").read_bytes(), "assessment")["screen"]
    people = {"answered_by": "a@example.org", "reviewed_by": "b@example.org"}
    screen = {**people, "answers": {row["use"]: False for row in rows}}
    (tmp_path / "answers.yaml").write_bytes(documents.write({"schema": 1, "facts": facts, "screen": screen}))
    with patch("ai_factory.cli.assess.today", lambda: DAY[1]):
        assert cli("assess", "--answers", str(tmp_path / "answers.yaml"), cwd=project).code == 0


@pytest.fixture
def governed(project: Path, tmp_path: Path) -> Path:
    """A project of low risk that was assessed and has a register, all committed by test@example.org."""
    put(project, {PLACE: REGISTER})
    assessed(project, tmp_path)
    commit(project)
    return project


@pytest.fixture
def approved(governed: Path) -> Path:
    """The project, of a tier that asks for two roles, with the approvals of both, committed."""
    put(governed, {PLACE: REGISTER.replace("  - ops/*.md\n", "")})  # a sync changes those
    facts = {"jurisdictions": "SG", "interacts_with_people": "yes", "effect": "significant"}
    data = [part for fact, value in facts.items() for part in ("--data", f"{fact}={value}")]
    assert cli("assess", *data, cwd=governed).code == 0
    commit(governed)
    assert cli("approve", "business owner", *WHO, cwd=governed).code == 0
    assert cli("approve", "risk", *RISK, cwd=governed).code == 0
    commit(governed)
    assert sign_off(governed) == "pass"
    return governed


def rows(project: Path) -> list[dict[str, Any]]:
    found = documents.load((project / PLACE).read_bytes(), "approvals")["approvals"]
    return list(found)


def sign_off(project: Path) -> str:
    """How the control on approvals stands."""
    found = cli("gate", "--json", cwd=project).data["controls"]
    return next(str(row["status"]) for row in found if row["control"] == "GOV-06")


def release(factory: Path, version: str, changes: str) -> None:
    """A release of the factory and of its core, with what that declares."""
    put(
        factory,
        {
            "templates/core/CHANGELOG.md": f"# Changelog\n\n## {version}\n\n- more\n\n## 1.0.0\n\n- first\n",
            COMPONENT: SMALL[COMPONENT] + changes,
        },
    )
    commit(factory, version)
    git(factory, "tag", f"v{version}")


def updated(project: Path, factory: Path, version: str, *changes: str) -> Path:
    """The project after a sync to a release of these changes, committed."""
    declared = "".join(f"  - {{ since: {version}, {change} }}\n" for change in changes)
    release(factory, version, f"changes:\n{declared}" if declared else "")
    result = cli("sync", "--to", f"v{version}", "--commit", cwd=project)
    assert result.code == 0, result.err
    return project


def gate(project: Path) -> Result:
    return cli("gate", "--json", cwd=project)


def waiting(project: Path) -> list[dict[str, Any]]:
    """The findings that block nothing."""
    return [one for one in gate(project).data["findings"] if (one["rule"], one["level"]) == ("AF009", "warning")]
