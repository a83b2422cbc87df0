"""The map is read whole, and every mistake in it is named with file and line."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from ai_factory import cache, documents
from ai_factory.errors import AuthorError
from ai_factory.governance import facts as facts_of
from ai_factory.governance import reading
from ai_factory.tree import File
from tests import golden

CONTROLS = Path(__file__).parent.parent / "controls"


def tree(**changed: tuple[str, str]) -> dict[str, File]:
    """The embedded map, with a text of some documents replaced by another."""
    found = {}
    for file in sorted(CONTROLS.glob("*.yaml")):
        text = file.read_text("utf-8")
        old, new = changed.get(file.stem, ("", ""))
        assert not old or text.count(old) == 1, (old, text.count(old))
        found[file.name] = File((text.replace(old, new) if old else text).encode())
    return found


def line(document: str, old: str) -> int:
    """The line on which a text stands."""
    return (CONTROLS / f"{document}.yaml").read_text("utf-8").partition(old)[0].count("\n") + 1


def test_the_embedded_map_is_sound() -> None:
    """Its size, as counted by hand; a row that is lost is noticed."""
    found = reading.read(tree(), cache.document)
    counts = (len(found.facts), len(found.regulation.conditions.named), len(found.regulation.requirements))
    assert (*counts, len(found.regulation.controls), len(found.scale.floors)) == (26, 29, 92, 45, 4)


@pytest.mark.parametrize(
    ("document", "old", "new", "message"),
    [
        (
            "conditions",
            "  india: {jurisdictions: {has: IN}}",
            "  india: {jurisdiction: {has: IN}}",
            "there is no fact `jurisdiction`; did you mean `jurisdictions`?",
        ),
        (
            "conditions",
            "  india: {jurisdictions: {has: IN}}",
            "  india: {jurisdictions: {has: India}}",
            "`jurisdictions` has no value 'India'; known are EU, IN, US, US-CO, SG, UK",
        ),
        (
            "conditions",
            "  india: {jurisdictions: {has: IN}}",
            "  india: {jurisdictions: IN}",
            "`jurisdictions` is a list: `is` does not fit it",
        ),
        (
            "conditions",
            "  india: {jurisdictions: {has: IN}}",
            "  india: {ref: rbi}",
            "there is no condition `rbi`; known are eu",
        ),
        (
            "conditions",
            "  india: {jurisdictions: {has: IN}}",
            "  india: {all: []}",
            "a condition has one key: all, any, not, ref or a fact",
        ),
        (
            "conditions",
            "  hipaa: {all: [{ref: us}, {phi: true}]}",
            "  hipaa: {all: [{ref: us}, {phi: sometimes}]}",
            "`phi` is yes or no (true, false), not 'sometimes'",
        ),
        (
            "conditions",
            "  hipaa: {all: [{ref: us}, {phi: true}]}",
            "  hipaa: {all: [{ref: us}, {effect: {above: minor}}]}",
            "a test of `effect` is a value or one of in, has, gte",
        ),
    ],
)
def test_a_condition_that_is_none_is_named(document: str, old: str, new: str, message: str) -> None:
    """File, line, what is wrong, and what was meant."""
    with pytest.raises(AuthorError) as refused:
        reading.read(tree(**{document: (old, new)}), cache.document)
    assert refused.value.message == f"`controls/{document}.yaml` line {line(document, old)}: {message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low: {from: 0,", "low: {from: 1,", "`low` is the lowest tier: it begins at 0 points, not at 1"),
        ("low: {from: 0,", "low: {from: -1,", "`low` begins at a whole number of points, not -1"),
        ("high: {from: 15,", "high: {from: 6,", "`high` begins at 6 points, and `medium` below it at 6"),
        ("high: {from: 15,", "high: {from: 7.5,", "`high` begins at a whole number of points, not 7.5"),
        ('{"1000": 1,', '{"abc": 1,', "`persons_per_year` is a number, not 'abc'"),
        ("  phi: 2", "  phi: -2", "the points of `phi` (yes) are a whole number from 0 on, not -2"),
        ("  phi: 2", "  phi: {yes: 2}", "the points of `phi` are a number, for yes: it is yes or no (true, false)"),
        ("{hard: 2,", "{hard: -2,", "the points of `reversibility` (hard) are a whole number from 0 on, not -2"),
        (
            "  effect: {minor: 1, significant: 5, legal_or_similar: 7}",
            "  effect: 3",
            "the points of `effect` are a mapping to numbers: it is a word",
        ),
    ],
)
def test_points_that_make_no_tier_are_named(old: str, new: str, message: str) -> None:
    """A scale gives every system a tier."""
    with pytest.raises(AuthorError) as refused:
        reading.read(tree(tiers=(old, new)), cache.document)
    assert refused.value.message == f"`controls/tiers.yaml` line {line('tiers', old)}: {message}"


def test_every_mistake_is_named_at_once() -> None:
    """An author mends them in one go."""
    changed = tree(
        requirements=(
            "    instrument: EUAIA\n    cite: Art. 4 (as replaced)\n",
            "    instrument: EUAIAA\n    cite: Art. 4 (as replaced)\n",
        ),
        controls=("refs: [SR262-GOV, FREEAI-23, RBIMRM-INV, MASAIRM-4, EUAIA-17,", "refs: [EUAIA-99,"),
        tiers=("    when: us_credit\n", "    when: us_credits\n"),
    )
    with pytest.raises(AuthorError) as refused:
        reading.read(changed)
    at = line("requirements", "  EUAIA-4:\n")
    asked = line("controls", "refs: [SR262-GOV, FREEAI-23")
    floor = line("tiers", "    when: us_credit\n")
    assert [refused.value.message, *refused.value.details] == [
        f"`controls/requirements.yaml` line {at + 1}: there is no instrument `EUAIAA`; did you mean `EUAIA`?",
        f"`controls/controls.yaml` line {asked}: there is no requirement `EUAIA-99`; did you mean `EUAIA-9`?",
        f"`controls/tiers.yaml` line {floor}: there is no condition `us_credits`; did you mean `us_credit`?",
    ]


def test_a_row_that_says_too_little_is_refused() -> None:
    """Each duty has cite, date, condition and how far it was checked."""
    with pytest.raises(AuthorError) as refused:
        reading.read(tree(requirements=("    cite: Art. 4 (as replaced)\n", "")))
    at = line("requirements", "  EUAIA-4:\n")
    message = f"`controls/requirements.yaml` line {at}: requirements.EUAIA-4: `cite` is missing"
    assert refused.value.message == message


def test_a_binding_duty_has_a_date() -> None:
    """Only guidance and drafts may have none of their own."""
    old = 'when: eu\n    applies_from: "2025-02-02"\n    verified: corroborated\n  EUAIA-6:'
    with pytest.raises(AuthorError) as refused:
        reading.read(tree(requirements=(old, old.replace('"2025-02-02"', "null"))))
    assert refused.value.message.endswith("a binding duty says from which day it applies")


def test_a_map_that_lacks_a_document_is_refused() -> None:
    """And says which ones there have to be."""
    found = tree()
    del found["tiers.yaml"]
    with pytest.raises(AuthorError, match=r"`controls/tiers.yaml` is missing"):
        reading.read(found)


# ---- what a project is stamped with --------------------------------------------------------------

STAMPED = "default/governance/facts.yaml"


def loaded(file: Path) -> Any:
    """The content of a YAML file."""
    return documents.load(file.read_bytes(), str(file))


def test_a_project_asks_for_the_facts_of_the_map() -> None:
    """All of them in its order, each with a comment that names every value; and every practice of the screen."""
    file = golden.GOLDEN / golden.WHOLE / STAMPED
    stamped, known = loaded(file), facts_of.types(loaded(CONTROLS / "facts.yaml"))
    assert [stamped["schema"], *stamped["facts"]] == [1, *known]
    assert [*stamped["screen"]["answers"]] == [row["use"] for row in loaded(CONTROLS / "assessment.yaml")["screen"]]
    text = re.sub(r"\n  # ", " ", file.read_text("utf-8"))  # a comment before a fact, on one line
    for name, type_ in known.items():
        plain = {"bool": "true or false", "int": "a whole number"}.get(type_.kind)
        said = rf"{name}: \w+  # {plain}: " if plain else rf"[: ]{', '.join(type_.values)}\.\n  {name}: "
        assert re.search(said, text), name


def test_a_project_states_what_its_blueprint_does() -> None:
    """Each fact of the blueprint as it is, and null for those of which it says nothing."""
    for name in golden.BLUEPRINTS:
        blueprint = loaded(golden.ROOT / "blueprints" / f"{name}.yaml")
        if "governance" in blueprint["components"]:
            facts = loaded(golden.GOLDEN / name / STAMPED)["facts"]
            assert facts == {**dict.fromkeys(facts), **blueprint["facts"]}, name


OVERLAY = """\
schema: 1
as_of: "2026-11-26"
instruments:
  MRM: {title: our policy on models, binding: true, status: current, verified: corroborated}
