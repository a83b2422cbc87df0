"""Governance over many systems: a change of law, the graph, an incident to its end, the catalogue, evaluations."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ai_factory import documents
from ai_factory.fleet.governance import incident_files
from ai_factory.fleet.governance.incidents import Deed
from ai_factory.tree import File
from ai_factory.workspace import Folder
from tests.approving import ROOT
from tests.fleet.kit import allow_filters, served
from tests.fleet.systems import DAY, about, bom, contract, evidence, facts, registry, result, system
from tests.kit import Result, cli, commit, git, put, snapshot
from tests.trust.web import serving

MARCH = str(ROOT / "docs/examples/map-2026-03-01")
NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
OPEN = ("fleet", "incident", "open", "--by", "ops@example.org")


@pytest.fixture
def small(project: Path) -> Path:
    commit(project)
    return project


@pytest.fixture
def fleet(small: Path, factory: Path, tmp_path: Path) -> Path:
    """Credit, which was assessed, has a dataset and a model; a portal that asks it, and was not; one out of reach."""
    credit = system(
        tmp_path / "credit",
        small,
        {
            "governance/system.yaml": about("credit", "risk"),
            "governance/facts.yaml": facts("eu-retail-credit"),
            "contracts/a.odcs.yaml": contract("applications"),
            "evidence/bom.json": bom(),
            "evidence/evaluation.json": evidence("evaluation", {"results": [result("auc", 0.8)]}),
        },
    )
    portal = system(
        tmp_path / "portal",
        small,
        {
            "governance/system.yaml": about("portal", "channels"),
            "governance/dependencies.yaml": {"services": [{"name": "credit", "purpose": "asks for limits"}]},
        },
    )
    return registry(tmp_path / "fleet", factory, {"url": credit}, {"url": portal, "owner": "front office"})


@pytest.fixture
def at_noon() -> Iterator[None]:
    with patch("ai_factory.cli.fleets.incident.now", lambda: NOW):
        yield


def with_lost(fleet: Path) -> None:
    """One more project, in a folder that is no repository."""
    data = documents.load((fleet / "fleet.yaml").read_bytes(), "fleet")
    data["projects"].append({"url": str(fleet)})
    (fleet / "fleet.yaml").write_bytes(documents.write(data))


# ---- a change of law -----------------------------------------------------------------------------


def test_a_new_map_is_told_by_owner_with_duty_and_date(fleet: Path, tmp_path: Path) -> None:
    """Who gains which control, by which requirement, from when; who was not assessed is not determined; exit 3."""
    before = {name: snapshot(tmp_path / name) for name in ("credit", "portal", "fleet")}
    found = cli("fleet", "impact", "--map", MARCH, *DAY, "--json", cwd=fleet)
    assert found.code == 3
    rows = {row["owner"]: row for row in found.data["systems"]}
    assert rows["front office"]["unknown"].startswith("these facts are not answered as both maps ask: affects")
    duties = {row["name"]: row["after"] for row in rows["risk"]["duties"]}
    assert duties["EUAIA-9"] == "applies since 2026-08-02"
    assert {name: snapshot(tmp_path / name) for name in before} == before


REFS = "refs: [EUAIA-4, EUAIA-26, FREEAI-10, MASAIRM-61, NIST-RMF, ISO-A]"


def test_a_control_says_which_duty_asks_for_it(fleet: Path, tmp_path: Path) -> None:
    """By the map that asks for more: the new one where it is gained, the one that was where it is lost."""
    shutil.copytree(ROOT / "controls", tmp_path / "map")
    file = tmp_path / "map/controls.yaml"
    head, mark, rest = file.read_text("utf-8").partition("  - id: GOV-07\n")
    assert (mark, REFS in rest) == ("  - id: GOV-07\n", True)
    row = rest.partition("\n  - id: ")[0]
    gained = mark.replace("07", "99") + row.replace(REFS, "refs: [GDPR-33]") + "\n"
    lost = mark + rest.replace("tier_floor: low", "tier_floor: critical", 1).replace(REFS, "refs: [HIPAA-404]", 1)
    text = head + gained + lost
    for name, fact in (("MOD-07", "third_party_model"), ("MOD-08", "genai")):
        before, mark, after = text.partition(f"  - id: {name}\n")
        text = before + mark + after.replace(f"    only_if: {{{fact}: true}}\n", "", 1)
    file.write_text(text, "utf-8")
    found = cli("fleet", "impact", "--map", str(tmp_path / "map"), *DAY, cwd=fleet)
    assert found.code == 3, found.err
    assert [line for line in found.out.splitlines() if "not answered" not in line] == [
        "front office",
        "risk",
        f"  {tmp_path / 'credit'}: tier high",
        "    gains GOV-99: not in the map → required now (Role-based AI literacy)",
        "      by GDPR-33, Art. 33-34, from 2018-05-25 (law)",
        "    loses GOV-07: required now → does not apply (Role-based AI literacy)",
        "      by EUAIA-4, Art. 4 (as replaced), from 2025-02-02 (law)",
        "      by EUAIA-26, Art. 26(1),(2),(4)-(7),(9),(11), from 2027-12-02 (law)",
        "    gains MOD-07: does not apply → required now (Third-party and foundation model control)",
        "      by no duty: its inherent tier asks for it",
        "    gains MOD-08: does not apply → required now (GenAI evaluation and red team)",
        "      by EUAIA-15, Art. 15(1)-(5), from 2027-12-02 (law)",
        "2 systems: 1 not determined, 0 not read",
        "GOV-07: gained by 0, lost by 1",
        "GOV-99: gained by 1, lost by 0",
        "MOD-07: gained by 1, lost by 0",
        "MOD-08: gained by 1, lost by 0",
        "the map is in our own words and unreviewed by counsel: this is no legal advice",
    ]


def test_a_factory_that_the_fleet_does_not_trust_gives_no_map(fleet: Path) -> None:
    """What a project says of its own origin is not believed: what applies to it is not determined."""
    data = documents.load((fleet / "fleet.yaml").read_bytes(), "fleet")
    (fleet / "fleet.yaml").write_bytes(documents.write({"projects": data["projects"]}))
    found = cli("fleet", "impact", "--map", MARCH, *DAY, "--json", cwd=fleet)
    assert found.code == 3
    told = [row["unknown"] for row in found.data["systems"]]
    assert all(one.endswith("which the fleet does not trust (AF005)") for one in told)


# ---- the graph -----------------------------------------------------------------------------------


def test_the_graph_names_who_depends_on_whom(fleet: Path, tmp_path: Path) -> None:
    """As text, and as nodes and edges; one that cannot be read is told, and the exit code is 3."""
    with_lost(fleet)
    found = cli("fleet", "graph", "--kind", "model", cwd=fleet)
    credit, portal = tmp_path / "credit", tmp_path / "portal"
    assert (found.code, found.out.splitlines()) == (
        3,
        [
            f"credit ({credit}), risk",
            "  → model r-1: uses it (evidence/bom.json)",
            "  ← system portal: asks for limits (governance/dependencies.yaml)",
            f"portal ({portal}), front office",
            "  → system credit: asks for limits (governance/dependencies.yaml)",
            f"not read: {fleet}: `{fleet}` is no git repository (permission)",
            "1 model, 2 systems",
        ],
    )
    data = cli("fleet", "graph", "--json", cwd=fleet).data
    ends = {"source": f"system:{portal}", "target": f"system:{credit}", "words": "asks for limits"}
    assert {**ends, "where": "governance/dependencies.yaml"} in data["edges"]
    assert [row["system"] for row in data["unread"]] == [str(fleet)]


HOSTILE = '"];x[\\"=1+1\n::error::\x1b[31m"]|<b>@all `rm` #1 %%'


@pytest.fixture
def hostile(small: Path, factory: Path, tmp_path: Path) -> Path:
    """A system all of whose words are written against whoever reads them."""
    told = about(HOSTILE, HOSTILE)
    files: Mapping[str, Any] = {
        "governance/system.yaml": told,
        "governance/facts.yaml": facts("eu-retail-credit"),
        "contracts/a.odcs.yaml": contract(HOSTILE, HOSTILE, team={"name": HOSTILE}, tags=[HOSTILE]),
        "evidence/bom.json": bom(HOSTILE),
        "evidence/model.json": evidence("model", {"version": HOSTILE, "model": HOSTILE}),
        "evidence/evaluation.json": evidence(
            "evaluation", {"model_version": HOSTILE, "results": [result(HOSTILE, 0.5, HOSTILE, slice=HOSTILE)]}
        ),
        "governance/dependencies.yaml": {"services": [{"name": HOSTILE, "purpose": HOSTILE}]},
    }
    place = system(tmp_path / "hostile", small, files)
    return registry(tmp_path / "fleet", factory, {"url": place})


def test_hostile_names_stay_names(hostile: Path) -> None:
    """In every format of every command: no line is forged, no order given, nothing is a formula or markup."""
    outputs = [
        cli("fleet", *command, cwd=hostile)
        for command in (
            ["graph"],
            ["graph", "--format", "dot"],
            ["graph", "--format", "mermaid"],
            ["catalog"],
            ["compare"],
            ["compare", "--csv"],
            ["compare", "--markdown"],
            ["impact", "--map", MARCH, *DAY],
        )
    ]
    for one in outputs:
        assert (one.code, one.err) == (0, "")
        assert "\x1b" not in one.out
        assert not any(line.lstrip().startswith("::") for line in one.out.splitlines())
    assert json.loads(cli("fleet", "graph", "--json", cwd=hostile).out)["nodes"]
    markdown = outputs[6].out
    assert "<b>" not in markdown.replace("\\<b\\>", "")
    assert all(line.count("|") - line.count("\\|") == 13 for line in markdown.splitlines() if line.startswith("|"))
    mermaid = outputs[2].out.splitlines()
    assert all(line.count('"') in (0, 2) for line in mermaid)


def test_a_table_for_spreadsheets_holds_no_formula(small: Path, factory: Path, tmp_path: Path) -> None:
    """A metric that begins with `=` has an apostrophe before it."""
    record = evidence("evaluation", {"results": [result("=cmd()", 0.5)]})
    place = system(tmp_path / "sheet", small, {"evidence/evaluation.json": record})
    found = cli("fleet", "compare", "--csv", cwd=registry(tmp_path / "fleet", factory, {"url": place}))
    (row,) = csv.DictReader(io.StringIO(found.out))
    assert (row["metric"], row["value"], row["system"]) == ("'=cmd()", "0.5", place)


# ---- an incident ---------------------------------------------------------------------------------


def opened(fleet: Path, *more: str) -> Result:
    return cli(*OPEN, "--found", "2026-11-26T10:00+01:00", *more, "--json", cwd=fleet)


def deadlines(found: Mapping[str, Any], key: str, clock: str) -> dict[str, tuple[str, str | None]]:
    system_ = next(row for row in found["systems"] if row["system"] == key)
    row = next(one for one in system_["clocks"] if one["id"] == clock)
    return {one["what"]: (one["state"], one["ends"]) for one in row["deadlines"]}


@pytest.mark.usefixtures("at_noon")
def test_an_incident_from_its_opening_to_its_end(fleet: Path, tmp_path: Path) -> None:
    """Who is reached and why, which clocks run; notes, notices and closings; nothing is written into a system."""
    credit, portal = str(tmp_path / "credit"), str(tmp_path / "portal")
    before = {name: snapshot(tmp_path / name) for name in ("credit", "portal")}
    found = opened(fleet, "--dataset", "applications", "--title", "Rows of two people were mixed up")
    name = "2026-11-26-dataset-applications"
    assert (found.code, found.data["id"], found.data["closed"]) == (1, name, False)
    assert [(row["system"], row["owner"], len(row["way"])) for row in found.data["systems"]] == [
        (credit, "risk", 1),
        (portal, "front office", 2),
    ]
    assert deadlines(found.data, credit, "EU-GDPR") == {
        "notice to the authority": ("runs", "2026-11-29T10:00:00+01:00"),
        "notice to the people where the risk to them is high": ("without delay", None),
    }
    assert found.data["systems"][1]["clocks_unknown"].startswith("`governance/facts.yaml` does not answer: ")

    note = ("fleet", "incident", "note", name, "--by", "dpo@example.org", "--system", "credit")
    for clock in ("EU-DORA", "US-ECOA"):
        aside = cli(*note, "--clock", clock, "--set-aside", "--note", "no such incident", cwd=fleet)
        assert aside.code == (1 if clock == "EU-DORA" else 2)
    told = ("--told", "notice to the authority", "--at", "2026-11-26T11:00Z")
    assert cli(*note, "--clock", "EU-GDPR", *told, cwd=fleet).code == 1
    assert cli(*note[:-1], "portal", "--set-aside", "--note", "legal: none runs for it", cwd=fleet).code == 1
    rest = ("--told", "notice to the people where the risk to them is high", "--note", "by letter")
    last = cli(*note, "--clock", "EU-GDPR", *rest, "--json", cwd=fleet)
    assert deadlines(last.data, credit, "EU-GDPR")["notice to the authority"][0] == "told, a person says"
    assert last.code == 0

    close = ("fleet", "incident", "close", name, "--by", "lead@example.org", "--note", "mended")
    assert cli(*close, "--system", portal, "--json", cwd=fleet).data["closed"] is False
    done = cli(*close, "--all", "--json", cwd=fleet)
    assert (done.code, done.data["closed"]) == (0, True)
    did = [row["did"] for row in done.data["log"]]
    assert did == ["opened", "set aside", "told", "set aside", "told", "closed", "closed"]
    assert cli("fleet", "incident", "list", cwd=fleet).out == (
        f"{name}: Rows of two people were mixed up, severity high, closed\n"
    )
    assert {one: snapshot(tmp_path / one) for one in before} == before


@pytest.mark.usefixtures("at_noon")
def test_what_an_incident_keeps(fleet: Path, tmp_path: Path) -> None:
    """The commit, the digest of each record, and a bundle that holds that commit; a log whose rows stay as they are."""
    folder = tmp_path / "bundles"
    assert opened(fleet, "--model", "r-1", "--bundle", str(folder)).code == 1
    place = fleet / "incidents/2026-11-26-model-r-1"
    frozen = json.loads((place / "freeze.json").read_text())["systems"][0]
    head = git(tmp_path / "credit", "rev-parse", "HEAD")
    assert frozen["commit"] == head
    assert sorted(frozen["files"]) == [
        ".ai-factory/lock.json",
        ".ai-factory/project.yaml",
        "contracts/a.odcs.yaml",
        "evidence/bom.json",
        "evidence/evaluation.json",
        "governance/facts.yaml",
        "governance/system.yaml",
        "ops/old.md",
        "ops/runbook.md",
    ]
    git(tmp_path, "clone", "-q", str(folder / frozen["bundle"]["file"]), "copy")
    assert git(tmp_path / "copy", "rev-parse", "HEAD") == head

    first = (place / "incident.yaml").read_text()
    (place / "incident.yaml").write_text(first + "# what people add stays\n")
    cli("fleet", "incident", "note", place.name, "--by", "x", "--note", "seen", cwd=fleet)
    now = (place / "incident.yaml").read_text()
    assert now.startswith(first)
    assert "# what people add stays" in now


@pytest.mark.usefixtures("at_noon")
def test_a_system_that_cannot_be_frozen_is_in_the_incident_all_the_same(fleet: Path, tmp_path: Path) -> None:
    """With the reason in the place of its clocks; somebody has to look at it."""
    put(tmp_path / "credit", {f"evidence/{number}.txt": "x" for number in range(2_001)})
    commit(tmp_path / "credit")
    found = opened(fleet, "--model", "r-1")
    why = "it could not be read again: it holds more than 2000 records, which is more than can be kept"
    row = found.data["systems"][0]
    assert (found.code, row["clocks_unknown"], row["files"], row["unanswered"]) == (1, why, 0, True)


@pytest.mark.usefixtures("at_noon")
def test_nobody_s_row_is_lost(fleet: Path) -> None:
    """Several people record at once; who opened it may be left out."""
    name = cli("fleet", "incident", "open", "--model", "r-1", "--json", cwd=fleet).data["id"]
    deeds = [Deed("2026-11-26T12:00:00+00:00", f"person {number}", "noted", note="seen") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda deed: incident_files.append(Folder(str(fleet)), name, deed), deeds))
    log = cli("fleet", "incident", "show", name, "--json", cwd=fleet).data["log"]
    assert (log[0]["by"], sorted(row["by"] for row in log[1:])) == ("not named", sorted(deed.by for deed in deeds))
    assert not list(fleet.glob("incidents/*/.lock"))


@pytest.mark.usefixtures("at_noon")
def test_what_was_frozen_and_is_edited_is_found_out(fleet: Path) -> None:
    """A digest in incident.yaml says so, and the exit code is 1."""
    opened(fleet, "--component", "core", "--severity", "low")
    (file,) = fleet.glob("incidents/*/freeze.json")
    file.write_text(file.read_text().replace('"evidence/bom.json"', '"evidence/other.json"'))
    found = cli("fleet", "incident", "show", file.parent.name, cwd=fleet)
    assert found.code == 1
    assert "freeze.json is not what it was when the incident was opened" in found.out


def test_clocks_that_run_out_are_told_day_by_day(fleet: Path) -> None:
    """`list` is made for a scheduled job: 1 as soon as a notice is due within a day, also of a closed system."""
    with patch("ai_factory.cli.fleets.incident.now", lambda: NOW):
        name = opened(fleet, "--model", "r-1").data["id"]
        by = ("--by", "x", "--clock", "EU-GDPR")
        aside = ("--clock", "EU-DORA", "--set-aside", "--note", "no")
        cli("fleet", "incident", "note", name, "--by", "x", *aside, cwd=fleet)
        told = "notice to the people where the risk to them is high"
        found = cli("fleet", "incident", "note", name, *by, "--told", told, cwd=fleet)
        assert (found.code, [line for line in found.out.splitlines() if line.startswith("act: ")]) == (
            1,
            ["act: portal: which clocks run is not known: ask legal, and record it (`note --set-aside`)"],
        )
        legal = ("--system", "portal", "--set-aside", "--note", "legal: none runs for it")
        assert cli("fleet", "incident", "note", name, "--by", "x", *legal, cwd=fleet).code == 0
        assert cli("fleet", "incident", "list", cwd=fleet).code == 0
    for hours, state in ((60, "ends soon"), (80, "has run out")):
        with patch("ai_factory.cli.fleets.incident.now", lambda hours=hours: NOW + dt.timedelta(hours=hours)):
            found = cli("fleet", "incident", "list", cwd=fleet)
            assert found.code == 1
            assert found.out.splitlines()[1] == (
                "  act: credit: EU-GDPR: notice to the authority, 72 hours from awareness: "
                f"until 2026-11-29T10:00:00+01:00; {state}"
            )


@pytest.mark.usefixtures("at_noon")
def test_the_runbook_is_filled_and_takes_no_orders(hostile: Path) -> None:
    """A page that Markdown and code hosts show as it stands, and that says nobody's duty is met."""
    found = cli(*OPEN, "--component", "core", "--title", HOSTILE, cwd=hostile)
    assert found.code == 1
    assert "\x1b" not in found.out
    (page,) = [file.read_text() for file in hostile.glob("incidents/*/runbooks/*.md")]
    assert page.startswith("# Incident: ")
    outside = re.sub(r"(`+).*?\1", "", page)  # of code
    assert ("<b>" in outside.replace("\\<b\\>", ""), "@all" in outside, "\n::" in page) == (False, False, False)
    for part in ("## Stop first", "## Keep", "## Tell", "### EU-GDPR", "## Record and close", "unreviewed by counsel"):
        assert part in page
    assert "compliant" not in page


