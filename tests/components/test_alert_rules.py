"""Alert rules of every blueprint: `promtool` accepts them, each fires when it must and only then, each has a panel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests import golden
from tests.components.rendered import rendered
from tests.debian import must, run

SYSTEMS = [name for name in golden.BLUEPRINTS if name != "monitoring-stack"]
STACK = "monitoring-stack"


class Case(NamedTuple):
    """Series in promtool's notation, one value a minute, and the minute at which the alert does or does not fire."""

    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    minute: int


def monitored(value: str) -> dict[str, str]:
    duty = (
        'metric="psi", column="income", slice="all", severity="critical", owner="someone", runbook="ops/playbook.md#x"'
    )
    return {f"monitoring_breached{{S, {duty}}}": value}


def aged(written: str) -> dict[str, str]:
    """The file of the monitors' metrics, last written at those times, and what is in it; the series begin at time 0."""
    where = 'instance="exporter:9100"'
    return {
        f'node_textfile_mtime_seconds{{{where}, file="/state/metrics/monitoring.prom"}}': written,
        f"monitoring_rows{{S, {where}}}": "500x120",
    }


UP = 'up{job="systems", S, team="someone", instance="one:8000"}'
CASES = {
    "DecisionsWithheld": Case({"service_withheld_total{S}": "0 0 1 1 1"}, {"service_withheld_total{S}": "3x9"}, 4),
    "AuditSinkBehind": Case(
        {'audit_backlog_age_seconds{S, log="a", sink="s3"}': "1000x20"},
        {'audit_backlog_age_seconds{S, log="a", sink="s3"}': "0x5 1000x3 0x20"},
        10,
    ),
    "ModelFaults": Case({"service_faults_total{S}": "0+1x20"}, {"service_faults_total{S}": "0 1 2 2x20"}, 15),
    "KillSwitchOn": Case({"service_stopped{S}": "0 0 1 1"}, {"service_stopped{S}": "1 1 0 0"}, 3),
    "ManyOverrides": Case(
        {
            "service_overrides_total{S}": "0+2x200",
            'service_decisions_total{S, outcome="approve", mode="model"}': "0+10x200",
        },
        {
            "service_overrides_total{S}": "0+1x200",
            'service_decisions_total{S, outcome="approve", mode="model"}': "0+20x200",
        },
        120,
    ),
    "SlowDecisions": Case(
        {'service_decision_seconds_bucket{S, le="0.5"}': "0+9x60", "service_decision_seconds_count{S}": "0+10x60"},
        {'service_decision_seconds_bucket{S, le="0.5"}': "0+98x60", "service_decision_seconds_count{S}": "0+100x60"},
        40,
    ),
    "ServiceMissing": Case({}, {"service_stopped{S}": "0x20"}, 10),
    "TokensOverBudget": Case({"service_tokens_total{S}": "0+100000x60"}, {"service_tokens_total{S}": "0+100x60"}, 40),
    "MonitoringBreached": Case(monitored("0 0 1 1"), monitored("1 1 0 0"), 3),
    "MonitoringMissing": Case(aged("-172000x120"), aged("-100000x120"), 110),
    "MonitoringMissing, all gone": Case({}, aged("-100000x120"), 110),
    "RunFailed": Case(
        {"run_failed{S}": "0 1 1", "run_unfinished{S}": "0 1 0"},
        {"run_failed{S}": "1 0 0", "run_unfinished{S}": "0x2"},
        2,
    ),
    "RunFailed, going on": Case({"run_failed{S}": "1x9"}, {"run_failed{S}": "1x9", "run_unfinished{S}": "1x9"}, 5),
    "RunUnfinished": Case(
        {"run_failed{S}": "1x200", "run_unfinished{S}": "1x200"},
        {"run_failed{S}": "0x59 1x90 0x90", "run_unfinished{S}": "0x59 1x90 0x90"},
        125,
    ),
    "RunOverBudget": Case(
        {'run_compute_seconds{S, stage="train"}': "400x5", 'run_compute_seconds{S, stage="score"}': "300x5"},
        {'run_compute_seconds{S, stage="train"}': "400x5", 'run_compute_seconds{S, stage="score"}': "100x5"},
        3,
    ),
    "ReviewOverdue": Case({"review_oldest_seconds{S}": "0+86400x20"}, {"review_oldest_seconds{S}": "0+60x20"}, 15),
    "ReviewQueueLost": Case({"review_unqueued{S}": "1x20"}, {"review_unqueued{S}": "1 1 0x20"}, 10),
    # the stack's own
    "TargetDown": Case({UP: "1 1 0x20"}, {UP: "0 0 1x20"}, 10),
    "NoSystems": Case({}, {UP: "0x30"}, 20),
    "TargetTooLarge": Case(
        {'prometheus_target_scrapes_exceeded_sample_limit_total{job="stack"}': "0 0 1 1 1"},
        {'prometheus_target_scrapes_exceeded_sample_limit_total{job="stack"}': "1x9"},
        4,
    ),
    "RulesFailing": Case(
        {'prometheus_rule_evaluation_failures_total{job="stack", rule_group="x"}': "0 0 1 1 1"},
        {'prometheus_rule_evaluation_failures_total{job="stack", rule_group="x"}': "4x9"},
        4,
    ),
    "ConfigReloadFailed": Case(
        {'prometheus_config_last_reload_successful{job="stack"}': "1 0x9"},
        {'prometheus_config_last_reload_successful{job="stack"}': "0 0 1x9"},
        8,
    ),
    "NotificationsFailing": Case(
        {'alertmanager_notifications_failed_total{job="stack", integration="webhook"}': "0 0 1 1 1"},
        {'alertmanager_notifications_failed_total{job="stack", integration="webhook"}': "4x9"},
        4,
    ),
    "Watchdog": Case({}, {}, 1),
}
ALWAYS = {"Watchdog"}


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The tree of a blueprint."""
    made: dict[str, Path] = {}

    def make(blueprint: str) -> Path:
        if blueprint not in made:
            made[blueprint] = rendered(tmp_path_factory.mktemp(blueprint) / "project", blueprint)
        return made[blueprint]

    return make


def rule_files(folder: Path) -> list[Path]:
    return [*sorted((folder / "ops").glob("alerts*.yml")), *sorted((folder / "stack").glob("alerts*.yml"))]


def rules_of(folder: Path) -> list[dict[str, Any]]:
    groups = [group for file in rule_files(folder) for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def unit_tests(folder: Path, files: list[Path], package: str) -> Path:
    """A file of `promtool test rules`: each alert once where it fires, and once where it does not."""
    system = f'system="{package}"'
    tests = []
    wanted = {rule["alert"] for rule in rules_of(folder)}
    assert wanted <= {name.partition(",")[0] for name in CASES}
    for title, case in CASES.items():
        name = title.partition(",")[0]
        if name not in wanted:
            continue
        own = f", {system}" if "{S" in str(case) and name != "NoSystems" else ""
        fired = f'count(ALERTS{{alertname="{name}", alertstate="firing", owner!="", severity!=""{own}}}) or vector(0)'
        for series, expected in ((case.fires, 1), (case.quiet, 1 if name in ALWAYS else 0)):
            tests.append(
                {
                    "interval": "1m",
                    "input_series": [
                        {"series": k.replace("{S", "{" + system).replace(" S,", f" {system},"), "values": v}
                        for k, v in series.items()
                    ],
                    "promql_expr_test": [
                        {
                            "expr": fired,
                            "eval_time": f"{case.minute}m",
                            "exp_samples": [{"labels": "{}", "value": expected}],
                        }
                    ],
                }
            )
    place = folder / "unit-tests.yml"
    place.write_text(
        yaml.safe_dump({"rule_files": [str(file) for file in files], "evaluation_interval": "1m", "tests": tests})
    )
    return place


def package_of(folder: Path) -> str:
    (found,) = (path.name for path in (folder / "src").iterdir())
    return found


@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_promtool_accepts_the_rules(blueprint: str, of: Callable[[str], Path]) -> None:
    """Real `promtool check rules`, of all files of the blueprint."""
    files = [str(file) for file in rule_files(of(blueprint))]
    assert files
    assert "SUCCESS" in must("promtool", "check", "rules", *files, folder=of(blueprint))


@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_every_alert_fires_when_it_must_and_only_then(blueprint: str, of: Callable[[str], Path]) -> None:
    """Real `promtool test rules`; an alert without a case is an error."""
    folder = of(blueprint)
    place = unit_tests(folder, rule_files(folder), package_of(folder))
    assert "SUCCESS" in must("promtool", "test", "rules", str(place), folder=folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("ops/alerts.yml", "== 1", "== 2"),
        ("ops/alerts.yml", "> 600", "> 6000"),
        ("ops/alerts.yml", "> 172800", "> 1728000"),
        ("ops/alerts-service.yml", "> 900", "> 9000"),
        ("ops/alerts-service.yml", "> 0.1 *", "> 0.5 *"),
        ("ops/alerts-service.yml", "absent(", "absent_over_time("),
    ],
)
def test_a_weakened_rule_is_seen(of: Callable[[str], Path], tmp_path: Path, file: str, old: str, new: str) -> None:
    """A limit that is moved, or a rule that cannot fire any more."""
    folder = of("tabular-decision")
    weak = []
    for path in rule_files(folder):
        text = path.read_text()
        if path == folder / file:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / path.name).write_text(text)
        weak.append(tmp_path / path.name)
    place = unit_tests(folder, weak, package_of(folder))
    assert run("promtool", "test", "rules", str(place), folder=folder).returncode != 0


@pytest.mark.parametrize("blueprint", SYSTEMS)
def test_every_alert_reads_a_metric_that_something_exports(blueprint: str, of: Callable[[str], Path]) -> None:
    """By the names in the code of this very project, or of the exporter that shows its files."""
    folder = of(blueprint)
    for rule in rules_of(folder):
        assert metrics_in(rule["expr"]) <= exported(folder), rule["alert"]


def metrics_in(expression: str) -> set[str]:
    """The names of series that an expression selects, as whole families."""
    text = re.sub(r'\{\s*__name__="(\w+)"', r"\1{", expression)
    found = set(re.findall(r"([a-zA-Z_]\w*)\{", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def exported(folder: Path) -> set[str]:
    """The families that the code of a project writes, and what Prometheus and the exporters add of their own."""
    code = {path.as_posix(): path.read_text() for path in sorted((folder / "src").rglob("*.py"))}
    names = {"up", "ALERTS", "node_textfile_mtime_seconds"}
    for path, text in code.items():
        if path.endswith("release.py"):
            names |= {f"service_{name}_total" for name in re.findall(r'_counter\(\s*"(\w+)"', text)}
            names |= set(re.findall(r'"((?:service|audit)_\w+)"', text))
        if "/monitoring/" in path:
            names |= {f"monitoring_{name}" for name in ("limit", "breached", "rows", "$metric")}
        if path.endswith("stages.py"):
            names |= set(re.findall(r'"(run_\w+)":', text))
        if "/review/" in path:
            names |= set(re.findall(r'"(review_\w+)":', text))
    return names


def test_every_panel_shows_what_systems_export_and_every_alert_has_one(of: Callable[[str], Path]) -> None:
    """The dashboard is for all blueprints: it may name what any of them exports, and must show what any alerts on."""
    board = json.loads((of(STACK) / "stack" / "grafana" / "system.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    shown = set().union(*(metrics_in(query.replace("monitoring_$metric", "monitoring_metric")) for query in queries))
    known = set().union(*(exported(of(blueprint)) for blueprint in SYSTEMS)) | {"monitoring_metric"}
    assert shown <= known
    alerted = set().union(*(metrics_in(rule["expr"]) for blueprint in SYSTEMS for rule in rules_of(of(blueprint))))
    assert alerted <= shown
    variables = {variable["name"]: variable["query"] for variable in board["templating"]["list"]}
    assert variables.keys() == {"system", "metric"}
    assert metrics_in(variables["metric"]) <= known


def test_queries_of_the_dashboard_are_read_by_promtool(of: Callable[[str], Path], tmp_path: Path) -> None:
    """As recording rules, with a system and an interval in the place of Grafana's variables."""
    board = json.loads((of(STACK) / "stack" / "grafana" / "system.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    written = [
        query.replace("$__rate_interval", "5m").replace("$system", "x").replace("$metric", "psi") for query in queries
    ]
    assert not [query for query in written if "$" in query]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(written)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules" in must("promtool", "check", "rules", "rules.yml", folder=tmp_path)


def test_every_system_joins_the_stack_and_prometheus_loads_it(of: Callable[[str], Path], tmp_path: Path) -> None:
    """All blueprints in one stack, by its own command; `promtool` and `amtool` accept what comes of it."""
    folder = rendered(tmp_path / "stack", STACK)
    command = [sys.executable, "-m", f"{package_of(folder)}.controls.stack"]
    environment = {"PYTHONPATH": str(folder / "src"), "PROJECT_ROOT": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    for blueprint in SYSTEMS:
        done = subprocess.run(
            [*command, "join", str(of(blueprint))], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert f"{len(SYSTEMS)} systems" in done.stdout
    said = must("promtool", "check", "config", "prometheus.yml", folder=folder / "stack")
    assert said.count("SUCCESS") == 2 + 1 + len([name for one in SYSTEMS for name in rule_files(of(one))])
    assert "SUCCESS" in must("amtool", "check-config", "alertmanager.yml", folder=folder / "stack")


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, "heartbeat"),
        ({"alertname": "KillSwitchOn", "severity": "warning", "system": "x"}, "owners"),
        ({"alertname": "TargetDown", "severity": "critical", "system": "x"}, "owners"),
    ],
)
def test_alerts_are_routed(of: Callable[[str], Path], labels: dict[str, str], receivers: str) -> None:
    """Real `amtool config routes test`: the heartbeat goes its own way."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    place = str(of(STACK) / "stack" / "alertmanager.yml")
    assert (
        must("amtool", "config", "routes", "test", f"--config.file={place}", *pairs, folder=of(STACK)).strip()
        == receivers
    )
