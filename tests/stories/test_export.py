"""`export`: documents that other tools read back, with every control that applies, and nothing that is no text."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from trestle.core.catalog.catalog_interface import CatalogInterface
from trestle.core.commands.init import InitCmd
from trestle.core.profile_resolver import ProfileResolver
from trestle.core.validator_factory import validator_factory
from trestle.oscal import assessment_results, catalog, component, profile

from ai_factory import documents
from ai_factory.cli import export as commands
from ai_factory.governance.frameworks import ISO_42001, NIST_AI_RMF
from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.exports import OF_FACTORY, OF_PROJECT, sheet
from tests.approving import DAY, assessed
from tests.kit import IDENTITY, Result, cli, commit, git, put, small_factory, small_project, snapshot
from tests.trust.test_outputs import NAMES, orders

OSCAL: Mapping[str, Any] = {
    "oscal-catalog": catalog,
    "oscal-component-definition": component,
    "oscal-profile": profile,
    "oscal-assessment-results": assessment_results,
}
ROOT = Path(__file__).parent.parent.parent
TABLES = ("csv", "iso-42001-soa", "nist-ai-rmf")
BILL: dict[str, Any] = {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": "urn:uuid:2d4a8a8e-0a36-5c0f-9f4e-1f0f6a6f7a11",
    "version": 1,
    "metadata": {
        "component": {
            "type": "application",
            "bom-ref": "system:small_thing",
            "name": "small_thing",
            "properties": [{"name": "of:the-run", "value": "stays"}, {"name": "ai-factory:tier", "value": "goes"}],
            "externalReferences": [{"type": "website", "url": "https://bank.example"}],
        }
    },
    "components": [
        {
            "type": "machine-learning-model",
            "bom-ref": "model:r-1",
            "name": "small_thing",
            "version": "r-1",
            "modelCard": {"considerations": {"useCases": ["tests"]}},
        }
    ],
    "services": [],
    "dependencies": [{"ref": "system:small_thing", "dependsOn": ["model:r-1"]}],
}
HOSTILE = (
    "=cmd|' /C calc'!A0\n<img src=x onerror=y> {{ insert: param, x }} [a](javascript:x) \x1b[31m\u202e" + "z" * 5000
)
CREDIT = (  # why law on credit applies
    "jurisdictions ∋ EU, affects ∋ natural_persons, decision_type = credit_eligibility, art6_3_claimed ≠ yes: it is no"
)
FIRM = f"""\
schema: 1
as_of: "2026-11-25"
instruments:
  FIRM: {{title: {json.dumps(HOSTILE)}, binding: false, status: current, verified: recall}}
requirements:
  FIRM-9:
    {{instrument: FIRM, cite: {json.dumps(HOSTILE)}, topic: {json.dumps(HOSTILE)}, when: {{genai: true}},
      applies_from: null, verified: recall}}
controls:
  - id: FIRM-1
    title: {json.dumps(HOSTILE)}
    intent: {json.dumps(HOSTILE)}
    tier_floor: low
    lifecycle: [design]
    owner: risk
    refs: [FIRM-9]
    iso: [A.2.2]
    nist: [GOVERN 1.2]
    policies: [{json.dumps(HOSTILE)}, "@SUM(1)"]
    evidence: [{{kind: record, name: {json.dumps(HOSTILE)}}}]
    verify: {{by: machine, rule: {json.dumps(HOSTILE)}}}
"""


def written(name: str, project: Path, *options: str) -> bytes:
    """What a format gives on standard output; beside it only that the map is unreviewed."""
    day = DAY if name in OF_PROJECT else ()
    result = cli("export", name, *day, *options, cwd=project)
    assert (result.code, result.err) == (0, UNREVIEWED + "\n"), result.err
    return result.out.encode()


def oscal(name: str, content: bytes) -> dict[str, Any]:
    """The document, as compliance-trestle reads it: against its models, and by all its validators."""
    read = OSCAL[name].Model.model_validate_json(content)
    (field,) = type(read).model_fields
    assert all(one.model_is_valid(getattr(read, field), quiet=False) for one in validator_factory.get_all())
    found: dict[str, Any] = json.loads(content)[field.replace("_", "-")]
    assert UNREVIEWED in found["metadata"]["remarks"]
    return found


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def verdicts(project: Path) -> dict[str, dict[str, Any]]:
    """What the gate says of each control that applies."""
    found = cli("gate", *DAY, "--json", cwd=project).data["controls"]
    return {row["control"]: row for row in found if row["verdict"] != "does not apply"}


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for what the tests of this module read, with a cache that knows the map already after the first."""
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**IDENTITY, "AI_FACTORY_CACHE": str(folder / "cache")}.items():
            patch.setenv(name, value)
        yield folder


