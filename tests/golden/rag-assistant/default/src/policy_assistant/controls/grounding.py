"""Proves an answer against its sources: what is quoted is there, and what is said is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A quote shorter than this is in any text.
SHORTEST_QUOTE = 12
WORD = re.compile(r"[^\W_]+")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_ONES = WORD.findall(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_TENS = WORD.findall("twenty thirty forty fifty sixty seventy eighty ninety")
VALUES = {word: value for value, word in enumerate(_ONES)}
VALUES |= {word: 10 * value for value, word in enumerate(_TENS, 2)}
_SPELT = "|".join([*VALUES, "hundred", "thousand", "million"])
# Numbers in words; what belongs together, such as "twenty-five" or "five hundred", is one.
SPELT = re.compile(rf"\b(?:{_SPELT})(?:(?:[\s-]+|\s+and\s+)(?:{_SPELT}))*\b", re.IGNORECASE)
# Any `scheme:`, what begins with two slashes, addresses, and names such as example.org/path.
LINK = re.compile(
    r"\b[a-z][a-z\d+.-]*:[^\s\d]\S*|//\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b(?:[\w-]+\.)+[^\W\d_]{2,}\b(?:[:/?#]\S*)?",
    re.IGNORECASE,
)
# Before and behind a quote: it cuts no word, number, address or path.
BEFORE, BEHIND = r"(?<![\w-])(?<!\w['\u2019.,:/@])", r"(?![\w%-]|['\u2019.,:/@]\w)"
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
    """Whether the words stand in the passage as they are, but for case and white space.

    No word or number of it is cut: "at least 1" does not stand in "at least 14".
    """
    wanted = _plain(quote)
    whole = BEFORE + re.escape(wanted) + BEHIND
    return len(wanted) >= SHORTEST_QUOTE and re.search(whole, _plain(passage)) is not None


def findings(
    answer: str,
    quotes: Iterable[Quote],
    passages: Mapping[str, str],
    least_overlap: float = 0.5,
) -> tuple[str, ...]:
    """Why this answer may not go out, a sentence each; none if it is supported.

    `passages` are those that were handed over, by id. Each quote has to stand in its passage; each
    number (in digits or English words), link and address of the answer that a pattern sees in a
    quote; and of each sentence's words at least the share `least_overlap`. This does not
    understand: it cannot tell a negation from its opposite.
    """
    cited = list(quotes)
    if not cited:
        return ("nothing is cited",)
    found = [problem for quote in cited if (problem := _of_quote(quote, passages))]
    support = " ".join(quote.text for quote in cited)
    for name, seen in (("number", _numbers), ("link or address", _links)):
        if seen(answer) - seen(support):
            found.append(f"a {name} of the answer stands in no quote")
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


def _numbers(text: str) -> set[str]:
    return {*NUMBER.findall(text), *map(_value, SPELT.findall(text))}


def _value(spelt: str) -> str:
    """In digits where it is below a hundred, so that "five" and "5" are the same."""
    said = [word for word in re.split(r"[\s-]+", spelt.casefold()) if word != "and"]
    values = [VALUES.get(word, 0) for word in said]
    small = said[0] in _TENS and len(said) == 2 and 0 < values[1] < 10
    if small or (len(said) == 1 and said[0] in VALUES):
        return str(sum(values))
    return " ".join(said)


def _links(text: str) -> set[str]:
    return {item.rstrip(".,;") for item in LINK.findall(text)}


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
