"""From facts to verdicts: conditions, tiers, applicability, and the records of six systems, reviewed line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ai_factory import documents
from ai_factory.governance import facts as facts_of
from ai_factory.governance.applicability import Applicability, Verdict, applicability
from ai_factory.governance.conditions import Conditions, Facts, Leaf
from ai_factory.governance.frameworks import ISO_42001, NIST_AI_RMF
from ai_factory.governance.record import record
from ai_factory.governance.regulation import Regulation, regulation
from ai_factory.governance.tiers import Scale, Step, scale

ROOT = Path(__file__).parent.parent
ARCHETYPES = sorted(file.stem for file in (ROOT / "tests/archetypes").glob("*.yaml"))
TODAY = "2026-11-26"
FUNCTIONS = {"GOVERN": 19, "MAP": 18, "MEASURE": 22, "MANAGE": 13}  # of the AI RMF, with their subcategories
MAP = ("facts", "conditions", "instruments", "requirements", "controls", "tiers", "retention", "clocks")


def document(path: str) -> Any:
    return documents.load((ROOT / path).read_bytes(), path)


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return {name: document(f"controls/{name}.yaml") for name in MAP}


@pytest.fixture(scope="module")
def law(parts: dict[str, Any]) -> Regulation:
    return regulation(parts)


@pytest.fixture(scope="module")
def measure(parts: dict[str, Any]) -> Scale:
    return scale(parts["tiers"])


def system(name: str, **change: Any) -> Facts:
    return facts_of.facts({**document(f"tests/archetypes/{name}.yaml"), **change})


def judged(law: Regulation, measure: Scale, facts: Facts, as_of: str = TODAY) -> Applicability:
    return applicability(law, facts, measure.of(law.conditions, facts).tier, as_of)


@pytest.mark.parametrize("name", ARCHETYPES)
def test_the_record_of_a_system(
    name: str, law: Regulation, measure: Scale, parts: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Whole and as it was reviewed: verdicts, dates, tiers, and the facts behind each."""
    assert facts_of.problems(document(f"tests/archetypes/{name}.yaml"), facts_of.types(parts["facts"])) == {}
    facts = system(name)
    made = record(judged(law, measure, facts), measure.of(law.conditions, facts), law.as_of, facts)
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    golden = ROOT / f"tests/archetypes/{name}.json"
    if request.config.getoption("--golden"):
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


CONDITIONS = Conditions(
    {"eu": {"where": {"has": "EU"}}, "big": {"all": [{"ref": "eu"}, {"size": {"gte": "some"}}]}},
    {"size": ("none", "some", "much")},
)
EU: Facts = {"where": frozenset({"EU", "IN"}), "size": "much", "kind": "a", "yes": True, "count": 3}


@pytest.mark.parametrize(
    ("condition", "holds", "because"),
    [
        ("eu", True, ["where ∋ EU"]),
        ("big", True, ["where ∋ EU", "size ≥ some"]),
        ({"all": [{"size": "none"}, "eu"]}, False, ["size ≠ none"]),
        ({"any": [{"size": "none"}, "eu", {"yes": True}]}, True, ["where ∋ EU"]),
        ({"any": [{"size": "none"}, {"kind": {"in": ["b", "c"]}}]}, False, ["size ≠ none", "kind ∉ b, c"]),
        ({"not": "big"}, False, ["where ∋ EU", "size ≥ some"]),
        ({"not": {"yes": False}}, True, ["yes ≠ no"]),
        ({"kind": {"in": ["a", "b"]}}, True, ["kind = a"]),
        ({"count": {"gte": 4}}, False, ["count < 4"]),
        ({"where": {"has": "US"}}, False, ["where ∌ US"]),
    ],
)
def test_a_condition_says_which_facts_decided(condition: Any, holds: bool, because: list[str]) -> None:
    """All that were needed for it to hold, or those for which it did not."""
    found = CONDITIONS.find(condition, EU)
    assert (found.holds, [str(leaf) for leaf in found.because]) == (holds, because)