@pytest.fixture(autouse=True)
def _warm(_own_world: None, _world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_FACTORY_CACHE", str(_world / "cache"))


@pytest.fixture(scope="module")
def _pattern_ready(_world: Path) -> Path:
    folder = _world / "ready"
    folder.mkdir()
    project = small_project(folder / "small-thing", small_factory(folder / "factory"))
    assessed(project, folder)
    waiver = "- {rule: AF007, control: GOV-01, reason: new, owner: a@x, approver: b@x, until: '2026-12-31'}\n"
    card = {"docs/model-card.md": "# Card\n"}
    put(project, {"bom/ml-bom.cdx.json": json.dumps(BILL), ".ai-factory/waivers.yaml": waiver, **card})
    return project


@pytest.fixture
def ready(_pattern_ready: Path, tmp_path: Path) -> Path:
    """A project with facts, a bill of materials and a waiver; the test's own copy."""
    return shutil.copytree(_pattern_ready, tmp_path / "small-thing", symlinks=True)


@pytest.fixture(scope="module")
def hostile(_world: Path) -> Path:
    """To be read: a project whose file names, overlay and waivers are more than text."""
    folder = _world / "hostile"
    folder.mkdir()
    factory = small_factory(folder / "factory")
    controls = "templates/core/files/src/{{ package }}/controls"
    put(factory, {f"{controls}/{name}": f"{number}\n" for number, name in enumerate(NAMES)})
    rules = "ownership: {'src/{{ package }}/controls/**': managed}\nproduces: ['bom/*.json']\n"
    code = "'src/{{ package }}/controls/**'"
    evidence = f"evidences: {{FIRM-1: [{code}, 'bom/*.json'], GOV-01: [{code}]}}\n"
    put(factory, {"templates/core/component.yaml": f"summary: {json.dumps(HOSTILE)}\n{rules}{evidence}"})
    put(factory, {"templates/core/CHANGELOG.md": "## 8.0.0\n\n- first\n", "controls/overlay.yaml": FIRM})
    commit(factory)
    git(factory, "tag", "v8.0.0")
    project = small_project(folder / "p", factory, version="v8.0.0")
    assessed(project, folder)
    row = {"rule": "AF007", "control": "GOV-01", "reason": HOSTILE, "owner": "=a@x", "approver": "+b@x"}
    put(project, {".ai-factory/waivers.yaml": json.dumps([{**row, "until": "2026-12-31"}])})
    card = {"docs/model-card.md": "# Card\n", "governance/system.yaml": f"name: {json.dumps(HOSTILE)}\n"}
    put(project, {"bom/ml-bom.cdx.json": json.dumps(BILL), **card})
    return project


def test_every_format_has_a_command() -> None:
    assert (commands.OF_FACTORY.keys(), commands.OF_PROJECT.keys()) == (OF_FACTORY.keys(), OF_PROJECT.keys())


# ---- OSCAL ---------------------------------------------------------------------------------------


def test_the_catalogue_holds_the_whole_map(tmp_path: Path) -> None:
    """Without a project: each control in its family, with text, props, and links to what asks for it."""
    found = oscal("oscal-catalog", written("oscal-catalog", tmp_path))
    controls = {one["id"]: one for group in found["groups"] for one in group["controls"]}
    assert ([group["id"] for group in found["groups"]], len(controls)) == (
        ["GOV", "DATA", "MOD", "SEC", "HUM", "TRA", "AUD", "MON", "INC", "RES"],
        45,
    )
    one = controls["GOV-02"]
    assert [(row["name"], row["value"]) for row in one["props"]] == [
        *(("label", "GOV-02"), ("tier-floor", "low"), ("owner", "business_owner"), ("checked-by", "machine")),
        *(("verification-level", "recall"), ("lifecycle", "design")),
        *(("nist-ai-rmf", "MAP 1.1"), ("nist-ai-rmf", "MAP 1.6"), ("nist-ai-rmf", "MAP 3.3")),
        *(("iso-42001", "A.9.4"), ("iso-42001", "A.6.2.2")),
    ]
    assert [(part["id"], part["name"]) for part in one["parts"]] == [
        ("GOV-02_smt", "statement"),
        ("GOV-02_gdn", "guidance"),
        ("GOV-02_obj", "assessment-objective"),
    ]
    resources = {row["uuid"]: row for row in found["back-matter"]["resources"]}
    behind = [resources[link["href"].removeprefix("#")] for link in one["links"]]
    assert [row["title"].partition(":")[0] for row in behind] == [
        *("EUAIA-5", "EUAIA-6", "FREEAI-14", "GDPR-5"),
        *("NIST-RMF", "ISO-A"),
    ]
    assert {row["name"]: row["value"] for row in behind[0]["props"]} == {
        "requirement": "EUAIA-5",
        "instrument": "EUAIA",
        "instrument-status": "in_force_phased",
        "binding": "yes",
        "applies-from": "2025-02-02",
        "verification-level": "corroborated",
    }
    assert (found["metadata"]["last-modified"], behind[0]["description"]) == (
        "2026-11-22T00:00:00Z",
        "prohibited practices",
    )


def test_the_component_definition_says_who_has_files_for_what(tmp_path: Path) -> None:
    found = oscal("oscal-component-definition", written("oscal-component-definition", tmp_path))
    (one,) = [one for one in found["components"] if one["title"] == "lineage"]
    (implemented,) = one["control-implementations"]
    assert [row["control-id"] for row in implemented["implemented-requirements"]] == ["DATA-03", "MOD-02", "INC-02"]
    assert [prop["value"] for prop in implemented["implemented-requirements"][2]["props"]] == [
        "catalog-info.yaml",
        "governance/dependencies.yaml",
    ]
    assert implemented["source"] == "oscal-catalog.json"


def test_the_profile_selects_what_is_required_now(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trestle resolves it from the catalogue beside it, whose digest it has."""
    found = oscal("oscal-profile", written("oscal-profile", ready))
    required = [name for name, row in verdicts(ready).items() if row["verdict"] == "required now"]
    place = tmp_path / "trestle"
    place.mkdir()
    assert InitCmd()._run(_init(place)) == 0
    files = {name: written(name, ready) for name in ("oscal-catalog", "oscal-profile")}
    put(place, {f"{name}.json": content for name, content in files.items()})
    monkeypatch.chdir(place)
    resolved = ProfileResolver.get_resolved_profile_catalog(place, str(place / "oscal-profile.json"))
    controls = [one.id for one in CatalogInterface(resolved).get_all_controls_from_dict()]
    assert (controls, len(required)) == (sorted(required), 14)
    (link,) = found["back-matter"]["resources"][0]["rlinks"]
    assert link["hashes"][0]["value"] == hashlib.sha256(files["oscal-catalog"]).hexdigest()


def _init(place: Path) -> Any:
    from argparse import Namespace

    return Namespace(trestle_root=place, verbose=0, full=False, local=True, govdocs=False)


def test_the_results_are_those_of_the_gate(ready: Path) -> None:
    """An observation and a finding for each control that applies; a waiver is a risk that somebody answers for."""
    found = oscal("oscal-assessment-results", written("oscal-assessment-results", ready))
    (result,) = found["results"]
    told = {one["target"]["target-id"].removesuffix("_obj"): one for one in result["findings"]}
    gate = verdicts(ready)
    assert {name: one["target"]["status"]["remarks"] for name, one in told.items()} == {
        name: row["status"] for name, row in gate.items()
    }
    assert told["GOV-08"]["target"]["status"] == {"state": "satisfied", "reason": "pass", "remarks": "pass"}
    assert told["GOV-01"]["target"]["status"] == {"state": "not-satisfied", "reason": "other", "remarks": "waived"}
    (risk,) = result["risks"]
    assert (risk["status"], risk["deadline"], risk["description"]) == (
        "deviation-approved",
        "2026-12-31T23:59:59Z",
        "new",
    )
    assert told["GOV-01"]["related-risks"] == [{"risk-uuid": risk["uuid"]}]
    evidence = {one["title"].split()[0]: one for one in result["observations"]}["GOV-08"]["relevant-evidence"]
    digest = hashlib.sha256((ready / "ops/runbook.md").read_bytes()).hexdigest()
    row = next(one for one in evidence if one["href"] == "./ops/runbook.md")
    assert (row["description"], row["props"][0]["value"]) == ("ops/runbook.md", digest)
    assert found["import-ap"]["href"] == f"#{found['back-matter']['resources'][0]['uuid']}"
    assert "There is no assessment plan" in found["import-ap"]["remarks"]


# ---- CycloneDX -----------------------------------------------------------------------------------


def valid(content: bytes) -> dict[str, Any]:
    """The bill, as the strict validator of CycloneDX takes it."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode()) is None
    found: dict[str, Any] = json.loads(content)
    return found


def test_the_bill_says_how_the_system_stands(ready: Path) -> None:
    """What the run wrote stays; tier, controls, components and the card are added."""
    found = valid(written("cyclonedx-ml-bom", ready))
    root = found["metadata"]["component"]
    assert [row for row in root["properties"] if not row["name"].startswith("ai-factory:")] == [
        {"name": "of:the-run", "value": "stays"}
    ]
    assert [(one["type"], one["url"]) for one in root["externalReferences"]] == [
        ("website", "https://bank.example"),
        ("attestation", "governance/applicability.json"),
        ("documentation", "docs/model-card.md"),
    ]
    told = {row["name"]: row["value"] for row in root["properties"]}
    status = {name.removeprefix("ai-factory:control:"): value for name, value in told.items() if ":control:" in name}
    assert status == {name: row["status"] for name, row in verdicts(ready).items()}
    assert (told["ai-factory:tier"], told["ai-factory:gate"], told["ai-factory:note"]) == (
        "low",
        "not passed",
        UNREVIEWED,
    )
    model, *parts = found["components"]
    assert [(part["name"], part["version"]) for part in parts] == [("core", "1.0.0"), ("extras", "v1.0.0")]
    digest = hashlib.sha256(b"# Card\n").hexdigest()
    card = {"type": "model-card", "url": "docs/model-card.md", "hashes": [{"alg": "SHA-256", "content": digest}]}
    assert model == {**BILL["components"][0], "externalReferences": [card]}
    assert found["dependencies"] == [
        {
            "ref": "system:small_thing",
            "dependsOn": ["model:r-1", "ai-factory:component:core", "ai-factory:component:extras"],
        }
    ]
    assert found["serialNumber"] != BILL["serialNumber"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "`bom/ml-bom.cdx.json` is missing: there is no bill of materials to add to"),
        ("{", "`bom/ml-bom.cdx.json` is no JSON"),
        ("[]", "`bom/ml-bom.cdx.json` is no JSON object"),
        ('{"bomFormat": "SPDX"}', "`bom/ml-bom.cdx.json` is no bill of CycloneDX 1.5, 1.6, 1.7"),
        (json.dumps({**BILL, "specVersion": "1.4"}), "`bom/ml-bom.cdx.json` is no bill of CycloneDX 1.5, 1.6, 1.7"),
        (json.dumps({**BILL, "metadata": {}}), "`bom/ml-bom.cdx.json` does not say which system it is of"),
        (json.dumps({**BILL, "components": [1]}), "`bom/ml-bom.cdx.json` has no list of components"),
        ("[" * 100_000, "`bom/ml-bom.cdx.json` is no JSON"),
        (json.dumps({**BILL, "dependencies": {}}), "`bom/ml-bom.cdx.json` has no list of dependencies"),
    ],
)
def test_a_bill_that_is_none(content: str | None, says: str, ready: Path) -> None:
    """Exit 2, with the command that writes it."""
    put(ready, {"bom/ml-bom.cdx.json": content})
    result = cli("export", "cyclonedx-ml-bom", *DAY, cwd=ready)
    lines = [f"error: {says}", "hint: `make run` writes it"]
    assert (result.code, result.out, result.err.replace(" anew", "").splitlines()) == (2, "", lines)


