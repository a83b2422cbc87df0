"""The same statement with another figure is found; other statements are not."""

from __future__ import annotations

from itertools import chain

from handbook.controls import contradictions
from handbook.controls.contradictions import Contradiction


def _found(**texts: str) -> list[Contradiction]:
    known = (contradictions.statements(name, f"{name}/s", text) for name, text in texts.items())
    return contradictions.find(list(chain.from_iterable(known)))


def test_the_same_with_another_figure_is_a_contradiction() -> None:
    """With both sentences, whichever came first."""
    (pair,) = _found(
        a="The daily meal allowance is 45 EUR for each employee. Alcohol is not paid.",
        b="Notes are filed. The daily meal allowance is 35 EUR for each employee.",
    )
    assert (pair.first.source, pair.second.source, pair.shared) == ("a", "b", 1.0)
    assert [set(one.figures) for one in (pair.first, pair.second)] == [{"45"}, {"35"}]
    assert pair.second.text == "The daily meal allowance is 35 EUR for each employee."


def test_small_changes_of_wording_do_not_hide_it() -> None:
    """Plural, order and a word or two."""
    pairs = _found(
        a="Claims are handed in within 30 days of the expense.",
        b="A claim is handed in within 60 days of each expense.",
    )
    assert len(pairs) == 1
    assert 0.6 <= pairs[0].shared < 1


def test_other_statements_are_none() -> None:
    """Of the same source, with the same figure, without figures, or on another thing."""
    assert _found(a="The limit of gifts is 50 EUR. The limit of gifts is 60 EUR.") == []
    assert _found(a="The limit of gifts is 50 EUR.", b="The limit of gifts is 50 EUR.") == []
    assert _found(a="The limit of gifts is high.", b="The limit of gifts is low.") == []
    assert _found(a="A hotel night costs up to 140 EUR.", b="A flight lasts up to 8 hours.") == []


def test_the_most_alike_come_first() -> None:
    """So that people begin with what is surest."""
    pairs = _found(
        a="Reports of staff are answered within 7 days. Keys are kept for 3 years by owners.",
        b="Reports are answered within 9 days. Keys are kept for 5 years by owners.",
    )
    assert [pair.shared for pair in pairs] == sorted((p.shared for p in pairs), reverse=True)
    assert pairs[0].first.text.startswith("Keys")
