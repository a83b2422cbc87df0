"""Search: the right passage first, no question is an expression, confidence means something."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from policy_assistant.corpus import Passage
from policy_assistant.retrieval import Lexical, Library, Semantic, asked


def passage(name: str, text: str, access: str = "internal", keywords: str = "") -> Passage:
    """A passage of a document of its own."""
    number = f"{name[:3].upper()}-01"
    return Passage(
        id=f"{number}.v1/{name}",
        document=f"{number}.v1",
        document_id=number,
        title=name.capitalize(),
        heading="Rule",
        text=text,
        keywords=keywords,
        owner="desk",
        access=access,
        effective_on="2026-01-01",
    )


SHELF = (
    passage("meals", "The daily allowance is 45 EUR.", keywords="per diem, dinner"),
    passage("hotels", "A hotel night may cost up to 140 EUR."),
    passage("leave", "Employees have 28 days of leave. Days lapse in March."),
)
AXES = ("meal", "hotel", "leave")


def embed(texts: Sequence[str]) -> list[list[float]]:
    """A made-up embedding: one axis a topic."""
    return [[float(axis in text.casefold()) for axis in AXES] for text in texts]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is the daily allowance?", "MEA-01.v1/meals"),
        ("How much for dinners?", "MEA-01.v1/meals"),
        ("Costs of a night in hotels", "HOT-01.v1/hotels"),
        ("When do my days of leave lapse?", "LEA-01.v1/leave"),
    ],
)
def test_the_right_passage_is_first(question: str, found: str) -> None:
    """By words of the text, of the title and of the keywords, whatever their ending."""
    assert Lexical(SHELF).search(question, 4)[0].passage.id == found


@pytest.mark.parametrize(
    "question",
    [
        '") OR passages MATCH "leave',
        "text:leave NOT hotel",
        "NEAR(leave days)",
        "'; DROP TABLE --",
        "*",
        '"',
    ],
)
def test_no_question_is_an_expression(question: str) -> None:
    """Operators and quotes of the search language are words like any other, or nothing."""
    found = Lexical(SHELF).search(question, 4)
    assert len(Lexical(SHELF).search("hotel night", 4)) == 1
    assert all(0 <= hit.confidence <= 1 for hit in found)


def test_confidence_is_the_share_of_the_question_that_is_covered() -> None:
    """All words: one. A word that no passage holds lowers it, a common word counts little."""
    search = Lexical(SHELF).search
    whole = search("daily allowance", 1)[0].confidence
    partly = search("daily allowance of astronauts", 1)[0].confidence
    assert whole == pytest.approx(1.0)
    assert 0 < partly < whole


def test_nothing_to_search_for_finds_nothing() -> None:
    """A question of filling words, or an empty shelf."""
    assert asked("What is it and how do I do it?") == []
    assert Lexical(SHELF).search("What is it?", 4) == []
    assert Lexical(()).search("hotel", 4) == []


def test_the_number_of_hits_is_bounded() -> None:
    """And equal scores keep the order of the passages."""
    twins = [passage(name, "The same words.") for name in ("aaa", "bbb", "ccc")]
    found = [hit.passage.id for hit in Lexical(twins).search("same words", 2)]
    assert found == ["AAA-01.v1/aaa", "BBB-01.v1/bbb"]


def test_search_by_meaning_has_the_same_interface() -> None:
    """The nearest vector first; confidence is the cosine."""
    texts = [f"{one.title} {one.text}" for one in SHELF]
    found = Semantic(SHELF, embed(texts), embed).search("hotel", 2)
    assert found[0].passage.id == "HOT-01.v1/hotels"
    assert [hit.confidence for hit in found] == pytest.approx([1.0, 0.0])
    assert Semantic((), [], embed).search("hotel", 2) == []
    with pytest.raises(ValueError, match="0 vectors for 3 passages"):
        Semantic(SHELF, [], embed)


def test_each_clearance_has_an_index_of_its_own() -> None:
    """Made once, of what these classes may read and nothing else."""
    made: list[tuple[str, ...]] = []

    def counted(visible: Sequence[Passage]) -> Lexical:
        made.append(tuple(one.access for one in visible))
        return Lexical(visible)

    shelf = (*SHELF, passage("bonus", "The bonus pool is large.", access="people"))
    library = Library(shelf, counted)
    for classes in (["internal"], ["internal", "people"], ["people", "internal"], ["internal"]):
        library.search("bonus", classes, 4)
    assert made == [("internal",) * 3, ("internal",) * 3 + ("people",)]
    assert library.search("bonus", [], 4) == []
