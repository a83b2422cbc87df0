"""A map says no more than it keeps: each thing that it does not is named with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_factory.governance.approvals import SIGN_OFF
from ai_factory.governance.checks import CHECKS
from ai_factory.governance.linting import Backed, flaws
from ai_factory.governance.reading import NOTHING, opened
from ai_factory.project.maps import lint
from ai_factory.tree import File, Tree
from tests.kit import cli
from tests.test_map import CONTROLS, OVERLAY, line, tree

OURS = {*CHECKS, SIGN_OFF}
CHECKED = Backed(OURS, None)
ROOT = CONTROLS.parent


def found(controls: Tree, backed: Backed = CHECKED, under: Tree = NOTHING) -> list[tuple[str, int, str]]:
    """What is wrong in a map, with the document and the line."""
    made = opened(controls, under=under)
    return [(one.document, made.line(one), one.message) for one in flaws(made, backed)]


def test_our_own_map_keeps_what_it_says() -> None:
    """With the evidence that our components bring; the older one of the examples too."""
    assert lint(str(ROOT)) == []
    assert lint(str(ROOT / "docs/examples/map-2026-03-01")) == []


BREACH = 'topic: breach notice <= 60 days\n    when: {}\n    applies_from: "2009-09-23"\n    verified: {}\n'
NOTICE = 'cite: "164.404-408"\n    jurisdiction: US\n    verified: {}\n'
FLAWS = [
    (
        "facts",
        "    unused: the guidance of 2026 is mostly",
        "#",
        "  us_assets_over_30bn:",
        "`us_assets_over_30bn`: no row and no tier tests it: use it, or say under `unused` why it is asked",
    ),
    (
        "facts",
        "    help: it contains a generative model\n",
        "    help: h\n    unused: u\n",
        "    unused: u",
        "`genai` is used: take `unused` out",
    ),
    (
        "conditions",
        "  iso: {frame",
        "  odd: {genai: true}\n  iso: {frame",
        "  odd: {",
        "nothing names the condition `odd`",
    ),
    (
        "instruments",
        "  CRA:\n",
        "  ODD: {title: t, binding: false, status: s, verified: recall}\n  CRA:\n",
        "  ODD: {",
        "no requirement is of the instrument `ODD`",
    ),
    (
        "requirements",
        "  CRA-14:\n",
        "  CRA-13: {instrument: CRA, cite: c, topic: t, when: eu, applies_from: null, verified: recall}\n  CRA-14:\n",
        "  CRA-13:",
        "a binding duty says from which day it applies",
    ),
    (
        "requirements",
        "  CRA-14:\n",
        "  NIST-2: {instrument: NIST, cite: c, topic: t, when: eu, applies_from: null, verified: recall}\n  CRA-14:\n",
        "  NIST-2:",
        "no control answers `NIST-2`",
    ),
    (
        "requirements",
        BREACH.format("hipaa", "recall"),
        BREACH.format("hipaa", "secondary"),
        "    verified: secondary\n  ACA-92210",
        "`HIPAA-404` says secondary, and `HIPAA` behind it is recall",
    ),
    (
        "requirements",
        BREACH.format("hipaa", "recall"),
        BREACH.format("hipa", "recall"),
        "    when: hipa\n",
        "there is no condition `hipa`; did you mean `hipaa`?",
    ),
    (
        "clocks",
        NOTICE.format("recall"),
        NOTICE.format("corroborated"),
        "    verified: corroborated\n  US-ECOA",
        "`US-HIPAA` says corroborated, and `HIPAA-404` behind it is recall",
    ),
    (
        "retention",
        "    records: [retired models]",
        "    records: [technical documentation]",
        "  retired models:",
        "no row is about the class of records `retired models`",
    ),
    (
        "controls",
        "    iso: [A.3.2, A.4.2]",
        "    iso: [A.3.2, A.4.9]",
        "    iso: [A.3.2, A.4.9]",
        "GOV-01 names `A.4.9`, which is no id of Annex A of ISO/IEC 42001; did you mean `A.4.6`?",
    ),
    (
        "controls",
        "    nist: [GOVERN 1.6, GOVERN 2.1, MAP 1.1]",
        "    nist: [GOVERN 1.6, GOVERN 2.1, MAP 9.1]",
        "    nist: [GOVERN 1.6, GOVERN 2.1, MAP 9.1]",
        "GOV-01 names `MAP 9.1`, which is no id of the NIST AI RMF 1.0; did you mean `MAP 5.1`?",
    ),
    (
        "clocks",
        "    jurisdiction: SG\n",
        "    jurisdiction: SGP\n",
        "    jurisdiction: SGP",
        "there is no jurisdiction `SGP`; did you mean `SG`?",
    ),
    (
        "retention",
        "types: [decision, override, notice, action]}",
        "types: [decision, overide, notice, action]}",
        "types: [decision, overide",
        "an audit trail has no events of the type `overide`; did you mean `override`?",
    ),
]


@pytest.mark.parametrize(("document", "old", "new", "at", "message"), FLAWS)
def test_what_is_broken_on_purpose_is_found(document: str, old: str, new: str, at: str, message: str) -> None:
    """One flaw, one finding, where it is."""
    changed = tree(**{document: (old, new)})
    number = changed[f"{document}.yaml"].content.decode().partition(at)[0].count("\n") + 1
    assert found(changed) == [(document, number, message)]


@pytest.mark.parametrize(
    ("backed", "control", "message"),
    [
        (Backed(OURS - {"MON-01"}, None), "MON-01", "has no check of its own: say `today: presence`, or that it needs"),
        (Backed({*OURS, "AUD-01"}, None), "AUD-01", "has a check of its own: take `today` out"),
        (Backed(OURS, set()), "DATA-07", "has no evidence from a component and no check: say that it needs a person"),
    ],
)
def test_a_control_says_what_looks_at_it(backed: Backed, control: str, message: str) -> None:
    """A check of its own, evidence that is there, or a person."""
    told = {
        said.partition(" ")[0]: (place, number, said.partition(" ")[2]) for place, number, said in found(tree(), backed)
    }
    place, number, said = told[control]
    at = line("controls", f"  - id: {control}\n")
    assert (place, said[: len(message)]) == ("controls", message)
    assert at < number < at + 30


def test_of_an_overlay_its_own_rows_are_looked_at() -> None:
    """What the map beneath lacks is not the firm's to mend; what leads astray is told where it stands."""
    nothing = Backed(OURS, set())
    assert found({"overlay.yaml": File(OVERLAY.encode())}, nothing, tree()) == []
    text = OVERLAY.replace("by: machine_and_person", "by: machine") + "conditions: {odd: eu}\n"
    condition, control = found({"overlay.yaml": File(text.encode())}, nothing, tree())
    assert condition == ("overlay", len(text.splitlines()), "nothing names the condition `odd`")
    assert control[:2] == ("overlay", text.partition("    verify:")[0].count("\n") + 1)
    assert control[2].startswith("FIRM-01 has no evidence from a component and no check")


