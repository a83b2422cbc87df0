"""An answer stands on what it quotes, or it does not stand."""

from __future__ import annotations

import pytest

from handbook.controls import grounding
from handbook.controls.grounding import Quote, contained, findings

TEXT = (
    "Claims are handed in within 30 days of the expense. Write to desk@quillmere.example about it."
)
PASSAGES = {"EXP-01.v3/claims": TEXT, "TRV-01.v4/hotels": "A hotel night may cost up to 140 EUR."}
QUOTE = Quote("EXP-01.v3/claims", "Claims are handed in within 30 days of the expense.")


def test_an_answer_in_the_words_of_its_quote_passes() -> None:
    """Also with other case and white space."""
    assert findings("Claims are handed in within 30 days.", [QUOTE], PASSAGES) == ()
    assert findings("Hand in claims within 30 days.", [QUOTE], PASSAGES) == ()
    spaced = Quote(QUOTE.passage, "claims are  handed in\nwithin 30 days")
    assert findings(QUOTE.text, [spaced], PASSAGES) == ()


@pytest.mark.parametrize(
    ("answer", "quotes", "reason"),
    [
        ("Within 30 days.", [], "nothing is cited"),
        (
            "Claims are handed in within 30 days.",
            [Quote("EXP-09.v1/none", QUOTE.text)],
            "a passage is cited that was not found for this question",
        ),
        (
            "Claims are handed in within 30 days.",
            [Quote("TRV-01.v4/hotels", QUOTE.text)],
            "a quote does not stand in TRV-01.v4/hotels",
        ),
        (
            "30 days",
            [Quote(QUOTE.passage, "30 days")],
            "a quote does not stand in EXP-01.v3/claims",
        ),
        (
            "Claims are handed in within 60 days.",
            [QUOTE],
            "a number of the answer stands in no quote",
        ),
        (
            "Claims are handed in within 30 days at https://evil.example/x.",
            [QUOTE],
            "a link or address of the answer stands in no quote",
        ),
        (
            "Claims are handed in within 30 days, desk@evil.example.",
            [QUOTE],
            "a link or address of the answer stands in no quote",
        ),
        (
            "Claims are handed in within 30 days. Alcohol is fine whenever customers join.",
            [QUOTE],
            "a sentence of the answer is not what the quotes say",
        ),
    ],
)
def test_an_answer_without_support_is_found(answer: str, quotes: list[Quote], reason: str) -> None:
    """Whatever it lacks is said in a sentence."""
    assert reason in findings(answer, quotes, PASSAGES)


def test_an_address_that_is_quoted_may_be_said() -> None:
    """A full stop behind it is no part of it."""
    quote = Quote("EXP-01.v3/claims", "Write to desk@quillmere.example about it.")
    assert findings("Write to desk@quillmere.example.", [quote], PASSAGES) == ()


def test_a_short_quote_proves_nothing() -> None:
    """A word or two stand in any text."""
    assert contained("within 30 days of", TEXT)
    assert not contained("30 days", TEXT)
    assert not contained("", TEXT)


def test_sentences_and_words() -> None:
    """Figures and abbreviations do not end a sentence; words lose case, plural and filling."""
    text = "It costs 0.38 EUR for each. See p. 3 of it.\nAt 9:00 it ends!"
    assert grounding.sentences(text)[0] == "It costs 0.38 EUR for each."
    assert grounding.sentences(text)[-1] == "At 9:00 it ends!"
    assert grounding.words("The Claims of my boss are late") == ["claim", "my", "boss", "late"]
