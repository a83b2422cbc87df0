"""What a model may not see: protected attributes, the future, and proxies nobody justified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from .contract import DECISION, Contract

LEAK_LIMIT = 0.80
PROXY_LIMIT = 0.60


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the model.

    `sources` are columns of the contract. `direction` is +1 if more of it can only raise the
    risk, -1 if it can only lower it, 0 if the model may decide. `code` and `reason` are what a
    declined person is told. `justification` says why a proxy of a protected attribute is kept.
    """

    name: str
    description: str
    sources: tuple[str, ...]
    direction: int
    code: str
    reason: str
    justification: str = ""


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


def declared(features: Sequence[Feature], contract: Contract) -> list[Finding]:
    """Findings that need no data: what the list of features says of itself."""
    return [*_sources(features, contract), *_codes(features)]


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


def _sources(features: Sequence[Feature], contract: Contract) -> Iterator[Finding]:
    known_at: dict[str, str] = {}
    for table in contract.tables.values():
        for column in table.columns:
            known_at.setdefault(column, table.known_at)
    for feature in features:
        for source in feature.sources:
            if source in contract.protected():
                yield Finding("banned", feature.name, f"{source} is protected: no model may see it")
            elif source not in known_at:
                yield Finding("unknown", feature.name, f"{source} is in no table of the contract")
            elif known_at[source] != DECISION:
                sentence = f"{source} is known only after the decision ({known_at[source]})"
                yield Finding("leak", feature.name, sentence)


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
