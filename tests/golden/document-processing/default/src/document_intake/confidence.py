"""How likely a value is right: learned from counted errors, so that 0.9 means nine in ten.

What an extractor says of itself is one sign among others: whether a second, independent reading
agrees, whether check digits and sums hold, how uneven the lines are, how many words are new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from .fields import FIELDS, luhn
from .segments import Found

CHECKED = ("vendor_id", "claim_number", "policy_number")


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a reading besides its values."""

    found: Mapping[str, Found]
    values: Mapping[str, str]
    second: Mapping[str, str]
    findings: Sequence[str]
    uneven: float
    unknown: float


def rows(document_class: str, signs: Signs) -> dict[str, list[float]]:
    """The signs of each field of the class, absent ones too: an absence can be wrong as well."""
    return {field.name: _row(field.name, signs) for field in FIELDS[document_class]}


def _row(name: str, signs: Signs) -> list[float]:
    found = signs.found.get(name)
    score = min(max(found.score, 0.01), 0.99) if found else 0.5
    value, other = signs.values.get(name), signs.second.get(name)
    agree = 0.0 if value is None and other is None else (1.0 if value == other else -1.0)
    return [
        math.log(score / (1 - score)),
        found.margin if found else 0.0,
        float(value is not None),
        agree,
        float(other is not None),
        _checked(name, value, signs.findings),
        min(signs.uneven, 2.0),
        signs.unknown,
    ]


def _checked(name: str, value: str | None, findings: Sequence[str]) -> float:
    """1 where a check supports the value, -1 where one speaks against it, 0 where there is none."""
    if any(name in finding for finding in findings):
        return -1.0
    if value is None:
        return 0.0
    if name.endswith("_total") or name == "account_number":
        return 1.0
    return 1.0 if name in CHECKED and luhn(value[2:]) else 0.0


def fitted(signs: Sequence[Sequence[float]], correct: Sequence[bool]) -> Any:
    """Learn from counted errors; the cases are not those that the extractor learned from."""
    return LogisticRegression(C=1.0, max_iter=500).fit(np.array(signs), np.array(correct))


def confidences(model: Any, signs: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The probability that each field is right."""
    found = model.predict_proba(np.array(list(signs.values())))[:, list(model.classes_).index(True)]
    return dict(zip(signs, found.tolist(), strict=True))


def calibration_error(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """Expected calibration error in tenths of equal size (Naeini et al., 2015)."""
    order = np.argsort(np.array(confidence), kind="stable")
    sure, right = np.array(confidence)[order], np.array(correct, dtype=float)[order]
    parts = zip(np.array_split(sure, 10), np.array_split(right, 10), strict=True)
    gaps = [len(part) * abs(part.mean() - hit.mean()) for part, hit in parts if len(part)]
    return float(sum(gaps) / len(sure)) if len(sure) else 0.0
