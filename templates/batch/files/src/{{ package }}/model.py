"""The model that is scored with: replace it by any packaged one that gives a probability.

Here a logistic regression learns from the history, so that the nights have something to run on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .controls import packages
from .controls.batch import Scorer
from .controls.paths import Paths

Floats = NDArray[np.float64]
TARGET = "late"
NUMBERS = ("distance_km", "items", "promised_days", "weight_kg")
CARRIERS = ("north", "rail", "road")
INPUTS = ("carrier", *NUMBERS)
TEST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Split:
    """The past to learn from, and what came after it to test on."""

    train: pl.DataFrame
    test: pl.DataFrame


def split(history: pl.DataFrame) -> Split:
    """Cut by day, so that the model is only tested on its future."""
    days = history["ordered_on"].unique().sort()
    first = days[int(len(days) * (1 - TEST_SHARE))]
    return Split(
        train=history.filter(pl.col("ordered_on") < first),
        test=history.filter(pl.col("ordered_on") >= first),
    )


def fit(train: pl.DataFrame) -> Any:
    """A logistic regression on standardised inputs."""
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(matrix(train), train[TARGET].to_numpy())


def predict(model: Any, rows: pl.DataFrame) -> Floats:
    """The probability that an order comes late, row by row."""
    if rows.is_empty():
        return np.zeros(0)
    found: Floats = model.predict_proba(matrix(rows))[:, 1]
    return found


def matrix(frame: pl.DataFrame, carriers: Sequence[str] = CARRIERS) -> Floats:
    """The inputs as numbers: one column a carrier, then the others."""
    columns = [
        *((pl.col("carrier") == name).cast(pl.Float64).alias(name) for name in carriers),
        *(pl.col(name).cast(pl.Float64) for name in NUMBERS),
    ]
    return frame.select(columns).to_numpy(order="c").astype(np.float64)


def scorer(paths: Paths, version: str | None = None) -> Scorer:
    """The packaged model as a batch sees it, by default the one that serves."""
    package = packages.load(paths, version)
    return Scorer(
        version=package.version,
        digest=package.digest,
        score=lambda rows: pl.Series("score", predict(package.estimator, rows)),
        known=package.facts["reference"],
    )