def test_a_leaf_keeps_what_the_fact_was() -> None:
    """The reader sees both what was asked and what the answer is."""
    assert CONDITIONS.find({"size": "none"}, EU).because == (Leaf("size", "is", "none", "much", holds=False),)


def test_law_to_come_is_required_by_its_day(law: Regulation, measure: Scale) -> None:
    """The day of the question moves the verdict, and nothing else does."""
    facts = system("singapore-claims", jurisdictions=["EU"], decision_type="education_access", autonomy="advisory")
    low = {as_of: applicability(law, facts, "low", as_of).controls["HUM-03"] for as_of in ("2026-11-26", "2027-12-02")}
    assert [(one.verdict, one.date) for one in low.values()] == [
        (Verdict.LATER, "2027-12-02"),
        (Verdict.REQUIRED, "2027-12-02"),
    ]
    assert measure.of(law.conditions, facts).tier == "high"


def test_guidance_recommends_until_the_tier_asks(law: Regulation) -> None:
    """Proportion: the same guidance is a recommendation for a small system, and no more for a larger one."""
    facts = system("indian-nbfc-chatbot")
    verdicts = [applicability(law, facts, tier, TODAY).controls["HUM-03"].verdict for tier in ("medium", "high")]
    assert verdicts == [Verdict.RECOMMENDED, Verdict.REQUIRED]


def test_a_low_risk_helper_gets_few_items(law: Regulation, measure: Scale) -> None:
    """Over-control kills adoption: about 14 of 45."""
    found = judged(law, measure, system("internal-code-assistant")).controls.values()
    assert [sum(one.verdict is verdict for one in found) for verdict in Verdict] == [14, 0, 0, 31]


def test_one_answer_away_from_the_next_tier(law: Regulation, measure: Scale, parts: dict[str, Any]) -> None:
    """Whoever assesses sees which single answer would raise the tier."""
    choices = {name: type_.choices() for name, type_ in facts_of.types(parts["facts"]).items()}
    steps = list(measure.next_steps(law.conditions, system("eu-retail-credit"), choices))
    assert steps == [Step("autonomy", "full", "critical")]


def test_points_and_floors_make_the_tier(law: Regulation, measure: Scale) -> None:
    """A floor beats points; without it the points stand."""
    facts = system("internal-code-assistant", agentic=True, reversibility="irreversible")
    found = measure.of(law.conditions, facts)
    assert (found.tier, sum(found.points.values())) == ("high", 11)
    assert [one.floor.reason for one in found.floors] == ["it acts by itself, and what it does cannot be undone"]
    assert measure.of(law.conditions, system("internal-code-assistant")).floors == ()


def test_facts_that_are_none_are_named(parts: dict[str, Any]) -> None:
    """Each with what is wrong; a map's fact that nobody answered too."""
    answers = {**document("tests/archetypes/us-aml-alerts.yaml"), "effect": "huge", "genai": "yes", "colour": "red"}
    answers |= {"jurisdictions": ["US", "Mars"], "persons_per_year": -1}
    del answers["sector"]
    found = facts_of.problems(answers, facts_of.types(parts["facts"]))
    assert found == {
        "colour": "is no fact of this map",
        "jurisdictions": "Mars is none of EU, IN, US, US-CO, SG, UK",
        "sector": "is not answered",
        "effect": "huge is none of none, minor, significant, legal_or_similar",
        "genai": "is yes or no (true, false), not yes",
        "persons_per_year": "is a number, not -1",
    }


def test_the_ids_of_frameworks(law: Regulation) -> None:
    """All there are, each id once; a control speaks to none that is not among them."""
    families = {name: [one for one in NIST_AI_RMF if one.startswith(name)] for name in FUNCTIONS}
    assert {name: len(ids) for name, ids in families.items()} == FUNCTIONS
    assert (len(ISO_42001), len(NIST_AI_RMF)) == (38, 72)
    controls = law.controls.values()
    assert {name for one in controls for name in one.iso} - ISO_42001.keys() == set()
    assert {name for one in controls for name in one.nist} - NIST_AI_RMF.keys() == set()
    assert [one.id for one in controls if not (one.iso and one.nist)] == []
