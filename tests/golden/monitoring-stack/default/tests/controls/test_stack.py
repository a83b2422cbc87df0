"""A system joins with targets and rules, and none that could disturb another one is let in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared_monitoring.controls import stack
from shared_monitoring.controls.paths import Paths

ROOT = Path(__file__).parents[2]
STACK = ROOT / "stack"
RULE: dict[str, Any] = {
    "alert": "KillSwitchOn",
    "expr": 'service_stopped{system="one"} == 1',
    "labels": {"severity": "warning", "owner": "team"},
    "annotations": {"summary": "it is on", "runbook": "ops/runbook.md#kill-switch"},
}


def targets(system: str = "one", **labels: str) -> list[dict[str, Any]]:
    """What a system's `ops/targets.json` holds."""
    named = {"system": system, "team": "team", "exporter": "service", **labels}
    return [{"targets": [f"{system}.{system}.svc:8000"], "labels": named}]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A stack that nobody has joined."""
    paths = Paths.of(tmp_path / "stack-project")
    stack.folder(paths).mkdir(parents=True)
    empty = "configMapGenerator:\n  - name: systems\n    files: []\n"
    (stack.folder(paths) / "kustomization.yaml").write_text(empty)
    (stack.folder(paths) / "README.md").write_text("# Systems\n")
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    return paths


def project(place: Path, found: object, *rules: dict[str, Any]) -> Path:
    """A system's project, as far as the stack reads it."""
    (place / "ops").mkdir(parents=True, exist_ok=True)
    (place / "ops" / "targets.json").write_text(json.dumps(found))
    text = yaml.safe_dump({"groups": [{"name": "g", "rules": list(rules)}]})
    (place / "ops" / "alerts-service.yml").write_text(text)
    return place


def names(paths: Paths) -> list[str]:
    """The files of systems."""
    kept = ("README.md", "kustomization.yaml")
    return sorted(path.name for path in stack.folder(paths).iterdir() if path.name not in kept)


def listed(paths: Paths) -> list[str]:
    """The files that Kubernetes is told of."""
    text = (stack.folder(paths) / "kustomization.yaml").read_text()
    found: list[str] = yaml.safe_load(text)["configMapGenerator"][0]["files"]
    return found


