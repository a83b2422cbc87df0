"""`map diff` and `map impact`: a change of law is rehearsed before any file moves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.approving import DAY, assessed
from tests.kit import cli, snapshot

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
    assert {row["kind"] for row in found} == {"condition", "instrument", "requirement", "control", "screen"}


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


def edited(folder: Path, *changes: tuple[str, str, str]) -> str:
    """The map as it is now, in a folder, some words of its documents changed."""
    shutil.copytree(NOW, folder)
    for name, old, new in changes:
        file = folder / f"{name}.yaml"
        text = file.read_text("utf-8")
        assert old in text, old
        file.write_text(text.replace(old, new, 1), "utf-8")
    return str(folder)


EVERYWHERE = (  # a change in each part of a map that changes no control
    (
        "clocks",
        "within: 72 hours}\n      - {what: notice to the people where",
        "within: 48 hours}\n      - {what: notice to the people where",
    ),
    ("retention", "least: 25 months", "least: 30 months"),
    ("tiers", "low: {from: 0, roles: [business owner]}", "low: {from: 0, roles: [risk]}"),
    (
        "assessment",
        "screen:\n",
        "screen:\n  - {use: reads minds, cite: Art. 99, since: '2027-01-01', verified: recall}\n",
    ),
    ("assessment", "ask: Which line of business uses it?", "ask: Who uses it?"),
    ("facts", "contradictions:\n", "contradictions:\n  - {when: {genai: true}, says: nothing is generated here}\n"),
)


def test_every_document_of_a_map_is_compared(tmp_path: Path) -> None:
    """Roles of a tier, rows of the screen, contradictions and questions, too."""
    found = cli("map", "diff", NOW, edited(tmp_path / "map", *EVERYWHERE), "--json").data["changes"]
    clock = "notice to the authority: {} hours"
    assert [(row["kind"], row["name"], row["what"], row["fields"]) for row in found] == [
        ("retention", "REGB-12.consumer", "changed", {"least": {"before": "25 months", "after": "30 months"}}),
        ("clock", "EU-GDPR", "changed", {"deadlines": {"before": clock.format(72), "after": clock.format(48)}}),
        ("tier", "low", "changed", {"roles": {"before": "business owner", "after": "risk"}}),
        (
            "question",
            "sector",
            "changed",
            {"ask": {"before": "Which line of business uses it?", "after": "Who uses it?"}},
        ),
        ("screen", "reads minds", "added", {}),
        ("contradiction", "nothing is generated here", "added", {}),
    ]


def test_the_impact_names_all_that_changes(project: Path, tmp_path: Path) -> None:
    """Clocks, periods, roles, questions of the screen and contradictions, each by the project's own facts."""
    assessed(project, tmp_path, "eu-retail-credit", jurisdictions=["EU", "US"], genai=True)
    roles = (
        "tiers",
        "roles: [business owner, risk, independent validation, data protection, executive]",
        "roles: [risk]",
    )
    high = ("tiers", "high: {from: 15, roles: [business owner,", "high: {from: 15, roles: [")
    address = edited(tmp_path / "map", *EVERYWHERE, roles, high)
    (found,) = cli("map", "impact", address, str(project), *DAY, "--json").data["projects"]
    assert (found["controls"], found["duties"]) == ([], [])
    (clock,) = found["clocks"]
    assert clock["name"] == "EU-GDPR"
    assert [clock[part].partition(";")[0] for part in ("before", "after")] == [
        "notice to the authority: 72 hours",
        "notice to the authority: 48 hours",
    ]
    (row,) = found["retention"]
    assert (row["name"], row["before"].partition(",")[0], row["after"].partition(",")[0]) == (
        "REGB-12.consumer",
        "at least 25 months",
        "at least 30 months",
    )
    assert {"name": "business owner", "before": "has to approve", "after": "does not approve"} in found["roles"]
    assert found["unanswered"] == ["screen: it reads minds (Art. 99, from 2027-01-01)"]
    assert found["contradictions"] == ["nothing is generated here"]
    head = cli("map", "impact", address, str(project), *DAY).out.splitlines()[0]
    assert "1 clock otherwise; 1 retention row otherwise; " in head
    assert head.endswith("1 question not answered yet; 1 contradiction")


def test_guidance_that_becomes_law_is_an_effect(project: Path, tmp_path: Path) -> None:
    """Though it applies as before, and its controls are required by the tier anyhow."""
    assessed(project, tmp_path, "us-aml-alerts")
    head = 'title: "US interagency model risk guidance: SR 26-2 / OCC 2026-13 / FIL-15-2026 (17 Apr 2026)"\n'
    address = edited(tmp_path / "map", ("instruments", f"{head}    binding: false", f"{head}    binding: true"))
    (found,) = cli("map", "impact", address, str(project), *DAY, "--json").data["projects"]
    duties = {row["name"]: (row["before"], row["after"]) for row in found["duties"]}
    assert duties["SR262-VAL"] == ("applies since 2026-04-17, as guidance", "applies since 2026-04-17, as law")


def test_what_a_new_map_asks_is_named(project: Path, tmp_path: Path) -> None:
    """A question of a fact that nobody answered; a fact that the new map drops is none."""
    assessed(project, tmp_path)
    fact = "facts:\n  moods: {type: bool, help: whether it has moods, unused: to try it}\n"
    question = "questions:\n  - {sets: [moods], ask: Does it have moods?, why: To know.}\n"
    address = edited(tmp_path / "map", ("facts", "facts:\n", fact), ("assessment", "questions:\n", question))
    result = cli("map", "impact", address, str(project), *DAY, "--json")
    (found,) = result.data["projects"]
    assert (result.code, found["unanswered"]) == (2, ["moods: Does it have moods?"])
    assert found["unknown"] == "these facts are not answered as both maps ask: moods"


@pytest.mark.parametrize(
    ("old", "new"), [("low: {from: 0", "low: {from: 99"), ('"1000": 1', '"abc": 1'), ("phi: 2", "phi: -99")]
)
def test_the_impact_of_a_broken_map_is_a_sentence(old: str, new: str, project: Path, tmp_path: Path) -> None:
    """With file and line, of `map lint` too."""
    assessed(project, tmp_path)
    address = edited(tmp_path / "map", ("tiers", old, new))
    result = cli("map", "impact", address, str(project), *DAY)
    (line,) = [number for number, text in enumerate((tmp_path / "map/tiers.yaml").open(), 1) if new in text]
    assert (result.code, result.err.partition(": `")[2].partition(": ")[0]) == (2, f"controls/tiers.yaml` line {line}")
    assert cli("map", "lint", address).code == 1


@pytest.mark.parametrize("address", ["nowhere", "ext::sh -c true"])
def test_an_address_without_a_map(address: str, tmp_path: Path) -> None:
    assert cli("map", "diff", address, cwd=tmp_path).code == 2


def test_a_factory_without_a_map(factory: Path) -> None:
    result = cli("map", "diff", f"{factory}@v1.0.0")
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `{factory}@v1.0.0` has no map")
