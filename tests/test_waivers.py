"""Waivers: a deviation that somebody answers for, until a date, and never one's own approval."""

from __future__ import annotations

import pytest

from ai_factory import waivers
from ai_factory.check import Finding, Waiver
from ai_factory.errors import ProjectError
from tests.kit import refusal

TODAY = "2026-06-30"
WAIVER = Waiver("AF002", "hot fix", "Ann", "Bob", "2026-06-30", path="p")
BY_CONTROL = WAIVER._replace(path="", control="AUD-01")
FINDING = Finding("AF002", "p", "was edited", "core", ("AUD-01",), "restore it")
WAIVED = FINDING._replace(
    rule="AF010", message="was edited: waived until 2026-06-30 (hot fix; approved by Bob)", hint="", waiver=WAIVER
)


def test_a_file_of_waivers_is_read() -> None:
    text = b"""\
- {rule: AF002, path: p, reason: hot fix, owner: Ann, approver: Bob, until: 2026-06-30}
- rule: AF007
  control: AUD-01
  reason: r
  owner: o
  approver: a
  until: "2027-01-01"
"""
    assert waivers.parse(text) == [WAIVER, Waiver("AF007", "r", "o", "a", "2027-01-01", control="AUD-01")]


def test_an_empty_file_has_no_waivers() -> None:
    assert waivers.parse(b"# none\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {rule: AF002}\n", "line 1: 0: `reason` is missing"),
        (
            "- {rule: X, reason: r, owner: o, approver: a, until: 2027-01-01}\n",
            "line 1: 0.rule: 'X' does not match ^AF[0-9]{3}$",
        ),
        (
            "\n- {rule: AF002, path: p, reason: r, owner: o, approver: a, until: soon}\n",
            "line 2: 0.until: 'soon' is not a date like 2027-03-31",
        ),
        ("rule: AF002\n", "line 1: must be a list, not a mapping"),
        ("[\n", "line 2: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(text: str, message: str) -> None:
    error = refusal(lambda: waivers.parse(text.encode()))
    assert (type(error), error.message) == (ProjectError, f"`.ai-factory/waivers.yaml` {message}")


def test_a_waiver_that_names_neither_path_nor_control_is_refused() -> None:
    """It would cover nothing, silently."""
    row = b"# x\n- {rule: AF002, reason: r, owner: o, approver: a, until: 2027-01-01}\n"
    assert refusal(lambda: waivers.parse(row)).message == (
        "`.ai-factory/waivers.yaml` line 2: a waiver names a path or a control"
    )


@pytest.mark.parametrize(
    ("waiver", "finding", "result"),
    [
        (WAIVER, FINDING, WAIVED),
        (BY_CONTROL, FINDING, WAIVED._replace(waiver=BY_CONTROL)),
        (WAIVER._replace(path="q"), FINDING, FINDING),
        (WAIVER._replace(path="", control="AUD-02"), FINDING, FINDING),
        (WAIVER._replace(path="q", control="AUD-01"), FINDING, FINDING),  # a path narrows
        (WAIVER._replace(rule="AF003"), FINDING, FINDING),
        (WAIVER._replace(rule="AF005"), FINDING._replace(rule="AF005"), FINDING._replace(rule="AF005")),
        (WAIVER._replace(rule="AF012"), FINDING._replace(rule="AF012"), FINDING._replace(rule="AF012")),
    ],
)
def test_a_waiver_covers_one_rule_of_one_path_or_control(waiver: Waiver, finding: Finding, result: Finding) -> None:
    assert waivers.apply([finding], [waiver], TODAY) == [result]


@pytest.mark.parametrize(
    ("waiver", "fault"),
    [
        (WAIVER._replace(until="2026-06-29"), "expired on 2026-06-29"),
        (WAIVER._replace(approver=" ANN "), "is approved by its own owner, Ann"),
        (WAIVER._replace(owner="bo@x", approver="Bo <bo+1@X.>"), "is approved by its own owner, bo@x"),
    ],
)
def test_a_waiver_that_does_not_hold_covers_nothing_and_is_a_finding(waiver: Waiver, fault: str) -> None:
    assert waivers.apply([FINDING], [waiver], TODAY) == [
        FINDING,
        Finding("AF008", "p", f"the waiver of AF002 {fault}", hint="renew it, or heal what it covers", waiver=waiver),
    ]


def test_a_faulty_waiver_of_a_control_is_a_finding_of_the_file() -> None:
    waiver = WAIVER._replace(path="", control="AUD-01", until="2020-01-01")
    assert [(found.rule, found.path) for found in waivers.apply([], [waiver], TODAY)] == [
        ("AF008", ".ai-factory/waivers.yaml")
    ]


def test_a_sound_waiver_covers_even_beside_one_that_is_not() -> None:
    late = WAIVER._replace(until="2020-01-01")
    assert [found.rule for found in waivers.apply([FINDING], [late, WAIVER], TODAY)] == ["AF010", "AF008"]
