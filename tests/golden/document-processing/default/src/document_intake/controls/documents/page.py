"""What a reader finds on a page: words and where they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its box, in points from the left and from the top of the upright page."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Page:
    """One page, turned upright by `turned` degrees.

    `pictures` counts the pictures on it: a page with some and without words was scanned, and has
    no text until somebody, or an OCR program, reads it. `by_ocr`: its words are what such a program
    made of the picture. `hidden`: there is text on it that nobody sees.
    """

    width: float
    height: float
    turned: int
    pictures: int
    words: tuple[Word, ...]
    by_ocr: bool = False
    hidden: bool = False

    def content(self) -> dict[str, Any]:
        """The page as plain data."""
        return asdict(self)


def page_of(content: dict[str, Any]) -> Page:
    """The page of such plain data."""
    words = tuple(Word(**word) for word in content["words"])
    return Page(**{**content, "words": words})


def turned(words: Iterable[Word], degrees: int, width: float, height: float) -> tuple[Word, ...]:
    """The words of a page that is turned by a quarter (90, 180, 270) clockwise; width and height
    are those before."""
    return tuple(_turned(word, degrees, width, height) for word in words)


def _turned(word: Word, degrees: int, width: float, height: float) -> Word:
    x0, top, x1, bottom = word.x0, word.top, word.x1, word.bottom
    if degrees == 90:
        return Word(word.text, height - bottom, x0, height - top, x1)
    if degrees == 180:
        return Word(word.text, width - x1, height - bottom, width - x0, height - top)
    if degrees == 270:
        return Word(word.text, top, width - x1, bottom, width - x0)
    return word
