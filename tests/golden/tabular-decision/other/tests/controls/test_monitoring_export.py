"""The plan is whole, the alert rules speak of metrics that exist, and the report stands alone."""

import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sme_loans.controls import evidence, monitoring, stages
from sme_loans.controls.audit import EventType, read_events
from sme_loans.controls.monitoring import KINDS, Check, Plan, Report
from sme_loans.controls.paths import Paths

SYSTEM = "sme_loans"
ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "ops" / "alerts.yml").read_text())["groups"][0]["rules"]


DUTY = {"severity": "critical", "owner": "team", "runbook": "ops/playbook.md#here"}
PLAN = Plan(
    "a month",
    100,
    {name: Check(name, 0.1, action="look", meaning=text, **DUTY) for name, text in KINDS.items()},
)


@pytest.fixture
def report() -> Report:
    """A window in which everything has moved."""
    before = pl.DataFrame({"x<y": range(1000), "score": [0.1, 0.2] * 500, "sex": ["f", "m"] * 500})
    before = before.with_columns(label=pl.lit(0))
    after = before.with_columns(pl.col("x<y") + 900, pl.col("score") + 0.6, label=pl.lit(1))
    return monitoring.observe(
        before, after, PLAN, score="score", slices=["sex"], label="label", window="2026-01"
    )