@pytest.mark.usefixtures("at_noon")
def test_nobody_is_reached_and_nothing_is_written(fleet: Path) -> None:
    """A version that nobody has says which are in use; a name that nobody has is refused, as it may be misspelt."""
    found = opened(fleet, "--component", "core", "--version", "3.0.0")
    assert (found.code, found.data["systems"], found.data["in_use"]) == (0, [], ["1.0.0"])
    refused = cli(*OPEN, "--component", "cor", cwd=fleet)
    assert (refused.code, refused.out) == (2, "")
    assert not (fleet / "incidents").exists()
    with_lost(fleet)
    assert opened(fleet, "--component", "core", "--version", "3.0.0").code == 3


BAD: list[tuple[tuple[str, ...], str]] = [
    ((), "one thing is at fault"),
    (("--model", "r-1", "--dataset", "x"), "one thing is at fault"),
    (("--model", "r-1", "--version", "1"), "`--version` is that of a component"),
    (("--model", "r-1", "--severity", "awful"), "`awful` is no severity"),
    (("--model", "r-1", "--found", "2026-11-26T10:00"), "does not say in which time zone it is"),
    (("--model", "r-1", "--found", "2027-01-01T10:00Z"), "is still to come"),
    (("--component", "core", "--version", "<x"), "is no bound on versions"),
]


