"""Reason codes: which features raised the estimated risk of one application, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .registry import Feature

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]
NOTICEABLE = 0.01


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in words, with its contribution to the log-odds of the bad outcome."""

    code: str
    text: str
    contribution: float


def contributions(rows: Floats, reference: Floats, predict: Predict) -> Floats:
    """How much each feature adds to the log-odds, against a reference applicant.

    The feature is set to the reference and the rest is kept; the contribution is what the
    log-odds lose by it. For a linear model they add up to the whole distance from the reference;
    for others they answer "what if this had been ordinary?", one feature at a time. `rows` has
    shape (rows, features), `reference` (features,); the result has the shape of `rows`.
    """
    n, k = rows.shape
    changed = np.repeat(rows[None, :, :], k, axis=0)
    for feature in range(k):
        changed[feature, :, feature] = reference[feature]
    without = _log_odds(predict(changed.reshape(k * n, k))).reshape(k, n)
    found: Floats = (_log_odds(predict(rows))[None, :] - without).T
    return found


def reasons(
    contribution: Floats,
    features: Sequence[Feature],
    most: int = 4,
    values: Floats | None = None,
) -> tuple[Reason, ...]:
    """The features that raised the risk, most first, at most four (US Regulation B's custom).

    Contributions below 0.01 in log-odds, which change nothing, are no reasons. `values` are those
    of the features: of one that is missing, the reason is that it was not stated.
    """
    missing = np.zeros(len(features), bool) if values is None else np.isnan(values)
    order = np.argsort(-contribution, kind="stable")[:most]
    return tuple(
        Reason(features[j].code, _words(features[j], missing[j]), round(float(contribution[j]), 6))
        for j in order
        if contribution[j] >= NOTICEABLE
    )


def _words(feature: Feature, missing: bool) -> str:
    return f"Not stated: {feature.description}" if missing else feature.reason


def _log_odds(probability: Floats) -> Floats:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    odds: Floats = np.log(p / (1 - p))
    return odds
