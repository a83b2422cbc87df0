"""Proves an answer against its sources: what is quoted is there, and what is said is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A quote shorter than this is in any text.
SHORTEST_QUOTE = 12
WORD = re.compile(r"[^\W_]+")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
LINK = re.compile(r"(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
COMMON = frozenset(
    WORD.findall(
        "a an and are as at be been by can do does for from had has have if in into is it its may"
        " not of on or that the their them there they this to up was were which who will with you"
        " your"
    )
)


@dataclass(frozen=True, slots=True)
class Quote:
    """Words, and the passage that they are said to stand in."""

    passage: str
    text: str


def contained(quote: str, passage: str) -> bool:
    """Whether the words stand in the passage as they are, but for case and white space."""
    wanted = _plain(quote)
    return len(wanted) >= SHORTEST_QUOTE and wanted in _plain(passage)


def findings(
    answer: str,
    quotes: Iterable[Quote],
    passages: Mapping[str, str],
    least_overlap: float = 0.5,
) -> tuple[str, ...]:
    """Why this answer may not go out, a sentence each; none if it is supported.

    `passages` are those that were handed over, by id. Each quote has to stand in its passage; each
    number, link and address of the answer in a quote; and of each sentence's words at least the
    share `least_overlap`. This does not understand: it cannot tell a negation from its opposite.
    """
    cited = list(quotes)
    if not cited:
        return ("nothing is cited",)
    found = [problem for quote in cited if (problem := _of_quote(quote, passages))]
    support = " ".join(quote.text for quote in cited)
    for name, pattern in (("number", NUMBER), ("link or address", LINK)):
        known = {item.rstrip(".,;") for item in pattern.findall(support)}
        loose = [item for item in pattern.findall(answer) if item.rstrip(".,;") not in known]
        found += [f"a {name} of the answer stands in no quote"] if loose else []
    if any(_overlap(sentence, support) < least_overlap for sentence in sentences(answer)):
        found.append("a sentence of the answer is not what the quotes say")
    return tuple(found)


def sentences(text: str) -> list[str]:
    """The sentences of a text, without white space around them."""
    parts = re.split(r"(?<=[.!?])\s+(?=[^a-z])|\n+", text)
    return [part.strip() for part in parts if part.strip()]


def words(text: str) -> list[str]:
    """The words that carry meaning, in lower case and without a plural s."""
    found = (word.casefold() for word in WORD.findall(text))
    return [_singular(word) for word in found if word not in COMMON]


def _of_quote(quote: Quote, passages: Mapping[str, str]) -> str:
    if quote.passage not in passages:
        return "a passage is cited that was not found for this question"
    if not contained(quote.text, passages[quote.passage]):
        return f"a quote does not stand in {quote.passage}"
    return ""


def _overlap(sentence: str, support: str) -> float:
    said, known = set(words(sentence)), set(words(support))
    return len(said & known) / len(said) if said else 1.0


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