@pytest.mark.usefixtures("at_noon")
def test_what_cannot_be_opened(fleet: Path) -> None:
    """One sentence, exit 2, and nothing is written."""
    found = [(cli(*OPEN, *more, cwd=fleet), message) for more, message in BAD]
    assert [(one.code, message in one.err.splitlines()[0]) for one, message in found] == [(2, True)] * len(BAD)
    assert not (fleet / "incidents").exists()


NOTES: list[tuple[tuple[str, ...], str]] = [
    (("note", "--note", ""), "nothing is said"),
    (("note", "--told", "x", "--clock", "EU-GDPR"), "`x` is no notice of it"),
    (("note", "--told", "report"), "`report` is no notice of it"),
    (("note", "--began", "yesterday"), "`yesterday` is no moment of it"),
    (("note", "--set-aside", "--note", "x"), "no clock is named"),
    (("note", "--clock", "XX", "--note", "x"), "`XX` is no clock of it"),
    (("note", "--system", "nobody", "--note", "x"), "`nobody` is no system of this incident"),
    (("note", "--set-aside", "--open-again", "--note", "x"), "one row of the log says one thing"),
    (("close", "--note", "x"), "it is not clear which systems are closed"),
    (("close", "--all", "--note", " "), "nothing says why it is over"),
    (("close", "--system", "nobody", "--note", "x"), "`nobody` is no system of this incident"),
]


