"""The plan is whole, the alert rules speak of metrics that exist, and the report stands alone."""

import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sme_loans.controls import monitoring
from sme_loans.controls.monitoring import Report

SYSTEM = "sme_loans"
ROOT = Path(__file__).parents[2]
PLAN = ROOT / "ops" / "monitoring.yaml"
RULES = yaml.safe_load((ROOT / "ops" / "alerts.yml").read_text())["groups"][0]["rules"]


@pytest.fixture
def report() -> Report:
    """A window in which everything has moved."""
    before = pl.DataFrame({"x<y": range(1000), "score": [0.1, 0.2] * 500, "sex": ["f", "m"] * 500})
    before = before.with_columns(label=pl.lit(0))
    after = before.with_columns(pl.col("x<y") + 900, pl.col("score") + 0.6, label=pl.lit(1))
    plan = monitoring.load(PLAN)
    return monitoring.observe(
        before, after, plan, score="score", slices=["sex"], label="label", window="2026-01"
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
    names = set(re.findall(r"\b(\w+)\{", expression))
    metric = re.search(r'metric="(\w+)"', expression)
    assert names
    assert f'system="{SYSTEM}"' in expression
    for name in names:
        series = {key for key in emitted if key[0] == name}
        assert series
        assert metric is None or (name, metric[1]) in series


def test_every_kind_of_measurement_has_a_rule() -> None:
    """No metric of the plan is without an alert, and rule and plan name the same people."""
    checks = monitoring.load(PLAN).checks
    rules = {m[1]: rule for rule in RULES if (m := re.search(r'metric="(\w+)"', rule["expr"]))}
    assert rules.keys() == checks.keys()
    for name, check in checks.items():
        rule = rules[name]
        assert rule["labels"] == {"severity": check.severity, "owner": check.owner}
        assert rule["annotations"]["runbook"] == check.runbook


def test_metrics_carry_values_limits_and_breaches(
    report: Report, emitted: dict[tuple[str, str], float]
) -> None:
    """The series equal the report, and all that is emitted is documented."""
    assert {name for name, _ in emitted} == monitoring.METRICS.keys()
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


def test_the_same_report_gives_the_same_bytes(report: Report, tmp_path: Path) -> None:
    """Nothing in the report or the metrics depends on the clock."""
    for name in ("one", "two"):
        monitoring.write_html(report, tmp_path / f"{name}.html", "t")
        monitoring.write_metrics(report, tmp_path / f"{name}.prom", "s")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.prom").read_bytes() == (tmp_path / "two.prom").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: psi", "metric: psy", "psy: unknown metric"),
        ("metric: psi", "metric: ks", "no check for psi"),
        ("owner:", "boss:", "a check has"),
        ("limit: 0.05", "limit: 0", "limit not above 0"),
    ],
)
def test_a_broken_plan_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A plan with a gap, a limit of nothing or an unknown word stops the run."""
    path = tmp_path / "monitoring.yaml"
    path.write_text(PLAN.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        monitoring.load(path)
