"""The synthetic orders are always the same, and what is planted in them is there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from late_orders import data
from late_orders.controls import contract, validation

CONTRACT = Path(__file__).parent.parent / "contracts" / "orders.odcs.yaml"
FIRST, SECOND = data.days()[:2]


def test_the_same_seed_gives_the_same_rows() -> None:
    """And another seed gives others."""
    assert data.history().equals(data.history())
    assert data.night(FIRST).equals(data.night(FIRST))
    assert not data.night(FIRST, seed=1).equals(data.night(FIRST))


def test_the_history_keeps_its_contract() -> None:
    """Bad rows are planted in the nights, not in what is learned from."""
    table = contract.load(CONTRACT).tables["history"]
    assert validation.validate(data.history(), table).report["quarantined"] == 0


def test_bad_rows_are_planted_in_every_night() -> None:
    """Two of each kind, and the contract finds them all."""
    table = contract.load(CONTRACT).tables["orders"]
    for day in data.days():
        found = validation.validate(data.night(day), table)
        assert found.quarantined.height == data.SPOILED_EACH * len(data.SPOILS)


def test_rows_are_sent_again_the_night_after() -> None:
    """A dozen keys of the first night come in the second, with the same content."""
    again = data.night(SECOND).join(data.night(FIRST), on=data.night(FIRST).columns, how="semi")
    assert again.height == data.RESENT


def test_late_rows_are_planted() -> None:
    """Some within the rule, some beyond it."""
    rows = data.night(FIRST).filter(pl.col("ordered_on") < FIRST)
    late = rows.filter(pl.col("ordered_on") >= FIRST - timedelta(days=2))
    assert (late.height, rows.height - late.height) == (data.LATE, data.TOO_LATE)
