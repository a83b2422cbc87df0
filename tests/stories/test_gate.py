"""`gate`: what stands in the way of a release, for the right reason."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.approving import DAY, assessed
from tests.kit import cli, commit, git, put, small_factory, small_project, snapshot
from tests.test_map import OVERLAY

ROOT = Path(__file__).parent.parent.parent


def statuses(project: Path) -> dict[str, str]:
    """How each control that is required now stands."""
    found = cli("gate", *DAY, "--json", cwd=project).data["controls"]
    return {row["control"]: row["status"] for row in found if row["verdict"] == "required now"}


def test_without_facts_nothing_is_known(project: Path) -> None:
    """Exit 2: nobody can say what is required."""
    result = cli("gate", cwd=project)
    assert result.code == 2
    assert result.err.startswith(
        "error: `governance/facts.yaml`: what applies is not known, for these are not answered"
    )
    assert "hint: `ai-factory assess` asks for them" in result.err


def test_each_failure_says_what_asks_for_it_and_what_is_missing(project: Path, tmp_path: Path) -> None:
    """Exit 1, and nothing is written."""
    assessed(project, tmp_path)
    before = snapshot(project)
    result = cli("gate", *DAY, cwd=project)
    assert result.code == 1
    lines = result.out.splitlines()
    place = lines.index("GOV-01 System registration and ownership: fail")
    assert lines[place + 1 : place + 4] == [
        "  asked for by the tier of the system; another than its owner may waive it",
        "  governance/system.yaml: is missing (GOV-01 System registration and ownership; business owner acts)",
        "    hint: bring it back",
    ]
    assert lines[-2].startswith("gate failed: tier low, 14 controls required now: ")
    assert snapshot(project) == before


def test_what_the_factory_answers_for_is_looked_at(project: Path, tmp_path: Path) -> None:
    """An edit of a managed file fails the control that it is evidence for, and the one on drift."""
    assessed(project, tmp_path)
    assert statuses(project)["GOV-08"] == "pass"
    put(project, {"src/small_thing/controls/audit.py": "def record() -> None:\n    return\n"})
    found = cli("gate", *DAY, "--json", cwd=project).data
    (row,) = [row for row in found["controls"] if row["control"] == "GOV-08"]
    assert (found["passed"], row["status"], row["gaps"][0]["path"]) == (
        False,
        "fail",
        "src/small_thing/controls/audit.py",
    )


def test_a_control_that_only_the_tier_asks_for_can_be_waived(project: Path, tmp_path: Path) -> None:
    """Until its day, and by another than its owner; then it stands in the way again."""
    assessed(project, tmp_path)
    row = "- {{rule: AF007, control: GOV-01, reason: new, owner: a@x, approver: {}, until: '{}'}}\n"
    put(project, {".ai-factory/waivers.yaml": row.format("b@x", "2026-12-31")})
    assert statuses(project)["GOV-01"] == "waived"
    later = cli("gate", "--as-of", "2027-01-01", "--json", cwd=project).data
    assert next(one for one in later["controls"] if one["control"] == "GOV-01")["status"] == "fail"
    assert "AF008" in {finding["rule"] for finding in later["findings"]}
    put(project, {".ai-factory/waivers.yaml": row.format("a@x", "2026-12-31")})
    assert statuses(project)["GOV-01"] == "fail"


def test_a_waiver_by_path_lifts_no_control(project: Path, tmp_path: Path) -> None:
    """Nor one with both: the gate's waivers name a control, and nothing else."""
    assessed(project, tmp_path, "eu-retail-credit")
    before = statuses(project)
    who = "reason: r, owner: a@x, approver: b@x, until: '2999-01-01'"
    places = {finding["path"] for finding in cli("gate", *DAY, "--json", cwd=project).data["findings"]}
    rows = [f"- {{rule: AF007, path: '{path}', {who}}}\n" for path in sorted(places)]
    put(
        project, {".ai-factory/waivers.yaml": "".join([*rows, f"- {{rule: AF007, path: x, control: GOV-01, {who}}}\n"])}
    )
    assert statuses(project) == {**before, "GOV-09": before["GOV-09"]}
    assert "the waiver of AF007 names no control alone" in cli("gate", *DAY, cwd=project).out


def test_a_waiver_holds_for_no_approval_and_no_longer_than_a_year(project: Path, tmp_path: Path) -> None:
    """Whoever wrote the row by hand is told."""
    assessed(project, tmp_path)
    row = "- {{rule: AF007, control: {}, reason: r, owner: a@x, approver: b@x, until: '{}'}}\n"
    put(project, {".ai-factory/waivers.yaml": row.format("GOV-06", "2026-12-31") + row.format("GOV-01", "2027-11-27")})
    found = cli("gate", *DAY, "--json", cwd=project).data
    assert [one["message"] for one in found["findings"] if one["rule"] == "AF008"] == [
        "the waiver of GOV-06 does not hold: approvals are given, not waived",
        "the waiver of GOV-01 does not hold: it runs for more than a year",
    ]
    assert {row["control"] for row in found["controls"] if row["status"] == "waived"} == set()
    assert not next(row for row in found["controls"] if row["control"] == "GOV-06")["may_be_waived"]
    put(project, {".ai-factory/waivers.yaml": row.format("GOV-01", "2027-11-26")})
    assert statuses(project)["GOV-01"] == "waived"


