"""The plan for the end names what is really there, and a retired system has gone through it."""

import importlib
import re
from pathlib import Path

import pytest
import yaml

from sme_loans.controls.paths import Paths

ROOT = Path(__file__).parents[2]
PLAN = (ROOT / "ops" / "decommission.md").read_text("utf-8")
AUDIT = yaml.safe_load((ROOT / "ops" / "audit.yaml").read_text("utf-8"))
OPEN, DONE = (
    re.findall(r"^- \[ \] ", PLAN, re.MULTILINE),
    re.findall(r"^- \[x\] ", PLAN, re.MULTILINE),
)


def test_a_retired_system_has_no_open_step() -> None:
    """And a plan without steps is none."""
    status = yaml.safe_load((ROOT / "governance" / "system.yaml").read_text("utf-8"))["status"]
    assert len(OPEN) + len(DONE) >= 12
    assert status != "retired" or not OPEN


@pytest.mark.parametrize("sink", AUDIT["sinks"])
def test_every_sink_is_named(sink: str) -> None:
    """Whoever adds a sink adds a copy of the trail that has to end too."""
    assert f"`{sink}`" in PLAN


@pytest.mark.parametrize("rule", [row["record"] for row in AUDIT["retention"]])
def test_every_retention_rule_is_named(rule: str) -> None:
    """Each of them outlives the system, so somebody has to go on with it."""
    assert f"*{rule}*" in PLAN


def test_every_store_of_a_run_is_named(built: Paths) -> None:
    """Whatever a run left under var/ is in the plan."""
    named = {name.split("/")[0] for name in re.findall(r"`var/([\w./*-]+)`", PLAN)}
    assert {path.name for path in built.var.iterdir()} <= named


def test_the_keys_are_named() -> None:
    """The two that matter by name, the others by the file that lists them."""
    listed = (ROOT / ".env.example").read_text("utf-8")
    for key in ("AUDIT_KEY", "AUDIT_SIGNING_KEY"):
        assert f"`{key}`" in PLAN and f"\n{key}=" in listed


def test_every_command_and_file_exists() -> None:
    """Modules, targets of the Makefile, and files that are committed."""
    for module, command in re.findall(r"python -m ([\w.]+) (\w+)", PLAN):
        found = importlib.import_module(module)
        if hasattr(found, "__path__"):
            found = importlib.import_module(f"{module}.__main__")
        with pytest.raises(SystemExit) as ended:
            found.main([command, "--help"])
        assert ended.value.code == 0
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)`", PLAN)) <= set(targets)
    for name in re.findall(r"`((?:ops|governance|contracts)/[\w./*-]*)`", PLAN):
        assert list(ROOT.glob(name)), name
