"""The map is read whole, and every mistake in it is named with file and line."""

from __future__ import annotations

import re
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
    assert (*counts, len(found.regulation.controls), len(found.scale.floors)) == (26, 29, 88, 45, 4)


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


def test_every_mistake_is_named_at_once() -> None:
    """An author mends them in one go."""
    changed = tree(
        requirements=(
            "    instrument: EUAIA\n    cite: Art. 4 (as replaced)\n",
            "    instrument: EUAIAA\n    cite: Art. 4 (as replaced)\n",
        ),
        controls=("refs: [SR262-GOV, FREEAI-23, RBIMRM-INV, MASAIRM-4, EUAIA-17]", "refs: [EUAIA-99]"),
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
