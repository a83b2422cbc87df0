"""The feature registry: each feature is declared once, as data, and computed from that alone.

A feature is a formula in SQL over columns of the contract, of one row alone. Training, scoring
and replay all compute it here, so they cannot differ; what another team takes over is the
formula itself, not its code.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl

from .contract import Contract, highest

SCHEMA = "features/1"
TYPES = {"number": pl.Float64, "integer": pl.Int64, "boolean": pl.Boolean, "string": pl.String}

# All that a formula may call: each gives for a row, whatever the other rows and the day are, the
# same. Words that stand before a parenthesis without being a function come last.
CALLS = {
    *("abs", "ceil", "floor", "round", "sign", "mod", "sqrt", "cbrt", "exp", "pow", "power"),
    *("ln", "log", "log2", "log10", "log1p", "coalesce", "nullif", "ifnull", "if", "greatest"),
    *("least", "cast", "try_cast", "date_part", "extract", "lower", "upper", "length", "trim"),
    *("ltrim", "rtrim", "left", "right", "substr", "starts_with", "ends_with", "concat"),
    *("and", "or", "not", "in", "like", "between", "case", "when", "then", "else"),
}
REST = {"over", "select", "current_date", "current_time", "current_timestamp", "localtimestamp"}
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")


class FeatureRefused(ValueError):
    """A feature cannot be computed, or is not what its export said."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    `formula` is polars SQL over columns of the contract, with nothing but CALLS; `sources` are the
    columns in it. `as_of` is the date column on whose day all of them have to be known. `version`
    is raised when the formula changes. `direction` is +1 if more of it can only raise the risk, -1
    if it can only lower it, 0 if the model may decide. `code` and `reason` are what a declined
    person is told.
    `justification` says why a proxy of a protected attribute is kept. `owner` is the contract's
    owner unless it is another team's feature.
    """

    name: str
    description: str
    formula: str
    direction: int
    code: str
    reason: str
    justification: str = ""
    as_of: str = ""
    unit: str = ""
    type: str = "number"
    version: str = "1"
    owner: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that the formula reads, sorted; FeatureRefused if it is no formula."""
        return tuple(sorted(set(self._expression().meta.root_names())))

    @property
    def digest(self) -> str:
        """SHA-256 of what the feature is, whoever owns it: another formula is another feature."""
        text = json.dumps({**asdict(self), "owner": ""}, sort_keys=True)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def column(self) -> pl.Expr:
        """The feature as a column of its type."""
        return self._expression().cast(TYPES[self.type]).alias(self.name)

    def _expression(self) -> pl.Expr:
        try:
            found = pl.sql_expr(self.formula)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise FeatureRefused(f"{self.name}: {self.formula!r} is no formula") from error
        if found.meta.has_multiple_outputs() or not _of_one_row(self.formula):
            raise FeatureRefused(
                f"{self.name}: {self.formula!r} names columns by a pattern, or looks at other rows "
                "or at the clock: use nothing but registry.CALLS"
            )
        return found


def compute(features: Sequence[Feature], frame: pl.DataFrame) -> pl.DataFrame:
    """The features alone, one row a row, in their order; the columns in `sources` are enough."""
    return frame.select(feature.column() for feature in features)


def sources(features: Iterable[Feature]) -> tuple[str, ...]:
    """All columns that the features read, sorted."""
    return tuple(sorted({source for feature in features for source in feature.sources}))


def digest(features: Sequence[Feature]) -> str:
    """SHA-256 of all features in their order: two systems with the same one compute the same."""
    text = "\n".join(feature.digest for feature in features)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def rows(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """The declarations as plain data, each with its digest; `of_rows` reads them back."""
    return [{**asdict(feature), "digest": feature.digest} for feature in features]


def of_rows(found: Iterable[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Features from plain data; FeatureRefused for one that is not what its digest says."""
    return tuple(map(_feature, found))


def content(features: Sequence[Feature], contract: Contract) -> dict[str, Any]:
    """The registry for others to read: declarations with owner, sources and class of the data."""
    columns = {name: c for table in contract.tables.values() for name, c in table.columns.items()}
    told = [
        {
            **row,
            "owner": feature.owner or contract.owner,
            "sources": list(feature.sources),
            "classification": highest(
                columns[source].classification for source in feature.sources if source in columns
            ),
        }
        for feature, row in zip(features, rows(features), strict=True)
    ]
    return {"schema": SCHEMA, "digest": digest(features), "features": told}


def imported(file: Path, *names: str) -> tuple[Feature, ...]:
    """Features of another project, from its `evidence/features.json`, in the order of the names.

    They keep their owner. FeatureRefused if the file is none, lacks one, or one was changed since
    it was exported. The policy then checks them against the contract of this project.
    """
    try:
        document = json.loads(file.read_text("utf-8"))
        registry = document.get("content", document).get("registry", document)
        if registry["schema"] != SCHEMA:
            raise FeatureRefused(f"{file.name}: schema {registry['schema']} is not {SCHEMA}")
        known = {row["name"]: row for row in registry["features"]}
        missing = [name for name in names if name not in known]
        found = {name: _feature(known[name]) for name in names if name in known}
    except (AttributeError, KeyError, OSError, TypeError, json.JSONDecodeError) as error:
        raise FeatureRefused(f"{file.name}: no registry of features ({error!r})") from error
    if missing:
        raise FeatureRefused(f"{file.name}: no feature {', '.join(missing)}")
    return tuple(found[name] for name in names)


def _of_one_row(formula: str) -> bool:
    """Whether it calls nothing but CALLS; what cannot be told for sure counts as no."""
    bare = QUOTED.sub(" quoted ", formula).lower()
    words = set(re.findall(r"\w+", bare))
    called = set(re.findall(r"(\w+)\s*\(", bare))
    odd = any(mark in bare for mark in ("--", "/*", "\\", "$", "'", '"', "`", "#"))
    return not odd and called <= CALLS and not words & REST


def _feature(row: Mapping[str, Any]) -> Feature:
    found = Feature(**{field.name: row[field.name] for field in fields(Feature)})
    if found.digest != row["digest"]:
        raise FeatureRefused(f"{found.name}: it was changed after it was written down")
    return found
