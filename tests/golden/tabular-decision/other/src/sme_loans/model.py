"""The models: a logistic champion, and a calibrated boosting challenger, split by time."""

from __future__ import annotations

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
CALIBRATION_MONTHS = 3
SEED = 17


@dataclass(frozen=True, slots=True)
class Split:
    """Rows by time: the past to learn from, then months to calibrate on, then months to test on."""

    train: pl.DataFrame
    calibrate: pl.DataFrame
    test: pl.DataFrame


def split(labelled: pl.DataFrame) -> Split:
    """Cut by month of application, so that a model is only ever tested on its future."""
    month = pl.col("applied_on").dt.truncate("1mo")
    months = labelled.select(month.unique().sort())["applied_on"]
    first_test = months[-TEST_MONTHS]
    first_calibration = months[-TEST_MONTHS - CALIBRATION_MONTHS]
    return Split(
        train=labelled.filter(month < first_calibration),
        calibrate=labelled.filter((month >= first_calibration) & (month < first_test)),
        test=labelled.filter(month >= first_test),
    )


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


def matrix(frame: pl.DataFrame) -> Floats:
    """The features as a matrix, in the order of `FEATURES`; what is missing is NaN."""
    return frame.select(pl.col(NAMES).cast(pl.Float64)).to_numpy(order="c").astype(np.float64)


def reference(train: pl.DataFrame) -> dict[str, float]:
    """The ordinary applicant that reasons are measured against: medians of those who repaid."""
    medians = train.filter(pl.col(TARGET) == 0).select(pl.col(NAMES).median())
    return {name: float(medians[name].item()) for name in NAMES}
