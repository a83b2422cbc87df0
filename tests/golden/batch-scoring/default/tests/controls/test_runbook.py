"""The runbook can be followed: its links, alerts, commands and files exist."""

import importlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from late_orders.controls.paths import Paths

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "ops" / "runbook.md").read_text()
RULES = [
    rule
    for file in sorted((ROOT / "ops").glob("alerts*.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
PLAN = ROOT / "ops" / "monitoring.yaml"
CHECKS = yaml.safe_load(PLAN.read_text())["checks"] if PLAN.exists() else []
LINKS = {rule["annotations"]["runbook"] for rule in RULES} | {check["runbook"] for check in CHECKS}
COMMANDS = sorted(set(re.findall(r"python -m ([\w.]+) (\w+)", RUNBOOK)))


def anchors(text: str) -> set[str]:
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", sorted(link for link in LINKS if "$labels" not in link))
def test_every_runbook_link_leads_to_a_section(link: str) -> None:
    """Links of alert rules and of the monitoring plan."""
    file, _, anchor = link.partition("#")
    assert anchor in anchors((ROOT / file).read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_two_sides_of_an_alert_have_the_same_labels(rule: dict[str, str]) -> None:
    """Prometheus compares series of equal labels only: both sides are summed by `system`."""
    sides = [side for side in re.split(r" [<>]=? ", rule["expr"]) if "{" in side]
    if len(sides) > 1 and " on (" not in rule["expr"]:
        assert all("sum by (system) (" in side for side in sides)


def test_monitoring_that_stopped_is_noticed_by_age() -> None:
    """The metrics of the last run stay: their absence alone shows nothing."""
    for rule in RULES:
        if rule["alert"] == "MonitoringMissing":
            assert re.search(r"time\(\) - .*node_textfile_mtime_seconds.* > 172800", rule["expr"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_explained(rule: dict[str, str]) -> None:
    """By its name."""
    assert re.search(rf"\b{rule['alert']}\b", RUNBOOK)


def test_every_alert_in_the_runbook_exists() -> None:
    """No section waits for an alert that nothing raises."""
    named = {
        name
        for line in re.findall(r"^Alerts? ([\w, ]+)\.", RUNBOOK, re.MULTILINE)
        for name in line.split(", ")
    }
    assert named <= {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(("module", "command"), COMMANDS)
def test_every_command_exists(module: str, command: str) -> None:
    """Each `python -m` of the runbook shows its help."""
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main([command, "--help"])
    assert ended.value.code == 0


def test_the_commands_for_the_worst_moment_are_there() -> None:
    """Stop, resume and status, and where models are packaged also list and roll back."""
    rollback = (ROOT / "src" / "late_orders" / "controls" / "rollback.py").exists()
    wanted = {"stop", "resume", "status", *(["list", "back"] if rollback else [])}
    assert {command for _, command in COMMANDS} == wanted


def test_every_make_target_exists() -> None:
    """Each `make` of the runbook is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", RUNBOOK))
    assert named
    assert named <= targets


def test_every_file_named_exists() -> None:
    """What is committed is there, and what a run writes lies under `var/` or `evidence/`."""
    named = set(re.findall(r"`((?:ops|governance|contracts|evidence|var)/[\w./*-]+)`", RUNBOOK))
    assert named
    for name in named:
        assert name.startswith(("var/", "evidence/")) or list(ROOT.glob(name)), name


def test_freezing_packs_what_an_incident_needs(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the log lies elsewhere: decisions, kill switch, and what the models are."""
    packed = ["logs/service.jsonl", "var/decisions/d.json", "var/kill-switch.json"]
    packed += ["var/models/serving.json", "var/models/m-1/model.json", "evidence/model.json"]
    for name in packed:
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text("{}")
    monkeypatch.setenv("AUDIT_DIR", "logs")
    bin_folder = f"BIN={Path(sys.executable).parent}"
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", "install", bin_folder, "freeze"]
    done = subprocess.run(command, cwd=project.root, check=True, capture_output=True, text=True)
    assert "sha256:" in done.stdout
    with tarfile.open(project.var / "incident-evidence.tar.gz") as archive:
        assert set(packed) <= set(archive.getnames())
