"""What training never saw is found by column, and what is usual is not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from late_orders.controls.reference import Limits, describe, findings

LIMITS = Limits(outside=0.1, unseen=0.02, missing=0.1)


def _frame(seed: int = 0, rows: int = 1000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    carrier = rng.choice(["road", "rail"], rows)
    gaps = [None if gone else 1.0 for gone in rng.random(rows) < 0.05]
    return pl.DataFrame({"way": rng.normal(10, 2, rows), "carrier": carrier, "note": gaps})


KNOWN = describe(_frame(), ["way", "carrier", "note"])


def test_a_description_is_plain_data() -> None:
    """Bounds of numbers, values of text, and how much is missing."""
    assert KNOWN["carrier"] == {"values": ["rail", "road"], "missing": 0.0}
    assert KNOWN["way"]["low"] == pytest.approx(10 - 2 * 2.33, abs=0.6)
    assert KNOWN["way"]["high"] == pytest.approx(10 + 2 * 2.33, abs=0.6)
    assert KNOWN["note"]["missing"] == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("seed", range(1, 6))
def test_rows_of_the_same_world_have_no_finding(seed: int) -> None:
    """Chance alone raises none."""
    assert findings(_frame(seed, 300), KNOWN, LIMITS) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (pl.col("way") + 5, "way lies outside what training saw in"),
        (pl.lit("pigeon").alias("carrier"), "carrier has values that training never saw in 100.0%"),
        (pl.lit(None, dtype=pl.Float64).alias("note"), "note is newly missing in"),
    ],
)
def test_what_training_never_saw_is_found(change: pl.Expr, finding: str) -> None:
    """Named by column, with share and limit."""
    (found,) = findings(_frame(1).with_columns(change), KNOWN, LIMITS)
    assert found.startswith(finding)
    assert "of the rows, limit" in found


def test_a_few_strangers_are_within_the_limit() -> None:
    """One in a hundred is not a new world."""
    place = pl.int_range(pl.len())
    few = pl.when(place < 10).then(pl.lit("pigeon")).otherwise("carrier").alias("carrier")
    assert findings(_frame(1).with_columns(few), KNOWN, LIMITS) == []


def test_a_column_that_is_gone_is_found() -> None:
    """And a night without rows says nothing."""
    assert findings(_frame(1).drop("way"), KNOWN, LIMITS) == ["way is not there"]
    assert findings(_frame(1).clear(), KNOWN, LIMITS) == []