# ---- tables --------------------------------------------------------------------------------------


def test_a_row_for_each_control(ready: Path) -> None:
    content = written("csv", ready)
    found = {row["id"]: row for row in rows(content)}
    gate = cli("gate", *DAY, "--json", cwd=ready).data["controls"]
    assert {name: (row["verdict"], row["date"], row["status"], row["owner"]) for name, row in found.items()} == {
        row["control"]: (row["verdict"], row["date"], row["status"], row["owner"]) for row in gate
    }
    one = found["GOV-01"]
    assert {name: one[name] for name in ("title", "why", "duties", "gaps", "waiver", "nist_ai_rmf", "map")} == {
        "title": "System registration and ownership",
        "why": "required now: tier low reaches the floor low",
        "duties": "",
        "gaps": "governance/system.yaml is missing",
        "waiver": "until 2026-12-31: new (owner a@x, approved by b@x)",
        "nist_ai_rmf": "GOVERN 1.6; GOVERN 2.1; MAP 1.1",
        "map": "2026-11-22: in our own words, unreviewed by counsel, no legal advice",
    }
    assert content.count(b"\r\n") == content.count(b"\n") == len(found) + 1
    digest = hashlib.sha256((ready / "ops/runbook.md").read_bytes()).hexdigest()
    assert f"ops/runbook.md sha256:{digest}" in found["GOV-08"]["evidence"].split("; ")