def test_the_command_says_where_and_ends_with_one(tmp_path: Path) -> None:
    """Exit 1 with file and line; a document of another form is refused."""
    result = cli("map", "lint", str(ROOT))
    assert (result.code, result.out.splitlines()[0]) == (
        0,
        "nothing in the map is astray, unused or claimed without ground",
    )
    (tmp_path / "overlay.yaml").write_text(OVERLAY.replace("refs: [MRM-4]", "refs: [MRM-5]"), "utf-8")
    result = cli("map", "lint", str(tmp_path))
    number = OVERLAY.partition("    refs: [MRM-4]")[0].count("\n") + 1
    assert (result.code, result.out.splitlines()) == (
        1,
        [
            f"controls/overlay.yaml:{number}: there is no requirement `MRM-5`; did you mean `MRM-4`?",
            "1 finding",
            "the map is in our own words and unreviewed by counsel: this is no legal advice",
        ],
    )
    told = cli("map", "lint", str(tmp_path), "--json").data
    message = "there is no requirement `MRM-5`; did you mean `MRM-4`?"
    finding = {"file": "controls/overlay.yaml", "line": number, "message": message}
    assert told == {"schema": "ai-factory/map-lint/1", "findings": [finding]}
    (tmp_path / "overlay.yaml").write_text("schema: 1\n", "utf-8")
    assert cli("map", "lint", str(tmp_path)).code == 2


def test_a_component_is_evidence_for_controls_that_there_are(factory: Path) -> None:
    """Named in the component, with the line."""
    (factory / "controls").mkdir()
    (factory / "controls/overlay.yaml").write_text('schema: 1\nas_of: "2026-11-26"\n', "utf-8")
    manifest = next(iter(sorted((factory / "templates").glob("*/component.yaml"))))
    text = manifest.read_text("utf-8")
    assert cli("map", "lint", str(factory)).code == 0
    manifest.write_text(text.replace("    GOV-08:", "    ODD-01:").replace("  GOV-08:", "  ODD-01:"), "utf-8")
    result = cli("map", "lint", str(factory))
    name = manifest.relative_to(factory).as_posix()
    number = text.partition("GOV-08:")[0].count("\n") + 1
    assert (result.code, result.out.splitlines()[0]) == (1, f"{name}:{number}: there is no control `ODD-01`")
