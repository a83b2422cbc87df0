"""Reasons are faithful: they are what moves the score, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sme_loans.controls.reasons import Floats, contributions, reasons
from sme_loans.controls.registry import Feature

WEIGHTS = np.array([1.5, -0.8, 0.0, 0.4])
ORDINARY = np.array([0.2, 1.0, 0.0, 0.5])
FEATURES = [Feature(f"f{i}", "", f"f{i}", 0, f"R{i}", f"reason number {i}") for i in range(4)]


def _linear(rows: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(rows @ WEIGHTS - 0.7))))


def _rows() -> Floats:
    return np.random.default_rng(5).normal(size=(20, 4))


def test_contributions_of_a_linear_model_are_weight_times_distance() -> None:
    """The closed form, for each row and feature."""
    rows = _rows()
    expected = WEIGHTS * (rows - ORDINARY)
    assert contributions(rows, ORDINARY, _linear) == pytest.approx(expected, abs=1e-9)


def test_contributions_of_a_linear_model_add_up() -> None:
    """Their sum is the distance in log-odds from the ordinary applicant."""
    rows = _rows()
    p, q = _linear(rows), _linear(ORDINARY[None, :])
    distance = np.log(p / (1 - p)) - np.log(q / (1 - q))
    assert contributions(rows, ORDINARY, _linear).sum(axis=1) == pytest.approx(distance)


def test_the_first_reason_is_what_would_help_most() -> None:
    """For a model with an interaction: making that feature ordinary lowers the risk the most."""

    def bent(rows: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-(rows @ WEIGHTS + 2 * rows[:, 0] * rows[:, 3]))))

    for row, share in zip(_rows(), contributions(_rows(), ORDINARY, bent), strict=True):
        given = reasons(share, FEATURES)
        helped = [np.where(np.arange(4) == j, ORDINARY, row) for j in range(4)]
        best = int(np.argmin(bent(np.array(helped))))
        if given:
            assert given[0].code == f"R{best}"


def test_only_what_raised_the_risk_is_a_reason() -> None:
    """Most first; what lowered the risk or did nothing is none; never more than four."""
    given = reasons(np.array([0.3, -2.0, 0.001, 0.9]), FEATURES)
    assert [(r.code, r.contribution) for r in given] == [("R3", 0.9), ("R0", 0.3)]
    assert given[0].text == "reason number 3"
    assert len(reasons(np.ones(4), FEATURES, most=2)) == 2


def test_what_is_missing_is_not_said_to_be_bad() -> None:
    """Nobody is told that something is too short which nobody knows."""
    features = [replace(feature, description=f"what {feature.name} is") for feature in FEATURES]
    values = np.array([0.1, 0.2, 0.3, np.nan])
    given = reasons(np.array([0.3, -2.0, 0.0, 0.9]), features, values=values)
    assert [r.text for r in given] == ["Not stated: what f3 is", "reason number 0"]
