"""Protected attributes, leaks and unexplained proxies are found, on paper and in the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from sme_loans.controls.contract import Column, Contract, Table
from sme_loans.controls.feature_policy import (
    Feature,
    declared,
    measured,
    separation,
)

DEBT = Feature("debt", "what is owed", ("debt",), +1, "R1", "Debt is too high")


def _table(name: str, known_at: str, *columns: str) -> Table:
    blank: tuple[Any, ...] = (None, None, None, ())
    made = {
        c: Column(c, "number", "", "internal", True, False, c == "sex", *blank) for c in columns
    }
    return Table(name, made, {}, 0.0, known_at)


TABLES = (
    _table("asked", "decision", "id", "debt", "income", "sex"),
    _table("later", "outcome", "id", "days_late"),
)
CONTRACT = Contract("c", "1", "team", "5y", {table.name: table for table in TABLES})


def _rules(*features: Feature) -> list[tuple[str, str]]:
    return [(finding.rule, finding.feature) for finding in declared(features, CONTRACT)]


def test_a_sound_feature_has_no_finding() -> None:
    """Known at the time of the decision, not protected, explained."""
    assert _rules(DEBT) == []


@pytest.mark.parametrize(
    ("sources", "rule"),
    [
        (("sex",), "banned"),
        (("debt", "sex"), "banned"),
        (("days_late",), "leak"),
        (("horoscope",), "unknown"),
    ],
)
def test_what_no_model_may_see_is_found(sources: tuple[str, ...], rule: str) -> None:
    """A protected source, one from after the decision, one that the contract does not know."""
    assert _rules(replace(DEBT, sources=sources)) == [(rule, "debt")]


def test_a_key_that_is_in_both_tables_counts_as_known() -> None:
    """The first table that names a column says when it is known."""
    assert _rules(replace(DEBT, sources=("id",))) == []


def test_reason_codes_are_there_and_are_not_shared() -> None:
    """A declined person can be told apart what each code means."""
    assert _rules(replace(DEBT, code="")) == [("reason", "debt")]
    assert _rules(replace(DEBT, reason="Score")) == [("reason", "debt")]
    assert _rules(DEBT, replace(DEBT, name="debts")) == [("reason", "debts")]


def test_separation_is_the_folded_area_under_the_curve() -> None:
    """Known areas: perfect, inverted, one pair of four wrong, ties, and nobody to compare."""
    values = pl.Series("x", [1.0, 2.0, 3.0, 4.0])
    for member, area in (
        ([False, False, True, True], 1.0),
        ([True, True, False, False], 1.0),
        ([False, True, False, True], 0.75),
        ([True, True, True, True], 0.5),
    ):
        assert separation(values, pl.Series(member), "t").auc == area
    same = pl.Series("x", [1.0, 1.0])
    assert separation(same, pl.Series([True, False]), "t").auc == 0.5


def _world() -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    rng = np.random.default_rng(0)
    bad, female = rng.random(2000) < 0.2, rng.random(2000) < 0.5
    frame = pl.DataFrame(
        {
            "honest": bad * 0.8 + rng.normal(size=2000),
            "leaky": bad * 3.0 + rng.normal(size=2000),
            "proxy": female * 1.0 + rng.normal(size=2000),
        }
    )
    groups = pl.DataFrame({"sex": np.where(female, "female", "male")})
    return frame, pl.Series(bad).cast(pl.Int64), groups


def test_a_leaky_feature_and_a_proxy_are_found_in_the_data() -> None:
    """The honest feature passes beside them."""
    frame, target, groups = _world()
    features = [replace(DEBT, name=name) for name in frame.columns]
    findings, separations = measured(features, frame, target, groups)
    assert {(f.rule, f.feature) for f in findings} == {("leak", "leaky"), ("proxy", "proxy")}
    assert len(separations) == 3 + 3 * 2


def test_a_justified_proxy_is_no_finding_but_stays_visible() -> None:
    """The justification is a person's decision; the figure is shown all the same."""
    frame, target, groups = _world()
    feature = replace(DEBT, name="proxy", justification="needed to tell apart what matters")
    findings, separations = measured([feature], frame, target, groups)
    assert findings == []
    assert max(s.auc for s in separations if s.target == "sex=female") > 0.7
