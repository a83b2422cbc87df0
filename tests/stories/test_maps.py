"""`map diff` and `map impact`: a change of law is rehearsed before any file moves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kit import cli, snapshot
from tests.stories.test_gate import DAY, assessed

ROOT = Path(__file__).parent.parent.parent
MARCH = str(ROOT / "docs/examples/map-2026-03-01")
NOW = str(ROOT / "controls")


def test_two_maps_differ_by_rows_and_fields() -> None:
    """The AI Act's dates, and the guidance that took the place of SR 11-7."""
    found = cli("map", "diff", MARCH, NOW, "--json").data["changes"]
    rows = {(row["kind"], row["name"]): row for row in found}
    assert rows["requirement", "EUAIA-9"]["fields"] == {"applies_from": {"before": "2026-08-02", "after": "2027-12-02"}}
    assert rows["instrument", "SR262"]["what"] == "added"
    assert rows["instrument", "SR117"]["what"] == "removed"
    assert rows["condition", "us_bank_model"]["what"] == "changed"
    assert rows["control", "MOD-03"]["fields"] == {
        "refs": {"before": "SR117-USE, SR117-VAL", "after": "SR262-USE, SR262-VAL"}
    }
    assert {row["kind"] for row in found} == {"condition", "instrument", "requirement", "control"}


def test_the_same_map_differs_in_nothing() -> None:
    """The embedded one, and its folder."""
    assert cli("map", "diff", NOW).out.splitlines()[0] == "the maps say the same"


def test_the_impact_is_told_for_each_project(project: Path, tmp_path: Path) -> None:
    """By its facts; a project that was not assessed stops no other, and nothing is written."""
    other = shutil.copytree(project, tmp_path / "other")
    assessed(project, tmp_path, "us-aml-alerts", genai=True, quantitative_model=False)
    before = snapshot(project)
    found = cli("map", "impact", MARCH, str(project), str(other), *DAY, "--json").data["projects"]
    assert found[1]["unknown"].startswith("these facts are not answered as both maps ask: affects, agentic")
    duties = {row["name"]: (row["before"], row["after"]) for row in found[0]["duties"]}
    assert duties["SR117-VAL"] == ("does not apply", "applies since 2011-04-04")
    assert "SR262-VAL" not in duties
    assert snapshot(project) == before


def test_what_is_gained_and_lost_is_counted(project: Path, tmp_path: Path) -> None:
    """A map in which a control has no duty and a floor that nobody reaches loses it."""
    assessed(project, tmp_path)
    shutil.copytree(NOW, tmp_path / "map")
    file = tmp_path / "map/controls.yaml"
    head, mark, rest = file.read_text("utf-8").partition("  - id: GOV-07\n")
    file.write_text(head + mark + rest.replace("tier_floor: low", "tier_floor: critical", 1), "utf-8")
    result = cli("map", "impact", str(tmp_path / "map"), str(project), str(project), *DAY)
    lines = result.out.splitlines()
    assert lines[0] == f"{project}: tier low; controls: 0 gained, 1 lost, 0 otherwise; 0 duties otherwise"
    assert lines[1] == "  GOV-07: required now → does not apply (Role-based AI literacy)"
    assert lines[4] == "GOV-07: gained by 0, lost by 2 of 2 projects"


@pytest.mark.parametrize("address", ["nowhere", "ext::sh -c true"])
def test_an_address_without_a_map(address: str, tmp_path: Path) -> None:
    assert cli("map", "diff", address, cwd=tmp_path).code == 2


def test_a_factory_without_a_map(factory: Path) -> None:
    result = cli("map", "diff", f"{factory}@v1.0.0")
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `{factory}@v1.0.0` has no map")