requirements:
  MRM-4:
    instrument: MRM
    cite: "4.2"
    topic: a second pair of eyes
    when: {quantitative_model: true}
    applies_from: "2026-01-01"
    verified: corroborated
controls:
  - id: FIRM-01
    title: A second pair of eyes
    intent: Two people look at each change of a model.
    tier_floor: high
    lifecycle: [operate]
    owner: risk
    refs: [MRM-4]
    evidence: [{kind: record, name: reviews}]
    verify: {by: machine_and_person, rule: two names a change}
floors: {MOD-06: medium}
policies: {MOD-06: ["MRM 4.7"]}
remove:
  - {requirement: FREEAI-10, reason: not a bank, approved_by: counsel@bank.example}
"""


def overlaid(old: str = "", new: str = "") -> reading.Map:
    """The embedded map with the overlay on it, a text of the overlay replaced by another."""
    assert OVERLAY.count(old) == 1 or not old
    text = OVERLAY.replace(old, new) if old else OVERLAY
    return reading.read({"overlay.yaml": File(text.encode())}, cache.document, tree())


def test_an_overlay_asks_for_more() -> None:
    """Rows, a floor, ids of policies; guidance that does not apply is taken out, with a reason."""
    controls = overlaid().regulation.controls
    assert (controls["MOD-06"].tier_floor, controls["MOD-06"].policies) == ("medium", ("MRM 4.7",))
    assert controls["FIRM-01"].refs == ("MRM-4",)
    assert "FREEAI-10" not in overlaid().regulation.requirements
    assert "FREEAI-10" not in controls["GOV-07"].refs
    promoted = overlaid("floors:", "binding: [DORA]\nfloors:").regulation.requirements
    assert promoted["DORA-17"].instrument.binding


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: FIRM-01", "id: GOV-01", "the map has GOV-01 already: an overlay changes no control"),
        ("  MRM-4:\n", "  EUAIA-5:\n", "the map has `EUAIA-5` already: an overlay adds rows, and changes none"),
        ("{MOD-06: medium}", "{GOV-01: high}", "GOV-01 is required from tier low on: an overlay asks for no less"),
        ("{MOD-06: medium}", "{MOD-66: medium}", "there is no control `MOD-66`"),
        ("{MOD-06: [", "{MOD-66: [", "there is no control `MOD-66`"),
        ("requirement: FREEAI-10", "requirement: EUAIA-5", "`EUAIA-5` is law: an overlay takes none away"),
        (
            "remove:\n  - {requirement: FREEAI-10",
            "binding: [SR262]\nremove:\n  - {requirement: SR262-VAL",
            "`SR262-VAL` is of `SR262`, which this overlay binds: it takes none away",
        ),
        ("requirement: FREEAI-10", "requirement: FREEAI-99", "there is no requirement `FREEAI-99`"),
        ("floors:", "binding: [NISTT]\nfloors:", "there is no instrument `NISTT`"),
        ("refs: [MRM-4]", "refs: [MRM-5]", "there is no requirement `MRM-5`; did you mean `MRM-4`?"),
        ("when: {quantitative_model: true}", "when: {quantitative: true}", "there is no fact `quantitative`"),
        ("floors:", "binding: [FREEAI]\nfloors:", "`FREEAI` cannot bind: "),
        ("reason: not a bank, ", "", "remove.0: `reason` is missing"),
    ],
)
def test_what_an_overlay_may_not_do(old: str, new: str, message: str) -> None:
    """Each is a sentence with file and line."""
    with pytest.raises(AuthorError) as refused:
        overlaid(old, new)
    text = OVERLAY.replace(old, new)
    place, _, said = refused.value.message.partition(": ")
    assert said.startswith(message)
    number = int(place.rpartition(" ")[2])
    assert place == f"`controls/overlay.yaml` line {number}"
    assert 0 < number <= len(text.splitlines())


def test_projects_compute_the_points_that_the_map_publishes() -> None:
    """The check in a project knows the same weights, marks and roles, floors of law aside."""
    place = Path(__file__).parent / "golden/tabular-decision/default/src/credit_line/controls/required.py"
    names = runpy.run_path(str(place))
    tiers = documents.load((CONTROLS / "tiers.yaml").read_bytes(), "tiers")
    assert names["TIERS"] == {tier: row["from"] for tier, row in tiers["tiers"].items()}
    assert names["ROLES"] == {tier: tuple(row["roles"]) for tier, row in tiers["tiers"].items()}
    points = {fact: row if isinstance(row, dict) else {"True": row} for fact, row in tiers["points"].items()}
    assert names["POINTS"] == points