@pytest.fixture
def emitted(report: Report, tmp_path: Path) -> dict[tuple[str, str], float]:
    """Each emitted series: its name, and the metric label or the column, with its value."""
    text = monitoring.write_metrics(report, tmp_path / "m.prom", SYSTEM).read_text()
    return {
        (sample.name, sample.labels.get("metric", sample.labels.get("column", ""))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_named_in_the_alert_rules_is_emitted(
    rule: dict[str, str], emitted: dict[tuple[str, str], float]
) -> None:
    """Name, `system` and `metric` of each expression exist among the series of a run."""
    expression = rule["expr"]
    for name in stages.METRICS:
        emitted.setdefault((name, ""), 0.0)  # beside the report: what the run itself has cost
    names = set(re.findall(r"\b(\w+)\{", expression))
    metric = re.search(r'metric="(\w+)"', expression)
    assert names
    assert f'system="{SYSTEM}"' in expression
    for name in names:
        series = {key for key in emitted if key[0] == name}
        assert series
        assert metric is None or (name, metric[1]) in series


def test_an_alert_says_who_acts_and_where_to_read(report: Report, tmp_path: Path) -> None:
    """Severity, owner and runbook of the check are labels of the series that raises the alert."""
    text = monitoring.write_metrics(report, tmp_path / "m.prom", SYSTEM).read_text()
    families = list(text_string_to_metric_families(text))
    series = [s for f in families for s in f.samples if s.name == "monitoring_breached"]
    assert len(series) == len(report.measurements)
    assert all(sample.labels.items() >= DUTY.items() for sample in series)
    (rule,) = [rule for rule in RULES if rule["alert"] == "MonitoringBreached"]
    named = set(re.findall(r"\$labels\.(\w+)", str(rule)))
    assert named == {*DUTY, "metric", "column", "slice"}
    assert named <= series[0].labels.keys()


def test_metrics_carry_values_limits_and_breaches(
    report: Report, emitted: dict[tuple[str, str], float]
) -> None:
    """The series equal the report, and all that is emitted is documented."""
    own = {f"monitoring_{name}" for name in report.plan.checks}
    assert {name for name, _ in emitted} == monitoring.METRICS.keys() | own
    assert emitted["monitoring_limit", "psi"] == report.plan.checks["psi"].limit
    assert emitted["monitoring_rows", ""] == 1000
    psi = next(m for m in report.measurements if (m.metric, m.column) == ("psi", "x<y"))
    assert emitted["monitoring_psi", "x<y"] == pytest.approx(psi.value, abs=1e-6)
    assert emitted["monitoring_breached", "psi"] == 1


class Seen(HTMLParser):
    """Collects tags, and what they point at."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and its links."""
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_report_needs_no_script_and_no_other_file(report: Report, tmp_path: Path) -> None:
    """It opens offline, shows plots, and escapes names of columns."""
    page = monitoring.write_html(report, tmp_path / "r.html", "Monitoring of a <test>").read_text()
    seen = Seen()
    seen.feed(page)
    assert seen.targets == []
    assert "script" not in seen.tags
    assert "url(" not in page
    assert seen.tags.count("svg") >= 3
    assert "x<y" not in page
    assert "Monitoring of a &lt;test&gt;" in page
    assert f"{len(report.alerts)} alerts" in page


def test_a_report_reaches_machines_people_and_auditors(project: Paths, report: Report) -> None:
    """The evidence is the same however long it took; whatever alerts is shown and on record."""
    source = project.root / "window.csv"
    source.write_text("x\n")
    slow = monitoring.judge(PLAN, "psi", 5.0, 1000)
    line = monitoring.publish(project, report, [source], "made-up data", timed=[slow])
    shown = monitoring.joined(report, [slow])
    record = evidence.read(project, "monitoring")
    assert line == f"2026-01: {len(shown.alerts)} alerts, see var/reports/monitoring.html"
    assert record["content"] == evidence.rounded(report.content())
    assert sorted(record["inputs"]) == ["ops/monitoring.yaml", "window.csv"]
    figures = monitoring.write_metrics(shown, project.root / "expected.prom", SYSTEM).read_text()
    assert (project.metrics / "monitoring.prom").read_text() == figures
    page = (project.reports / "monitoring.html").read_text()
    assert f"<h1>Monitoring of {SYSTEM} (made-up data)</h1>" in page
    logged = list(read_events(project.audit / "pipeline.jsonl"))
    assert [event["subject"] for event in logged] == [a.check.metric for a in shown.alerts]
    assert {event["type"] for event in logged} == {str(EventType.DRIFT_ALERT)}


def test_the_same_report_gives_the_same_bytes(report: Report, tmp_path: Path) -> None:
    """Nothing in the report or the metrics depends on the clock."""
    for name in ("one", "two"):
        monitoring.write_html(report, tmp_path / f"{name}.html", "t")
        monitoring.write_metrics(report, tmp_path / f"{name}.prom", "s")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.prom").read_bytes() == (tmp_path / "two.prom").read_bytes()


HEAD = "window: a day\nminimum_rows: 9\nchecks:\n  - {"
CHECK = (
    "metric: psi, limit: 0.05, severity: warning, owner: team, runbook: ops/x.md#y, action: look"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: psi", "metric: psy", "psy: unknown metric"),
        ("metric: psi", "metric: ks", "no check for psi"),
        ("owner:", "boss:", "a check has"),
        ("limit: 0.05", "limit: 0", "psi: limit is 0, not above 0"),
    ],
)
def test_a_broken_plan_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A plan with a gap, a limit of nothing or an unknown word stops the run."""
    path = tmp_path / "monitoring.yaml"
    text = HEAD + CHECK + "}\n"
    path.write_text(text)
    assert monitoring.load(path, required=["psi"]).checks["psi"].meaning == KINDS["psi"]
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        monitoring.load(path, required=["psi"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{" + CHECK + "}", "", "a check has .*, not None"),
        ("\n  - {" + CHECK + "}", "", "`checks` is no list of checks"),
        ("{" + CHECK + "}", "psi", "a check has .*, not 'psi'"),
        ("limit: 0.05", "limit: ", "psi: limit is None, not a number"),
        ("limit: 0.05", "limit: 10%", "psi: limit is '10%', not a number"),
        ("limit: 0.05", "limit: .inf", "psi: limit is inf, not above 0 and finite"),
        ("limit: 0.05", "limit: yes", "psi: limit is True, not above 0 and finite"),
        ("owner: team", "owner: ", "psi: owner is None, not words"),
        ("metric: psi", "metric: [psi]", "metric is .'psi'., not words"),
        ("minimum_rows: 9", "", "minimum_rows is None, not a whole number"),
        ("minimum_rows: 9", "minimum_rows: many", "minimum_rows is 'many', not a whole number"),
        ("window: a day", "", "window is None, not words"),
        ("window: a day", "window: \udce9", "can't encode|codec can't decode"),
        ("}\n", "}\n  - {" + CHECK.replace("0.05", "9") + "}\n", "psi has two checks"),
    ],
)
def test_each_mistake_in_a_plan_is_a_sentence_with_its_file(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Whoever is on duty gets neither a traceback nor a riddle, and no check is lost."""
    path = tmp_path / "monitoring.yaml"
    text = HEAD + CHECK + "}\n"
    assert text.count(old) == 1
    path.write_bytes(text.replace(old, new).encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=message) as refused:
        monitoring.load(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_what_rests_on_too_few_rows_is_said(report: Report, tmp_path: Path) -> None:
    """On the page and in the line: without an alert all looks well."""
    plan = dataclasses.replace(PLAN, minimum_rows=1001)
    small = monitoring.judge(plan, "psi", 0.01, 1000)
    few = Report("May", 0, 1000, (small,), plan)
    page = monitoring.write_html(few, tmp_path / "few.html", "t").read_text()
    assert "Not judged: too few rows in 1 of 1 measurements" in page
    assert "Every measurement is within" not in page
    assert few.verdict() == "0 alerts, not judged: too few rows"
    assert report.verdict() == f"{len(report.alerts)} alerts"


def test_a_metric_of_ones_own_says_what_it_means(tmp_path: Path) -> None:
    """It is emitted with that meaning."""
    path = tmp_path / "monitoring.yaml"
    path.write_text(HEAD + CHECK.replace("psi", "cost") + ", meaning: cost of a case}\n")
    plan = monitoring.load(path)
    found = Report("today", 0, 20, (monitoring.judge(plan, "cost", 0.2, 20),), plan)
    text = monitoring.write_metrics(found, tmp_path / "m.prom", SYSTEM).read_text()
    assert "# HELP monitoring_cost cost of a case" in text
    page = monitoring.write_html(found, tmp_path / "r.html", "t").read_text()
    assert "1 alert" in page
    assert "Drift by column" not in page


class Collector:
    """A loopback collector: it keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.status, self.answer = 200, b"{}"
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                kept.got.append((self.path, headers, body))
                self.send_response(kept.status)
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
                self.send_header("content-length", str(len(kept.answer)))
                self.end_headers()
                self.wfile.write(kept.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens on this machine while the test runs."""
    found = Collector()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def points(body: Any) -> dict[tuple[str, str], float]:
    """Name and metric or column of each point that a collector got, with its value."""
    found = {}
    for resource in body["resourceMetrics"]:
        (named,) = resource["resource"]["attributes"]
        assert named["key"] == "service.name"
        for metric in resource["scopeMetrics"][0]["metrics"]:
            for point in metric["gauge"]["dataPoints"]:
                labels = {pair["key"]: pair["value"]["stringValue"] for pair in point["attributes"]}
                assert labels["system"] == named["value"]["stringValue"]
                label = labels.get("metric", labels.get("column", ""))
                found[metric["name"], label] = point["asDouble"]
    return found


def test_a_collector_gets_the_same_figures(
    report: Report,
    emitted: dict[tuple[str, str], float],
    tmp_path: Path,
    collector: Collector,
) -> None:
    """By OTLP over HTTP, of every file, with the headers of the environment and the time of now."""
    written = monitoring.write_metrics(report, tmp_path / "metrics" / "monitoring.prom", SYSTEM)
    costs = stages.exposition({"data": stages.Spent(2, 1)}, True)
    written.with_name("run.prom").write_text(costs)
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-token=a%20b,x-other=c",
    }
    line = monitoring.send_metrics(written.parent, environment, now=1_700_000_000.5)
    assert line == f"monitoring.prom, run.prom sent to {collector.url}/v1/metrics"
    ((path, headers, body),) = collector.got
    assert path == "/v1/metrics"
    assert (headers["x-token"], headers["x-other"]) == ("a b", "c")
    assert headers["content-type"] == "application/json"
    run = {"run_seconds": 2.0, "run_compute_seconds": 1.0, "run_failed": 1.0, "run_unfinished": 0.0}
    assert points(body) == {**emitted, **{(name, ""): value for name, value in run.items()}}
    assert '"timeUnixNano": "1700000000500000000"' in json.dumps(body)


def test_nothing_is_sent_where_no_collector_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is how a project is born, and no failure."""
    assert monitoring.main(tmp_path, {}) == 0
    assert "nothing sent" in capsys.readouterr().out


def test_the_address_for_metrics_wins(tmp_path: Path, collector: Collector) -> None:
    """It is taken as it stands."""
    names = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": collector.url + "/in"}
    monitoring.send_metrics(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://no.test", **names})
    assert [path for path, *_ in collector.got] == ["/in"]


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (503, b"", "answered 503"),
        (302, b"", "answered 302"),
        (200, b'{"partialSuccess": {"rejectedDataPoints": "3", "errorMessage": "x"}}', "3 .* x"),
    ],
)
def test_a_collector_that_does_not_take_it_is_told(
    tmp_path: Path, collector: Collector, status: int, answer: bytes, message: str
) -> None:
    """A refusal, a redirect, which is not followed, and a part that is rejected."""
    collector.status, collector.answer = status, answer
    with pytest.raises(monitoring.CollectorRefused, match=message):
        monitoring.send_metrics(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert len(collector.got) == 1


@pytest.mark.parametrize(
    ("endpoint", "headers", "message"),
    [
        ("file:///etc/passwd", "", "no http address"),
        ("http://user:word@127.0.0.1", "", "without credentials"),
        ("http://collector.test", "authorization=secret", "by https"),
        ("http://127.0.0.1:9", "secret", "not of the form"),
        ("http://127.0.0.1:9", "", "cannot be reached"),
    ],
)
def test_an_address_that_will_not_do_is_refused(
    tmp_path: Path,
    endpoint: str,
    headers: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before a token goes over the network in clear; the message does not repeat it."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS")
    assert monitoring.main(tmp_path, dict(zip(names, (endpoint, headers), strict=True))) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "secret" not in said


def test_counters_are_sums_and_nan_is_left_out(tmp_path: Path, collector: Collector) -> None:
    """Other kinds of metrics, which no run of ours writes, are left out too."""
    (tmp_path / "m.prom").write_text(
        '# TYPE a gauge\na 1\na{x="y"} NaN\n# TYPE b_total counter\nb_total 2\n'
        '# TYPE c histogram\nc_bucket{le="+Inf"} 1\nc_sum 1\nc_count 1\n'
    )
    monitoring.send_metrics(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, now=1.0)
    (resource,) = collector.got[0][2]["resourceMetrics"]
    a, b = resource["scopeMetrics"][0]["metrics"]
    assert (a["name"], b["name"]) == ("a", "b")
    assert b["sum"]["isMonotonic"]
    assert b["sum"]["dataPoints"][0]["asDouble"] == 2