@pytest.mark.usefixtures("at_noon")
def test_what_cannot_be_recorded(fleet: Path) -> None:
    """One sentence, exit 2, and the log stays as it was."""
    name = opened(fleet, "--model", "r-1").data["id"]
    before = snapshot(fleet)
    found = [
        (cli("fleet", "incident", command[0], name, "--by", "x", *command[1:], cwd=fleet), message)
        for command, message in NOTES
    ]
    assert [(one.code, message in one.err) for one, message in found] == [(2, True)] * len(NOTES)
    assert snapshot(fleet) == before


@pytest.mark.usefixtures("at_noon")
def test_a_second_incident_of_the_same_kind_has_its_own_folder(fleet: Path) -> None:
    """And a system that is opened again is open."""
    first, second = (opened(fleet, "--model", "r-1").data["id"] for _ in range(2))
    assert (first, second) == ("2026-11-26-model-r-1", "2026-11-26-model-r-1-2")
    close = ("fleet", "incident", "close", second, "--by", "x", "--note", "over", "--all")
    assert cli(*close, "--json", cwd=fleet).data["closed"] is True
    assert cli(*close, cwd=fleet).code == 2
    again = ("fleet", "incident", "note", second, "--by", "x", "--open-again", "--note", "it is back", "--json")
    assert cli(*again, cwd=fleet).data["closed"] is False


