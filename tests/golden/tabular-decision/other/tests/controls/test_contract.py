"""A contract is read as it stands, and what breaks it is found, counted and set apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from sme_loans.controls import catalogue
from sme_loans.controls.contract import (
    Column,
    ContractError,
    Table,
    highest,
    load,
)
from sme_loans.controls.paths import Paths
from sme_loans.controls.validation import (
    BorderRefused,
    guard,
    narrowed,
    validate,
)

DOCUMENT: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "people",
    "version": "1.2.0",
    "status": "active",
    "team": {"name": "data-team"},
    "slaProperties": [{"property": "retention", "value": 5, "unit": "y"}],
    "schema": [
        {
            "name": "people",
            "customProperties": [{"property": "quarantineLimit", "value": 0.1}],
            "quality": [{"engine": "polars-sql", "name": "a < b", "implementation": "a < b"}],
            "properties": [
                {
                    "name": "age",
                    "logicalType": "integer",
                    "description": "years",
                    "classification": "restricted",
                    "required": True,
                    "logicalTypeOptions": {"minimum": 18, "maximum": 100},
                    "customProperties": [{"property": "protected", "value": True}],
                }
            ],
        }
    ],
}


def _load(folder: Path, change: Callable[[Any], object] = lambda _: None) -> Any:
    document = yaml.safe_load(yaml.safe_dump(DOCUMENT))
    change(document)
    file = folder / "people.odcs.yaml"
    file.write_text(yaml.safe_dump(document))
    return load(file)


def test_a_contract_is_read_whole(tmp_path: Path) -> None:
    """Owner, retention, limits, rules and what is protected."""
    found = _load(tmp_path)
    assert (found.id, found.version, found.owner) == ("people", "1.2.0", "data-team")
    assert (found.retention, found.protected()) == ("5y", ("age",))
    table = found.tables["people"]
    assert (table.quarantine_limit, table.known_at) == (0.1, "decision")
    assert dict(table.rules) == {"a < b": "a < b"}
    age = table.columns["age"]
    assert (age.type, age.required, age.minimum, age.maximum) == ("integer", True, 18, 100)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.pop("team"), "'team' is missing"),
        (lambda d: d.update(apiVersion="v2.0.0"), "apiVersion v2.0.0"),
        (lambda d: d["slaProperties"].clear(), "retention is missing"),
        (lambda d: d["schema"][0]["properties"][0].pop("classification"), "people.age"),
        (lambda d: d["schema"][0]["properties"][0].update(logicalType="money"), "people.age"),
    ],
)
def test_a_mistake_names_file_and_place(
    tmp_path: Path, change: Callable[[Any], object], says: str
) -> None:
    """Nothing is guessed where owner, retention, type or classification is missing."""
    with pytest.raises(ContractError, match=says) as caught:
        _load(tmp_path, change)
    assert str(caught.value).startswith("people.odcs.yaml: ")


def _misspelt(change: Callable[[Any, Any], object]) -> Callable[[Any], object]:
    """A change of the table and of its column, which here has a rule of its own too."""

    def made(document: Any) -> None:
        table = document["schema"][0]
        column = table["properties"][0]
        rule = {"metric": "invalidValues", "arguments": {"validValues": [18]}, "mustBe": 0}
        column["quality"] = [rule]
        change(table, column)

    return made


def _renamed(item: Any, old: str, new: str) -> None:
    item[new] = item.pop(old)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t, c: _renamed(c["logicalTypeOptions"], "minimum", "minimun"), "age: .*: minimun"),
        (lambda t, c: c["logicalTypeOptions"].update(multipleOf=2), "people.age: .*: multipleOf"),
        (lambda t, c: t["quality"][0].update(engine="polars_sql"), "people: quality: .*polars_sql"),
        (lambda t, c: t["quality"][0].pop("engine"), "people: quality: a rule of a table"),
        (lambda t, c: t["quality"][0].pop("implementation"), "people: quality: a rule of a table"),
        (
            lambda t, c: _renamed(c["quality"][0]["arguments"], "validValues", "validvalues"),
            "people.age: quality: arguments: validvalues",
        ),
        (lambda t, c: c["quality"][0].update(metric="invalidvalues"), "age: .*invalidvalues"),
        (lambda t, c: c["quality"][0].update(metric="nullValues"), "age: quality: .*nullV"),
        (lambda t, c: _renamed(c["quality"][0], "arguments", "args"), "age: quality: .*args"),
        (lambda t, c: _renamed(c, "quality", "qualities"), "people.age: qualities"),
        (lambda t, c: _renamed(c, "required", "requird"), "people.age: requird"),
        (lambda t, c: _renamed(t, "quality", "qualities"), "people: qualities"),
    ],
)
def test_a_slip_of_the_pen_drops_no_check(
    tmp_path: Path, change: Callable[[Any, Any], object], says: str
) -> None:
    """What is not checked here is refused, with its place."""
    with pytest.raises(ContractError, match=says):
        _load(tmp_path, _misspelt(change))


def test_what_the_standard_says_besides_checks_may_stand_there(tmp_path: Path) -> None:
    """It is for people and for other tools."""
    more: dict[str, Any] = {
        "businessName": "Age",
        "examples": [21],
        "tags": ["pii"],
        "primaryKeyPosition": -1,
        "criticalDataElement": True,
        "physicalType": "INT64",
        "authoritativeDefinitions": [{"url": "https://example.org", "type": "tutorial"}],
    }
    text = {"type": "text", "description": "ages are those of the day of the extract"}

    def change(table: Any, column: Any) -> None:
        column.update(more)
        column["quality"].append(text)
        table["quality"].append(text)
        table["dataGranularityDescription"] = "one row a person"

    found = _load(tmp_path, _misspelt(change)).tables["people"]
    assert (found.columns["age"].values, dict(found.rules)) == (("18",), {"a < b": "a < b"})


def test_text_that_is_not_yaml_is_a_contract_error(tmp_path: Path) -> None:
    """The parser's own complaint, with the file's name before it."""
    file = tmp_path / "broken.yaml"
    file.write_text("schema: [")
    with pytest.raises(ContractError, match=r"broken\.yaml"):
        load(file)


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


def test_the_class_of_a_table_is_that_of_its_most_sensitive_column() -> None:
    """In the order of the classes, not of the alphabet."""
    assert highest(["public", "restricted", "internal"]) == "restricted"
    assert (highest(["internal", "confidential"]), highest([])) == ("confidential", "public")


def test_a_table_may_have_its_own_basis_and_period(tmp_path: Path) -> None:
    """Else the contract's hold for it."""

    def own(document: Any) -> None:
        document["customProperties"] = [{"property": "lawfulBasis", "value": "consent"}]
        document["slaProperties"] += [
            {"property": "retention", "value": 30, "unit": "d", "element": "people.age"}
        ]

    table = _load(tmp_path, own).tables["people"]
    assert (table.lawful_basis, table.retention) == ("consent", "30d")
    plain = _load(tmp_path).tables["people"]
    assert (plain.lawful_basis, plain.retention) == ("", "5y")


