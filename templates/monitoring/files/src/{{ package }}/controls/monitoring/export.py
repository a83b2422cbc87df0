"""Writes a report as Prometheus metrics and as one HTML page without scripts or outside files.

What Prometheus may read can also be sent to an OpenTelemetry collector: OTLP over HTTP, in JSON
(https://opentelemetry.io/docs/specs/otlp/#otlphttp).
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

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
PATIENCE = 10.0  # seconds that a collector has to answer
LOOPBACK = ("127.0.0.1", "::1", "localhost")
CUMULATIVE = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE of opentelemetry.proto.metrics.v1


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


class CollectorRefused(OSError):
    """The collector cannot be reached, or has not taken all that it was sent."""


class _NoRedirect(HTTPRedirectHandler):
    """Figures and a token go where the environment says, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send_metrics(
    folder: Path, environment: Mapping[str, str] = os.environ, now: float | None = None
) -> str:
    """Send the metrics of all files `*.prom` of that folder to the collector; one line on it.

    Where to and with which headers is said by OpenTelemetry's own variables; without an address
    nothing is sent. ValueError for an address that will not do, CollectorRefused if it fails.
    """
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    url = environment.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") or (base and f"{base}/v1/metrics")
    if not url:
        return "nothing sent: OTEL_EXPORTER_OTLP_ENDPOINT is not set"
    files = sorted(folder.glob("*.prom"))
    families = [
        family
        for file in files
        for family in text_string_to_metric_families(file.read_text(encoding="utf-8"))
    ]
    body = otlp(families, time.time() if now is None else now)
    _post(url, body, _headers(environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")))
    return f"{', '.join(file.name for file in files) or 'no file'} sent to {url}"


def main(folder: Path, environment: Mapping[str, str] = os.environ) -> int:
    """What `make send-metrics` does: 0, or 1 after saying why nothing arrived."""
    try:
        print(send_metrics(folder, environment))
    except (CollectorRefused, ValueError) as reason:
        print(f"metrics not sent: {reason}", file=sys.stderr)
        return 1
    return 0


def otlp(families: Iterable[Metric], now: float) -> dict[str, Any]:
    """An ExportMetricsServiceRequest: one resource a `system`, which stays a label of each point.

    Gauges and counters only, which is all that runs of ours write; NaN is no figure and left out.
    """
    systems: dict[str, list[dict[str, Any]]] = {}
    for family in families:
        for system, points in _points(family, f"{round(now * 1000)}000000").items():
            systems.setdefault(system, []).append(_metric(family, points))
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": [_attribute("service.name", system)]},
                "scopeMetrics": [{"scope": {"name": "monitoring"}, "metrics": systems[system]}],
            }
            for system in sorted(systems)
        ]
    }


def _points(family: Metric, moment: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    if family.type not in ("gauge", "counter", "unknown"):
        return found
    for sample in family.samples:
        if math.isfinite(sample.value) and not sample.name.endswith("_created"):
            labels = [_attribute(name, value) for name, value in sorted(sample.labels.items())]
            point = {"attributes": labels, "timeUnixNano": moment, "asDouble": sample.value}
            found.setdefault(sample.labels.get("system", ""), []).append(point)
    return found


def _metric(family: Metric, points: list[dict[str, Any]]) -> dict[str, Any]:
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    named: dict[str, Any] = {"name": name, "description": family.documentation}
    if family.type != "counter":
        return {**named, "gauge": {"dataPoints": points}}
    total = {"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": True}
    return {**named, "sum": total}


def _attribute(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value}}


def _headers(written: str) -> dict[str, str]:
    """`name=value,name=value`, the values percent-encoded, as OpenTelemetry writes them."""
    pairs = [pair.partition("=") for pair in written.split(",") if pair.strip()]
    if any(not (equals and name.strip()) for name, equals, _ in pairs):
        raise ValueError("OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value")
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("the collector's address is no http address without credentials")
    if headers and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("headers may hold a token: send them by https, or to this machine")
    handlers: list[Any] = [_NoRedirect]
    if parts.hostname in LOOPBACK:
        handlers.append(ProxyHandler({}))  # no proxy leads to this machine
    sent = {**headers, "content-type": "application/json"}
    request = Request(url, json.dumps(body).encode(), sent, method="POST")
    try:
        with build_opener(*handlers).open(request, timeout=PATIENCE) as answer:
            text = answer.read()
    except HTTPError as error:
        with error:
            raise CollectorRefused(f"{url} answered {error.code}") from None
    except OSError as error:
        raise CollectorRefused(f"{url} cannot be reached: {type(error).__name__}") from None
    if refused := "; ".join(_rejected(text)):
        raise CollectorRefused(f"{url}: {refused}")


def _rejected(text: bytes) -> Iterator[str]:
    """What the collector says that it has not taken; an empty answer means: all is taken."""
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return
    partial = found.get("partialSuccess") or {} if isinstance(found, dict) else {}
    if number := int(partial.get("rejectedDataPoints") or 0):
        yield f"{number} figures rejected: {partial.get('errorMessage', '')}"


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
    if report.current_rows < report.plan.minimum_rows:
        verdict += ", not judged: too few rows"
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
<span class="{_colour(report)}">{verdict}</span></p>"""


def _colour(report: Report) -> str:
    few = report.current_rows < report.plan.minimum_rows
    return "bad" if report.alerts else "" if few else "good"


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
        return f"<h2>Alerts</h2>\n<p>{_quiet(report)}</p>"
    head = "<tr><th>What<th>Severity<th>Owner<th>Action<th>Runbook</tr>"
    return f'<h2>Alerts</h2>\n<div class="wide"><table>{head}\n{body}\n</table></div>'


def _quiet(report: Report) -> str:
    """Why there is no alert: all is well, or there is too little to tell."""
    few = report.unjudged
    if not few:
        return "Every measurement is within its limit."
    named = f"{len(few)} of {len(report.measurements)} measurements"
    return f"Not judged: too few rows in {named}. The others are within their limits."


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
