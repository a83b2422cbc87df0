"""What training saw of each column, and where the rows of today differ from it too much.

A data contract says what a value may be; this says what the model has learned from. Both guard a
batch: rows that keep the contract can still be of a kind that the model never met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

LOW, HIGH = 0.01, 0.99


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of the rows: outside the bounds of training, of unseen values, newly missing."""

    outside: float
    unseen: float
    missing: float


def describe(frame: pl.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """The bounds or the values of each column, and its share of missing values, as plain data."""
    return {name: _described(frame[name]) for name in columns}


def findings(frame: pl.DataFrame, known: Mapping[str, Any], limits: Limits) -> list[str]:
    """A sentence for each column that differs beyond the limits; none for a frame without rows."""
    if frame.is_empty():
        return []
    absent = sorted(known.keys() - set(frame.columns))
    found = [f"{name} is not there" for name in absent]
    for name in sorted(known.keys() & set(frame.columns)):
        found += _findings(frame[name], known[name], limits)
    return found


def _described(column: pl.Series) -> dict[str, Any]:
    missing = column.null_count() / column.len() if column.len() else 0.0
    if column.dtype.is_numeric():
        low, high = (column.quantile(share, "nearest") for share in (LOW, HIGH))
        return {"low": low, "high": high, "missing": missing}
    values = sorted(str(value) for value in column.drop_nulls().unique().to_list())
    return {"values": values, "missing": missing}


def _findings(column: pl.Series, known: Mapping[str, Any], limits: Limits) -> list[str]:
    present = column.drop_nulls()
    grown = column.null_count() / column.len() - known["missing"]
    found = _over(column.name, "is newly missing", grown, limits.missing)
    if present.is_empty():
        return found
    if "values" in known:
        unseen = _share(~present.cast(pl.String).is_in(known["values"]))
        what = "has values that training never saw"
        return found + _over(column.name, what, unseen, limits.unseen)
    beyond = _share((present < known["low"]) | (present > known["high"])) - (LOW + 1 - HIGH)
    return found + _over(column.name, "lies outside what training saw", beyond, limits.outside)


def _share(flags: pl.Series) -> float:
    return int(flags.sum()) / flags.len()


def _over(name: str, what: str, share: float, limit: float) -> list[str]:
    return [f"{name} {what} in {share:.1%} of the rows, limit {limit:.1%}"] if share > limit else []
