"""Writes a report as Prometheus metrics and as one HTML page without scripts or outside files."""

from html import escape
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from .observe import Measurement, Report
from .plot import STYLE, bars, histogram

PREFIX = "monitoring_"
# What a report emits besides one metric a check; the alert rules may name no other.
METRICS = {
    f"{PREFIX}limit": "limit of a metric, from the monitoring plan",
    f"{PREFIX}breached": "1 if a measurement is beyond its limit by more than chance explains",
    f"{PREFIX}rows": "rows in the current window",
}
# Who acts on a breach and how: an alert takes these from the series that raised it.
DUTY = ("severity", "owner", "runbook")
SHOWN_HISTOGRAMS = 6


def write_metrics(report: Report, path: Path, system: str) -> Path:
    """Write the report for Prometheus' text file collector; `system` is a label of each series."""
    registry = CollectorRegistry()
    labels = ["system", "column", "slice"]
    checks = report.plan.checks
    gauges = {
        name: Gauge(PREFIX + name, check.meaning, labels, registry=registry)
        for name, check in checks.items()
    }
    breached = _gauge("breached", ["system", "metric", "column", "slice", *DUTY], registry)
    limit = _gauge("limit", ["system", "metric"], registry)
    for m in report.measurements:
        gauges[m.metric].labels(system, m.column, m.slice).set(round(m.value, 6))
        duty = (getattr(checks[m.metric], name) for name in DUTY)
        breached.labels(system, m.metric, m.column, m.slice, *duty).set(m.breached)
    for check in checks.values():
        limit.labels(system, check.metric).set(check.limit)
    _gauge("rows", ["system"], registry).labels(system).set(report.current_rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
    return path


def _gauge(name: str, labels: list[str], registry: CollectorRegistry) -> Gauge:
    return Gauge(PREFIX + name, METRICS[PREFIX + name], labels, registry=registry)


def write_html(report: Report, path: Path, title: str) -> Path:
    """Write the report for people: the alerts, the drift of each column, and where it lies."""
    parts = [_head(title, report), _alerts(report), _drift(report), _histograms(report)]
    path.parent.mkdir(parents=True, exist_ok=True)
    page = "\n".join([*parts, _table(report), "</main>\n</body>\n</html>\n"])
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def _head(title: str, report: Report) -> str:
    count = len(report.alerts)
    verdict = "no alert" if not count else f"{count} alert{'s' if count > 1 else ''}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}: {verdict}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p>Window <b>{escape(report.window)}</b>: {report.current_rows:,} rows{_against(report)}.
<span class="{"bad" if count else "good"}">{verdict}</span></p>"""


def _against(report: Report) -> str:
    rows = report.reference_rows
    return f" against {rows:,} rows of reference" if rows else ""


def _alerts(report: Report) -> str:
    rows = (
        f"<tr><td>{escape(str(alert))}</td><td>{escape(alert.check.severity)}</td>"
        f"<td>{escape(alert.check.owner)}</td><td>{escape(alert.check.action)}</td>"
        f"<td><code>{escape(alert.check.runbook)}</code></td></tr>"
        for alert in report.alerts
    )
    body = "\n".join(rows)
    if not body:
        return "<h2>Alerts</h2>\n<p>Every measurement is within its limit.</p>"
    head = "<tr><th>What<th>Severity<th>Owner<th>Action<th>Runbook</tr>"
    return f'<h2>Alerts</h2>\n<div class="wide"><table>{head}\n{body}\n</table></div>'


def _drift(report: Report) -> str:
    """PSI of all columns, largest first, with the limit as a line."""
    values = [(m.column, m.value, m.breached) for m in _by_drift(report)]
    if not values:
        return ""
    plot = bars(values, report.plan.checks["psi"].limit, "Population stability index by column")
    note = "<p>Population stability index; the line is the limit.</p>"
    return f"<h2>Drift by column</h2>\n{note}\n{plot}"


def _histograms(report: Report) -> str:
    """Where the most drifted columns have moved: shares in the bins of the reference."""
    shown = [m for m in _by_drift(report) if m.column in report.distributions][:SHOWN_HISTOGRAMS]
    if not shown:
        return ""
    plots = "\n".join(histogram(m.column, report.distributions[m.column]) for m in shown)
    key = '<i class="key reference"></i> reference <i class="key current"></i> current'
    return f'<h2>Largest shifts</h2>\n<p>{key}</p>\n<div class="grid">\n{plots}\n</div>'


def _by_drift(report: Report) -> list[Measurement]:
    found = [m for m in report.measurements if m.metric == "psi"]
    return sorted(found, key=lambda m: (-m.value, m.column))


def _table(report: Report) -> str:
    head = (
        "<tr><th>Metric<th>Column<th>Slice<th class=n>Value<th class=n>Limit<th class=n>Rows</tr>"
    )
    rows = "\n".join(_row(m) for m in report.measurements)
    return f'<h2>All measurements</h2>\n<div class="wide"><table>{head}\n{rows}\n</table></div>'


def _row(m: Measurement) -> str:
    mark = ' class="bad"' if m.breached else ""
    words = "".join(f"<td>{escape(text)}</td>" for text in (m.metric, m.column, m.slice))
    figures = (f"{m.value:.3f}", f"{m.limit:g}", f"{m.rows:,}")
    numbers = "".join(f'<td class="n">{figure}</td>' for figure in figures)
    return f"<tr{mark}>{words}{numbers}</tr>"