BROKEN: list[tuple[str, str, str]] = [
    ("incident.yaml", "severity: high", "severity: awful"),
    ("incident.yaml", "did: opened", "did: vanished"),
    ("incident.yaml", "found: 2026-11-26T10:00:00+01:00", "found: 2026-99-26T10:00:00+01:00"),
    ("freeze.json", '"clock": "EU-GDPR"', '"clock": "XX"'),
    ("freeze.json", '"systems"', '"system"'),
    ("freeze.json", "{", "["),
]


@pytest.mark.usefixtures("at_noon")
def test_files_that_are_broken_are_named(fleet: Path) -> None:
    """Exit 2 with the file; nothing is guessed."""
    name = opened(fleet, "--model", "r-1").data["id"]
    place, told = fleet / "incidents" / name, []
    for file, old, new in BROKEN:
        text = (place / file).read_text()
        assert old in text
        put(place, {file: text.replace(old, new, 1)})
        found = cli("fleet", "incident", "show", name, cwd=fleet)
        told.append((found.code, found.out, name in found.err))
        put(place, {file: text})
    assert told == [(2, "", True)] * len(BROKEN)


def test_an_incident_that_is_none(fleet: Path) -> None:
    """A name is no way out of the folder."""
    names = ["../../etc", "nothing", "", "x/y"]
    assert [cli("fleet", "incident", "show", name, cwd=fleet).code for name in names] == [2] * len(names)


