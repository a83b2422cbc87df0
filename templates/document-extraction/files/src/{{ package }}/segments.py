"""Words to phrases, and phrases to candidates: what on a page could be the value of a field."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .controls.documents.page import Page, Word
from .fields import (
    ACCOUNT,
    AMOUNT,
    CURRENCIES,
    CURRENCY,
    DATE,
    IDENTIFIER,
    TEXT,
    parsed_amount,
    parsed_date,
)

LINE = 5.0  # words whose feet are nearer than this (in points) stand on one line
GAP = 7.0  # words that stand further apart (in points) belong to two phrases
ABOVE = 26.0  # how far above its value a word may stand
DATE_LIKE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2} [A-Za-z]{3} \d{4}")
ACCOUNT_LIKE = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
IDENTIFIER_LIKE = re.compile(r"(?=.*\d)[A-Z0-9][A-Z0-9/-]{4,}")


@dataclass(frozen=True, slots=True)
class Segment:
    """A phrase on one line; `page` counts from 0, places are in points from left and top."""

    text: str
    page: int
    x0: float
    top: float
    x1: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A phrase that could be a value of some kind, with the phrases to its left and above it."""

    kind: str
    segment: Segment
    left: str
    above: str

    @property
    def text(self) -> str:
        """The value as it is written."""
        return self.segment.text


@dataclass(frozen=True, slots=True)
class Found:
    """A value that an extractor chose: as written, how sure it is (0 to 1), by what margin."""

    text: str
    score: float
    margin: float
    segment: Segment | None = None


def lines(page: Page) -> list[list[Word]]:
    """The words of a page by line, each from the left; a scan's lines are uneven."""
    found: list[list[Word]] = []
    for word in sorted(page.words, key=lambda word: word.bottom):
        if found and abs(found[-1][0].bottom - word.bottom) < LINE:
            found[-1].append(word)
        else:
            found.append([word])
    return [sorted(line, key=lambda word: word.x0) for line in found]


def segments(pages: Sequence[Page]) -> list[Segment]:
    """The phrases of all pages, by line, from the left."""
    return [
        _segment(number, words)
        for number, page in enumerate(pages)
        for line in lines(page)
        for words in _parted(line)
    ]


def _parted(line: Sequence[Word]) -> Iterator[list[Word]]:
    part = [line[0]]
    for word in line[1:]:
        if word.x0 - part[-1].x1 > GAP:
            yield part
            part = []
        part.append(word)
    yield part


def _segment(page: int, words: Sequence[Word]) -> Segment:
    text = " ".join(word.text for word in words)
    top, bottom = min(word.top for word in words), max(word.bottom for word in words)
    return Segment(text, page, words[0].x0, top, words[-1].x1, bottom)


def unevenness(pages: Sequence[Page]) -> float:
    """How uneven lines are, in points: a scan is more so than what a program wrote."""
    spreads = [
        max(word.bottom for word in line) - min(word.bottom for word in line)
        for page in pages
        for line in lines(page)
    ]
    return sum(spreads) / len(spreads) if spreads else 0.0


def candidates(found: Sequence[Segment]) -> list[Candidate]:
    """Every phrase that could be a value, with its neighbours."""
    ordered = sorted(found, key=_down)
    places = [_down(segment) for segment in ordered]
    return [
        Candidate(kind_of(segment.text), segment, _left(segment, near), _above(segment, near))
        for segment in found
        for near in [_near(segment, ordered, places)]
    ]


def _down(segment: Segment) -> tuple[int, float]:
    return segment.page, segment.bottom


def _near(
    segment: Segment, ordered: Sequence[Segment], places: Sequence[tuple[int, float]]
) -> Sequence[Segment]:
    """The phrases on its line and right above it, itself among them."""
    page, bottom = _down(segment)
    first = bisect_left(places, (page, bottom - ABOVE))
    return ordered[first : bisect_right(places, (page, bottom + LINE))]


def kind_of(text: str) -> str:
    """What kind of value a phrase could be; every other phrase is text."""
    plain = text.replace(" ", "")
    if text.upper() in CURRENCIES:
        return CURRENCY
    if DATE_LIKE.fullmatch(text) and (parsed_date(text) or parsed_date(text, "mdy")):
        return DATE
    if parsed_amount(text) is not None:
        return AMOUNT
    if ACCOUNT_LIKE.fullmatch(plain) and len(plain) > 14:
        return ACCOUNT
    return IDENTIFIER if IDENTIFIER_LIKE.fullmatch(text) else TEXT


def _left(segment: Segment, others: Sequence[Segment]) -> str:
    """The next phrase to the left on the same line."""
    beside = [
        other
        for other in others
        if other.x1 <= segment.x0 and abs(other.bottom - segment.bottom) < LINE
    ]
    return max(beside, key=lambda other: other.x1).text if beside else ""


def _above(segment: Segment, others: Sequence[Segment]) -> str:
    """The next phrase above that begins at about the same place."""
    over = [
        other
        for other in others
        if LINE < segment.bottom - other.bottom < ABOVE and abs(other.x0 - segment.x0) < 12
    ]
    return max(over, key=lambda other: other.bottom).text if over else ""


def column(anchor: Segment, found: Sequence[Candidate]) -> list[str]:
    """The amounts that stand in one column right above a total, from the top."""
    of_column = [
        one.segment
        for one in found
        if one.kind == AMOUNT
        and one.segment.page == anchor.page
        and abs(one.segment.x1 - anchor.x1) < 3
        and one.segment.bottom < anchor.bottom - LINE
    ]
    taken: list[Segment] = []
    below = anchor
    for segment in sorted(of_column, key=lambda segment: -segment.bottom):
        if below.bottom - segment.bottom > ABOVE:
            break
        taken.append(segment)
        below = segment
    return [segment.text for segment in reversed(taken)]
