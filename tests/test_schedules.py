"""Schedules: times in days, what is asked for a class of records, and the clocks that a system's facts start."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_factory.errors import AuthorError
from ai_factory.governance import facts as facts_of
from ai_factory.governance import reading
from ai_factory.governance.applicability import Applicability, applicability
from ai_factory.governance.changes import differences
from ai_factory.governance.record import record
from ai_factory.governance.schedules import Period, period
from ai_factory.tree import File
from tests.test_governance import TODAY, document
from tests.test_map import OVERLAY, line, overlaid, tree

KNOWN = reading.read(tree())


def found(name: str, as_of: str = TODAY, known: reading.Map = KNOWN, **change: Any) -> Applicability:
    """What applies to an archetype, some of its facts changed."""
    facts = facts_of.facts({**document(f"tests/archetypes/{name}.yaml"), **change})
    return applicability(known.regulation, facts, "medium", as_of)


def told(name: str, as_of: str = TODAY, known: reading.Map = KNOWN, **change: Any) -> dict[str, Any]:
    """The record of the same."""
    facts = facts_of.facts({**document(f"tests/archetypes/{name}.yaml"), **change})
    tiering = known.scale.of(known.regulation.conditions, facts)
    return record(applicability(known.regulation, facts, "medium", as_of), tiering, known.regulation.as_of, facts)


@pytest.mark.parametrize(
    ("text", "shown", "days"),
    [
        ("1 hour", "1 hour", 1),
        ("72 hours", "72 hours", 3),
        ("60 days", "60 days", 60),
        ("1 months", "1 month", 31),
        ("6 months", "6 months", 184),
        ("25 months", "25 months", 762),
        ("1 year", "1 year", 366),
        ("6 years", "6 years", 2192),
        ("10 years", "10 years", 3653),
        ("100 years", "100 years", 36525),
    ],
)
def test_a_period_in_days_is_over_whenever_it_began(text: str, shown: str, days: int) -> None:
    """The longest that it can be, so that nothing goes a day too early."""
    made = period(text)
    assert made is not None
    assert (str(made), made.days) == (shown, days)


@given(st.dates(dt.date(1990, 1, 1), dt.date(2080, 12, 31)), st.integers(1, 130))
def test_no_span_of_months_is_longer_than_its_days(start: dt.date, months: int) -> None:
    """Counted by the calendar, from any day."""
    year, month = divmod(start.month - 1 + months, 12)
    first = dt.date(start.year + year, month + 1, 1)
    last = (first.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    end = first.replace(day=min(start.day, last.day))
    assert (end - start).days <= Period(months, "month").days


def test_what_is_no_time_is_none() -> None:
    assert [period(text) for text in (None, "purpose", "without delay", "25")] == [None] * 4


def test_the_longest_row_is_the_minimum_and_law_in_force_is_what_is_required() -> None:
    """A default is planned for and binds nobody; Reg. B binds now; there is no duty in the EU before its day."""
    rows = {row["record"]: row for row in told("us-card-credit")["retention"]}
    assert rows["decision events"] == {
        "record": "decision events",
        "minimum_days": 2557,
        "because": ["DEFAULT.contracts", "REGB-12.consumer"],
        "cites": [
            "7 years from the end of the contract that it led to: a default for financial firms (not law)",
            "25 months from the notice of what was decided: REGB 12 CFR 1002.12(b) (law)",
        ],
        "verified": "recall",
        "required_days": 762,
        "maximum_days": None,
        "ends": [],
    }
    assert [*rows] == ["decision events", "decision payloads", "stored cases"]


@pytest.mark.parametrize(("as_of", "required"), [("2027-12-01", 0), ("2027-12-02", 184)])
def test_a_period_to_come_is_required_from_its_day(as_of: str, required: int) -> None:
    """Until then it is planned for, with its day."""
    (row,) = [row for row in told("eu-retail-credit", as_of)["retention"] if row["record"] == "system events"]
    day = ", from 2027-12-02" if not required else ""
    assert (row["minimum_days"], row["required_days"]) == (184, required)
    assert row["cites"][0] == f"6 months from the event: EUAIA Art. 19(1) (law{day})"


def test_a_privacy_row_sets_an_end() -> None:
    """The shortest that names one; the others say that there has to be one."""
    (row,) = [row for row in told("eu-retail-credit")["retention"] if row["record"] == "decision payloads"]
    assert (row["maximum_days"], row["ends"]) == (
        None,
        ["no longer than its purpose needs: GDPR Art. 5(1)(e) (law)"],
    )
    known = overlaid("floors:", f"{POLICY}floors:")
    (row,) = [row for row in told("eu-retail-credit", known=known)["retention"] if row["record"] == "decision payloads"]
    assert (row["maximum_days"], row["ends"][0]) == (1096, "3 years from the event: MRM 4.9 (law)")


POLICY = """\
retention:
  MRM-4.short:
    {requirement: MRM-4, records: [decision payloads], most: 3 years, from: the event, cite: "4.9",
     jurisdiction: any, verified: recall}
clocks:
  FIRM:
    when: fin
    regime: our own
    starts: awareness
    deadlines: [{what: call, within: 1 hour}]
    recipient: the desk
    cite: "4.8"
    jurisdiction: any
    verified: corroborated
