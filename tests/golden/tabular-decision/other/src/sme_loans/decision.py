"""Decides on applications: the outcome, and the reasons for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from .controls import contract, packages, registry
from .controls.contract import Column, Table
from .controls.packages import Package
from .controls.paths import Paths
from .controls.reasons import Reason, contributions, reasons
from .controls.registry import Feature, FeatureRefused
from .controls.releases import ReleaseRefused
from .controls.validation import POLARS, BorderRefused, narrowed, validate
from .model import Floats, matrix, predict

APPROVE, REFER, DECLINE = "approve", "refer", "decline"
PYTHON = {"boolean": bool, "date": date, "string": str}
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ApplicationRefused(ValueError):
    """The application breaks the data contract; the message says where, without its values."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision: probability of default, the outcome that follows, and why.

    Reasons are given unless the outcome is `approve`; `refer` means that a person decides. It
    does not say whom it is about, so that it can be logged as it is.
    """

    outcome: str
    probability: float
    reasons: tuple[Reason, ...]
    model_version: str
    model_digest: str

    def content(self) -> dict[str, Any]:
        """The decision as plain data."""
        return {**asdict(self), "reasons": [asdict(reason) for reason in self.reasons]}


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides with one packaged model; made once, used for many applications.

    The features are those that were packaged with the model: a decision of an earlier version is
    replayed with the formulas of that time.
    """

    package: Package
    table: Table
    features: tuple[Feature, ...]

    @classmethod
    def of(cls, paths: Paths, version: str | None = None) -> Decider:
        """Load a version, by default the one that serves; ReleaseRefused if there is none."""
        tables = contract.load(paths.contracts / "applications.odcs.yaml").tables
        package = packages.load(paths, version)
        try:
            features = registry.of_rows(package.facts["registry"])
        except (KeyError, TypeError, FeatureRefused) as error:
            raise ReleaseRefused(f"package {package.version} has no sound features") from error
        return cls(package, tables["applications"], features)

    def decide(self, application: Mapping[str, Any]) -> Decision:
        """Decide on one application, given by columns of the contract.

        Only the columns that features are made of have to be there; whatever is there has to
        keep the contract, else ApplicationRefused.
        """
        return self.decide_all(registry.compute(self.features, self._checked(application)))[0]

    def decide_all(self, features: pl.DataFrame) -> list[Decision]:
        """Decide on rows of features, in their order."""
        names = [feature.name for feature in self.features]
        rows = matrix(features, names)
        ordinary = np.array([self.package.facts["reference"][name] for name in names])
        shares = contributions(rows, ordinary, self._predict)
        found = zip(self._predict(rows).tolist(), shares, rows, strict=True)
        return [self._decision(*row) for row in found]

    def _predict(self, rows: Floats) -> Floats:
        return predict(self.package.estimator, rows)

    def _decision(self, probability: float, share: Floats, row: Floats) -> Decision:
        result = outcome(probability, self.package.facts["cutoffs"])
        return Decision(
            outcome=result,
            probability=round(probability, 6),
            reasons=() if result == APPROVE else reasons(share, self.features, values=row),
            model_version=self.package.version,
            model_digest=self.package.digest,
        )

    def _checked(self, application: Mapping[str, Any]) -> pl.DataFrame:
        if missing := set(registry.sources(self.features)) - set(application):
            raise ApplicationRefused(f"missing: {', '.join(sorted(missing))}")
        if unknown := set(application) - set(self.table.columns):
            raise ApplicationRefused(f"{len(unknown)} unknown fields")
        table = narrowed(self.table, application)
        application = {n: _dated(table.columns[n], value) for n, value in application.items()}
        for name, value in application.items():
            _refuse_unlike(table.columns[name], value)
        types = {column.name: POLARS[column.type] for column in table.columns.values()}
        try:
            frame = pl.DataFrame([dict(application)], schema=types)
            found = validate(frame, table)
        except (TypeError, OverflowError, BorderRefused, pl.exceptions.PolarsError) as error:
            raise ApplicationRefused("a value has the wrong type") from error
        if found.quarantined.height:
            raise ApplicationRefused(found.quarantined["reasons"].item())
        return frame


def _dated(column: Column, value: Any) -> Any:
    """The day that a text names where the contract has a date: JSON knows none."""
    if column.type != "date" or not isinstance(value, str):
        return value
    try:
        if ISO_DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ApplicationRefused(f"{column.name}: not a date, written YYYY-MM-DD")


def _refuse_unlike(column: Column, value: Any) -> None:
    """Refuse what a cast would change silently: booleans, text, fractions, what is out of range."""
    if value is None:
        return
    numeric = column.type in ("integer", "number")
    if type(value) not in ((int, float) if numeric else (PYTHON[column.type],)):
        raise ApplicationRefused(f"{column.name}: a value has the wrong type")
    if column.type == "integer" and value % 1 != 0:
        raise ApplicationRefused(f"{column.name}: not a whole number")
    if numeric and column.minimum is not None and value < column.minimum:
        raise ApplicationRefused(f"{column.name}: below {column.minimum:g}")
    if numeric and column.maximum is not None and value > column.maximum:
        raise ApplicationRefused(f"{column.name}: above {column.maximum:g}")


def outcome(probability: float, cutoffs: Mapping[str, float]) -> str:
    """What follows from a probability of default, by the cut-offs that the model came with."""
    if probability < cutoffs["approve_below"]:
        return APPROVE
    return DECLINE if probability >= cutoffs["decline_from"] else REFER
