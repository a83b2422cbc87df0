"""What a model may not see: protected attributes, the future, and proxies nobody justified."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from .contract import DECISION, Contract
from .registry import TYPES, Feature, FeatureRefused

LEAK_LIMIT = 0.80
PROXY_LIMIT = 0.60


@dataclass(frozen=True, slots=True)
class Finding:
    """A breach of the policy."""

    rule: str
    feature: str
    sentence: str

    def content(self) -> dict[str, str]:
        """The finding as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one feature alone tells a target or a group from the rest.

    `auc` is the area under the ROC curve, folded to 0.5 (tells nothing) to 1 (tells all).
    """

    feature: str
    target: str
    auc: float


def declared(
    features: Sequence[Feature], contract: Contract, withheld: Collection[str] = ()
) -> list[Finding]:
    """Findings that need no data: what the list of features says of itself.

    `withheld` are names of columns, in small letters, that a service keeps from any model.
    """
    return [
        *_definitions(features),
        *_sources(features, contract),
        *_withheld(features, withheld),
        *_codes(features),
    ]


def measured(
    features: Sequence[Feature], frame: pl.DataFrame, target: pl.Series, groups: pl.DataFrame
) -> tuple[list[Finding], list[Separation]]:
    """Findings in the data, and the separations that they rest on.

    `target` is the outcome (0 or 1), `groups` holds one column a protected attribute; both are
    row by row with `frame`, which should be the training data. A feature that separates the
    outcomes better than 0.80 alone is taken for a leak; one that separates a protected group
    better than 0.60 is a proxy, which needs a justification.
    """
    leaks = [separation(frame[f.name], target == 1, "outcome") for f in features]
    proxies = [
        separation(frame[feature.name], groups[name] == group, f"{name}={group}")
        for feature in features
        for name in groups.columns
        for group in groups[name].unique().sort()
    ]
    unjustified = {feature.name for feature in features if not feature.justification.strip()}
    findings = [_leak(found) for found in leaks if found.auc > LEAK_LIMIT]
    findings += [
        _proxy(found)
        for found in proxies
        if found.auc > PROXY_LIMIT and found.feature in unjustified
    ]
    return findings, leaks + proxies


def separation(values: pl.Series, member: pl.Series, target: str) -> Separation:
    """Area under the ROC curve of one feature, from the Mann-Whitney statistic.

    Rows without a value are left out; without members or non-members it is 0.5.
    """
    known = values.is_not_null()
    ranks = rankdata(values.filter(known).cast(pl.Float64).to_numpy())
    inside = member.filter(known).to_numpy()
    n, m = int(inside.sum()), int((~inside).sum())
    if not n or not m:
        return Separation(values.name, target, 0.5)
    area = float((np.sum(ranks[inside]) - n * (n + 1) / 2) / (n * m))
    return Separation(values.name, target, max(area, 1 - area))


def content(findings: Sequence[Finding], separations: Sequence[Separation]) -> dict[str, Any]:
    """Both as plain data, for `evidence/features.json`."""
    return {
        "findings": [finding.content() for finding in findings],
        "limits": {"leak": LEAK_LIMIT, "proxy": PROXY_LIMIT},
        "separations": [asdict(item) for item in separations],
    }


def _definitions(features: Sequence[Feature]) -> Iterator[Finding]:
    """What cannot be computed, or says too little to be used by others."""
    seen: set[str] = set()
    for feature in features:
        try:
            read = feature.sources
        except FeatureRefused as error:
            yield Finding("formula", feature.name, str(error))
            continue
        if not read or feature.type not in TYPES:
            yield Finding("formula", feature.name, "reads no column, or has no known type")
        if not (feature.description and feature.unit and feature.version):
            yield Finding("formula", feature.name, "needs a description, a unit and a version")
        if feature.name in seen:
            yield Finding("formula", feature.name, "is declared twice")
        seen.add(feature.name)


def _sources(features: Sequence[Feature], contract: Contract) -> Iterator[Finding]:
    known_at: dict[str, str] = {}
    for table in contract.tables.values():
        for column in table.columns:
            known_at.setdefault(column, table.known_at)
    for feature in features:
        yield from _point_in_time(feature, contract)
        for source in _read(feature):
            if source in contract.protected():
                yield Finding("banned", feature.name, f"{source} is protected: no model may see it")
            elif source not in known_at:
                yield Finding("unknown", feature.name, f"{source} is in no table of the contract")
            elif known_at[source] != DECISION:
                sentence = f"{source} is known only after the decision ({known_at[source]})"
                yield Finding("leak", feature.name, sentence)


def _withheld(features: Sequence[Feature], withheld: Collection[str]) -> Iterator[Finding]:
    for feature in features:
        for source in _read(feature):
            if source.lower() in withheld:
                sentence = f"{source} identifies people: the service keeps it from the model"
                yield Finding("identifying", feature.name, sentence)


def _point_in_time(feature: Feature, contract: Contract) -> Iterator[Finding]:
    """The day on which the sources have to be known is a date that the decision knows."""
    dates = {
        column.name
        for table in contract.tables.values()
        for column in table.columns.values()
        if table.known_at == DECISION and column.type == "date" and column.required
    }
    if feature.as_of not in dates:
        sentence = f"as_of {feature.as_of!r} is no required date that is known at the decision"
        yield Finding("point in time", feature.name, sentence)


def _read(feature: Feature) -> tuple[str, ...]:
    """The sources of a formula; none of one that `_definitions` has reported."""
    try:
        return feature.sources
    except FeatureRefused:
        return ()


def _codes(features: Sequence[Feature]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for feature in features:
        if not feature.code or len(feature.reason.split()) < 3:
            yield Finding("reason", feature.name, "needs a reason code and a reason in words")
        elif feature.code in seen:
            sentence = f"shares the reason code {feature.code} with {seen[feature.code]}"
            yield Finding("reason", feature.name, sentence)
        seen.setdefault(feature.code, feature.name)


def _leak(found: Separation) -> Finding:
    sentence = f"tells the outcome alone with AUC {found.auc:.2f}, more than {LEAK_LIMIT}: a leak?"
    return Finding("leak", found.feature, sentence)


def _proxy(found: Separation) -> Finding:
    sentence = f"tells {found.target} with AUC {found.auc:.2f} and has no justification"
    return Finding("proxy", found.feature, sentence)