"""


def test_a_clock_runs_where_its_duty_applies() -> None:
    """Those to come with their day; where the map knows none, it says whom to ask."""
    clocks = {one["id"]: one for one in told("eu-retail-credit", jurisdictions=["EU", "UK"])["clocks"]}
    assert {name: one["applies_from"] for name, one in clocks.items()} == {
        "EU-DORA": "2025-01-17",
        "EU-GDPR": "2018-05-25",
        "EU-AIA": "2027-12-02",
        "UK": None,
    }
    assert clocks["UK"] == {
        "id": "UK",
        "regime": "United Kingdom",
        "from": "",
        "deadlines": [],
        "recipient": "ask legal",
        "cite": "",
        "verified": "unknown",
        "applies_from": None,
        "because": ["jurisdictions ∋ UK (jurisdictions: EU, UK)"],
    }
    assert clocks["EU-DORA"]["deadlines"][:2] == [
        {"what": "first notice", "within": "4 hours", "from": "classification as major"},
        {"what": "first notice at the latest", "within": "24 hours", "from": "awareness"},
    ]


def test_software_for_others_has_a_clock_of_its_own() -> None:
    """Where the firm provides it in the EU to others."""
    for others in (False, True):
        applies = found("eu-retail-credit", third_party_deployers=others)
        assert ("EU-CRA" in {one.row.id for one in applies.clocks}) is others


def test_a_firm_adds_rows_and_removes_none() -> None:
    """Its own clock; guidance that it takes out takes its period along."""
    known = overlaid("floors:", f"{POLICY}floors:")
    assert "FIRM" in {one.row.id for one in found("us-aml-alerts", known=known).clocks}
    rows = known.regulation.schedules.retention
    assert ("MRM-4.short" in rows, "RBIMRM-INV.retired" in rows) == (True, True)
    gone = overlaid("requirement: FREEAI-10", "requirement: RBIMRM-INV").regulation.schedules.retention
    assert "RBIMRM-INV.retired" not in gone


def test_an_overlay_changes_no_clock() -> None:
    text = OVERLAY + POLICY.replace("  FIRM:", "  EU-GDPR:")
    with pytest.raises(AuthorError) as refused:
        reading.read({"overlay.yaml": File(text.encode())}, under=tree())
    at = text.partition("  EU-GDPR:")[0].count("\n") + 1
    message = "the map has `EU-GDPR` already: an overlay adds rows, and changes none"
    assert refused.value.message == f"`controls/overlay.yaml` line {at}: {message}"


def test_an_older_map_has_no_schedules() -> None:
    """A factory of before there were any is read as it was."""
    older = {name: file for name, file in tree().items() if name not in ("retention.yaml", "clocks.yaml")}
    known = reading.read(older)
    assert (known.regulation.schedules.retention, known.regulation.schedules.clocks) == ({}, {})
    assert found("eu-retail-credit", known=known).retention == ()


def test_maps_differ_by_periods_and_deadlines() -> None:
    """Before and after, as one reads them."""
    older = reading.read(
        tree(retention=("least: 25 months", "least: 24 months"), clocks=("within: 60 days", "within: 30 days"))
    )
    rows = [(one.kind, one.name, dict(one.fields)) for one in differences(older, KNOWN)]
    late = "notice to the people at the latest: {}"
    assert rows == [
        ("retention", "REGB-12.consumer", {"least": ("24 months", "25 months")}),
        ("clock", "US-HIPAA", {"deadlines": (late.format("30 days"), late.format("60 days"))}),
    ]


@pytest.mark.parametrize(
    ("document", "old", "new", "at", "message"),
    [
        (
            "retention",
            "requirement: EUAIA-18",
            "requirement: EUAIA-81",
            "",
            "there is no requirement `EUAIA-81`; did you mean `EUAIA-86`?",
        ),
        (
            "retention",
            "records: [retired models]",
            "records: [retired model]",
            "",
            "there is no class of records `retired model`; did you mean `retired models`?",
        ),
        ("retention", "    when: fin\n", "", "  DEFAULT.contracts:", "a row names the requirement behind it"),
        (
            "retention",
            "    least: 7 years\n",
            "",
            "    records: [decision events]\n    from: the end",
            "a row says how",
        ),
        (
            "clocks",
            "when: singapore",
            "when: singapur",
            "",
            "there is no condition `singapur`; did you mean `singapore`?",
        ),
        (
            "clocks",
            "    starts: discovery\n",
            "",
            "    deadlines:\n      - {what: notice to the people,",
            "a clock has `starts`",
        ),
        (
            "clocks",
            "within: 60 days",
            "within: 60 dogs",
            "",
            "clocks.US-HIPAA.deadlines.1.within: '60 dogs' does not match",
        ),
    ],
)
def test_a_mistake_in_a_schedule_is_named(document: str, old: str, new: str, at: str, message: str) -> None:
    """With file and line."""
    changed = tree(**{document: (old, new)})
    with pytest.raises(AuthorError) as refused:
        reading.read(changed)
    text = changed[f"{document}.yaml"].content.decode()
    number = text.partition(at)[0].count("\n") + 1 if at else line(document, old)
    place, _, said = refused.value.message.partition(": ")
    assert (place, said[: len(message)]) == (f"`controls/{document}.yaml` line {number}", message)