def test_a_value_holds_no_separator(project: Path, tmp_path: Path) -> None:
    """Each duty is one part, though cites hold semicolons; what follows one in a text begins no formula."""
    assessed(project, tmp_path, "eu-retail-credit")
    duties = [part for row in rows(written("csv", project)) for part in row["duties"].split("; ") if part]
    assert [part for part in duties if not re.fullmatch(r"[A-Za-z0-9.-]+ \([^;]+\)", part)] == []
    assert sheet.safe("a; =1+1;-2 ; @x") == "a; '=1+1;'-2 ; '@x"
    assert sheet.table(["one"], [{"one": ["a; =b", "=c"]}]) == b'one\r\n"a, =b; \'=c"\r\n'


def test_what_people_have_to_approve_is_a_gap(project: Path, tmp_path: Path) -> None:
    """In tables, in OSCAL and in the gate's own JSON: the words of its finding, and nowhere that nothing is missing."""
    assessed(project, tmp_path, "eu-retail-credit")
    gate = verdicts(project)
    waiting = {name: row["gaps"] for name, row in gate.items() if row["status"] == "needs a person"}
    assert {gap["message"] for gaps in waiting.values() for gap in gaps} == {"has to be approved by people"}
    table = {row["id"]: row["gaps"] for row in rows(written("csv", project))}
    (result,) = oscal("oscal-assessment-results", written("oscal-assessment-results", project))["results"]
    told = {one["target"]["target-id"].removesuffix("_obj"): one["description"] for one in result["findings"]}
    for name, (gap,) in waiting.items():
        words = f"{gap['path']} has to be approved by people"
        assert (table[name], told[name].replace("\\", "")) == (words, words)


