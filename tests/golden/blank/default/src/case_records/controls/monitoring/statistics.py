"""The statistics of drift, on one column at a time."""

import math
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
from scipy.stats import chi2, ks_2samp, kstwobign, norm

BINS = 10
# A bin that is empty on one side counts as this share: the logarithm of zero has no value.
SMALLEST_SHARE = 1e-4
# How rarely chance alone may give as much, before a measurement is taken for a change.
CHANCE = 0.001


@dataclass(frozen=True, slots=True)
class Binned:
    """Shares of two samples in the same bins; each sums to 1."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


def psi(reference: pl.Series, current: pl.Series) -> float:
    """Population stability index: the sum of (c - r) * ln(c / r) over bins, r and c their shares.

    Bins of numbers are the tenths of the reference, of text and booleans each value; missing values
    are left out (`missing_rate` watches them). Equal samples give 0. Credit scoring reads 0.1 as
    worth a look and 0.25 as a shift (Siddiqi, Credit Risk Scorecards, 2006). With n current rows
    chance alone gives about (bins - 1) / n.
    """
    binned = shares(reference, current)
    pairs = zip(binned.reference, binned.current, strict=True)
    floored = ((max(r, SMALLEST_SHARE), max(c, SMALLEST_SHARE)) for r, c in pairs)
    return sum((c - r) * math.log(c / r) for r, c in floored)


def kolmogorov_smirnov(reference: pl.Series, current: pl.Series) -> float:
    """The largest distance between the cumulative distributions, 0 to 1, without missing values."""
    left, right = _present(reference), _present(current)
    if left.is_empty() or right.is_empty():
        return 0.0 if left.len() == right.len() else 1.0
    return float(ks_2samp(left.to_numpy(), right.to_numpy(), method="asymp").statistic)


def missing_rate(values: pl.Series) -> float:
    """Share of values that are null or NaN; 0 for an empty column."""
    if values.is_empty():
        return 0.0
    return _present_or_null(values).null_count() / values.len()


def present(values: pl.Series) -> int:
    """How many values are neither null nor NaN."""
    return _present(values).len()


def psi_of_chance(bins: int, reference_rows: int, current_rows: int) -> float:
    """The index that equal populations exceed with probability CHANCE.

    It is a scaled chi-squared variable (Yurdakul and Naranjo, Statistical properties of the
    population stability index, Journal of Risk Model Validation, 2020).
    """
    return float(chi2.isf(CHANCE, max(bins - 1, 1))) * _spread(reference_rows, current_rows)


def ks_of_chance(reference_rows: int, current_rows: int) -> float:
    """The distance that equal populations exceed with probability CHANCE (Kolmogorov's limit)."""
    return float(kstwobign.isf(CHANCE)) * math.sqrt(_spread(reference_rows, current_rows))


def rate_of_chance(share: float, reference_rows: int, current_rows: int) -> float:
    """The difference of two shares that chance exceeds with probability CHANCE (normal limit).

    `share` is the one that both would have: the pooled share, or the expected one.
    """
    spread = share * (1 - share) * _spread(reference_rows, current_rows)
    return float(norm.isf(CHANCE / 2)) * math.sqrt(max(spread, 0.0))


def _spread(reference_rows: int, current_rows: int) -> float:
    """The variance of a difference of means, in units of one row's; without rows it has no end."""
    if not reference_rows or not current_rows:
        return math.inf
    return 1 / reference_rows + 1 / current_rows


def shares(reference: pl.Series, current: pl.Series) -> Binned:
    """Both samples in the bins of the reference; a value that it lacks has a bin of its own."""
    left, right = _present(reference), _present(current)
    if left.dtype.is_numeric():
        return _numeric_shares(left.cast(pl.Float64), right.cast(pl.Float64))
    left, right = left.cast(pl.String), right.cast(pl.String)
    labels = tuple(sorted({*left.unique(), *right.unique()}))
    return Binned(labels, _value_shares(left, labels), _value_shares(right, labels))


def _numeric_shares(left: pl.Series, right: pl.Series) -> Binned:
    edges = _edges(left)
    between = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    labels = [f"up to {edges[0]:.4g}", *between, f"over {edges[-1]:.4g}"] if edges else ["all"]
    rows = zip(labels, _cut_shares(left, edges), _cut_shares(right, edges), strict=True)
    used = [row for row in rows if row[1] or row[2]]
    return Binned(
        labels=tuple(label for label, _, _ in used),
        reference=tuple(before for _, before, _ in used),
        current=tuple(after for _, _, after in used),
    )


def _edges(values: pl.Series) -> list[float]:
    """Inner borders of the bins: tenths, without doubles (many equal values make fewer bins)."""
    found = (values.quantile(step / BINS, "lower") for step in range(1, BINS))
    return sorted({edge for edge in found if edge is not None})


def _cut_shares(values: pl.Series, edges: list[float]) -> tuple[float, ...]:
    counts = [0] * (len(edges) + 1)
    for place, count in zip(*_counts(values, edges), strict=True):
        counts[place] = count
    return tuple(count / max(values.len(), 1) for count in counts)


def _counts(values: pl.Series, edges: list[float]) -> tuple[list[int], list[int]]:
    places = pl.Series("edge", edges, dtype=pl.Float64).search_sorted(values, side="left")
    table = places.value_counts()
    return table.to_series(0).to_list(), table.to_series(1).to_list()


def _value_shares(values: pl.Series, labels: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(int((values == label).sum()) / max(values.len(), 1) for label in labels)


def _present(values: pl.Series) -> pl.Series:
    return _present_or_null(values).drop_nulls()


def _present_or_null(values: pl.Series) -> pl.Series:
    return values.fill_nan(None) if values.dtype.is_float() else values
