"""Tells people what a report found: as evidence, metrics and a page, and each alert on record."""

from collections.abc import Sequence
from pathlib import Path

from .. import evidence
from ..audit import EventType, open_log
from ..paths import Paths
from ..stages import SYSTEM
from .export import write_html, write_metrics
from .observe import Measurement, Report, joined


def publish(
    paths: Paths,
    report: Report,
    sources: Sequence[Path],
    origin: str,
    timed: Sequence[Measurement] = (),
) -> str:
    """Publish a report for machines, people and auditors; returns a line on it.

    `sources` are the files that its figures come from, besides the plan. `origin` says in the title
    of the page what data it is about. `timed` are measurements that differ from run to run, such as
    of time: they are shown and they alert, and are in no evidence, which is the same each time.
    """
    evidence.write(paths, "monitoring", report.content(), [paths.ops / "monitoring.yaml", *sources])
    shown = joined(report, timed)
    write_metrics(shown, paths.metrics / "monitoring.prom", system=SYSTEM)
    write_html(shown, paths.reports / "monitoring.html", f"Monitoring of {SYSTEM} ({origin})")
    with open_log(paths, writer="pipeline") as log:
        log.record_all(
            (EventType.DRIFT_ALERT, alert.check.metric, alert.content()) for alert in shown.alerts
        )
    return f"{shown.window}: {shown.verdict()}, see var/reports/monitoring.html"