def test_a_system_joins_and_is_listed(
    here: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files lie among the systems under its name, and Kubernetes is told of them."""
    assert stack.main(["join", str(project(tmp_path / "a", targets(), RULE))]) == 0
    assert names(here) == listed(here) == ["one.alerts-service.yml", "one.targets.json"]
    assert stack.main(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == ["1 systems: one"] * 2


def test_several_systems_join(here: Paths, tmp_path: Path) -> None:
    """Side by side; joining again replaces what a system brought before, and only that."""
    other = {**RULE, "expr": 'service_stopped{system="two"} == 1'}
    assert stack.join(here, project(tmp_path / "a", targets(), RULE)) == []
    assert stack.join(here, project(tmp_path / "b", targets("two"), other)) == []
    again = project(tmp_path / "a", targets(), RULE)
    (again / "ops" / "alerts-service.yml").rename(again / "ops" / "alerts.yml")
    (finding,) = stack.join(here, again)
    assert "one: a system of that name has joined" in finding
    assert "one.alerts-service.yml" in names(here)
    assert stack.main(["join", str(again), "--replace"]) == 0
    expected = ["one.alerts.yml", "one.targets.json", "two.alerts-service.yml", "two.targets.json"]
    assert names(here) == listed(here) == expected
    assert stack.check(here) == []


def test_a_system_leaves(here: Paths, tmp_path: Path) -> None:
    """Its files are deleted, and the list follows."""
    stack.join(here, project(tmp_path / "a", targets(), RULE))
    for name in names(here):
        (stack.folder(here) / name).unlink()
    assert stack.main(["check"]) == 0
    assert listed(here) == []


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "all targets are of one system"),
        ([*targets(), *targets("two")], "all targets are of one system"),
        (targets("One Two"), "named in lower case"),
        (targets("../../etc"), "named in lower case"),
        (targets(team=""), "no team"),
        (targets(__scheme__="https"), "labels that no target sets: __scheme__"),
        (targets(__address__="127.0.0.1:9090"), "labels that no target sets: __address__"),
        (targets(__metrics_path__="/admin"), "labels that no target sets"),
        (targets(job="stack"), "labels that no target sets: job"),
        (targets(severity="none"), "labels that no target sets: severity"),
        ([{**targets()[0], "targets": []}], "targets and labels"),
        ([{**targets()[0], "more": 1}], "targets and labels"),
        ([{**targets()[0], "targets": ["one:8000/metrics"]}], "form host:port"),
        ([{**targets()[0], "targets": ["http://one:8000"]}], "form host:port"),
        ([{**targets()[0], "targets": ["user@one:8000"]}], "form host:port"),
        ([{**targets()[0], "targets": ["one"]}], "form host:port"),
        ([{**targets()[0], "targets": ["one:65536"]}], "form host:port"),
        ([{**targets()[0], "targets": ["one:0"]}], "form host:port"),
        ({"targets": []}, "cannot be read"),
        ([{"targets": ["one:1"]}], "cannot be read"),
        ("text", "cannot be read"),
    ],
)
def test_targets_that_could_disturb_are_refused(
    here: Paths, tmp_path: Path, found: object, message: str
) -> None:
    """And nothing of that system is taken in."""
    findings = stack.join(here, project(tmp_path / "a", found, RULE))
    assert any(message in finding for finding in findings), findings
    assert names(here) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alert": None, "record": "x"}, "only alerts"),
        ({"labels": {"owner": "team"}}, "severity is one of"),
        ({"labels": {"owner": "team", "severity": "page"}}, "severity is one of"),
        ({"labels": {"severity": "warning"}}, "says no owner"),
        ({"labels": {**RULE["labels"], "system": "two"}}, "speaks for the system two"),
        ({"annotations": {"summary": "x"}}, "says no runbook"),
        ({"annotations": None}, "says no summary, runbook"),
        ({"expr": "service_stopped == 1"}, "looks beyond its own system: service_stopped"),
        ({"expr": 'service_stopped{system="two"} == 1'}, "looks beyond its own system"),
        ({"expr": 'service_stopped{system=~"one|two"} == 1'}, "looks beyond its own system"),
        ({"expr": 'service_stopped{system!="one"} == 1'}, "looks beyond its own system"),
        ({"expr": 'service_stopped{ecosystem="one"} == 1'}, "looks beyond its own system"),
        ({"expr": "service_stopped{job='system=\"one\"'} == 1"}, "looks beyond its own system"),
        ({"expr": 'a{system="one"} and b'}, "looks beyond its own system: b"),
        ({"expr": "sum by (system) (increase(a[5m])) > 0"}, "looks beyond its own system: a"),
        ({"expr": 'a{system="one"} or b{system="two"}'}, 'b{system="two"}'),
        ({"expr": 'a{job="}", system="two"} == 1'}, "looks beyond its own system"),
        ({"expr": '{__name__="up"}'}, "looks beyond its own system"),
        ({"expr": "ALERTS > 0"}, "looks beyond its own system: ALERTS"),
        ({"expr": 'up{ # system="one"\n system="two"}'}, "has a comment"),
        ({"expr": 'up{system="one"} # "\n or up # "'}, "has a comment"),
        ({"expr": 'up{"job"!=\'system="one"\', system="two"}'}, "looks beyond its own system"),
        ({"expr": None}, "has no text as its expr"),
        ({"labels": []}, "says no owner"),
        ({"labels": ["a"]}, "names with a text each"),
        ({"annotations": {**RULE["annotations"], "more": 1}}, "names with a text each"),
        ({"labels": {**RULE["labels"], "severity": "none"}}, "severity is one of"),
        (
            {"labels": {"severity": "none", "owner": "team", "note": "$labels.severity"}},
            "severity is one of",
        ),
        ({"interval": "1ms"}, "keys that no rule has: interval"),
        ({"alert": "Watchdog"}, "is the name of an alert of the stack itself"),
        ({"annotations": {"summary": "{{ range query `up` }}{{ end }}", "runbook": "r"}}, "a text"),
        ({"annotations": {"summary": "{{ with query `up` }}{{ end }}", "runbook": "r"}}, "a text"),
        ({"labels": {**RULE["labels"], "note": "{{ (query `up`) }}"}}, "a text takes labels"),
    ],
)
def test_rules_that_could_disturb_are_refused(
    here: Paths, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """One that is blind to whose series it sees, or does not say who acts."""
    own = (STACK / "alerts-stack.yml").read_bytes()
    (here.root / "stack" / "alerts-stack.yml").write_bytes(own)
    rule = {key: value for key, value in {**RULE, **change}.items() if value is not None}
    findings = stack.join(here, project(tmp_path / "a", targets(), rule))
    assert any(message in finding for finding in findings), findings
    assert names(here) == []


@pytest.mark.parametrize(
    "expression",
    [
        'absent(service_stopped{system="one"})',
        'increase(service_faults_total{system="one"}[15m]) > 5',
        'sum by (system) (rate(a{system="one"}[5m])) < 2 * sum by (system) (b{system="one"})',
        'max by (system, sink) (audit_backlog_age_seconds{system="one"}) > 900',
        'a{system="one"} offset 5m > bool 1e3 or vector(1) unless on (system) b{system="one"}',
        'absent(m{system="one"}) or (time() - {__name__="node_textfile_mtime_seconds", '
        'file=~"(.*/)?monitoring.prom"} > 172800) and on (instance) m{system="one"}',
    ],
)
def test_rules_on_ones_own_series_are_taken(here: Paths, tmp_path: Path, expression: str) -> None:
    """The shapes that rules of generated systems have."""
    found = project(tmp_path / "a", targets(), {**RULE, "expr": expression})
    assert stack.join(here, found) == []


def test_severity_may_come_from_the_series(here: Paths, tmp_path: Path) -> None:
    """As with the monitoring plan, whose checks carry it as labels."""
    labels = {"severity": "{{ $labels.severity }}", "owner": "{{ $labels.owner }}"}
    assert stack.join(here, project(tmp_path / "a", targets(), {**RULE, "labels": labels})) == []


@pytest.mark.parametrize("name", ["alerts.v2.yml", "alerts\n      - x.yml", "alertsé.yml"])
def test_a_file_of_rules_has_a_plain_name(here: Paths, tmp_path: Path, name: str) -> None:
    """The same one that the check asks for; it stands in the list that Kubernetes reads."""
    found = project(tmp_path / "a", targets(), RULE)
    (found / "ops" / "alerts-service.yml").rename(found / "ops" / name)
    (finding,) = stack.join(here, found)
    assert "letters, digits, - and _ only" in finding
    assert "\n" not in finding
    assert names(here) == []


def test_what_promtool_refuses_is_refused(
    here: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is installed: one broken rule would keep Prometheus from loading any."""
    tool = tmp_path / "promtool"
    tool.write_text("#!/bin/sh\necho 'parse error: unexpected end' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = project(tmp_path / "a", targets(), RULE)
    told = "alerts-service.yml: promtool refuses it: parse error: unexpected end"
    assert stack.join(here, found) == [told]
    tool.write_text("#!/bin/sh\nexit 0\n")
    assert stack.join(here, found) == []


UNREAD = (
    *("groups: [", "[]", "groups: 1", "groups: [{name: x}]", "groups: [x]", "groups: null"),
    "groups: [{name: x, rules: [y]}]",
    "groups: [{name: x, rules: [], interval: 1ms}]",
    "groups: [{name: x, rules: [], labels: {system: two}}]",
)


@pytest.mark.parametrize("text", UNREAD)
def test_rules_that_cannot_be_read_are_refused(here: Paths, tmp_path: Path, text: str) -> None:
    """Prometheus would refuse to load any rule beside them."""
    found = project(tmp_path / "a", targets())
    (found / "ops" / "alerts-service.yml").write_text(text)
    assert any("cannot be read" in finding for finding in stack.join(here, found))


def test_a_project_without_targets_is_refused(
    here: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the file that is missing."""
    assert stack.main(["join", str(tmp_path / "nothing")]) == 1
    assert "there is no ops/targets.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("two.targets.json", json.dumps(targets()), "is of the system one"),
        ("two.alerts.yml", "groups: []", "there are rules and no targets.json"),
        ("two.targets.json", "[", "cannot be read"),
        ("notes.txt", "", "is no file of a system"),
    ],
)
def test_what_was_put_there_by_hand_is_checked(
    here: Paths, tmp_path: Path, name: str, text: str, message: str
) -> None:
    """Each finding names the file."""
    stack.join(here, project(tmp_path / "a", targets(), RULE))
    (stack.folder(here) / name).write_text(text)
    findings = stack.check(here)
    assert any(message in finding and name.split(".")[0] in finding for finding in findings)


def test_the_systems_of_this_stack_are_sound() -> None:
    """What has joined here."""
    assert stack.check(Paths.of(ROOT)) == []


def test_a_target_speaks_for_its_own_system_only() -> None:
    """The label of its file wins over what it claims, and what it claims is dropped."""
    jobs = yaml.safe_load((STACK / "prometheus.yml").read_text())["scrape_configs"]
    (systems,) = [job for job in jobs if job["job_name"] == "systems"]
    assert systems["honor_labels"] is False
    assert {"action": "labeldrop", "regex": "exported_system"} in systems["metric_relabel_configs"]
    assert {"sample_limit", "label_limit", "body_size_limit"} <= systems.keys()


RULES = yaml.safe_load((STACK / "alerts-stack.yml").read_text())["groups"][0]["rules"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_of_the_stack_is_explained(rule: dict[str, Any]) -> None:
    """Owner, severity, and a section that its runbook link leads to."""
    assert rule["labels"]["owner"]
    assert rule["labels"]["severity"] in (*stack.SEVERITIES, "none")
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    text = (ROOT / file).read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert f"Alert {rule['alert']}" in text


def test_every_alert_reaches_a_receiver_with_a_secret_by_reference() -> None:
    """Tokens are read from files that the platform mounts."""
    content = yaml.safe_load((STACK / "alertmanager.yml").read_text())
    receivers = {receiver["name"]: receiver for receiver in content["receivers"]}
    routes = [content["route"], *content["route"]["routes"]]
    assert {route["receiver"] for route in routes} == receivers.keys()
    for receiver in receivers.values():
        for hook in receiver["webhook_configs"]:
            file = hook["http_config"]["authorization"]["credentials_file"]
            assert file.startswith("/run/secrets/")


def test_the_dashboard_shows_one_system_at_a_time() -> None:
    """Every query names the system that was chosen, in panels that do not overlap."""
    board = json.loads((STACK / "grafana" / "system.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel.get("targets", []):
            assert 'system="$system"' in target["expr"], panel["title"]
