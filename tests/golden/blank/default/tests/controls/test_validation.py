"""Bad rows are found, named and kept out; too many of them stop the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from case_records.controls.contract import Column, Table
from case_records.controls.paths import Paths
from case_records.controls.validation import (
    BorderRefused,
    guard,
    narrowed,
    validate,
)


def _column(name: str, kind: str, **more: Any) -> Column:
    blank: dict[str, Any] = {
        "description": "",
        "classification": "internal",
        "required": True,
        "unique": False,
        "protected": False,
        "minimum": None,
        "maximum": None,
        "pattern": None,
        "values": (),
    }
    return Column(name=name, type=kind, **{**blank, **more})


COLUMNS = (
    _column("id", "string", unique=True, pattern="^A[0-9]$"),
    _column("on", "date"),
    _column("debt", "number", minimum=0, maximum=10),
    _column("home", "string", values=("own", "rent")),
    _column("note", "string", required=False),
)
RULES = {"debt below limit": "debt < 9 OR home = 'own'"}
TABLE = Table("loans", {column.name: column for column in COLUMNS}, RULES, 0.5, "decision")
TYPES = {"id": pl.String, "on": pl.Date, "debt": pl.Float64, "home": pl.String, "note": pl.String}


def _row(number: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": f"A{number}", "on": date(2024, 1, 1), "debt": 1.0, "home": "own", **more}


def _frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TYPES)


def test_good_rows_pass_unchanged() -> None:
    """Same rows, same order, an empty quarantine and a report that says so."""
    frame = _frame(_row(2), _row(1, note="x"))
    found = validate(frame, TABLE)
    assert found.clean.equals(frame) and found.quarantined.height == 0
    assert (found.report["clean"], found.report["reasons"]) == (2, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"debt": None}, "debt: missing"),
        ({"debt": -0.1}, "debt: below 0"),
        ({"debt": 10.1}, "debt: above 10"),
        ({"debt": float("nan")}, "debt: not a number"),
        ({"home": "castle"}, "home: none of own, rent"),
        ({"id": "B1"}, "id: not like ^A[0-9]$"),
        ({"id": "A0"}, "id: repeated"),
        ({"debt": 9.5, "home": "rent"}, "breaks the rule: debt below limit"),
    ],
)
def test_each_kind_of_bad_row_is_named(change: dict[str, Any], reason: str) -> None:
    """The bad row is in quarantine with its reason; its neighbours pass."""
    found = validate(_frame(_row(0), _row(1, **change), _row(2)), TABLE)
    assert found.clean["id"].to_list() == ["A0", "A2"]
    assert reason in found.quarantined["reasons"].item().split("; ")


def test_all_reasons_of_a_row_are_kept() -> None:
    """One row with two faults is one row in quarantine with two reasons."""
    found = validate(_frame(_row(0), _row(1, debt=-1, home="castle")), TABLE)
    assert found.quarantined["reasons"].item() == "debt: below 0; home: none of own, rent"
    assert found.report["quarantined"] == 1


def test_an_optional_column_may_be_empty() -> None:
    """A value that is not required is no fault when it is missing."""
    assert validate(_frame(_row(0, note=None)), TABLE).report["quarantined"] == 0


@pytest.mark.parametrize("fault", ["missing", "unknown", "type"])
def test_a_fault_of_the_whole_table_is_refused(fault: str) -> None:
    """Without its columns and types a table has no good rows to part from the bad."""
    frame = {
        "missing": _frame(_row()).drop("debt"),
        "unknown": _frame(_row()).with_columns(extra=pl.lit(1)),
        "type": _frame(_row()).with_columns(pl.col("debt").cast(pl.Int64)),
    }[fault]
    with pytest.raises(BorderRefused, match="loans breaks its contract"):
        validate(frame, TABLE)


def test_the_border_writes_the_quarantine(paths: Paths) -> None:
    """Bad rows are kept for a person to look at, outside git."""
    guard(paths, _frame(_row(0), _row(1, debt=-1)), TABLE)
    kept = pl.read_parquet(paths.quarantine / "loans.parquet")
    assert kept["reasons"].to_list() == ["debt: below 0"]


def test_too_many_bad_rows_stop_the_run(paths: Paths) -> None:
    """Above the limit the source is broken; what it holds is not trained on."""
    frame = _frame(_row(0), _row(1, debt=-1))
    with pytest.raises(BorderRefused, match=r"50\.0% of the rows of loans"):
        guard(paths, frame, replace(TABLE, quarantine_limit=0.4))
    assert (paths.quarantine / "loans.parquet").exists()


def test_a_narrowed_table_keeps_the_rules_it_can() -> None:
    """A rule goes with the columns that it needs."""
    assert narrowed(TABLE, ["debt", "home"]).rules == RULES
    assert narrowed(TABLE, ["debt"]).rules == {}
    assert list(narrowed(TABLE, ["debt"]).columns) == ["debt"]
