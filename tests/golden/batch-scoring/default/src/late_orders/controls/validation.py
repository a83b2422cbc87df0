"""Checks a data set against its contract, and parts the good rows from the bad."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from .contract import Column, Table
from .paths import Paths
from .stages import StageFailed

ROW = "_row"
POLARS = {
    "boolean": pl.Boolean,
    "date": pl.Date,
    "integer": pl.Int64,
    "number": pl.Float64,
    "string": pl.String,
}


class BorderRefused(StageFailed):
    """The data set as a whole may not pass: a column is missing, or too many rows are bad."""


@dataclass(frozen=True, slots=True)
class Validated:
    """What came of a check: both parts keep the order of the rows, `report` is plain data."""

    clean: pl.DataFrame
    quarantined: pl.DataFrame
    report: dict[str, Any]


def schema(table: Table) -> pa.DataFrameSchema:
    """The pandera schema of a table; columns that the contract does not name are refused."""
    columns = {
        column.name: pa.Column(
            POLARS[column.type], checks=_checks(column), nullable=not column.required
        )
        for column in table.columns.values()
    }
    rules = [_rule(name, expression) for name, expression in table.rules.items()]
    return pa.DataFrameSchema(columns, checks=rules, strict=True, name=table.name)


def narrowed(table: Table, columns: Collection[str]) -> Table:
    """The table with these columns only, and the rules that need no others."""
    kept = {name: column for name, column in table.columns.items() if name in columns}
    rules = {
        name: expression
        for name, expression in table.rules.items()
        if set(pl.sql_expr(expression).meta.root_names()) <= set(kept)
    }
    return replace(table, columns=kept, rules=rules)


def validate(frame: pl.DataFrame, table: Table) -> Validated:
    """Part the rows that keep the contract from those that break it, with all reasons a row.

    Of rows with a repeated key the first is kept. Raises BorderRefused where the fault is not in
    single rows: a column missing, unknown, or of another type.
    """
    failures = _failures(frame, table)
    if failures is None:
        nobody = frame.clear().with_columns(reasons=pl.lit(""))
        return Validated(frame, nobody, _report(table, frame.height, {}))
    whole = failures.filter(pl.col("index").is_null())
    if whole.height:
        faults = sorted({f"{row['failure_case']} ({row['check']})" for row in whole.to_dicts()})
        raise BorderRefused(f"{table.name} breaks its contract: {', '.join(faults)}")
    reasons = failures.select(ROW, reason=_in_words()).unique().sort(ROW, "reason")
    by_row = reasons.group_by(ROW, maintain_order=True).agg(reasons=pl.col("reason").str.join("; "))
    numbered = frame.with_row_index(ROW)
    counted = dict(reasons.group_by("reason").len().sort("reason").iter_rows())
    return Validated(
        clean=numbered.join(by_row, on=ROW, how="anti", maintain_order="left").drop(ROW),
        quarantined=numbered.join(by_row, on=ROW, maintain_order="left").drop(ROW),
        report=_report(table, frame.height, counted, by_row.height),
    )


def guard(paths: Paths, frame: pl.DataFrame, table: Table) -> Validated:
    """Validate at a stage border: bad rows go to quarantine, and too many of them stop the run."""
    found = validate(frame, table)
    paths.quarantine.mkdir(parents=True, exist_ok=True)
    found.quarantined.write_parquet(paths.quarantine / f"{table.name}.parquet")
    share = found.report["quarantined_share"]
    if share > table.quarantine_limit:
        raise BorderRefused(
            f"{share:.1%} of the rows of {table.name} break the contract, "
            f"the limit is {table.quarantine_limit:.1%}: {'; '.join(found.report['reasons'])}"
        )
    return found


def _failures(frame: pl.DataFrame, table: Table) -> pl.DataFrame | None:
    try:
        schema(table).validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        return cases.with_columns(pl.col("index").cast(pl.UInt32).alias(ROW))
    return None


def _in_words() -> pl.Expr:
    check = pl.col("check").replace("not_nullable", "missing")
    of_row = pl.col("schema_context") == "DataFrameSchema"
    return (
        pl.when(of_row)
        .then("breaks the rule: " + check)
        .otherwise(pl.format("{}: {}", "column", check))
    )


def _report(table: Table, rows: int, reasons: dict[str, int], bad: int = 0) -> dict[str, Any]:
    return {
        "table": table.name,
        "rows": rows,
        "clean": rows - bad,
        "quarantined": bad,
        "quarantined_share": bad / rows if rows else 0.0,
        "quarantine_limit": table.quarantine_limit,
        "reasons": reasons,
    }


def _checks(column: Column) -> list[pa.Check]:
    value = pl.col(column.name)
    checks = []
    if column.unique:
        checks.append(_check("repeated", value.is_first_distinct() | value.is_null()))
    if column.minimum is not None:
        checks.append(_check(f"below {column.minimum:g}", value >= column.minimum))
    if column.maximum is not None:
        checks.append(_check(f"above {column.maximum:g}", value <= column.maximum))
    if column.pattern is not None:
        checks.append(_check(f"not like {column.pattern}", value.str.contains(column.pattern)))
    if column.values:
        checks.append(_check(f"none of {', '.join(column.values)}", value.is_in(column.values)))
    if column.type == "number":
        checks.append(_check("not a number", value.is_finite()))
    return checks


def _rule(name: str, expression: str) -> pa.Check:
    return _check(name, pl.sql_expr(expression))


def _check(name: str, holds: pl.Expr) -> pa.Check:
    """A check that a row fails when the expression is false; unknown is not false."""
    return pa.Check(_applied(holds), name=name)


def _applied(holds: pl.Expr) -> Callable[[Any], pl.LazyFrame]:
    return lambda data: data.lazyframe.select(holds.fill_null(True))
