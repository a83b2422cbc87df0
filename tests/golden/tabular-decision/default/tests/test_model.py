"""Features know only what was known, and the models are monotone, calibrated and stable."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from credit_line import features, model
from credit_line.controls import contract, feature_policy, packages, registry
from credit_line.controls.paths import Paths
from credit_line.decision import Decider
from credit_line.features import FEATURES

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
    few = {name: APPLICANT[name] for name in registry.sources(features.FEATURES)}
    found = registry.compute(features.FEATURES, pl.DataFrame([few]))
    assert found.columns == list(features.NAMES)
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


def test_training_and_serving_see_the_same(built: Paths) -> None:
    """What the packaged model computes of applications is what it was trained on, to the bit."""
    decider = Decider.of(built)
    raw = pl.read_parquet(built.data / "applications.parquet").sort("application_id")
    trained = pl.read_parquet(built.data / "features.parquet").sort("application_id")
    served = registry.compute(decider.features, raw)
    assert served.equals(trained.select(features.NAMES))
    one = {name: raw[name][0] for name in registry.sources(features.FEATURES)}
    assert decider.decide(one) == decider.decide_all(trained.head(1))[0]


def test_another_project_takes_a_feature_over(built: Paths) -> None:
    """From the evidence alone: the same formula, digest and owner, and no code."""
    file = built.evidence / "features.json"
    (theirs,) = registry.imported(file, "debt_to_income")
    ours = next(one for one in features.FEATURES if one.name == "debt_to_income")
    assert (theirs.formula, theirs.sources) == (ours.formula, ours.sources)
    agreed = contract.load(CONTRACT)
    assert theirs.owner == agreed.owner
    assert feature_policy.declared([theirs], agreed) == []
    frame = pl.DataFrame([APPLICANT])
    assert registry.compute([theirs], frame).equals(registry.compute([ours], frame))


@pytest.fixture(scope="module")
def parts(built: Paths) -> model.Split:
    """The labelled rows of the finished run, split by time."""
    outcomes = pl.read_parquet(built.data / "outcomes.parquet")
    features = pl.read_parquet(built.data / "features.parquet")
    return model.split(features.join(outcomes, on="application_id", maintain_order="left"))


def test_models_are_tested_on_their_future(parts: model.Split) -> None:
    """No day of a later part comes before one of an earlier part, and no row is in two."""
    ends = [(p["applied_on"].min(), p["applied_on"].max()) for p in _in_order(parts)]
    assert [str(day)[:7] for pair in ends for day in pair] == [
        "2024-01", "2024-05", "2024-06", "2024-07", "2025-02", "2025-06",
    ]  # fmt: skip
    ids = pl.concat([part["application_id"] for part in _in_order(parts)])
    assert ids.n_unique() == len(ids) == 2475


def test_models_learn_only_from_what_was_known_before_the_test(parts: model.Split) -> None:
    """The last outcome that they saw was observed before the first application of the test."""
    learned = pl.concat([parts.train, parts.calibrate])
    first = parts.test["applied_on"].dt.truncate("1mo").unique().sort()[0]
    assert (learned["observed_on"] < first).all()


def test_an_outcome_that_came_late_is_not_learned_from(parts: model.Split) -> None:
    """Not even of an early application."""
    rows = pl.concat(_in_order(parts))
    first = rows["application_id"][0]
    late = pl.when(pl.col("application_id") == first).then(pl.date(2025, 2, 1))
    again = model.split(rows.with_columns(observed_on=late.otherwise("observed_on")))
    assert again.train.height == parts.train.height - 1
    assert again.test.equals(parts.test)


@pytest.mark.parametrize("name", ["champion", "challenger"])
def test_risk_moves_in_the_declared_direction(built: Paths, parts: model.Split, name: str) -> None:
    """Raising a feature never moves the probability against its direction, all else equal."""
    estimator = _candidate(built, name)
    rows = np.nan_to_num(model.matrix(parts.test), nan=3.0)
    before = model.predict(estimator, rows)
    for place, feature in enumerate(FEATURES):
        raised = rows.copy()
        raised[:, place] += 0.5
        change = model.predict(estimator, raised) - before
        assert np.all(change * feature.direction >= -1e-9), feature.name


@pytest.mark.parametrize("name", ["champion", "challenger"])
def test_models_beat_chance_and_the_base_rate(built: Paths, parts: model.Split, name: str) -> None:
    """On later months the Brier score is well below that of always stating the base rate."""
    p = model.predict(_candidate(built, name), model.matrix(parts.test))
    y = parts.test[model.TARGET].to_numpy()
    assert np.mean((p - y) ** 2) < 0.85 * np.mean((y.mean() - y) ** 2)


def test_training_again_gives_the_same_model(parts: model.Split) -> None:
    """Both are deterministic."""
    rows = model.matrix(parts.test)
    for train in (model.champion, model.challenger):
        assert np.array_equal(model.predict(train(parts), rows), model.predict(train(parts), rows))


def test_the_reference_is_an_applicant_who_repaid(parts: model.Split) -> None:
    """A median for each feature, none missing."""
    found = model.reference(parts.train)
    assert set(found) == {feature.name for feature in FEATURES}
    assert found["late_payments_12m"] == 0.0
    assert found["owns_home"] == 1.0


def _in_order(parts: model.Split) -> tuple[pl.DataFrame, ...]:
    return parts.train, parts.calibrate, parts.test


def _candidate(built: Paths, name: str) -> object:
    candidates = json.loads((built.models / "candidates.json").read_text())
    return packages.load(built, candidates[name]).estimator
