"""The model learns from the past only, and comes back from its package as it was."""

from __future__ import annotations

import numpy as np
import pytest

from late_orders import data, model
from late_orders.controls import packages, reference
from late_orders.controls.paths import Paths


@pytest.fixture(scope="module")
def parts() -> model.Split:
    """The history in two parts."""
    return model.split(data.history())


def test_the_test_lies_after_the_training(parts: model.Split) -> None:
    """No day is in both."""
    assert parts.train["ordered_on"].max() < parts.test["ordered_on"].min()  # type: ignore[operator]
    assert parts.train.height + parts.test.height == data.HISTORY


def test_longer_ways_come_late_more_often(parts: model.Split) -> None:
    """The direction that the generator put in is learned."""
    fitted = model.fit(parts.train)
    near, far = (parts.test.with_columns(distance_km=way) for way in (20.0, 900.0))
    assert model.predict(fitted, far).mean() > model.predict(fitted, near).mean() + 0.2


def test_no_rows_have_no_scores(parts: model.Split) -> None:
    """An empty night is no error."""
    assert model.predict(model.fit(parts.train), parts.test.clear()).shape == (0,)


def test_a_packaged_model_scores_as_it_did(parts: model.Split, paths: Paths) -> None:
    """To the last bit, with what it was trained on beside it."""
    fitted = model.fit(parts.train)
    known = reference.describe(parts.train, model.INPUTS)
    packages.activate(paths, packages.save(paths, fitted, {"reference": known}))
    found = model.scorer(paths)
    assert np.array_equal(found.score(parts.test).to_numpy(), model.predict(fitted, parts.test))
    assert set(found.known) == set(model.INPUTS)
