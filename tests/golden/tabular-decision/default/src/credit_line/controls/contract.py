"""Reads a data contract in the Open Data Contract Standard, version 3.1."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DECISION, OUTCOME = "decision", "outcome"
TYPES = ("boolean", "date", "integer", "number", "string")
# From what anybody may read to what only a few may.
CLASSES = ("public", "internal", "confidential", "restricted")
# What the standard knows of an element, of a table and of a column, be it read here or not.
ELEMENT = "id name physicalName physicalType logicalType description businessName tags quality"
ELEMENT += " authoritativeDefinitions customProperties relationships"
OF_TABLE = {*ELEMENT.split(), "dataGranularityDescription", "properties"}
COLUMN = "logicalTypeOptions primaryKey primaryKeyPosition required unique classification examples"
COLUMN += " partitioned partitionKeyPosition encryptedName criticalDataElement"
COLUMN += " transformSourceObjects transformLogic transformDescription"
OF_COLUMN = {*ELEMENT.split(), *COLUMN.split()}
# A format tells people, the others are checked.
OPTIONS = ("minimum", "maximum", "pattern", "format")
ENGINE, METRIC = "polars-sql", "invalidValues"


class ContractError(ValueError):
    """The contract cannot be read; the message names the file and the place."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, and the values that it may hold (limits inclusive, None for no limit)."""

    name: str
    type: str
    description: str
    classification: str
    required: bool
    unique: bool
    protected: bool
    minimum: float | None
    maximum: float | None
    pattern: str | None
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One data set: its columns, its rules over several columns, and how many bad rows it bears.

    `rules` maps a sentence to a polars SQL expression that must not be false. `known_at` says
    whether its content is known when the decision is taken (`decision`) or only later.
    `lawful_basis` and `retention` are the contract's, or the table's own.
    """

    name: str
    columns: Mapping[str, Column]
    rules: Mapping[str, str]
    quarantine_limit: float
    known_at: str
    description: str = ""
    lawful_basis: str = ""
    retention: str = ""

    @property
    def classification(self) -> str:
        """The class of its most sensitive column."""
        return highest(column.classification for column in self.columns.values())


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract: whose the data is, how long it is kept, and its tables."""

    id: str
    version: str
    owner: str
    retention: str
    tables: Mapping[str, Table]

    def protected(self) -> tuple[str, ...]:
        """Names of the columns that may be used to test for fairness, never by a model."""
        columns = [column for table in self.tables.values() for column in table.columns.values()]
        return tuple(sorted({column.name for column in columns if column.protected}))


def highest(classes: Iterable[str]) -> str:
    """The most sensitive of the classes; `public` if there is none."""
    return max(classes, key=CLASSES.index, default=CLASSES[0])


def load(path: Path) -> Contract:
    """Read the contract; ContractError names the file and what is wrong in it."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        return _contract(document)
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ContractError(f"{path.name}: {reason}") from error


def _contract(document: Mapping[str, Any]) -> Contract:
    if not str(document["apiVersion"]).startswith("v3."):
        raise ValueError(f"apiVersion {document['apiVersion']} is not read here; v3.1.0 is")
    kept = [item for item in document["slaProperties"] if item["property"] == "retention"]
    if not kept:
        raise ValueError("slaProperties: retention is missing")
    periods = {str(item.get("element", "")).partition(".")[0]: _period(item) for item in kept}
    return Contract(
        id=document["id"],
        version=str(document["version"]),
        owner=document["team"]["name"],
        retention=_period(kept[0]),
        tables={
            item["name"]: _table(
                item,
                basis=_custom(document).get("lawfulBasis", ""),
                retention=periods.get(item["name"], _period(kept[0])),
            )
            for item in document["schema"]
        },
    )


def _period(item: Mapping[str, Any]) -> str:
    return f"{item['value']}{item['unit']}"


def _table(item: Mapping[str, Any], basis: str, retention: str) -> Table:
    custom = _custom(item)
    _known(item, OF_TABLE, item["name"])
    return Table(
        name=item["name"],
        columns={entry["name"]: _column(item["name"], entry) for entry in item["properties"]},
        rules=dict(_over_columns(rule, item["name"]) for rule in _checked(item)),
        quarantine_limit=float(custom.get("quarantineLimit", 0.0)),
        known_at=custom.get("knownAt", DECISION),
        description=item.get("description", ""),
        lawful_basis=str(custom.get("lawfulBasis", basis)),
        retention=retention,
    )


def _column(table: str, entry: Mapping[str, Any]) -> Column:
    place = f"{table}.{entry['name']}"
    if entry["logicalType"] not in TYPES:
        raise ValueError(f"{place}: logicalType {entry['logicalType']} is none of {TYPES}")
    if not entry.get("classification"):
        raise ValueError(f"{place}: classification is missing")
    if entry["classification"] not in CLASSES:
        raise ValueError(f"{place}: classification {entry['classification']} is none of {CLASSES}")
    limits = entry.get("logicalTypeOptions") or {}
    _known(entry, OF_COLUMN, place)
    _known(limits, OPTIONS, f"{place}: logicalTypeOptions")
    return Column(
        name=entry["name"],
        type=entry["logicalType"],
        description=entry["description"],
        classification=entry["classification"],
        required=bool(entry.get("required", False)),
        unique=bool(entry.get("unique", False)),
        protected=bool(_custom(entry).get("protected", False)),
        minimum=limits.get("minimum"),
        maximum=limits.get("maximum"),
        pattern=limits.get("pattern"),
        values=tuple(value for rule in _checked(entry) for value in _valid(rule, place)),
    )


def _known(item: Mapping[str, Any], keys: Collection[str], place: str) -> None:
    """A key that is misspelt would be a check that nobody makes."""
    if unknown := sorted(set(map(str, item)) - set(keys)):
        raise ValueError(f"{place}: {', '.join(unknown)}: no key that is known or checked here")


def _checked(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its quality rules, without those that are text for people."""
    return [rule for rule in item.get("quality") or () if rule.get("type") != "text"]


def _over_columns(rule: Mapping[str, Any], table: str) -> tuple[str, str]:
    """The sentence and the expression of a rule of a table."""
    if rule.get("engine") != ENGINE or not {"name", "implementation"} <= rule.keys():
        wanted = f"engine {ENGINE}, name and implementation"
        raise ValueError(f"{table}: quality: a rule of a table has {wanted}, not {dict(rule)}")
    return rule["name"], rule["implementation"]


def _valid(rule: Mapping[str, Any], place: str) -> list[str]:
    """The values that a rule of a column allows."""
    arguments = rule.get("arguments")
    if rule.get("metric") != METRIC or not isinstance(arguments, Mapping):
        wanted = f"metric {METRIC} and arguments"
        raise ValueError(f"{place}: quality: a rule of a column has {wanted}, not {dict(rule)}")
    _known(arguments, ["validValues"], f"{place}: quality: arguments")
    return [str(value) for value in arguments["validValues"]]


def _custom(item: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["property"]: pair["value"] for pair in item.get("customProperties", ())}
