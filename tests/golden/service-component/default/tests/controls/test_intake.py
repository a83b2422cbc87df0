"""Every line of a feed is recorded once, known already, or refused with a reason; none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from claims_router.controls import audit, intake
from claims_router.controls.audit import Privacy
from claims_router.controls.intake import Counts, LineRefused, parse
from claims_router.controls.paths import Paths

REPORT = {
    "id": "D-1",
    "kind": "decision",
    "at": "2025-11-03T09:12:44+00:00",
    "subject": "C000123",
    "version": "7.2.1",
    "outcome": "accept",
    "score": 0.31,
}


NO_TEXT = "missing or no text: id, version, outcome"


def line(**change: Any) -> str:
    """A line of the feed; None takes a field out."""
    return json.dumps({k: v for k, v in {**REPORT, **change}.items() if v is not None})


def log_of(paths: Paths) -> str:
    """The text of the audit log that intake writes."""
    return (paths.audit / "intake.jsonl").read_text()


def test_a_report_is_read_whole() -> None:
    """The score may be left out."""
    said = parse(line()).data(Privacy(b"k"))
    assert said == {k: v for k, v in REPORT.items() if k != "subject"}
    assert parse(line(score=None)).score is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        (line(outcome=None), "missing or no text: outcome"),
        (line(id=" ", at=7), "missing or no text: id, at"),
        (line(subject="x" * 201), "missing or no text: subject"),
        (line(subject="C\ud83d"), "missing or no text: subject"),
        (line(id="\udc80", outcome="\udfff", version="\ud800"), NO_TEXT),
        ("[" * 100_000, "no JSON"),
        ("9" * 5_000, "no JSON"),
        (line(mood="good"), "1 unknown fields"),
        (line(kind="guess"), "kind is none of decision, override, incident"),
        (line(at="yesterday"), "at is no time with an offset"),
        (line(at="2025-11-03T09:12:44"), "at is no time with an offset"),
        (line(score=1.5), "score is not between 0 and 1"),
        (line(score=True), "score is not between 0 and 1"),
        (line(score="high"), "score is not between 0 and 1"),
    ],
)
def test_what_is_no_report_is_refused_with_its_reason(text: str, reason: str) -> None:
    """And the reason holds none of its values."""
    with pytest.raises(LineRefused) as refused:
        parse(text)
    assert str(refused.value) == reason


@pytest.mark.parametrize("at", ["2025-11-05T00:00:01+00:00", "2052-11-03T09:12:44+00:00"])
def test_a_time_that_is_still_to_come_is_refused(project: Paths, at: str) -> None:
    """One mistyped year would be the newest month for ever; a clock that is a day ahead is none."""
    now = datetime(2025, 11, 4, tzinfo=UTC)
    lines = [line(), line(id="D-2", at="2025-11-05T00:00:00+00:00"), line(id="D-3", at=at)]
    assert intake.take_in(project, lines, now) == Counts(3, 2, 0, {"at is still to come": 1})
    with pytest.raises(LineRefused, match="still to come"):
        parse(line(at=at), now)


def test_every_line_is_counted_once(project: Paths) -> None:
    """Recorded, repeated within the feed, refused."""
    lines = [line(), line(id="D-2"), line(), "{", "{", line(kind="guess")]
    counts = intake.take_in(project, lines)
    refused = {"kind is none of decision, override, incident": 1, "no JSON": 2}
    assert counts == Counts(6, 2, 1, refused)
    assert counts.reconciled


def test_one_line_that_cannot_be_read_stops_no_other(project: Paths) -> None:
    """It is set aside, and the lines around it are recorded; a whole emoji is text."""
    lines = [line(), line(id="D-2", subject="C\ud83d"), "[" * 100_000, line(id="D-3 \U0001f600")]
    refused = {"missing or no text: subject": 1, "no JSON": 1}
    assert intake.take_in(project, lines) == Counts(4, 2, 0, refused)
    assert intake.taken(project) == {"D-1", "D-3 \U0001f600"}


def test_the_same_feed_again_records_nothing(project: Paths) -> None:
    """Also in another process: what was taken in is known by its id."""
    lines = [line(id=f"D-{number}") for number in range(1100)]
    assert intake.take_in(project, lines).recorded == 1100
    before = log_of(project)
    assert intake.take_in(project, lines) == Counts(1100, 0, 1100, {})
    assert log_of(project) == before
    assert len(intake.taken(project)) == 1100


def test_ids_that_may_identify_are_known_again(project: Paths) -> None:
    """Long numbers and addresses are keyed: told apart, found again, and never written."""
    ids = ["20251100000001", "20251100000002", "case 4006381333931", "anna@b.example", "D-1"]
    ids += ["0171/5551234", "(555) 123-4567", "555.123.4567", "de89370400440532013000"]
    lines = [line(id=name) for name in ids]
    assert intake.take_in(project, lines) == Counts(9, 9, 0, {})
    before = log_of(project)
    assert intake.take_in(project, lines) == Counts(9, 0, 9, {})
    assert log_of(project) == before
    assert intake.taken(project) == {audit.privacy_from({}).name(name) for name in ids}
    assert [name for name in ids if name in before] == ["D-1"]


def test_what_was_cut_off_goes_on(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between two batches: the rest comes with the next run, and nothing twice."""
    lines = [line(id=f"D-{number}") for number in range(1100)]
    record: Callable[..., int] = intake._record
    calls: list[int] = []

    def once(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError("power cut")
        return record(*arguments)

    monkeypatch.setattr(intake, "_record", once)
    with pytest.raises(OSError, match="power cut"):
        intake.take_in(project, lines)
    monkeypatch.undo()
    assert intake.take_in(project, lines) == Counts(1100, 600, 500, {})
    assert audit.verify(project.audit / "intake.jsonl").findings == ()


def test_whom_it_is_about_is_never_written(project: Paths) -> None:
    """The same person gets the same pseudonym."""
    intake.take_in(project, [line(), line(id="O-1", kind="override", outcome="review", score=None)])
    assert "C000123" not in log_of(project)
    subjects = {event["subject"] for event in intake.reported(project)}
    assert len(subjects) == 1


def test_refused_lines_are_set_aside_without_their_content(project: Paths) -> None:
    """Number and reason: enough to find them in the feed."""
    intake.take_in(project, [line(), line(subject="", id="D-9")])
    rows = (project.quarantine / "feed.jsonl").read_text().splitlines()
    assert [json.loads(row) for row in rows] == [
        {"reason": "missing or no text: subject", "line": 2}
    ]


def test_kinds_become_events_of_their_own(project: Paths) -> None:
    """Decision, override and incident, each with what was reported."""
    kinds = ["decision", "override", "incident"]
    intake.take_in(project, [line(id=kind, kind=kind) for kind in kinds])
    found = [(event["type"], event["data"]["id"]) for event in intake.reported(project)]
    assert found == [(str(intake.KINDS[kind]), kind) for kind in kinds]


@pytest.mark.parametrize(
    "text",
    ["2025-11-03T09:12:44Z", "2025-11-03 091244+0000", "20251103T091244Z", "2025-W45-1T09:12:44Z"],
)
def test_a_time_is_written_in_one_form(text: str, project: Paths) -> None:
    """What is read back by its month must not be redacted, and begins with the year."""
    intake.take_in(project, [line(at=text)])
    (event,) = intake.reported(project)
    assert event["data"]["at"] == "2025-11-03T09:12:44+00:00"


def test_counts_that_do_not_add_up_are_seen() -> None:
    """A lost line would be one."""
    assert Counts(3, 1, 1, {"no JSON": 1}).reconciled
    assert not Counts(4, 1, 1, {"no JSON": 1}).reconciled
