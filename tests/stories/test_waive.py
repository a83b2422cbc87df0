"""`waive`: somebody answers for a deviation until a day, and the check knows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.approving import assessed
from tests.kit import cli, put, rules, snapshot

AUDIT = "src/small_thing/controls/audit.py"
PEOPLE = ("--owner", "team@x.example", "--approver", "lead@x.example")
WHO = ("--reason", "agreed with platform", *PEOPLE, "--until", "2999-12-31")


def later(days: int) -> str:
    """The date so many days from now."""
    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)).isoformat()


def test_a_waived_edit_is_no_drift(project: Path) -> None:
    """The check says by whom and until when."""
    put(project, {AUDIT: "edited = 1\n"})
    assert ("AF002", AUDIT) in rules(project)
    result = cli("waive", "AF002", AUDIT, *WHO, cwd=project)
    assert (result.code, result.out) == (
        0,
        f"AF002 of {AUDIT} is waived until 2999-12-31: commit .ai-factory/waivers.yaml\n",
    )
    assert [rule for rule, path in rules(project) if path == AUDIT] == ["AF010"]
    assert (project / ".ai-factory/waivers.yaml").read_text().splitlines()[1:] == [
        "  - rule: AF002",
        "    reason: agreed with platform",
        "    owner: team@x.example",
        "    approver: lead@x.example",
        "    until: 2999-12-31",
        f"    path: {AUDIT}",
    ]


def test_a_second_one_takes_the_place_of_the_first(project: Path) -> None:
    """Comments and the other waivers stay."""
    cli("waive", "AF002", AUDIT, *WHO, cwd=project)
    cli("waive", "AF007", "MOD-06", *WHO[:-1], later(300), cwd=project)
    file = project / ".ai-factory/waivers.yaml"
    file.write_text(file.read_text().replace("  control: MOD-06", "  control: MOD-06 # see the minutes"))
    result = cli("waive", "AF002", AUDIT, *WHO[:-1], "2999-01-01", cwd=project)
    assert result.err == "it takes the place of the one until 2999-12-31\n"
    text = file.read_text()
    assert (text.count("rule: AF002"), text.count("2999-01-01"), text.count("# see the minutes")) == (1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("AF002", AUDIT, *WHO[:4], "--approver", "Team@x.example ", *WHO[6:]),
            "the waiver would not hold: it is approved by its own owner",
        ),
        (("AF002", AUDIT, *WHO[:-1], "2020-01-01"), "the waiver would not hold: it expired on 2020-01-01"),
        (("AF002", AUDIT, *WHO[:-1], "soon"), "`soon` is no date"),
        (("AF002", "nowhere.py", *WHO), "`nowhere.py` is no file here, and no control"),
        (("AF005", AUDIT, *WHO), "`AF005` cannot be waived"),
        (("AF0002", AUDIT, *WHO), "`AF0002` cannot be waived; did you mean `AF002`?"),
        (("AF007", AUDIT, *WHO), "AF007 is about a control"),
        (("AF002", AUDIT, "--reason", " ", *WHO[2:]), "`--reason` is empty"),
        (("AF002", AUDIT, *WHO[:2], "--owner", "Team", *WHO[4:]), "`--owner Team` is no bare address"),
        (("AF002", AUDIT, *WHO[:4], "--approver", "lead@x.example.", *WHO[6:]), "`--approver lead@x.example.` is no"),
        (("AF007", "MOD-06", *WHO), "until 2999-12-31: a control is waived for at most a year"),
        (("AF007", "GOV-06", *WHO[:-1], later(300)), "GOV-06 cannot be waived: approvals are given"),
        (("AF002", AUDIT, *WHO[:-2]), "Missing option '--until'"),
    ],
)
def test_one_that_would_not_hold_is_not_written(project: Path, arguments: tuple[str, ...], message: str) -> None:
    before = snapshot(project)
    result = cli("waive", *arguments, cwd=project)
    assert result.code == 2
    assert message in result.err
    assert snapshot(project) == before


@pytest.mark.parametrize("text", ["[]\n", "# ours\n[]\n", "~\n", ""])
def test_an_empty_list_takes_a_row(project: Path, text: str) -> None:
    """Its comments stay, and the check can read what was made."""
    put(project, {".ai-factory/waivers.yaml": text})
    assert cli("waive", "AF002", AUDIT, *WHO, cwd=project).code == 0
    assert "AF005" not in {rule for rule, _ in rules(project)}
    assert ("# ours" in (project / ".ai-factory/waivers.yaml").read_text()) is ("ours" in text)


def test_a_control_that_law_asks_for_is_not_waived(project: Path, tmp_path: Path) -> None:
    """Nor one that there is none of."""
    assessed(project, tmp_path, "eu-retail-credit")
    result = cli("waive", "AF007", "GOV-05", *WHO[:-1], later(300), cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: law in force asks for GOV-05: no waiver holds")
    result = cli("waive", "AF007", "GOV-77", *WHO[:-1], later(300), cwd=project)
    assert "there is no control `GOV-77`" in result.err


def test_waivers_that_cannot_be_read_stay_as_they_are(project: Path) -> None:
    put(project, {".ai-factory/waivers.yaml": "- rule: AF002\n"})
    result = cli("waive", "AF002", AUDIT, *WHO, cwd=project)
    assert (result.code, (project / ".ai-factory/waivers.yaml").read_text()) == (2, "- rule: AF002\n")


def test_one_that_could_not_be_read_again_is_not_written(project: Path) -> None:
    """A file has room for so many."""
    put(project, {".ai-factory/waivers.yaml": f"# {'x' * (256 * 1024 - 10)}\n"})
    before = snapshot(project)
    result = cli("waive", "AF002", AUDIT, *WHO, cwd=project)
    assert (result.code, snapshot(project)) == (2, before)
    assert result.err.splitlines()[0] == "error: `.ai-factory/waivers.yaml` is larger than 262144 bytes"
