"""The features are what they say, and the model's input holds nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from sme_loans import features
from sme_loans.controls import contract, feature_policy

CONTRACT = Path(__file__).parent.parent / "contracts" / "applications.odcs.yaml"
APPLICANT = {
    "application_id": "A100000",
    "applied_on": date(2024, 1, 1),
    "sex": "female",
    "age": 30,
    "income": 20000.0,
    "employment_years": None,
    "housing": "own",
    "requested_limit": 5000.0,
    "existing_debt": 10000.0,
    "utilisation": 0.4,
    "late_payments_12m": 2,
    "enquiries_6m": 1,
    "credit_history_months": 30,
}


def test_features_of_one_applicant() -> None:
    """Worked out by hand."""
    built = features.build(pl.DataFrame([APPLICANT])).to_dicts()[0]
    assert built.pop("log_income") == pytest.approx(9.903488)
    assert built == {
        "application_id": "A100000",
        "applied_on": date(2024, 1, 1),
        "utilisation": 0.4,
        "late_payments_12m": 2.0,
        "enquiries_6m": 1.0,
        "debt_to_income": 0.5,
        "limit_to_income": 0.25,
        "employment_years": None,
        "owns_home": 1.0,
    }


def test_sources_are_enough() -> None:
    """So nobody has to state age or sex to be decided on."""
    few = {name: APPLICANT[name] for name in features.SOURCES}
    assert features.inputs(pl.DataFrame([few])).columns == list(features.NAMES)
    assert not {"age", "sex", "application_id"} & set(few)


@pytest.mark.parametrize(
    ("age", "band"), [(18, "under 30"), (29, "under 30"), (30, "30 to 44"), (60, "60 and over")]
)
def test_age_bands_include_their_lower_end(age: int, band: str) -> None:
    """The edges are where mistakes are made."""
    frame = pl.DataFrame([{**APPLICANT, "age": age}])
    assert features.groups(frame)["age_band"].item() == band


def test_no_finding_on_paper() -> None:
    """The declared features keep the policy, and the contract describes each of them."""
    agreed = contract.load(CONTRACT)
    assert feature_policy.declared(features.FEATURES, agreed) == []
    described = set(agreed.tables["features"].columns) - {"application_id", "applied_on"}
    assert described == set(features.NAMES)