def test_what_is_due_before_use_is_in_the_exports(project: Path, tmp_path: Path) -> None:
    """The gate's notes: each at its control, and all of them in the results."""
    put(project, {"governance/system.yaml": "name: small\nstatus: development\n"})
    assessed(project, tmp_path, "eu-retail-credit")
    notes = cli("gate", *DAY, "--json", cwd=project).data["warnings"]
    of_control = {name: [note for note in notes if name in note] for name in verdicts(project)}
    assert len(notes) == sum(map(len, of_control.values())) > 0
    table = {row["id"]: row["notes"] for row in rows(written("csv", project))}
    assert {name: table[name] for name in of_control} == {
        name: "; ".join(note.replace(";", ",") for note in told) for name, told in of_control.items()
    }
    (result,) = oscal("oscal-assessment-results", written("oscal-assessment-results", project))["results"]
    assert result["remarks"].replace("\\", "") == "; ".join(notes)
    for name in ("iso-42001-soa", "nist-ai-rmf"):
        assert {note.partition(":")[0] for row in rows(written(name, project)) for note in [row["notes"]] if note}


def test_a_statement_of_applicability_has_all_ids(project: Path, tmp_path: Path) -> None:
    """Applied or not with the reason chain; what no control speaks to is not covered, and says so."""
    assessed(project, tmp_path, "eu-retail-credit")
    found = {row["id"]: row for row in rows(written("iso-42001-soa", project))}
    assert (list(found), len(found)) == (list(ISO_42001), 38)
    uncovered = [name for name, row in found.items() if row["applicable"] == "not covered by this catalogue"]
    assert (uncovered, found["A.2.2"]["controls"]) == (["A.2.2", "A.4.5"], "")
    one = found["A.10.4"]
    assert (one["applicable"], one["controls"]) == ("yes", "TRA-03 required now: fail")
    assert one["justification"].split(", EUAIA-")[:2] == [
        "TRA-03 required now: tier high reaches the floor medium",
        f"13 Art. 13(3)(a)-(f) (law, from 2027-12-02, checked: corroborated, {CREDIT}, roles ∋ provider)",
    ]


