"""Compares what protected groups get: approvals, approvals of the good, honest probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .classification import Sample, approval_rate, calibration_gap, measure
from .evaluation import Plan, Result, draws, interval, judged

Masks = Mapping[str, NDArray[np.bool_]]


def evaluate(sample: Sample, groups: pl.DataFrame, plan: Plan) -> list[Result]:
    """All fairness results; `groups` has one column a protected attribute, row by row.

    `approval_ratio`: a group's approval rate over that of the most approved group (four-fifths
    rule). `good_approval_gap`: how far the approval rate of those who repaid lies behind that of
    the best group (equal opportunity, Hardt et al. 2016). `calibration_gap`: mean probability
    against bad rate within the group. Groups below the plan's minimum are not judged, and are
    not the group that others are compared with. ValueError unless there are as many rows of both.
    """
    if groups.height != len(sample.outcome):
        raise ValueError(f"{groups.height} rows of groups for {len(sample.outcome)} of the sample")
    return [
        result
        for attribute in groups.columns
        for result in _of_attribute(sample, attribute, groups[attribute], plan)
    ]


def _of_attribute(
    sample: Sample, attribute: str, values: pl.Series, plan: Plan
) -> Iterator[Result]:
    masks = {str(group): (values == group).to_numpy() for group in values.unique().sort()}
    ratio = _between(sample, masks, plan, _ratios)
    gap = _between(sample, masks, plan, _good_gaps)
    for group, mask in masks.items():
        name, part = f"{attribute}={group}", sample.take(mask)
        yield measure("approval_rate", name, approval_rate, part, plan)
        yield judged("approval_ratio", name, *ratio[group], len(part.outcome), part.digest, plan)
        yield judged("good_approval_gap", name, *gap[group], len(part.outcome), part.digest, plan)
        yield measure("calibration_gap", name, calibration_gap, part, plan)


def _between(
    sample: Sample,
    masks: Masks,
    plan: Plan,
    compared: Callable[[Sample, Masks, int], dict[str, float]],
) -> dict[str, tuple[float, float, float]]:
    """Value and interval of each group, where a draw takes rows of all groups together."""
    values = compared(sample, masks, plan.minimum_group)
    drawn = [
        compared(sample.take(rows), {g: m[rows] for g, m in masks.items()}, plan.minimum_group)
        for rows in draws(len(sample.outcome), plan)
    ]
    return {g: (values[g], *interval((d[g] for d in drawn), plan)) for g in masks}


def _ratios(sample: Sample, masks: Masks, minimum: int) -> dict[str, float]:
    rates = _rates(sample, masks)
    best = _best(rates, masks, minimum)
    return {group: rate / best if best else 1.0 for group, rate in rates.items()}


def _good_gaps(sample: Sample, masks: Masks, minimum: int) -> dict[str, float]:
    repaid = sample.outcome == 0
    rates = _rates(sample, {group: mask & repaid for group, mask in masks.items()})
    best = _best(rates, masks, minimum)
    return {group: best - rate for group, rate in rates.items()}


def _rates(sample: Sample, masks: Masks) -> dict[str, float]:
    return {
        group: float(sample.approved[mask].mean()) if mask.any() else 0.0
        for group, mask in masks.items()
    }


def _best(rates: Mapping[str, float], masks: Masks, minimum: int) -> float:
    large = [rate for group, rate in rates.items() if masks[group].sum() >= minimum]
    return max(large or rates.values())
