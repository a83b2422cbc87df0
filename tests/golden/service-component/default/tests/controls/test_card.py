"""The model card says what evidence supports, and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from claims_router.controls import card, evidence
from claims_router.controls.card import CardRefused
from claims_router.controls.paths import Paths
from claims_router.controls.required import EVIDENCE

RESULTS = [
    {"metric": "auc", "slice": "all", "value": 0.8123456, "threshold": 0.7, "verdict": "pass"},
    {"metric": "auc", "slice": "sex=f", "value": 0.79, "threshold": None, "verdict": None},
]
PASSED = {"model_version": "m-1", "gate": {"passed": True}}
CONTENT = {"results": RESULTS, "rows": 5000, "calibrated": True, "months": ["a", "b"]}


def read(name: str) -> Mapping[str, Any]:
    """Evidence as the card reads it."""
    return {"evaluation": CONTENT}[name]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("${evaluation:results[metric=auc,slice=all].value}", "0.812"),
        ("${evaluation:results.1.slice}", "sex=f"),
        ("${evaluation:rows} rows", "5000 rows"),
        ("${evaluation:calibrated}, ${evaluation:months}", "yes, a, b"),
    ],
)
def test_a_placeholder_becomes_the_value_of_the_evidence(template: str, text: str) -> None:
    """By key, by place, and by the values of a row."""
    assert card.render(template, "", read) == text


def test_a_table_has_one_line_a_row_and_blanks_for_nothing() -> None:
    """Columns in the order asked for."""
    assert card.render("${table:evaluation:results|slice,value,threshold}", "", read) == (
        "| slice | value | threshold |\n| --- | --- | --- |\n"
        "| all | 0.812 | 0.700 |\n| sex=f | 0.790 |  |"
    )


@pytest.mark.parametrize(
    "template",
    [
        "${evaluation:results[metric=brier].value}",
        "${evaluation:results[metric=auc].value}",
        "${evaluation:results.7.value}",
        "${evaluation:results}",
        "${evaluation:rows.more}",
        "${table:evaluation:results|metric,colour}",
        "${table:evaluation:empty|metric}",
    ],
)
def test_a_missing_number_stops_the_card(template: str) -> None:
    """Absent, ambiguous, or not one value: no card, rather than a card with a gap."""
    with pytest.raises(CardRefused):
        card.render(template, "", read)


@pytest.mark.parametrize("words", ["AUC of 0.95", "right in 99% of cases", "about 12.5 % better"])
def test_a_figure_without_evidence_is_refused_in_human_text(words: str) -> None:
    """People may not type results by hand."""
    with pytest.raises(CardRefused, match="no evidence supports it"):
        card.render("${evaluation:rows}\n${text}", words, read)


@pytest.mark.parametrize("words", ["AUC of 0.81", "79% for women", "Article 10 of 2024", "v1.2.3"])
def test_a_figure_with_evidence_is_kept(words: str) -> None:
    """Rounded values of the evidence, plain integers and version numbers may stand."""
    assert card.render("${evaluation:rows}\n${text}", words, read) == f"5000\n{words}"


def test_the_card_is_written_and_the_same_each_time(tmp_path: Path) -> None:
    """Also with text that looks like a placeholder of a regular expression."""
    paths = Paths.of(tmp_path)
    paths.governance.mkdir()
    (paths.governance / "model-card.template.md").write_text("${evaluation:rows}\n\n${text}\n")
    (paths.governance / "model-card.text.md").write_text("Back\\1slash\n")
    with pytest.raises(CardRefused, match=r"no evidence/model\.json"):
        card.write_card(paths)
    evidence.write(paths, "evaluation", {**CONTENT, **PASSED}, [])
    evidence.write(paths, "model", {"version": "m-1"}, [])
    assert card.write_card(paths) == card.write_card(paths) == "5000\n\nBack\\1slash\n"
    assert (paths.docs / "model-card.md").read_text() == "5000\n\nBack\\1slash\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_version": "m-2"}, r"is about m-1, evidence/evaluation\.json of m-2"),
        ({"gate": {"passed": False}}, "the gate was not passed"),
        ({"gate": None}, "the gate was not passed"),
    ],
)
def test_no_card_for_a_model_that_was_not_evaluated_and_passed(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """Figures of another model, or of one that failed, are no evidence for this one."""
    paths = Paths.of(tmp_path)
    paths.governance.mkdir()
    for part in ("template", "text"):
        (paths.governance / f"model-card.{part}.md").write_text("")
    evidence.write(paths, "model", {"version": "m-1"}, [])
    evidence.write(paths, "evaluation", {**CONTENT, **PASSED, **change}, [])
    with pytest.raises(CardRefused, match=message):
        card.write_card(paths)


def test_the_project_template_reads_only_known_evidence() -> None:
    """The placeholders of this project name evidence that its pipeline writes."""
    templates = Path(__file__).parents[2].glob("governance/model-card.template.md")
    found = [name for file in templates for name in card.PLACEHOLDER.findall(file.read_text())]
    names = {expression.removeprefix("table:").split(":")[0] for expression in found}
    assert names <= {*EVIDENCE, "text"}
