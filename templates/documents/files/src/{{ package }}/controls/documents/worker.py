"""Reads PDF files in a process of its own, which may die without harm: `reader.py` starts it.

On standard input comes a length in eight bytes and then a file; one line of JSON goes back. The
process takes no more memory than it is given, and knows nothing but the file before it.
"""

from __future__ import annotations

import ctypes
import json
import math
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import pypdfium2 as pdfium  # type: ignore[import-untyped, unused-ignore]
from pypdfium2 import raw

from .page import Page, Word, turned

# Characters that stand further apart than this share of their height belong to two words.
GAP = 0.25
# Modes of text that paint nothing, and those that paint the outline of letters alone.
UNPAINTED, OUTLINED = (3, 7), (1, 5)
# Paint this light, of 255, is not seen on paper; nor is paint that lets this much through.
LIGHT, FAINT = 240, 25


Read = Callable[[bytes], list[Page]]


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
        found = list(_letters(text, height, page.get_cropbox()))
        letters = [letter for letter in found if not letter.outside]
        angle = _angle(letters)
        pictures = sum(1 for _ in page.get_objects([raw.FPDF_PAGEOBJ_IMAGE], max_depth=2))
        words = turned(_words(letters, angle), angle, width, height)
        size = (height, width) if angle in (90, 270) else (width, height)
        hidden = len(letters) < len(found) or any(letter.unseen for letter in letters)
        yield Page(*size, angle, pictures, _in_order(words), hidden=hidden)
        text.close()
        page.close()


class Letter(NamedTuple):
    """A character, its box (left, top, right, bottom), and what turns it upright, in degrees.

    `outside` the part of the page that is shown it is not read; `unseen` is painted in no colour,
    or in one that paper has.
    """

    text: str
    box: tuple[float, float, float, float]
    turn: int
    outside: bool = False
    unseen: bool = False


def _letters(
    text: Any, height: float, shown: tuple[float, float, float, float]
) -> Iterator[Letter]:
    handle, box = text.raw, raw.FS_RECTF()
    unseen: dict[Any, bool] = {}  # by text object: all letters of one have the same paint
    for place in range(text.count_chars()):
        letter = chr(raw.FPDFText_GetUnicode(handle, place))
        raw.FPDFText_GetLooseCharBox(handle, place, box)
        angle = math.degrees(raw.FPDFText_GetCharAngle(handle, place))
        turn = -round(angle / 90) * 90 % 360
        place_of = (box.left, height - box.top, box.right, height - box.bottom)
        drawn = letter.isprintable() and not letter.isspace()
        outside = drawn and not _within(letter, box, shown)
        part = ctypes.cast(raw.FPDFText_GetTextObject(handle, place), ctypes.c_void_p).value
        if drawn and (part is None or part not in unseen):
            unseen[part] = _unseen(handle, place)
        yield Letter(letter, place_of, turn, outside, drawn and unseen[part])


def _within(letter: str, box: Any, shown: tuple[float, float, float, float]) -> bool:
    """Whether the middle of a character lies in the part of the page that is shown.

    A word may run off its edge by a letter, as long names do; a figure may not.
    """
    left, bottom, right, top = shown
    across, up = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    slack = 0.0 if letter.isdigit() else abs(box.top - box.bottom)
    beside = left - slack <= across <= right + slack
    return bool(beside and bottom - slack <= up <= top + slack)


def _unseen(handle: Any, place: int) -> bool:
    """Whether a character is painted so that nobody sees it on white paper."""
    drawn = raw.FPDFText_GetTextObject(handle, place)
    mode = raw.FPDFTextObj_GetTextRenderMode(drawn) if drawn else 0
    if mode in UNPAINTED:
        return True
    asked = raw.FPDFText_GetStrokeColor if mode in OUTLINED else raw.FPDFText_GetFillColor
    *paint, cover = parts = [ctypes.c_uint() for _ in range(4)]
    if not asked(handle, place, *parts):
        return False
    return cover.value <= FAINT or min(colour.value for colour in paint) >= LIGHT


def _angle(letters: Sequence[Letter]) -> int:
    """What turns most letters upright."""
    found = [letter.turn for letter in letters if not letter.text.isspace()]
    return max(sorted(set(found)), key=found.count) if found else 0


def _words(letters: Sequence[Letter], angle: int) -> list[Word]:
    """Letters that follow each other without a gap, in the direction of the text."""
    words: list[list[Letter]] = [[]]
    for letter in letters:
        apart = letter.text.isspace() or not letter.text.isprintable()
        if apart or (words[-1] and _gap(words[-1][-1], letter, angle)):
            words.append([])
        if not apart:
            words[-1].append(letter)
    return [_word(word) for word in words if word]


def _gap(before: Letter, after: Letter, angle: int) -> bool:
    """Whether a letter is on another line than the one before, or too far behind it."""
    along, across = (1, 0) if angle in (90, 270) else (0, 1)
    size = max(before.box[across + 2] - before.box[across], 1.0)
    first, second = (before, after) if angle in (0, 270) else (after, before)
    forward = second.box[along] - first.box[along + 2]
    return abs(after.box[across] - before.box[across]) > size / 2 or forward > GAP * size


def _word(letters: Sequence[Letter]) -> Word:
    left, top, right, bottom = zip(*(letter.box for letter in letters), strict=True)
    box = (min(left), min(top), max(right), max(bottom))
    return Word("".join(letter.text for letter in letters), *(round(value, 2) for value in box))


def _in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """By line, then from the left; words on one line differ little in height."""
    return tuple(sorted(words, key=lambda word: (round(word.bottom / 2), word.x0)))


def serve(given: BinaryIO, answers: BinaryIO, read: Read) -> None:
    """Answer file after file until there is none."""
    while head := given.read(8):
        content = given.read(int.from_bytes(head, "big"))
        answer: dict[str, Any]
        try:
            found = read(content)
            answer = {"pages": [page.content() for page in found]}
        except Refused as reason:
            answer = {"refused": str(reason)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def main(arguments: Sequence[str], read: Callable[[bytes, int, int], list[Page]] = pages) -> None:
    """Most pages, most characters, and most bytes of memory, as numbers.

    `read` is what reads a file; a program with another one is given to `Reader` as its command.
    """
    most_pages, most_characters, memory = map(int, arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the limit is not kept, or refused
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    serve(sys.stdin.buffer, sys.stdout.buffer, lambda file: read(file, most_pages, most_characters))


if __name__ == "__main__":
    main(sys.argv[1:])
