"""Levels above the series, and the rule that what is published adds up.

Points are made for the series and summed upwards, in whole units, so that every total is exactly
the sum of its parts. Intervals are not summed: each level has its own (see `conformal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .panel import Floats, Panel

TOTAL, SERIES = "total", "series"


@dataclass(frozen=True, slots=True)
class Node:
    """A sum of series: all of them, those of one group, or one series."""

    name: str
    level: str
    members: tuple[int, ...]


def nodes(panel: Panel) -> tuple[Node, ...]:
    """The total, each value of each dimension, and each series, in this order."""
    found = [Node(TOTAL, TOTAL, tuple(range(len(panel.keys))))]
    for place, dimension in enumerate(panel.dimensions):
        for value in sorted({key[place] for key in panel.keys}):
            members = tuple(i for i, key in enumerate(panel.keys) if key[place] == value)
            found.append(Node(f"{dimension}={value}", dimension, members))
    found += [Node(named(panel, i), SERIES, (i,)) for i in range(len(panel.keys))]
    return tuple(found)


def named(panel: Panel, row: int) -> str:
    """The name of a series, such as `product=tea|region=north`."""
    pairs = zip(panel.dimensions, panel.keys[row], strict=True)
    return "|".join(f"{dimension}={value}" for dimension, value in pairs)


def summing(found: Sequence[Node], series: int) -> Floats:
    """The matrix that turns series (columns) into nodes (rows): ones and zeros."""
    matrix = np.zeros((len(found), series))
    for row, node in enumerate(found):
        matrix[row, list(node.members)] = 1.0
    return matrix


def sums(found: Sequence[Node], by_series: Floats, counted: NDArray[np.bool_]) -> Floats:
    """What the nodes sum to, bottom-up; series that are not counted add nothing.

    NaN in a series that is counted makes every sum with it NaN.
    """
    part = np.where(counted[:, None] if counted.ndim == 1 else counted, by_series, 0.0)
    known = np.nan_to_num(part, nan=0.0)
    matrix = summing(found, part.shape[0])
    missing = matrix @ np.isnan(part).astype(np.float64) > 0
    return np.where(missing, np.nan, matrix @ known)


def gaps(cells: pl.DataFrame, dimensions: Sequence[str]) -> list[str]:
    """Sums that do not add up, a sentence each; `cells` has node, level, period and point."""
    leaves = cells.filter(pl.col("level") == SERIES)
    parted = leaves.with_columns(
        pl.col("node").str.extract(rf"(?:^|\|)({dimension}=[^|]*)").alias(dimension)
        for dimension in dimensions
    )
    parts = [leaves.select("period", "point", node=pl.lit(TOTAL))]
    parts += [parted.select("period", "point", node=pl.col(dimension)) for dimension in dimensions]
    expected = pl.concat(parts).group_by("node", "period").agg(expected=pl.col("point").sum())
    above = cells.filter(pl.col("level") != SERIES).select("node", "period", "point")
    both = above.join(expected, on=["node", "period"], how="full", coalesce=True)
    wrong = both.filter(pl.col("point").ne_missing(pl.col("expected"))).sort("node", "period")
    return [
        f"{row['node']} of {row['period']} is {row['point']}, its parts sum to {row['expected']}"
        for row in wrong.to_dicts()
    ]
