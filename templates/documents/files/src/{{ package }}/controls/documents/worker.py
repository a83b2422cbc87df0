"""Reads PDF files in a process of its own, which may die without harm: `reader.py` starts it.

On standard input comes a length in eight bytes and then a file; one line of JSON goes back. The
process takes no more memory than it is given, and knows nothing but the file before it.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2 import raw  # type: ignore[import-untyped]

from .page import Page, Word, turned

# Characters that stand further apart than this share of their height belong to two words.
GAP = 0.25


class Refused(Exception):
    """The file is not to be read; the message is the reason, in one word."""


def pages(content: bytes, most_pages: int, most_characters: int) -> list[Page]:
    """Every page of the file, upright. Raises Refused."""
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        raise Refused("encrypted" if "password" in str(error).lower() else "damaged") from error
    try:
        if not 0 < len(document) <= most_pages:
            raise Refused("empty" if len(document) == 0 else "pages")
        return list(_pages(document, most_characters))
    except pdfium.PdfiumError as error:
        raise Refused("damaged") from error
    finally:
        document.close()


def _pages(document: Any, most_characters: int) -> Iterator[Page]:
    left = most_characters
    for number in range(len(document)):
        page = document[number]
        text = page.get_textpage()
        left -= text.count_chars()
        if left < 0:
            raise Refused("characters")
        width, height = page.get_mediabox()[2:]
        letters = list(_letters(text, height))
        angle = _angle(letters)
        pictures = sum(1 for _ in page.get_objects([raw.FPDF_PAGEOBJ_IMAGE], max_depth=2))
        words = turned(_words(letters, angle), angle, width, height)
        size = (height, width) if angle in (90, 270) else (width, height)
        yield Page(*size, angle, pictures, _in_order(words))
        text.close()
        page.close()


Letter = tuple[str, float, float, float, float, int]


def _letters(text: Any, height: float) -> Iterator[Letter]:
    """Each character, its box from the top, and the degrees that turn it upright, clockwise."""
    handle, box = text.raw, raw.FS_RECTF()
    for place in range(text.count_chars()):
        letter = chr(raw.FPDFText_GetUnicode(handle, place))
        raw.FPDFText_GetLooseCharBox(handle, place, box)
        angle = math.degrees(raw.FPDFText_GetCharAngle(handle, place))
        turn = -round(angle / 90) * 90 % 360
        yield letter, box.left, height - box.top, box.right, height - box.bottom, turn


def _angle(letters: Sequence[Letter]) -> int:
    """How far most letters lean: what turns the page upright."""
    found = [letter[5] for letter in letters if not letter[0].isspace()]
    return max(sorted(set(found)), key=found.count) if found else 0


def _words(letters: Sequence[Letter], angle: int) -> list[Word]:
    """Letters that follow each other without a gap, in the direction of the text."""
    words: list[list[Letter]] = [[]]
    for letter in letters:
        apart = letter[0].isspace() or not letter[0].isprintable()
        if apart or (words[-1] and _gap(words[-1][-1], letter, angle)):
            words.append([])
        if not apart:
            words[-1].append(letter)
    return [_word(word) for word in words if word]


def _gap(before: Letter, after: Letter, angle: int) -> bool:
    along, across = (2, 1) if angle in (90, 270) else (1, 2)
    size = max(before[across + 2] - before[across], 1.0)
    first, second = (before, after) if angle in (0, 270) else (after, before)
    forward = second[along] - first[along + 2]
    return abs(after[across] - before[across]) > size / 2 or forward > GAP * size


def _word(letters: Sequence[Letter]) -> Word:
    _, left, top, right, bottom, _ = zip(*letters, strict=True)
    box = (min(left), min(top), max(right), max(bottom))
    return Word("".join(letter[0] for letter in letters), *(round(value, 2) for value in box))


def _in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """By line, then from the left; words on one line differ little in height."""
    return tuple(sorted(words, key=lambda word: (round(word.bottom / 2), word.x0)))


def serve(given: BinaryIO, answers: BinaryIO, most_pages: int, most_characters: int) -> None:
    """Answer file after file until there is none."""
    while head := given.read(8):
        content = given.read(int.from_bytes(head, "big"))
        answer: dict[str, Any]
        try:
            found = pages(content, most_pages, most_characters)
            answer = {"pages": [page.content() for page in found]}
        except Refused as reason:
            answer = {"refused": str(reason)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def main(arguments: Sequence[str]) -> None:
    """Most pages, most characters, and most bytes of memory, as numbers."""
    most_pages, most_characters, memory = map(int, arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the limit is not kept, or refused
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    serve(sys.stdin.buffer, sys.stdout.buffer, most_pages, most_characters)


if __name__ == "__main__":
    main(sys.argv[1:])
