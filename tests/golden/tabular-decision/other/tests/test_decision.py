"""Decisions follow from the model, say why, and take nothing that breaks the contract."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest

from sme_loans.controls.paths import Paths
from sme_loans.decision import ApplicationRefused, Decider, outcome
from sme_loans.features import FEATURES

GOOD: dict[str, Any] = {
    "income": 60000.0,
    "employment_years": 12.0,
    "housing": "own",
    "requested_limit": 3000.0,
    "existing_debt": 2000.0,
    "utilisation": 0.1,
    "late_payments_12m": 0,
    "enquiries_6m": 0,
}
BAD: dict[str, Any] = {
    **GOOD,
    "income": 15000.0,
    "existing_debt": 9000.0,
    "utilisation": 0.95,
    "late_payments_12m": 4,
}


@pytest.fixture(scope="module")
def decider(built: Paths) -> Decider:
    """The model of the finished run."""
    return Decider.of(built)


def test_a_sound_applicant_is_approved_without_reasons(decider: Decider) -> None:
    """Nothing adverse, nothing to explain."""
    decision = decider.decide(GOOD)
    assert (decision.outcome, decision.reasons) == ("approve", ())
    assert decision.model_version == decider.package.version


def test_a_risky_applicant_is_declined_for_what_is_risky(decider: Decider) -> None:
    """The reasons name the four things that differ from the sound applicant, and only them."""
    decision = decider.decide(BAD)
    assert decision.outcome == "decline" and decision.probability > 0.5
    assert {r.code for r in decision.reasons[:2]} == {"R01", "R02"}
    assert "R08" not in {reason.code for reason in decision.reasons}


def test_mending_the_first_reason_helps_most(decider: Decider) -> None:
    """Counterfactual: the same applicant without the late payments, or without the utilisation."""
    mended: dict[str, dict[str, Any]] = {
        "R01": {"utilisation": 0.3},
        "R02": {"late_payments_12m": 0},
    }
    first, second = (reason.code for reason in decider.decide(BAD).reasons[:2])
    helped = decider.decide({**BAD, **mended[first]}).probability
    assert helped < decider.decide({**BAD, **mended[second]}).probability
    assert helped < decider.decide(BAD).probability


@pytest.mark.parametrize(
    ("probability", "follows"),
    [(0.0, "approve"), (0.1599, "approve"), (0.16, "refer"), (0.2999, "refer"), (0.3, "decline")],
)
def test_cut_offs_belong_to_the_side_above(probability: float, follows: str) -> None:
    """At the cut-off itself the stricter outcome holds."""
    assert outcome(probability, {"approve_below": 0.16, "decline_from": 0.30}) == follows


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"utilisation": 1.5}, "utilisation: above 1"),
        ({"income": None}, "income: missing"),
        ({"housing": "castle"}, "housing: none of"),
        ({"requested_limit": 900000.0}, "requested limit is within five"),
        ({"income": "much"}, "wrong type"),
        ({"income": 10**30}, "income: above 5e\\+06"),
        ({"late_payments_12m": 2**64}, "late_payments_12m: above 50"),
        ({"late_payments_12m": 0.5}, "late_payments_12m: not a whole number"),
        ({"late_payments_12m": float("inf")}, "late_payments_12m: not a whole number"),
        ({"late_payments_12m": True}, "late_payments_12m: a value has the wrong type"),
        ({"late_payments_12m": "1"}, "late_payments_12m: a value has the wrong type"),
        ({"income": True}, "income: a value has the wrong type"),
        ({"applied_on": "03/11/2025"}, "applied_on: not a date"),
        ({"applied_on": "2025-02-30"}, "applied_on: not a date"),
        ({"applied_on": 20250301}, "applied_on: a value has the wrong type"),
        ({"housing": 1}, "housing: a value has the wrong type"),
        ({"favourite_colour": "blue"}, "1 unknown fields"),
    ],
)
def test_an_application_that_breaks_the_contract_is_refused(
    decider: Decider, change: dict[str, Any], says: str
) -> None:
    """With the reason, and without the values that were sent."""
    with pytest.raises(ApplicationRefused, match=says) as caught:
        decider.decide({**GOOD, **change})
    assert "900000" not in str(caught.value) and "blue" not in str(caught.value)


def test_an_application_with_a_gap_names_it(decider: Decider) -> None:
    """What is needed and not there."""
    with pytest.raises(ApplicationRefused, match="missing: income"):
        decider.decide({k: v for k, v in GOOD.items() if k != "income"})


def test_age_and_sex_change_nothing(decider: Decider) -> None:
    """They may be sent, and are checked, but the decision is the same."""
    told = decider.decide({**BAD, "sex": "female", "age": 64})
    assert told == decider.decide({**BAD, "sex": "male", "age": 45}) == decider.decide(BAD)


def test_a_day_may_come_as_text(decider: Decider) -> None:
    """JSON has no dates."""
    assert decider.decide({**GOOD, "applied_on": "2025-03-01"}) == decider.decide(GOOD)


def test_a_decision_holds_no_identifier(decider: Decider) -> None:
    """So that it can go to the audit log as it is."""
    content = decider.decide({**BAD, "application_id": "A123456"}).content()
    assert "A123456" not in str(content)
    assert set(content) == {"model_digest", "model_version", "outcome", "probability", "reasons"}


def test_whole_numbers_may_come_as_floats(decider: Decider) -> None:
    """JSON knows no difference."""
    assert decider.decide({**GOOD, "late_payments_12m": 0.0}) == decider.decide(GOOD)


def test_every_reason_is_given_to_somebody(built: Paths, decider: Decider) -> None:
    """A reason that no reference applicant lets come up would hide what counted."""
    decisions = decider.decide_all(pl.read_parquet(built.data / "features.parquet"))
    given = {reason.code for decision in decisions for reason in decision.reasons}
    assert given == {feature.code for feature in FEATURES}


def test_every_reason_is_true_of_whom_it_is_given_to(built: Paths, decider: Decider) -> None:
    """The feature lies on the risky side of the ordinary applicant, or is missing; never else."""
    rows = pl.read_parquet(built.data / "features.parquet").to_dicts()
    ordinary = decider.package.facts["reference"]
    of_code = {feature.code: feature for feature in FEATURES}
    decisions = decider.decide_all(pl.DataFrame(rows, infer_schema_length=None))
    told = [
        (row, reason) for row, one in zip(rows, decisions, strict=True) for reason in one.reasons
    ]
    assert len(told) > 1000
    for row, reason in told:
        feature = of_code[reason.code]
        value = row[feature.name]
        assert value is None or (value - ordinary[feature.name]) * feature.direction > 0, reason


def test_reasons_are_specific_to_a_person(built: Paths, decider: Decider) -> None:
    """No list of reasons fits all: the commonest is given to a small part of those declined."""
    decisions = decider.decide_all(pl.read_parquet(built.data / "features.parquet"))
    declined = [d for d in decisions if d.outcome == "decline"]
    lists = Counter(tuple(reason.code for reason in one.reasons) for one in declined)
    assert lists.most_common(1)[0][1] < 0.2 * len(declined)
    assert all(1 <= len(given) <= 4 for given in lists)


def test_what_was_not_stated_is_no_reason(decider: Decider) -> None:
    """Without a number of years nobody is told that they were few."""
    decision = decider.decide({**BAD, "employment_years": None})
    assert decision.outcome == "decline"
    assert "R07" not in {reason.code for reason in decision.reasons}
