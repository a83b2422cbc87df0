"""The whole run: what was planted is found, tampering stops it, it can be run again and again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from claims_router import feed, pipeline
from claims_router.controls import audit, evidence, intake, stages
from claims_router.controls.intake import Counts
from claims_router.controls.paths import Paths
from claims_router.controls.stages import StageFailed

ROOT = Path(__file__).parents[1]
PLANTED = {"review_rate", "override_rate", "mean_score"}


def test_a_run_leaves_its_evidence(built: Paths) -> None:
    """One file a finding, each tied to inputs that still match."""
    names = sorted(path.stem for path in built.evidence.glob("*.json"))
    assert names == ["intake", "monitoring"]
    assert {name: evidence.stale(built, name) for name in names} == {name: [] for name in names}


def test_a_second_run_records_nothing_and_gives_the_same_evidence(rebuilt: Paths) -> None:
    """Byte for byte, and each report stays once in the log."""
    before = {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")}
    known = [event["data"]["id"] for event in intake.reported(rebuilt)]
    assert stages.run(pipeline.STAGES, rebuilt, say=lambda _: None) == 0
    assert {path.name: path.read_bytes() for path in rebuilt.evidence.glob("*.json")} == before
    assert [event["data"]["id"] for event in intake.reported(rebuilt)] == known
    assert len(known) == len(set(known))


def test_every_line_is_accounted_for(built: Paths) -> None:
    """As many reports as there are distinct ones in the feed, and the broken lines by reason."""
    found = evidence.read(built, "intake")["content"]
    assert found["lines"] == len(list(feed.lines()))
    assert sum(found["refused"].values()) == len(feed.BROKEN)
    assert found["reports"] == found["lines"] - 25 - len(feed.BROKEN)


def test_a_line_ends_at_a_newline_only(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A separator of paragraphs in a text does not; a byte that is no UTF-8 spoils one line."""
    report = json.loads(next(feed.lines())) | {"subject": "first\u2028second"}
    lines = [json.dumps(report, ensure_ascii=False), '{"id": "\udcff"}']
    monkeypatch.setattr(feed, "lines", lambda: iter(lines))
    pipeline.fetch(project)
    assert pipeline.take_in(project) == "1 recorded, 0 known already, 1 refused"


def test_the_planted_month_raises_alerts(built: Paths) -> None:
    """Scores, outcomes and overrides have all moved."""
    found = evidence.read(built, "monitoring")["content"]
    assert found["window"] == "2025-12"
    assert {alert["metric"] for alert in found["alerts"]} == PLANTED