def test_what_does_not_apply_says_which_fact_made_it_so(ready: Path) -> None:
    found = {row["id"]: row for row in rows(written("iso-42001-soa", ready))}
    controls = {row["id"]: row for row in rows(written("csv", ready))}
    assert controls["DATA-07"]["why"] == "does not apply: rag ≠ yes: it is no"
    one = found["A.5.5"]
    assert (one["applicable"], one["controls"]) == ("no", "GOV-05 does not apply")
    assert one["justification"].startswith("GOV-05 does not apply: tier low is below the floor high, not EUAIA-27 (")


def test_the_matrix_of_the_rmf_has_all_subcategories(ready: Path) -> None:
    found = rows(written("nist-ai-rmf", ready))
    assert ([row["id"] for row in found], len(found)) == (list(NIST_AI_RMF), 72)
    assert sum(row["coverage"] == "not covered by this catalogue" for row in found) == 15
    assert found[5]["controls"] == "GOV-01 required now: waived"
    told = {row["id"]: [one.split()[0] for one in row["controls"].split("; ") if one] for row in found}
    controls = documents.load((ROOT / "controls/controls.yaml").read_bytes(), "controls")["controls"]
    assert told == {name: [row["id"] for row in controls if name in row["nist"]] for name in NIST_AI_RMF}


# ---- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*OF_FACTORY, *OF_PROJECT])
def test_each_names_every_control_that_applies(name: str, ready: Path) -> None:
    """A profile those that are required, which here are all; a component definition those that it has files for."""
    content = written(name, ready).decode()
    named = set(re.findall(r"\b[A-Z]+-\d\d\b", content))
    wanted = {"AUD-01", "GOV-08"} if name == "oscal-component-definition" else set(verdicts(ready))
    assert wanted - named == set()


@pytest.mark.parametrize("name", [*OF_FACTORY, *OF_PROJECT])
def test_the_same_state_gives_the_same_bytes(name: str, ready: Path, tmp_path: Path) -> None:
    """Also in another folder; the project stays as it is."""
    before = snapshot(ready)
    first = written(name, ready)
    assert snapshot(ready) == before
    other = ready.rename(tmp_path / "elsewhere")
    assert written(name, other) == first


@pytest.mark.parametrize("name", [*OF_FACTORY, *OF_PROJECT])
def test_what_strangers_named_stays_text(name: str, hostile: Path) -> None:
    """In every format: it is read back whole, orders no terminal, holds no formula, markup or parameter."""
    content = written(name, hostile)
    assert orders(content.decode().replace("\r\n", "\n").split("\n")) == []
    if name in OSCAL:
        assert [text for text in _texts(oscal(name, content)) if _is_markup(text)] == []
    elif name in TABLES:
        cells = [cell for row in rows(content) for cell in row.values()]
        assert [cell for cell in cells for part in cell.split("; ") if part.lstrip()[:1] in tuple("=+-@\t\r")] == []
        assert "FIRM-1" in "".join(cells)
    else:
        valid(content)


def test_evidence_that_a_run_names_is_told_by_file(hostile: Path) -> None:
    """A component names what a run writes by a pattern; an export names the files and their digests."""
    (one,) = [row for row in rows(written("csv", hostile)) if row["id"] == "FIRM-1"]
    digest = hashlib.sha256((hostile / "bom/ml-bom.cdx.json").read_bytes()).hexdigest()
    told = one["evidence"].split("; ")
    assert (f"bom/ml-bom.cdx.json sha256:{digest}" in told, "bom/*.json" in one["evidence"]) == (True, False)


def _texts(node: Any, key: str = "") -> list[str]:
    """The texts of a document that OSCAL takes for Markdown."""
    if isinstance(node, dict):
        return [text for name, value in node.items() for text in _texts(value, name)]
    if isinstance(node, list):
        return [text for value in node for text in _texts(value, key)]
    return [node] if key in ("title", "description", "prose", "text", "statement") else []


