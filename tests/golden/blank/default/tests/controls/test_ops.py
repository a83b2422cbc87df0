"""The switch stops and resumes on record, and every alert leads to a section of the runbook."""

import importlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from case_records.controls import switch
from case_records.controls.audit import open_log, read_events
from case_records.controls.paths import Paths
from case_records.controls.switch import KillSwitch, State

ROOT = Path(__file__).parents[2]
CONTROLS = ROOT / "src" / "case_records" / "controls"
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


def test_it_runs_until_stopped_and_stays_stopped(paths: Paths) -> None:
    """Also for another process, which reads the same file."""
    assert switch.switch_of(paths).state() == State(stopped=False)
    switch.switch_of(paths).stop("wrong decisions", "duty")
    assert switch.switch_of(paths).state() == State(True, "wrong decisions", "duty")
    switch.switch_of(paths).resume("mended", "duty")
    assert switch.switch_of(paths).state().stopped is False


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff\xfe", b'"off"'),
        *(b'{"stopped": %b, "reason": "", "actor": ""}' % word for word in (b"null", b"0", b'""')),
    ],
)
def test_a_damaged_switch_means_stopped(paths: Paths, content: bytes) -> None:
    """In doubt a person decides."""
    file = switch.switch_of(paths).path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert KillSwitch(file).state().stopped


def test_a_switch_that_cannot_be_read_means_stopped(paths: Paths) -> None:
    """A folder in its place, as after a botched mount."""
    switch.switch_of(paths).path.mkdir(parents=True)
    assert switch.switch_of(paths).state().stopped


def test_the_commands_act_and_record(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stop and resume leave an event each, without the address of the person."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    who = ["--actor", "duty@example.org"]
    assert switch.main(["stop", "--reason", "wrong decisions", *who]) == 0
    assert "STOPPED (wrong decisions)" in capsys.readouterr().out
    assert switch.main(["resume", "--reason", "mended", *who]) == 0
    assert switch.main(["status"]) == 0
    assert switch.IN in capsys.readouterr().out
    log = project.audit / "operations.jsonl"
    assert [event["data"]["action"] for event in read_events(log)] == ["stopped", "resumed"]
    assert "duty@example.org" not in log.read_text()


@pytest.mark.parametrize(("reason", "actor"), [("", "a"), (" \n", "a"), ("r", ""), ("r", " ")])
def test_a_model_does_not_go_back_to_work_without_a_reason_and_a_name(
    project: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: str,
    actor: str,
) -> None:
    """A stop works without them all the same, and the record says that they are missing."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    said = ["--reason", reason, "--actor", actor]
    assert switch.main(["stop", *said]) == 0
    left = switch.switch_of(project).state()
    assert left == State(True, reason.strip() or "not stated", actor.strip() or "not stated")
    capsys.readouterr()
    assert switch.main(["resume", *said]) == 1
    refused = "resume: say why and who you are: neither --reason nor --actor may be blank\n"
    assert capsys.readouterr().err == refused
    assert switch.switch_of(project).state() == left
    (event,) = read_events(project.audit / "operations.jsonl")
    assert (event["data"]["action"], event["data"]["reason"]) == ("stopped", left.reason)


def test_a_stop_holds_also_when_it_cannot_be_recorded(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Safety first: the stop works, the command says that the record is missing."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    with open_log(project, "operations"):
        assert switch.main(["stop", "--reason", "r", "--actor", "a"]) == 1
        assert switch.switch_of(project).state().stopped
        assert "another process" in capsys.readouterr().err
        assert switch.main(["resume", "--reason", "r", "--actor", "a"]) == 1
        assert switch.switch_of(project).state().stopped


@pytest.mark.parametrize("content", ["", "a: ["])
def test_a_stop_holds_also_where_the_audit_settings_are_broken(
    project: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
) -> None:
    """It says what is broken in a sentence."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    (project.ops / "audit.yaml").write_text(content)
    assert switch.main(["stop", "--reason", "r", "--actor", "a"]) == 1
    assert switch.switch_of(project).state().stopped
    said = capsys.readouterr().err
    assert said.startswith(f"stop: {project.ops / 'audit.yaml'}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", [["stop", "--reason", "r", "--actor", "a"], ["status"]])
def test_elsewhere_the_switch_is_refused(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """A stop in the wrong folder would stop nothing and look like a stop."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    assert switch.main(command) == 1
    shown = capsys.readouterr()
    assert "is no project" in shown.err
    assert shown.out == ""
    assert not paths.var.exists()


def test_the_drill_measures_the_stop(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within the stated limit, and without touching the switch of the project."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    assert switch.drill() < switch.LIMIT_SECONDS
    assert switch.main(["drill"]) == 0
    assert "the switch works" in capsys.readouterr().out
    assert not paths.var.exists()


def test_a_drill_on_a_dead_switch_fails(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A switch that nobody obeys is found out."""
    monkeypatch.setattr(KillSwitch, "state", lambda self: State(stopped=False))
    assert switch.main(["drill"]) == 1
    assert "take the service down" in capsys.readouterr().err


def test_the_switch_file_is_plain_json(paths: Paths) -> None:
    """It can be written by hand when nothing else works, as the runbook says."""
    file = switch.switch_of(paths).path
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"stopped": True, "reason": "by hand", "actor": "duty"}))
    assert switch.switch_of(paths).state() == State(True, "by hand", "duty")


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


