"""What is measured: fields against gold labels, what goes out and how wrong it is, and drift."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from . import confidence
from .controls import evaluation, monitoring
from .controls.evaluation import Comparison, Plan, Result
from .controls.monitoring.statistics import rate_of_chance
from .fields import FIELDS, PAYMENT, READ
from .intake import RELEASE
from .intake import Result as Outcome
from .model import ratio

# The metrics of the monitoring plan that are measured here.
WATCHED = (
    *("psi", "ks", "missing_rate", "prediction_rate", "slice_prediction_rate"),
    *("review_rate", "validation_failures", "field_confidence", "override_rate"),
)
Gold = Mapping[str, tuple[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Case:
    """One document beside its gold label: which fields were right, found, and there to find."""

    document_id: str
    true_class: str
    told_class: str
    released: bool
    confidence: float
    findings: tuple[str, ...]
    right: Mapping[str, bool]
    found: Mapping[str, bool]
    there: Mapping[str, bool]
    sure: Mapping[str, float]
    source: str = ""

    @property
    def exact(self) -> bool:
        """Class and every field as the gold label says."""
        return self.true_class == self.told_class and all(self.right.values())

    def of(self, source: str) -> Case:
        """The same case, with the sender or form that it came from."""
        return replace(self, source=source)


def cases(results: Iterable[tuple[str, str, Outcome]], gold: Gold) -> list[Case]:
    """Results beside their gold labels, in order; documents without a label are left out."""
    return [_case(name, result, *gold[name]) for name, _, result in results if name in gold]


def _case(name: str, result: Outcome, true_class: str, values: Mapping[str, str]) -> Case:
    told = {one["field"]: one["value"] for one in result.fields}
    names = [field.name for field in FIELDS.get(true_class, ())]
    return Case(
        name,
        true_class,
        result.document_class,
        result.outcome == RELEASE,
        result.confidence,
        result.findings,
        right={field: told.get(field) == values.get(field) for field in names},
        found={field: field in told for field in names},
        there={field: field in values for field in names},
        sure={one["field"]: one["confidence"] for one in result.fields},
    )


def results(found: Sequence[Case], plan: Plan, digest: str) -> list[Result]:
    """Every metric of the plan and those for information, with intervals over documents.

    A document that a machine cannot read (a picture, a torn file) counts as not released; fields
    are measured on those that it can.
    """
    meant = [case for case in found if case.true_class in READ]
    legible = [case for case in meant if case.sure]
    measured = [
        *_fields(legible, plan, digest),
        *_released(meant, plan, digest),
        _share(
            "class_accuracy",
            "all",
            [c for c in found if c.told_class != "unread"],
            lambda case: case.true_class == case.told_class,
            plan,
            digest,
        ),
        _calibration(legible, plan, digest),
    ]
    return [one for one in measured if one is not None]


def _fields(found: Sequence[Case], plan: Plan, digest: str) -> list[Result | None]:
    """Right fields of all, by class, by sender, by field; documents that are right throughout."""
    made = [
        _ratio("field_exact", "all", found, _right, _all, plan, digest),
        _ratio("precision", "all", found, _true, _found, plan, digest),
        _ratio("recall", "all", found, _true, _there, plan, digest),
        _share("document_exact", "all", found, lambda case: case.exact, plan, digest),
    ]
    for name, key in (("document_class", _class), ("source", lambda case: case.source)):
        for value in sorted({key(case) for case in found}):
            part = [case for case in found if key(case) == value]
            made.append(_ratio("field_exact", f"{name}={value}", part, _right, _all, plan, digest))
    for field in sorted({name for case in found for name in case.right}):
        for metric, over, under in (
            ("field_exact", _right, _all),
            ("precision", _true, _found),
            ("recall", _true, _there),
        ):
            only = [_only(case, field) for case in found if field in case.right]
            made.append(_ratio(metric, f"field={field}", only, over, under, plan, digest))
    return made


def _released(found: Sequence[Case], plan: Plan, digest: str) -> list[Result | None]:
    """How much goes out by itself, and how much of that is wrong, where it would cost money too."""
    out = [case for case in found if case.released]
    made = [_share("straight_through_rate", "all", found, lambda c: c.released, plan, digest)]
    for value in READ:
        part = [case for case in found if case.true_class == value]
        name = f"document_class={value}"
        made.append(_share("straight_through_rate", name, part, lambda c: c.released, plan, digest))
    made.append(_share("released_error_rate", "all", out, lambda c: not c.exact, plan, digest))
    made.append(_share("released_payment_error_rate", "all", out, _costly, plan, digest))
    return made


def _calibration(found: Sequence[Case], plan: Plan, digest: str) -> Result:
    """How far the confidence of fields is from the share of them that is right."""

    def statistic(rows: Any) -> float:
        drawn = [found[row] for row in rows]
        pairs = [(case.sure[n], case.right.get(n, False)) for case in drawn for n in case.sure]
        return confidence.calibration_error([p for p, _ in pairs], [r for _, r in pairs])

    return evaluation.measure("calibration_error", "all", statistic, len(found), digest, plan)


Count = Callable[[Case], float]


def _right(case: Case) -> float:
    return sum(case.right.values())


def _all(case: Case) -> float:
    return len(case.right)


def _found(case: Case) -> float:
    return sum(case.found.values())


def _there(case: Case) -> float:
    return sum(case.there.values())


def _true(case: Case) -> float:
    """Fields that were found and are right."""
    return sum(case.right[name] and case.found[name] for name in case.right)


def _class(case: Case) -> str:
    return case.true_class


def _costly(case: Case) -> bool:
    """Something is wrong that decides to whom money goes, and how much."""
    return any(not right for name, right in case.right.items() if name in PAYMENT)


def _only(case: Case, field: str) -> Case:
    right, found, there = ({field: part[field]} for part in (case.right, case.found, case.there))
    return replace(case, right=right, found=found, there=there)


def _ratio(
    metric: str,
    part: str,
    found: Sequence[Case],
    over: Count,
    under: Count,
    plan: Plan,
    digest: str,
) -> Result | None:
    above, below = ([count(case) for case in found] for count in (over, under))
    if not sum(below):
        return None
    return evaluation.measure(
        metric, part, lambda rows: ratio(above, below, rows), len(found), digest, plan
    )


def _share(
    metric: str,
    part: str,
    found: Sequence[Case],
    holds: Callable[[Case], bool],
    plan: Plan,
    digest: str,
) -> Result | None:
    return _ratio(metric, part, found, lambda case: float(holds(case)), lambda _: 1.0, plan, digest)


def compare(champion: Sequence[Case], challenger: Sequence[Case], plan: Plan) -> Comparison:
    """Documents that are right throughout, of those that can be read; paired by document."""
    pairs = [
        (float(one.exact), float(other.exact))
        for one, other in zip(champion, challenger, strict=True)
        if one.true_class in READ and one.told_class != "unread"
    ]
    table = np.array(pairs)
    return evaluation.compare(
        "document_exact",
        lambda rows: float(table[rows, 0].mean()),
        lambda rows: float(table[rows, 1].mean()),
        len(pairs),
        plan,
    )


def frame(results: Iterable[tuple[str, str, Outcome]]) -> pl.DataFrame:
    """One row a document, with what is watched of it; nothing on it identifies anybody."""
    rows = [
        {
            "confidence": result.confidence,
            "document_class": result.document_class,
            "unknown_words": result.unknown_words,
            "words": float(result.words),
            "findings": float(len(result.findings)),
            "released": float(result.outcome == RELEASE),
            **{f"of {one['field']}": one["confidence"] for one in result.fields},
        }
        for _, _, result in results
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


WATCHED_COLUMNS = ("confidence", "document_class", "unknown_words", "words", "findings")


def observed(
    before: pl.DataFrame, after: pl.DataFrame, plan: monitoring.Plan, limit: float, window: str
) -> monitoring.Report:
    """The report of a window: drift of text and layout, and the rates of this system."""
    report = monitoring.observe(
        before.select(WATCHED_COLUMNS),
        after.select(WATCHED_COLUMNS),
        plan,
        score="confidence",
        threshold=limit,
        slices=["document_class"],
        window=window,
    )
    own = [
        _rate(plan, "review_rate", 1 - before["released"], 1 - after["released"]),
        _rate(plan, "validation_failures", before["findings"] > 0, after["findings"] > 0),
        *_field_confidence(plan, before, after),
    ]
    return monitoring.joined(report, own)


def _rate(plan: monitoring.Plan, metric: str, before: Any, after: Any) -> monitoring.Measurement:
    """The change of a share of documents, against what chance gives."""
    one, other = (float(part.cast(pl.Float64).mean()) for part in (before, after))
    rows = (before.len(), after.len())
    pooled = (one * rows[0] + other * rows[1]) / sum(rows)
    chance = rate_of_chance(pooled, *rows)
    return monitoring.judge(plan, metric, other - one, rows[1], chance=chance)


def _field_confidence(
    plan: monitoring.Plan, before: pl.DataFrame, after: pl.DataFrame
) -> list[monitoring.Measurement]:
    """The change of the mean confidence of each field that both windows have."""
    shared = [n for n in before.columns if n.startswith("of ") and n in after.columns]
    found = []
    for name in shared:
        one, other = before[name].drop_nulls().to_numpy(), after[name].drop_nulls().to_numpy()
        if len(one) > 1 and len(other) > 1:
            spread = float(np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)))
            change = float(other.mean() - one.mean())
            measured = monitoring.judge(
                plan, "field_confidence", change, len(other), column=name[3:], chance=3.29 * spread
            )
            found.append(measured)
    return found


def overridden(plan: monitoring.Plan, changed: Sequence[bool]) -> list[monitoring.Measurement]:
    """The share of reviews in which a person changed what was proposed."""
    share = sum(changed) / len(changed) if changed else 0.0
    return [monitoring.judge(plan, "override_rate", share, len(changed))]
