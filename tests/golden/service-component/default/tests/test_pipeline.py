"""The whole run: what was planted is found, tampering stops it, it can be run again and again."""

from __future__ import annotations

import json

import pytest

from claims_router import feed, pipeline
from claims_router.controls import audit, evidence, intake, stages
from claims_router.controls.intake import Counts
from claims_router.controls.paths import Paths
from claims_router.controls.stages import StageFailed


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
    assert {alert["metric"] for alert in found["alerts"]} == set(pipeline.METRICS)


def test_the_months_before_raise_none(rebuilt: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the planted month there is nothing to tell."""
    window = evidence.read(rebuilt, "monitoring")["content"]["window"]
    reported = [e for e in intake.reported(rebuilt) if e["data"]["at"][:7] < window]
    monkeypatch.setattr(intake, "reported", lambda paths: iter(reported))
    pipeline.monitor(rebuilt)
    assert evidence.read(rebuilt, "monitoring")["content"]["alerts"] == []


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
