"""The models: a logistic champion, and a calibrated boosting challenger, split by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .features import FEATURES, NAMES

Floats = NDArray[np.float64]
TARGET = "defaulted"
TEST_MONTHS = 5
CALIBRATION_MONTHS = 2
SEED = 17


@dataclass(frozen=True, slots=True)
class Split:
    """Rows by time: the past to learn from, then months to calibrate on, then months to test on."""

    train: pl.DataFrame
    calibrate: pl.DataFrame
    test: pl.DataFrame


def split(labelled: pl.DataFrame) -> Split:
    """Cut by month of application, so that a model is only ever tested on its future.

    It learns only from outcomes that were observed before the first month of the test, as it would
    have had to; applications between, whose outcomes came later, are in no part.
    """
    month = pl.col("applied_on").dt.truncate("1mo")
    first_test = _months(labelled)[-TEST_MONTHS]
    known = labelled.filter((month < first_test) & (pl.col("observed_on") < first_test))
    first_calibration = _months(known)[-CALIBRATION_MONTHS]
    return Split(
        train=known.filter(month < first_calibration),
        calibrate=known.filter(month >= first_calibration),
        test=labelled.filter(month >= first_test),
    )


def _months(frame: pl.DataFrame) -> pl.Series:
    return frame["applied_on"].dt.truncate("1mo").unique().sort()


def champion(parts: Split) -> Any:
    """Logistic regression on standardised features: calibrated by nature, and simple to explain."""
    rows = pl.concat([parts.train, parts.calibrate])
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression())
    return model.fit(matrix(rows), rows[TARGET].to_numpy())


def challenger(parts: Split) -> Any:
    """Boosted trees that may only move in each feature's direction, calibrated on later months."""
    trees = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        l2_regularization=1.0,
        monotonic_cst=[feature.direction for feature in FEATURES],
        random_state=SEED,
    ).fit(matrix(parts.train), parts.train[TARGET].to_numpy())
    calibrated = CalibratedClassifierCV(FrozenEstimator(trees), method="sigmoid")
    return calibrated.fit(matrix(parts.calibrate), parts.calibrate[TARGET].to_numpy())


def predict(model: Any, rows: Floats) -> Floats:
    """Probability of default for each row of a matrix of features."""
    probability: Floats = model.predict_proba(rows)[:, 1]
    return probability


def matrix(frame: pl.DataFrame, names: Sequence[str] = NAMES) -> Floats:
    """The features as a matrix, in the order of the names; what is missing is NaN."""
    return frame.select(pl.col(names).cast(pl.Float64)).to_numpy(order="c").astype(np.float64)


def reference(train: pl.DataFrame) -> dict[str, float]:
    """The applicant that reasons are measured against: medians of those who repaid.

    Of a feature that is 0 or 1 the better value, or else one of the two could never be a reason.
    """
    repaid = train.filter(pl.col(TARGET) == 0)
    return {one.name: _ordinary(repaid[one.name], one.direction) for one in FEATURES}


def _ordinary(values: pl.Series, direction: int) -> float:
    if direction and values.drop_nulls().is_in([0.0, 1.0]).all():
        return float(direction < 0)
    return float(values.to_frame().select(pl.all().median()).item())
