"""What goes out by itself is what was measured to be right often enough."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from paper_desk.controls.review import routing
from paper_desk.controls.review.routing import (
    controlled_limit,
    error_bound,
    route,
    sampled,
)


@pytest.mark.parametrize(
    ("errors", "rows", "bound"),
    [
        (0, 59, 0.0495),
        (0, 100, 0.0295),
        (1, 100, 0.0466),
        (5, 100, 0.1023),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_the_bound_is_that_of_clopper_and_pearson(errors: int, rows: int, bound: float) -> None:
    """Against published values for a certainty of 95 percent."""
    assert error_bound(errors, rows, 0.95) == pytest.approx(bound, abs=1e-4)


def test_the_limit_is_the_lowest_that_holds() -> None:
    """Errors stand below 0.7: that is where it stops, and it says what it counted."""
    confidence = [0.7 + 0.001 * number for number in range(200)] + [0.5] * 40
    correct = [True] * 200 + [False] * 40
    found = controlled_limit(confidence, correct, target=0.05, certainty=0.95)
    assert found.value == pytest.approx(0.505, abs=0.2) and found.value > 0.5
    assert (found.rows, found.released, found.errors) == (240, 200, 0)
    assert found.bound < 0.05


def test_too_few_cases_show_nothing() -> None:
    """Fifty right ones in a row do not prove that fewer than one in twenty is wrong."""
    found = controlled_limit([0.99] * 50, [True] * 50, target=0.05, certainty=0.95)
    assert found.value == routing.NEVER
    assert not route(1.0, found.value).release


def test_errors_at_the_top_close_the_way() -> None:
    """Where even the surest are wrong, everything is referred."""
    correct = [number % 4 > 0 for number in range(400)]
    assert controlled_limit([0.99] * 400, correct, target=0.05, certainty=0.95).value > 1


def test_the_promise_holds_in_repeated_trials() -> None:
    """On new cases the target is missed in few of many trials, as the certainty says."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        sure = rng.random(600)
        correct = rng.random(600) < 0.6 + 0.4 * sure
        limit = controlled_limit(sure.tolist(), correct.tolist(), target=0.1, certainty=0.9).value
        # The true share of errors above the limit: the mean of 0.4 - 0.4 u over u from it to 1.
        missed += limit <= 1 and 0.4 - 0.4 * (limit + 1) / 2 > 0.1
    assert missed / 200 < 0.1 + 0.05


@pytest.mark.parametrize(
    ("confidence", "findings", "sample", "release", "reasons"),
    [
        (0.9, (), False, True, ()),
        (0.8, (), False, True, ()),
        (0.79, (), False, False, ("low confidence",)),
        (0.99, ("total",), False, False, ("total",)),
        (0.1, ("total", "date"), True, False, ("total", "date", "low confidence")),
        (0.9, (), True, False, ("quality sample",)),
        (float("nan"), (), False, False, ("low confidence",)),
    ],
)
def test_a_case_goes_out_only_without_any_reason_not_to(
    confidence: float, findings: tuple[str, ...], sample: bool, release: bool, reasons: object
) -> None:
    """At the limit it does; with a finding, below it, or in the sample a person decides."""
    found = route(confidence, 0.8, findings, sample)
    assert (found.release, found.reasons) == (release, reasons)


def test_the_sample_is_drawn_by_the_digest() -> None:
    """About the share that was asked for, the same every time."""
    numbers = (str(number).encode() for number in range(5000))
    digests = [f"sha256:{hashlib.sha256(number).hexdigest()}" for number in numbers]
    drawn = [digest for digest in digests if sampled(digest, 0.05)]
    assert 0.03 < len(drawn) / 5000 < 0.07
    assert drawn == [digest for digest in digests if sampled(digest, 0.05)]
    assert not any(sampled(digest, 0.0) for digest in digests)
    assert all(sampled(digest, 1.0) for digest in digests)