def _is_markup(text: str) -> bool:
    return re.search(r"(?<!\\)([<\[]|\{\{)", text) is not None


# ---- the command ---------------------------------------------------------------------------------


def test_a_file_is_written_once(ready: Path, tmp_path: Path) -> None:
    """What is there already stays; JSON says what was written."""
    place = tmp_path / "controls.csv"
    result = cli("export", "csv", "-o", str(place), *DAY, "--json", cwd=ready)
    content = place.read_bytes()
    assert (result.code, result.err, result.data) == (
        0,
        "",
        {
            "schema": "ai-factory/export/1",
            "output": str(place),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        },
    )
    again = cli("export", "csv", "-o", str(place), *DAY, cwd=ready)
    assert (again.code, again.err.splitlines()[0]) == (2, f"error: `{place}` is there already")
    assert (place.read_bytes(), written("csv", ready)) == (content, content)


def refused(result: Result) -> tuple[int, str, str]:
    return result.code, result.out, result.err.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["csv"], "`governance/facts.yaml`: what applies is not known, for these are not answered: "),
        (["csv", "nowhere"], "there is no `nowhere`"),
        (["csv", ".."], "`..` is no project of ai-factory: "),
        (["oscal-catalog", ".."], "`..` is no project of ai-factory: "),
        (["oscal-catalog", ".", "--factory", "embedded"], "a project and another factory are given"),
        (["oscal-catalog", "--version", "v1"], "`--version` names a version of `--factory`, which is not given"),
        (["csv", "--as-of", "soon"], "`soon` is no date"),
        (["csv", "-o", "no/such"], "cannot write `no/such`: no such file or directory"),
        (["xml"], "No such command 'xml'"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], says: str, project: Path, tmp_path: Path) -> None:
    """Exit 2, nothing on standard output, nothing written."""
    if "-o" in words:
        assessed(project, tmp_path)
    before = snapshot(project)
    found = refused(cli("export", *words, cwd=project))
    assert (found[:2], found[2][: len(says) + 7], snapshot(project)) == ((2, ""), f"error: {says}", before)


def test_json_is_for_what_was_written(ready: Path) -> None:
    """A document on standard output is no JSON of ours."""
    result = cli("export", "csv", "--json", *DAY, cwd=ready)
    assert (result.code, result.data["message"]) == (2, "`--json` says what was written, and nothing is")


def test_a_factory_of_ones_own(project: Path, factory: Path, tmp_path: Path) -> None:
    """By its address, or as the project has it; one that cannot be read is not replaced by ours."""
    found = oscal("oscal-component-definition", written("oscal-component-definition", project))
    assert [(one["title"], one["props"][0]["value"]) for one in found["components"]] == [
        ("core", "1.0.0"),
        ("extras", "v1.0.0"),
        ("nice", "v1.0.0"),
    ]
    named = written("oscal-component-definition", tmp_path, "--factory", str(factory), "--version", "v1.0.0")
    assert named == written("oscal-component-definition", project)
    factory.rename(tmp_path / "gone")
    result = cli("export", "oscal-catalog", cwd=project)
    assert (result.code, result.out, "cannot be read here" in result.err) == (2, "", True)


def test_a_system_of_which_nothing_is_required(tmp_path: Path) -> None:
    """A profile selects something; the other documents say that nothing applies."""
    factory = small_factory(tmp_path / "factory", tags=False)
    files = {f"controls/{place.name}": place.read_text("utf-8") for place in ROOT.glob("controls/*.yaml")}
    text = re.sub(r"tier_floor: \w+", "tier_floor: critical", files["controls/controls.yaml"])
    put(factory, {**files, "controls/controls.yaml": re.sub(r"refs: \[[^]]*\]", "refs: []", text)})
    result = cli("new", "small", str(tmp_path / "p"), "--defaults", "--factory", str(factory))
    assert result.code == 0, result.err
    assessed(tmp_path / "p", tmp_path)
    oscal("oscal-assessment-results", written("oscal-assessment-results", tmp_path / "p"))
    profile = refused(cli("export", "oscal-profile", *DAY, cwd=tmp_path / "p"))
    said = "error: no control is required of this system now, and a profile selects at least one"
    assert profile == (2, "", said)