def test_every_data_set_of_this_project_is_in_the_catalogue(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With owner, description, class, lawful basis and retention."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    assert catalogue.main([]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    agreed = [load(file) for file in sorted(project.contracts.glob("*.odcs.yaml"))]
    assert [row["dataset"] for row in shown] == [name for one in agreed for name in one.tables]
    assert all(row[name] for row in shown for name in catalogue.NEEDED)


def test_the_catalogue_of_many_projects(
    project: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found however deep, not in hidden folders; a gap and a broken contract are named."""
    team = tmp_path / "team"
    for place in ("one", "deep/two", ".hidden/three"):
        shutil.copytree(project.contracts, team / place / "contracts")
    assert catalogue.main([str(team)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["project"] for row in rows} == {"one", "two"}
    file = next((team / "one" / "contracts").glob("*.odcs.yaml"))
    file.write_text(file.read_text().replace("lawfulBasis", "basis"))
    broken = next((team / "deep" / "two" / "contracts").glob("*.odcs.yaml"))
    broken.write_text("apiVersion: v2")
    assert catalogue.main([str(team)]) == 1
    said = capsys.readouterr()
    assert "no lawful_basis" in said.err and f"two: {broken.name}: " in said.err
    assert '"project": "one"' in said.out


def test_a_folder_without_projects_is_no_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing or empty: nobody takes silence for a catalogue that is whole."""
    assert catalogue.main([str(tmp_path)]) == catalogue.main([str(tmp_path / "typo")]) == 1
    assert capsys.readouterr().err.count("no such folder, or no contract in it") == 2