@pytest.mark.usefixtures("at_noon")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_opening_that_is_cut_off_is_no_incident(number: int, fleet: Path) -> None:
    """incident.yaml comes last: what was written before it is in nobody's way."""
    write, written = Folder.write, list[str]()

    def cut_off(disk: Folder, path: str, file: File) -> None:
        written.append(path)
        if len(written) == number:
            raise KeyboardInterrupt
        write(disk, path, file)

    with patch.object(Folder, "write", cut_off):
        assert opened(fleet, "--dataset", "applications").code == 130
    assert cli("fleet", "incident", "list", cwd=fleet).out == "no incidents\n"
    again = opened(fleet, "--dataset", "applications")
    assert again.data["id"].startswith("2026-11-26-dataset-applications")
    assert len(cli("fleet", "incident", "list", "--json", cwd=fleet).data["incidents"]) == 1


# ---- elsewhere -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_noon")
def test_projects_in_folders_of_a_repository_on_a_server(fleet: Path, factory: Path, tmp_path: Path) -> None:
    """Only contents that are asked for travel, and what is kept is the same as of a repository here."""
    mono = tmp_path / "mono"
    for name in ("credit", "portal"):
        shutil.copytree(tmp_path / name, mono / name, ignore=shutil.ignore_patterns(".git"))
    put(mono, {"credit/large.bin": b"\0" * 2_000_000})
    git(tmp_path, "init", "-q", "-b", "main", "mono")
    head = commit(mono)
    git(tmp_path, "clone", "-q", "--bare", "mono", "www/mono.git")
    allow_filters(tmp_path / "www/mono.git")
    with serving(served(tmp_path / "www")) as server:
        url = f"{server.url}/mono.git"
        place = registry(tmp_path / "far", factory, *({"url": url, "path": name} for name in ("credit", "portal")))
        found = opened(place, "--model", "r-1", "--bundle", str(tmp_path / "bundles"))
        near = opened(fleet, "--model", "r-1")
        told = cli("fleet", "graph", "--json", cwd=place)
    assert (found.code, told.code, told.data["unread"]) == (1, 0, [])
    assert [row["system"] for row in found.data["systems"]] == [f"{url}#credit", f"{url}#portal"]
    assert [row["commit"] for row in found.data["systems"]] == [head, head]
    assert [row["clocks"] for row in found.data["systems"]] == [row["clocks"] for row in near.data["systems"]]
    one, two = (frozen(folder, found.data["id"])[0]["files"] for folder in (place, fleet))
    assert one == two
    caches = list((Path(os.environ["AI_FACTORY_CACHE"]) / "fleet").glob("*.git"))
    assert caches
    assert max(map(size_of, caches)) < 1_000_000


