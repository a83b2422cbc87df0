"""How good forecasts are: scaled error, skill, bias, coverage and interval score, with intervals.

Errors of one series hang together, so the bootstrap draws whole series, not cells. Its intervals
say how far a figure depends on which series there are; they do not say how another year would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import polars as pl

from . import evaluation
from .evaluation import Comparison, Plan, Result, Rows, Statistic
from .hierarchy import SERIES
from .panel import Floats

# A metric is the sum of `above` over the sum of `below`, each summed within a series first.
Ratio = tuple[pl.Expr, pl.Expr]
ERROR = pl.col("actual") - pl.col("point")


def ratios(coverage: float) -> dict[str, Ratio]:
    """The metrics: numerator and denominator of each, by cell.

    scaled_error: mean absolute error in units of the naive in-sample error, series weighted by
    volume (MASE of Hyndman and Koehler 2006). interval_score: width plus penalty, in the same
    units and weights (Gneiting and Raftery 2007). bias: by which share actuals are above.
    """
    alpha = 1 - coverage
    below = (pl.col("low") - pl.col("actual")).clip(lower_bound=0)
    above = (pl.col("actual") - pl.col("high")).clip(lower_bound=0)
    score = pl.col("high") - pl.col("low") + (2 / alpha) * (below + above)
    weight = pl.col("weight")
    inside = pl.col("actual").is_between("low", "high").cast(pl.Float64)
    return {
        "scaled_error": (weight * ERROR.abs() / pl.col("scale"), weight),
        "weighted_error": (ERROR.abs(), pl.col("actual")),
        "bias": (ERROR, pl.col("actual")),
        "coverage": (inside, pl.col("actual").is_finite().cast(pl.Float64)),
        "interval_score": (weight * score / pl.col("scale"), weight),
    }


def scored(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells whose actual is known, each with the weight of its node: its mean volume."""
    known = cells.filter(pl.col("actual").is_not_nan())
    return known.with_columns(weight=pl.col("actual").mean().over("node"))


def evaluate(
    cells: pl.DataFrame, plan: Plan, coverage: float, slices: Sequence[str], digest: str
) -> list[Result]:
    """All metrics of the series, and by slice; then each level, with origins as what is drawn.

    `cells` are those of `backtest.covered`. Besides the metrics of `ratios` there are `skill` (the
    share of the naive error that is gone), `bias_size` and `coverage_gap` (without their sign).
    """
    known = scored(cells)
    series = known.filter(pl.col("level") == SERIES)
    found = _of(series, "all", "node", plan, coverage, digest)
    for name in slices:
        for value in sorted(series[name].drop_nulls().unique().to_list(), key=str):
            part = series.filter(pl.col(name) == value)
            found += _of(part, f"{name}={value}", "node", plan, coverage, digest)
    for level in known["level"].unique(maintain_order=True).to_list():
        part = known.filter(pl.col("level") == level)
        found += _of(part, f"level={level}", "origin", plan, coverage, digest)
    return found


def _of(
    part: pl.DataFrame, slice_: str, unit: str, plan: Plan, coverage: float, digest: str
) -> list[Result]:
    """The metrics of one part of the cells."""
    found = []
    for name, ratio in ratios(coverage).items():
        above, below = _sums(part, ratio, unit)
        found.append(_measured(name, slice_, _ratio(above, below), len(above), digest, plan))
        if name == "bias":
            size = _size(_ratio(above, below))
            found.append(_measured("bias_size", slice_, size, len(above), digest, plan))
        if name == "coverage":
            gap = _size(_ratio(above - coverage * below, below))
            found.append(_measured("coverage_gap", slice_, gap, len(above), digest, plan))
    own, plain, _ = _errors(part, unit)
    skill = _skill(own, plain)
    return [*found, _measured("skill", slice_, skill, len(own), digest, plan)]


def _measured(
    name: str, slice_: str, statistic: Statistic, rows: int, digest: str, plan: Plan
) -> Result:
    return evaluation.measure(name, slice_, statistic, rows, digest, plan)


def compare(champion: pl.DataFrame, challenger: pl.DataFrame, plan: Plan) -> Comparison:
    """Paired by series: how much less scaled error the challenger makes, and whether by chance.

    Both have to be about the same cells, else ValueError.
    """
    one, other = (
        scored(cells).filter(pl.col("level") == SERIES).sort("node", "origin", "horizon")
        for cells in (champion, challenger)
    )
    same = ["node", "origin", "horizon", "actual"]
    if not one.select(same).equals(other.select(same)):
        raise ValueError("champion and challenger were not tested on the same cells")
    first, _, weight = _errors(one, "node")
    second, _, _ = _errors(other, "node")
    return evaluation.compare(
        "negated_scaled_error",
        _ratio(-first, weight),
        _ratio(-second, weight),
        len(first),
        plan,
    )


def not_beaten(results: Iterable[Result]) -> list[str]:
    """Why the naive forecast is not beaten: the whole interval of the skill has to be above 0."""
    overall = [r for r in results if (r.metric, r.slice) == ("skill", "all")]
    if not overall:
        return ["the skill over the naive forecast was not measured"]
    return [
        f"the naive forecast is not beaten beyond chance: skill {r.value:.3f}, from {r.low:.3f}"
        for r in overall
        if not r.low > 0
    ]


def _errors(part: pl.DataFrame, unit: str) -> tuple[Floats, Floats, Floats]:
    """By unit: the weighted scaled errors of the model and of the naive forecast, the weights."""
    weight, scale = pl.col("weight"), pl.col("scale")
    naive = (pl.col("actual") - pl.col("naive")).abs()
    own, weights = _sums(part, (weight * ERROR.abs() / scale, weight), unit)
    plain, _ = _sums(part, (weight * naive / scale, weight), unit)
    return own, plain, weights


def _sums(part: pl.DataFrame, ratio: Ratio, unit: str) -> tuple[Floats, Floats]:
    above, below = ratio
    by_unit = part.select(unit, above=above, below=below).group_by(unit).agg(pl.all().sum())
    ordered = by_unit.sort(unit)
    return ordered["above"].to_numpy(), ordered["below"].to_numpy()


def _ratio(above: Floats, below: Floats) -> Statistic:
    def figure(rows: Rows) -> float:
        under = float(below[rows].sum())
        return float(above[rows].sum()) / under if under else float("nan")

    return figure


def _skill(own: Floats, plain: Floats) -> Statistic:
    kept = _ratio(own, plain)
    return lambda rows: 1 - kept(rows)


def _size(figure: Callable[[Rows], float]) -> Statistic:
    return lambda rows: float(np.abs(figure(rows)))