def test_a_factory_that_cannot_be_read_may_ask_for_more(project: Path, tmp_path: Path, factory: Path) -> None:
    """Nothing is judged by another map than the project's."""
    assessed(project, tmp_path)
    factory.rename(tmp_path / "elsewhere")
    result = cli("gate", *DAY, cwd=project)
    assert (result.code, result.out) == (2, "")
    assert "cannot be read here, and its map may ask for more" in result.err
    told = cli("explain", "GOV-01", cwd=project)
    said = f"  the factory `{factory}` cannot be read here: this is the embedded text, and the factory may ask for more"
    assert (told.code, said in told.out.splitlines()) == (0, True)
    result = cli("explain", "FIRM-99", cwd=project)
    assert (result.code, result.err.splitlines()) == (
        2,
        [
            f"error: the factory `{factory}` cannot be read here, and our own map has no control `FIRM-99`",
            "hint: `ai-factory status --remote` fetches it",
        ],
    )


def test_a_control_of_an_overlay_is_explained(tmp_path: Path) -> None:
    """As the gate asks for it: the firm's own controls, and floors that it raised."""
    factory = small_factory(tmp_path / "factory")
    put(factory, {"controls/overlay.yaml": OVERLAY})
    commit(factory)
    git(factory, "tag", "v9.0.0")
    project = small_project(tmp_path / "p", factory, version="v9.0.0")
    told = cli("explain", "FIRM-01", "--json", cwd=project).data
    assert (told["title"], told["intent"], told["tier_floor"], told["verified"], told["unread"]) == (
        "A second pair of eyes",
        "Two people look at each change of a model.",
        "high",
        "",
        "",
    )
    assert cli("explain", "MOD-06", "--json", cwd=project).data["tier_floor"] == "medium"
    assert cli("explain", "MOD-06", "--json", cwd=tmp_path).data["tier_floor"] == "high"


def test_no_waiver_holds_where_law_in_force_asks(project: Path, tmp_path: Path) -> None:
    """It is told as a finding of its own."""
    assessed(project, tmp_path, "eu-retail-credit")
    row = "- {rule: AF007, control: GOV-05, reason: late, owner: a@x, approver: b@x, until: '2026-12-31'}\n"
    put(project, {".ai-factory/waivers.yaml": row})
    assert statuses(project)["GOV-05"] == "fail"
    result = cli("gate", *DAY, cwd=project)
    assert (
        "AF008 error: .ai-factory/waivers.yaml the waiver of GOV-05 does not hold: law in force asks for it"
        in result.out
    )


def test_a_duty_to_come_blocks_from_its_day_on(project: Path, tmp_path: Path) -> None:
    """What law requires by a date is required from that date on: Colorado's notice, where people are hired."""
    change = {"decision_type": "hiring", "affects": ["employees"], "effect": "significant", "sector": "other"}
    assessed(project, tmp_path, "us-card-credit", **change)
    for day, verdict, blocks in (("2026-12-31", "required by", False), ("2027-01-01", "required now", True)):
        rows = cli("gate", "--as-of", day, "--json", cwd=project).data["controls"]
        (row,) = [row for row in rows if row["control"] == "TRA-02"]
        assert (row["verdict"], row["date"], row["blocks"]) == (verdict, "2027-01-01", blocks)


def test_today_is_the_default(project: Path, tmp_path: Path) -> None:
    assessed(project, tmp_path)
    assert cli("gate", "--json", cwd=project).data["as_of"] == dt.datetime.now(dt.UTC).date().isoformat()


@pytest.mark.parametrize("option", ["--format", "--as-of", "--signers"])
def test_an_option_without_its_value_is_refused(option: str, project: Path) -> None:
    """A job has not set the variable: without it, another question would be answered."""
    for arguments in ((option, ""), (f"{option}=",)):
        result = cli("gate", *arguments, cwd=project)
        assert (result.code, result.err.splitlines()[0]) == (2, f"error: `{option}` is empty")


def test_what_is_wanted_and_not_applied_is_a_warning(project: Path, tmp_path: Path) -> None:
    """AF012: it stands in no way of a release, and a reader should know."""
    assessed(project, tmp_path)
    before = cli("gate", *DAY, "--json", cwd=project).data
    place = project / ".ai-factory/project.yaml"
    place.write_text(place.read_text().replace("small thing", "other thing") + "with: [nice]\nwithout: [extras]\n")
    found = cli("gate", *DAY, "--json", cwd=project).data
    told = [(row["level"], row["message"]) for row in found["findings"] if row["rule"] == "AF012"]
    assert told == [
        ("warning", "the answer `use_case` is 'other thing', applied is 'small thing'"),
        ("warning", "the component `nice` is not applied"),
        ("warning", "the component `extras` is no longer wanted"),
    ]
    assert (found["passed"], len(found["findings"])) == (before["passed"], len(before["findings"]) + 3)