def frozen(fleet: Path, name: str) -> list[dict[str, Any]]:
    found = json.loads((fleet / "incidents" / name / "freeze.json").read_text())["systems"]
    return list(found)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


# ---- catalogue and evaluations -------------------------------------------------------------------


def test_what_others_have_prepared_is_found(fleet: Path, tmp_path: Path) -> None:
    """With owner, class, terms and place."""
    found = cli("fleet", "catalog", "applications", cwd=fleet)
    assert (found.code, found.out.splitlines()) == (
        0,
        [
            "dataset applications of applications 1.0.0",
            "  what: one row an application",
            "  owner: data-platform",
            "  classification: restricted",
            "  terms: use: training; ground: nobody is in it; kept: 5y; limits: invented",
            f"  where: {tmp_path / 'credit'} contracts/a.odcs.yaml",
            "  tags: synthetic, lending, The applications",
            "1 find in 2 systems; ask the owner before you use it",
        ],
    )


def test_evaluations_side_by_side(fleet: Path, small: Path, tmp_path: Path) -> None:
    """Of systems that are named, or of a blueprint; a system that measured nothing is told."""
    other = evidence("evaluation", {"model_version": "r-2", "results": [result("auc", 0.9, n=1_500)]})
    place = system(tmp_path / "rival", small, {"evidence/evaluation.json": other})
    data = documents.load((fleet / "fleet.yaml").read_bytes(), "fleet")
    data["projects"].append({"url": place})
    (fleet / "fleet.yaml").write_bytes(documents.write(data))
    found = cli("fleet", "compare", "credit", "rival", cwd=fleet)
    assert (found.code, found.out.splitlines()[2:]) == (
        0,
        [
            "auc, all, on sha256:000000000000",
            "  credit: 0.8 (0.7 to 0.9), n 100; no threshold",
            f"  {place}: 0.9 (0.8 to 1), n 1,500; no threshold",
            "2 systems; nothing is averaged",
        ],
    )
    told = cli("fleet", "compare", "--json", cwd=fleet).data
    assert [row["missing"] != "" for row in told["systems"]] == [False, True, False]
    assert [(group["comparable"], len(group["lines"])) for group in told["groups"]] == [(True, 2)]
    assert cli("fleet", "compare", "--blueprint", "other", "--json", cwd=fleet).data["systems"] == []
    assert cli("fleet", "compare", "nobody", cwd=fleet).code == 2
    assert cli("fleet", "compare", "--csv", "--markdown", cwd=fleet).code == 2


def test_without_a_registry_there_is_no_fleet(tmp_path: Path) -> None:
    """The file is named, and the option that names another."""
    told = ["error: there is no `fleet.yaml` here or above", "hint: make one: `ai-factory fleet add URL`"]
    for command in (["impact", "--map", MARCH], ["graph"], ["catalog"], ["compare"]):
        found = cli("fleet", *command, cwd=tmp_path)
        assert (found.code, found.err.splitlines()) == (2, told)
