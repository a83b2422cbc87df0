"""A packaged model is what it was when it was saved, and runs nothing when it loads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sme_loans.controls import packages, releases
from sme_loans.controls.packages import ReleaseRefused
from sme_loans.controls.paths import Paths

X = np.arange(20.0).reshape(-1, 1)


def _model(flip: bool = False) -> Any:
    y = (X[:, 0] < 10) if flip else (X[:, 0] >= 10)
    return LogisticRegression().fit(X, y)


def test_a_model_comes_back_as_it_was(paths: Paths) -> None:
    """Same probabilities to the last bit, and the facts with it."""
    version = packages.save(paths, _model(), {"kind": "champion"})
    found = packages.load(paths, version)
    assert np.array_equal(found.estimator.predict_proba(X), _model().predict_proba(X))
    assert (found.version, found.facts) == (version, {"kind": "champion"})


def test_equal_models_have_equal_bytes(paths: Paths) -> None:
    """No clock and no memory address in the file, so the version names the content."""
    first = packages.save(paths, _model(), {})
    before = (paths.models / first / "model.skops").read_bytes()
    assert packages.save(paths, _model(), {}) == first
    assert (paths.models / first / "model.skops").read_bytes() == before
    assert packages.save(paths, _model(flip=True), {}) != first
    assert packages.save(paths, _model(), {"kind": "other"}) != first


@pytest.mark.parametrize("file", ["model.skops", "model.json"])
def test_a_changed_package_is_refused(paths: Paths, file: str) -> None:
    """Whether the model or what is written about it."""
    version = packages.save(paths, _model(), {"kind": "champion"})
    path = paths.models / version / file
    path.write_bytes(path.read_bytes().replace(b"champion", b"chompion") + b" ")
    with pytest.raises(ReleaseRefused, match="changed after it was saved"):
        packages.load(paths, version)


def test_types_that_could_run_code_are_refused(paths: Paths) -> None:
    """A package may only hold types that are known to be harmless."""
    version = packages.save(paths, Odd(), {})
    with pytest.raises(ReleaseRefused, match=r"foreign types: .*Odd"):
        packages.load(paths, version)


def test_a_release_without_a_model_is_refused(paths: Paths) -> None:
    """Such as one of prompts and settings."""
    version = releases.save(paths, {"prompt.txt": b"Answer."}, {})
    with pytest.raises(ReleaseRefused, match="holds no model"):
        packages.load(paths, version)


def test_what_does_not_load_cannot_serve(paths: Paths) -> None:
    """The version that serves stays; before the first there is none."""
    with pytest.raises(ReleaseRefused, match="nothing serves yet"):
        packages.load(paths)
    version = packages.save(paths, _model(), {})
    packages.activate(paths, version)
    with pytest.raises(ReleaseRefused, match="foreign types"):
        packages.activate(paths, packages.save(paths, Odd(), {}))
    assert (packages.load(paths).version, packages.serving(paths)) == (version, version)


def test_the_card_of_a_model_is_plain_json(paths: Paths) -> None:
    """Any tool can read what a model is, and check its file."""
    version = packages.save(paths, _model(), {"rows": 20})
    card = json.loads((paths.models / version / "model.json").read_text())
    assert (card["schema"], card["facts"]) == ("release/1", {"rows": 20})


class Odd:
    """A type that nobody trusts."""
