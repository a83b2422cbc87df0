"""A project on its way through governance: run, assessed, documented, approved, and through the gate; or not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_factory import documents
from tests import golden
from tests.products.product import TEST_SECONDS, Make, Product

pytestmark = pytest.mark.product

ROOT = Path(__file__).parent.parent.parent
NAME, SOURCE = "tabular-decision", "src/credit_line"
ROLES = ("business owner", "risk", "independent validation", "data protection")
APPROVE = "ai-factory approve '{role}' --approver {who}@bank.example --author team@bank.example --expires {until}"


def answers(archetype: str) -> bytes:
    """A file of answers: the facts of an archetype, and a screen in which nothing is true."""
    facts = documents.load((ROOT / f"tests/archetypes/{archetype}.yaml").read_bytes(), archetype)
    rows = documents.load((ROOT / "controls/assessment.yaml").read_bytes(), "assessment")["screen"]
    people = {"answered_by": "team@bank.example", "reviewed_by": "legal@bank.example"}
    screen = {**people, "answers": {row["use"]: False for row in rows}}
    return documents.write({"schema": 1, "facts": facts, "screen": screen})


def commit(product: Product, message: str) -> None:
    product.shell.must(f"git add -A && git commit -qm {shlex.quote(message)}")


def gate(product: Product) -> tuple[int, dict[str, Any]]:
    done = product.shell.run("ai-factory gate --json")
    return done.code, json.loads(done.text)


def gaps(found: dict[str, Any]) -> dict[str, list[str]]:
    """What each control that stands in the way lacks, where."""
    return {
        row["control"]: [f"{gap['path']}: {gap['message']}" for gap in row["gaps"]] or [row["status"]]
        for row in found["controls"]
        if row["blocks"]
    }


def governed(product: Product, archetype: str) -> None:
    """Assess it, let it write its documents, and commit both."""
    commit(product, "run")
    (product.folder.parent / "answers.yaml").write_bytes(answers(archetype))
    product.shell.must("ai-factory assess --answers ../answers.yaml")
    product.shell.must("make --no-print-directory documents")
    commit(product, "assess")


def approve(product: Product, *roles: str) -> str:
    """Each role approves, another person each; what the last command said."""
    said = ""
    for number, role in enumerate(roles):
        until = product.shell.must("date -u -d '+300 days' +%Y-%m-%d").strip()
        said = product.shell.must(APPROVE.format(role=role, who=f"p{number}", until=until))
    commit(product, "approve")
    return said


@pytest.fixture(scope="module")
def released(
    has_run: Callable[[str], tuple[Product, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Product, dict[str, Any]]:
    """The project after its run, assessed and approved, and what the gate says of it; to be left as it is."""
    product = has_run(NAME)[0].copy(tmp_path_factory.mktemp("released"))
    governed(product, "eu-retail-credit")
    assert approve(product, *ROLES).endswith("every role has approved\n")
    return product, gate(product)[1]


def test_run_assess_approve_passes_the_gate(released: tuple[Product, dict[str, Any]]) -> None:
    """All that a high-risk system in the EU has to meet now is met; what is due before its first use is told."""
    product, found = released
    assert (found["passed"], found["tier"], gaps(found)) == (True, "high", {})
    statuses = [row["status"] for row in found["controls"] if row["verdict"] == "required now"]
    assert statuses == ["pass"] * 42
    assert [note for note in found["warnings"] if "counsel" in note] == [
        "before it is in use: governance/notices.yaml: counsel has not reviewed the texts (TRA-02)"
    ]
    assert product.shell.must("make --no-print-directory release-check").endswith(
        "nothing stands in the way of a release\n"
    )
    assert product.check() == (0, [])


REMOVED = {  # a file, and the control whose evidence it is, with what is then said
    "evidence/evaluation.json": ("MOD-03", "is missing"),
    "evidence/monitoring.json": ("MON-01", "is missing"),
    "evidence/lineage.json": ("DATA-03", "is missing"),
    "bom/ml-bom.cdx.json": ("MOD-02", "is missing"),
    "docs/model-card.md": ("MOD-01", "is missing"),
    "docs/governance/impact-assessment.md": ("GOV-05", "is missing"),
    "docs/governance/instructions-for-use.md": ("TRA-03", "is missing"),
    "governance/applicability.json": ("GOV-03", "is missing"),
    "governance/risk-assessment.yaml": ("GOV-04", "is missing"),
    "ops/runbook.md": ("HUM-02", "is missing"),
    f"{SOURCE}/controls/audit/chain.py": ("AUD-02", "is missing"),
    "tests/controls/test_reasons.py": ("MOD-05", "is missing"),
}


@pytest.mark.parametrize("path", REMOVED)
def test_without_a_piece_of_evidence_it_fails_for_that_reason(
    path: str, released: tuple[Product, dict[str, Any]]
) -> None:
    """The control is named, the file, and what it lacks; put back, the gate passes."""
    product, _ = released
    control, message = REMOVED[path]
    file = product.folder / path
    content = file.read_bytes()
    file.unlink()
    try:
        code, found = gate(product)
    finally:
        file.write_bytes(content)
    assert (code, found["passed"]) == (1, False)
    assert f"{path}: {message}" in gaps(found)[control]


def test_without_one_role_nothing_is_released(released: tuple[Product, dict[str, Any]], tmp_path: Path) -> None:
    """Neither the sign-off nor whatever people have to judge."""
    product = released[0].copy(tmp_path)
    register = product.folder / "governance" / "approvals.yaml"
    rows = documents.load(register.read_bytes(), "approvals")
    rows["approvals"] = [row for row in rows["approvals"] if row["role"] != "risk"]
    register.write_bytes(documents.write(rows))
    code, found = gate(product)
    lacks = gaps(found)
    assert (code, lacks.pop("GOV-06")) == (1, ["governance/approvals.yaml: approval of the risk: is missing"])
    assert {text.partition(": ")[2] for texts in lacks.values() for text in texts} == {"has to be approved by people"}
    assert {"GOV-04", "GOV-05", "MOD-06"} <= lacks.keys()


def test_a_system_in_use_is_asked_for_more(released: tuple[Product, dict[str, Any]], tmp_path: Path) -> None:
    """Those who run it have learnt what they need, and counsel has seen what people are told."""
    product = released[0].copy(tmp_path)
    product.write({"governance/system.yaml": ("status: development", "status: production")})
    product.shell.must("make --no-print-directory documents")
    lacks = gaps(gate(product)[1])
    assert lacks["TRA-02"] == ["governance/notices.yaml: counsel has not reviewed the texts"]
    assert [text.split(": ", 1)[1] for text in lacks["GOV-07"]] == [
        f"nobody has learnt what the {role} needs, or it has run out"
        for role in ("business owner", "builder", "operations", "overseer")
    ]


def test_a_helper_of_low_risk_needs_one_approval(copy_of: Make) -> None:
    """One role, few documents: governance grows with the harm that a system can do."""
    product = copy_of("blank")
    governed(product, "internal-code-assistant")
    assert approve(product, "business owner").endswith("every role has approved\n")
    code, found = gate(product)
    assert (found["tier"], gaps(found), code) == ("low", {}, 0)
    assert sum(row["verdict"] == "required now" for row in found["controls"]) == 14
    assert len(list((product.folder / "docs/governance").glob("*.md"))) == 8
    product.shell.must("make --no-print-directory release-check")


@pytest.mark.slow
@pytest.mark.parametrize("blueprint", [name for name in golden.BLUEPRINTS if "documents" in golden.make_targets(name)])
def test_its_own_tests_pass_once_people_have_decided(blueprint: str, copy_of: Make) -> None:
    """They depend on no answer, approval or record of the project."""
    product = copy_of(blueprint)
    governed(product, "us-card-credit")
    approve(product, *ROLES, "executive")
    product.shell.must("make --no-print-directory test", TEST_SECONDS)