@pytest.mark.parametrize("file", [*(ROOT / "ops").glob("*.*"), *(ROOT / "docs").glob("*.md")])
def test_every_command_runs_as_it_is_written(file: Path) -> None:
    """With the project's own Python: on the machine's, nothing of the project is installed."""
    assert not re.search(r"(?<![/\w])python -m ", file.read_text("utf-8"))


def test_the_commands_for_the_worst_moment_are_there() -> None:
    """Stop, resume and status, and where there are releases also list and roll back."""
    rollback = (CONTROLS / "releases.py").exists()
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
    """Also where the log lies elsewhere: decisions, effects, kill switch, what the models are."""
    packed = ["logs/service.jsonl", "var/decisions/d.json", "var/kill-switch.json"]
    packed += ["var/bank.db", "var/register.db", "var/register.db-wal", "var/originals/a/b.pdf"]
    packed += ["var/review/queue.db", "var/models/serving.json", "var/models/m-1/model.json"]
    packed += ["evidence/model.json"]
    for name in packed:
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text("{}")
    monkeypatch.setenv("AUDIT_DIR", "logs")
    bin_folder = f"BIN={Path(sys.executable).parent}"
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", "install", bin_folder, "freeze"]
    done = subprocess.run(command, cwd=project.root, check=True, capture_output=True, text=True)
    assert "sha256:" in done.stdout
    archived = project.var / "incident-evidence.tar.gz"
    assert f"{archived.stat().st_mode & 0o777:o}" == "600"
    with tarfile.open(archived) as archive:
        assert set(packed) <= set(archive.getnames())
    frozen = archived.read_bytes()
    again = subprocess.run(command, cwd=project.root, check=False, capture_output=True, text=True)
    assert (again.returncode != 0, archived.read_bytes() == frozen) == (True, True)
    assert "is there already" in again.stderr
    archived.unlink()
    monkeypatch.setenv("AUDIT_DIR", "no-such-folder")
    failed = subprocess.run(command, cwd=project.root, check=False, capture_output=True, text=True)
    assert failed.returncode != 0 and "sha256:" not in failed.stdout
    assert list(project.var.glob("incident-evidence*")) == [], "a part is not taken for the whole"


def test_only_what_this_system_has_is_named() -> None:
    """No service, no log of it, no cases that it decided."""
    plan = (ROOT / "ops" / "decommission.md").read_text("utf-8")
    foreign = ("var/audit/service.jsonl", "var/decisions", "Restart the service", "Case handlers")
    assert [name for name in foreign if name in RUNBOOK + plan] == []
