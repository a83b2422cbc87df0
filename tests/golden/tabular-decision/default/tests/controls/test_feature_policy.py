"""Protected attributes, leaks and unexplained proxies are found, on paper and in the data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from credit_line.controls import registry
from credit_line.controls.contract import Column, Contract, Table
from credit_line.controls.feature_policy import declared, measured, separation
from credit_line.controls.registry import Feature, FeatureRefused

DEBT = Feature(
    name="debt",
    description="what is owed",
    formula="debt",
    direction=+1,
    code="R1",
    reason="Debt is too high",
    unit="units of currency",
    as_of="asked_on",
)


def _table(name: str, known_at: str, *columns: str) -> Table:
    blank: tuple[Any, ...] = (None, None, None, ())
    made = {
        c: Column(c, kind, "", "restricted" if c == "id" else "internal", True, False, *more)
        for c in columns
        for kind, more in [("date" if c.endswith("_on") else "number", (c == "sex", *blank))]
    }
    return Table(name, made, {}, 0.0, known_at)


TABLES = (
    _table("asked", "decision", "id", "asked_on", "debt", "income", "sex"),
    _table("later", "outcome", "id", "seen_on", "days_late"),
)
CONTRACT = Contract("c", "1", "team", "5y", {table.name: table for table in TABLES})


def _rules(*features: Feature) -> list[tuple[str, str]]:
    return [(finding.rule, finding.feature) for finding in declared(features, CONTRACT)]


def test_a_sound_feature_has_no_finding() -> None:
    """Known at the time of the decision, not protected, explained."""
    assert _rules(DEBT) == []


def test_what_identifies_people_is_no_feature() -> None:
    """A service would keep it from the model, and could decide on nobody."""
    found = declared([replace(DEBT, formula="2 * DEBT")], CONTRACT, withheld={"debt"})
    assert ("identifying", "debt") in [(one.rule, one.feature) for one in found]
    assert declared([DEBT], CONTRACT, withheld={"income"}) == []


@pytest.mark.parametrize(
    ("formula", "rule"),
    [
        ("sex", "banned"),
        ("debt * (1 + 0 * sex)", "banned"),
        ("CASE WHEN days_late > 30 THEN debt ELSE 0 END", "leak"),
        ("horoscope", "unknown"),
    ],
)
def test_what_no_model_may_see_is_found(formula: str, rule: str) -> None:
    """A protected source, one from after the decision, one that the contract does not know.

    However deep in the formula: what it reads is found in it, not in what somebody says of it.
    """
    assert _rules(replace(DEBT, formula=formula)) == [(rule, "debt")]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"formula": "debt /"}, "formula"),
        ({"formula": '"^s.x$" + 0 * debt'}, "formula"),
        ({"formula": "COLUMNS('^sex$')"}, "formula"),
        ({"formula": "1"}, "formula"),
        ({"type": "money"}, "formula"),
        ({"unit": ""}, "formula"),
        ({"as_of": ""}, "point in time"),
        ({"as_of": "debt"}, "point in time"),
        ({"as_of": "seen_on"}, "point in time"),
    ],
)
def test_a_declaration_that_others_cannot_use_is_found(change: dict[str, Any], rule: str) -> None:
    """No formula, a pattern of columns, no unit, no day on which it has to be known."""
    assert _rules(replace(DEBT, **change)) == [(rule, "debt")]
    assert _rules(DEBT, replace(DEBT, code="R2"))[0] == ("formula", "debt")


def test_a_key_that_is_in_both_tables_counts_as_known() -> None:
    """The first table that names a column says when it is known."""
    assert _rules(replace(DEBT, formula="id")) == []


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


FRAME = pl.DataFrame({"debt": [3.0, None], "income": [2.0, 4.0], "asked_on": [None, None]})
RATIO = replace(DEBT, name="ratio", formula="debt / income", code="R2")


def test_a_feature_is_computed_from_its_declaration_alone() -> None:
    """In the order given, in its type, missing where a source is missing."""
    flag = replace(DEBT, name="rich", formula="CASE WHEN income > 3 THEN 1 ELSE 0 END")
    found = registry.compute([RATIO, flag], FRAME)
    assert found.to_dict(as_series=False) == {"ratio": [1.5, None], "rich": [0.0, 1.0]}
    assert registry.sources([RATIO, flag]) == ("debt", "income")


@pytest.mark.parametrize(
    "formula",
    [
        "debt / AVG(debt)", "SUM(debt) OVER (PARTITION BY income)", "MAX/**/(debt)", '"MAX"(debt)',
        "RANK() OVER (ORDER BY debt)", "debt - LAG(debt) OVER (ORDER BY income)", "FIRST(debt)",
        "CAST(asked_on AS DATE) - CURRENT_DATE", "COALESCE(asked_on, NOW())", "debt * COUNT(*)",
    ],
)  # fmt: skip
def test_a_formula_looks_at_one_row_alone(formula: str) -> None:
    """Else a batch and a single case would disagree, or today and a replay."""
    with pytest.raises(FeatureRefused, match=r"other rows or at the clock"):
        registry.compute([replace(DEBT, formula=formula)], FRAME)


def test_what_a_formula_may_call_gives_the_same_alone_and_among_others() -> None:
    """One row at a time, and all at once."""
    formula = "CASE WHEN income IN (2, 3) THEN ROUND(COALESCE(debt, 0) / income, 1) ELSE LN(2) END"
    feature = replace(DEBT, formula=formula)
    alone = [registry.compute([feature], row) for row in FRAME.iter_slices(1)]
    assert pl.concat(alone).equals(registry.compute([feature], FRAME))


def test_the_digest_is_of_what_the_feature_is() -> None:
    """The same for the same; another formula, day or version is another feature, so is an order."""
    assert RATIO.digest == replace(RATIO).digest
    others: list[dict[str, Any]] = [{"formula": "income / debt"}, {"as_of": "d"}, {"version": "2"}]
    assert len({RATIO.digest, *(replace(RATIO, **other).digest for other in others)}) == 4
    assert registry.digest([DEBT, RATIO]) != registry.digest([RATIO, DEBT])


def test_the_registry_tells_owner_sources_and_class() -> None:
    """From the contract: nobody types them."""
    told = registry.content([RATIO, replace(DEBT, name="key", formula="id")], CONTRACT)
    assert (told["schema"], told["digest"][:7]) == ("features/1", "sha256:")
    assert [(r["owner"], r["sources"], r["classification"]) for r in told["features"]] == [
        ("team", ["debt", "income"], "internal"),
        ("team", ["id"], "restricted"),
    ]


def test_what_is_written_down_is_read_back() -> None:
    """As plain data, for a package; a changed formula is refused."""
    written = json.loads(json.dumps(registry.rows([DEBT, RATIO])))
    assert registry.of_rows(written) == (DEBT, RATIO)
    written[1]["formula"] = "income"
    with pytest.raises(FeatureRefused, match="ratio: it was changed"):
        registry.of_rows(written)


def test_features_of_another_project_are_taken_over(tmp_path: Path) -> None:
    """By name, with their owner, again and again; changed, missing or no registry is refused."""
    file = tmp_path / "features.json"
    told = registry.content([DEBT, RATIO], CONTRACT)
    file.write_text(json.dumps({"content": {"registry": told}}))
    (ratio,) = registry.imported(file, "ratio")
    assert ratio == replace(RATIO, owner="team")
    file.write_text(json.dumps(registry.content([ratio], CONTRACT)))
    assert registry.imported(file, "ratio") == (ratio,)
    with pytest.raises(FeatureRefused, match="no feature debt"):
        registry.imported(file, "debt")
    file.write_text(json.dumps(told).replace("debt / income", "debt / 2"))
    with pytest.raises(FeatureRefused, match="it was changed"):
        registry.imported(file, "ratio")
    for text in ("[]", "{}", "{", json.dumps({**told, "schema": "features/9"})):
        file.write_text(text)
        with pytest.raises(FeatureRefused, match=r"features\.json: "):
            registry.imported(file, "ratio")