def test_the_months_before_raise_none(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the planted month there is nothing to tell."""
    window = evidence.read(rebuilt, "monitoring")["content"]["window"]
    reported = [e for e in intake.reported(rebuilt) if e["data"]["at"][:7] < window]
    monkeypatch.setattr(intake, "reported", lambda paths: iter(reported))
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["alerts"] == []


def _more(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, count: int, name: str = "M", **said: Any
) -> str:
    """The line of a run in which that many more decisions were reported."""
    report = json.loads(next(feed.lines())) | {"at": "2026-01-02T09:00:00+00:00"} | said
    lines = [*feed.lines(), *(json.dumps(report | {"id": f"{name}-{n}"}) for n in range(count))]
    monkeypatch.setattr(feed, "lines", lambda: iter(lines))
    pipeline.fetch(paths)
    pipeline.take_in(paths)
    return pipeline.monitor(paths)


def _measured(paths: Paths) -> dict[str, dict[str, Any]]:
    found = evidence.read(paths, "monitoring")["content"]["measurements"]
    return {row["metric"]: row for row in found}


@pytest.mark.parametrize("at", ["2026-01-02T09:00:00+00:00", "2062-01-02T09:00:00+00:00"])
def test_the_first_report_of_a_month_clears_no_alert(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The month before stays the window; nor does a date that is mistyped clear one."""
    _more(rebuilt, monkeypatch, 1, at=at)
    found = evidence.read(rebuilt, "monitoring")["content"]
    assert found["window"] == "2025-12"
    assert {alert["metric"] for alert in found["alerts"]} == PLANTED


def test_a_month_with_enough_decisions_is_the_window(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on it is judged."""
    assert _more(rebuilt, monkeypatch, 100).startswith("2026-01: ")


def test_too_few_rows_are_not_judged_and_said(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page and in the line: no alert is no proof then."""
    plan = rebuilt.ops / "monitoring.yaml"
    plan.write_text(plan.read_text().replace("minimum_rows: 100", "minimum_rows: 10000"))
    assert "not judged: too few rows" in pipeline.monitor(rebuilt)
    page = (rebuilt.reports / "monitoring.html").read_text()
    assert "Not judged: too few rows" in page and "Every measurement is within" not in page


def test_a_missing_score_is_no_score_of_nought(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean is of those that are there; that the others are missing is an alert of its own."""
    known = [event["data"] | {"type": event["type"]} for event in intake.reported(rebuilt)]
    usual = pipeline._mean(pipeline._figures("mean_score", known))
    _more(rebuilt, monkeypatch, 100, score=usual)
    _more(rebuilt, monkeypatch, 100, "N", score=None)
    found = _measured(rebuilt)
    assert abs(found["mean_score"]["value"]) < 1e-9
    assert found["mean_score"]["rows"] == 100
    assert found["missing_scores"]["value"] == pytest.approx(0.5)
    assert found["missing_scores"]["breached"]


def test_a_silent_feed_is_told(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the age of its newest report; the made-up one is read the day after its last."""
    moments = [feed.READ_AT, feed.READ_AT + timedelta(days=9), datetime(2020, 1, 1, tzinfo=UTC)]
    found = []
    for moment in moments:
        monkeypatch.setattr(feed, "READ_AT", moment)
        pipeline.monitor(rebuilt)
        metrics = (rebuilt.metrics / "monitoring.prom").read_text()
        (row,) = re.findall(r'monitoring_breached{.*"feed_age_days".*} (.*)', metrics)
        found.append(row)
    assert found == ["0.0", "1.0", "1.0"]


def test_production_records_without_approvals_and_says_so(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is lost is worse: nothing stops, and the last line names what is missing."""
    assert "approved" not in pipeline.document(rebuilt)
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    said: list[str] = []
    assert stages.run(pipeline.STAGES, rebuilt, say=said.append) == 0
    assert "NOT approved for production" in said[-2]


@pytest.mark.parametrize("name", ["governance/approvals.yaml", ".env.example", "Dockerfile"])
def test_no_file_promises_a_refusal(name: str) -> None:
    """What is not approved is told, and nothing is refused."""
    text = (ROOT / name).read_text("utf-8") if (ROOT / name).exists() else ""
    assert not re.search(r"unapproved|by the service|nothing that is not approved", text)


def test_a_tampered_report_stops_the_run(rebuilt: Paths) -> None:
    """One outcome turned, and the log no longer proves anything."""
    log = rebuilt.audit / "intake.jsonl"
    log.write_text(log.read_text().replace('"outcome":"accept"', '"outcome":"review"', 1))
    assert [bool(state.findings) for state in audit.verify_folder(rebuilt.audit)].count(True) == 1
    with pytest.raises(StageFailed, match="not intact"):
        pipeline.document(rebuilt)


def test_counts_that_do_not_add_up_stop_the_run(
    rebuilt: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is nowhere would be a decision without a trace."""
    monkeypatch.setattr(intake, "take_in", lambda paths, lines: Counts(10, 9, 0, {}))
    with pytest.raises(StageFailed, match="do not add up"):
        pipeline.take_in(rebuilt)


def test_a_feed_of_one_month_has_nothing_to_compare_with(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, rather than passed over."""
    first = [line for line in feed.lines() if '"at": "2025-07' in line]
    monkeypatch.setattr(feed, "lines", lambda: iter(first))
    assert stages.run(pipeline.STAGES, project, say=lambda _: None) == 1


def test_no_subject_is_in_any_log(built: Paths) -> None:
    """Numbers of cases lead to people."""
    subjects = {json.loads(line)["subject"] for line in feed.lines() if line not in feed.BROKEN}
    text = "".join(file.read_text() for file in built.audit.glob("*.jsonl"))
    assert not [subject for subject in subjects if subject in text]
