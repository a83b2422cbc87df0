"""The contract is read as it stands, and a mistake in it names the place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from case_records.controls.contract import ContractError, load

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


def test_text_that_is_not_yaml_is_a_contract_error(tmp_path: Path) -> None:
    """The parser's own complaint, with the file's name before it."""
    file = tmp_path / "broken.yaml"
    file.write_text("schema: [")
    with pytest.raises(ContractError, match=r"broken\.yaml"):
        load(file)
