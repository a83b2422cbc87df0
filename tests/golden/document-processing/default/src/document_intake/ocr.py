"""Reads pages that are pictures, with RapidOCR: an extra, see docs/data.md.

It is the program of a reader like any other: `DOCUMENT_OCR=rapidocr` lets it run in the place of
the one that reads text layers only, in a process of its own and within bounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pypdfium2 as pdfium  # type: ignore[import-untyped, unused-ignore]

from .controls.documents import worker
from .controls.documents.page import Page, Word

DOTS = 200  # points of an inch in the picture that is read
LEAST = 0.5  # below this score a line counts as not read
# A line of text, its score, and its box (left, top, right, bottom) in points of the picture.
Line = tuple[str, float, tuple[float, float, float, float]]
Engine = Callable[[Any], Iterable[Line]]


def rapidocr() -> Engine:
    """The engine; its weights are in its package, so that nothing is fetched."""
    from rapidocr import RapidOCR  # type: ignore[import-not-found, unused-ignore]

    engine = RapidOCR()

    def read(picture: Any) -> Iterator[Line]:
        found = engine(picture)
        if found.txts is None:
            return
        for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True):
            across, down = [float(x) for x, _ in corners], [float(y) for _, y in corners]
            yield text, float(score), (min(across), min(down), max(across), max(down))

    return read


def pages(content: bytes, most_pages: int, most_characters: int, engine: Engine) -> list[Page]:
    """Every page; those without words but with a picture are read by OCR."""
    found = worker.pages(content, most_pages, most_characters)
    document = pdfium.PdfDocument(content)
    try:
        return [
            _read(document[number], page, engine) if page.pictures and not page.words else page
            for number, page in enumerate(found)
        ]
    finally:
        document.close()


def _read(source: Any, page: Page, engine: Engine) -> Page:
    picture = source.render(scale=DOTS / 72).to_numpy()
    lines = [line for line in engine(picture) if line[1] >= LEAST]
    words = tuple(word for line in lines for word in words_of(line))
    return replace(page, words=words, by_ocr=bool(words))


def words_of(line: Line) -> list[Word]:
    """The words of a line, its width shared by their letters, in points of the page."""
    text, _, (left, top, right, bottom) = line
    scale, letter = 72 / DOTS, (right - left) / max(len(text), 1)
    words, place = [], 0
    for part in text.split():
        place = text.index(part, place)
        ends = (left + place * letter, left + (place + len(part)) * letter)
        box = (ends[0] * scale, top * scale, ends[1] * scale, bottom * scale)
        words.append(Word(part, *(round(value, 2) for value in box)))
        place += len(part)
    return words


def main() -> None:
    """Serve as the program of a reader."""
    engine = rapidocr()
    worker.main(sys.argv[1:], lambda content, most, letters: pages(content, most, letters, engine))


if __name__ == "__main__":
    main()
