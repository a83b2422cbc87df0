"""A team's edits of a rendered file as edits of its template: each proven by a rendering, or told with its reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ai_factory.errors import AuthorError
from ai_factory.workshop.promote.texts import HARMLESS, Line, lines_of, split
from ai_factory.workshop.promote.values import Known, Left, Spelled, Turned, reads_only, spelled

NEAR = 3  # lines around an edit whose values are looked for in it
HUNKS = 200  # of one file: who changed more wrote it anew
_WORDS = re.compile(r"[^\W_]+|_|\s|[^\w\s]")

Render = Callable[
    [Mapping[str, str]], str
]  # the file, with these templates in place of the factory's; raises AuthorError


class Hunk(NamedTuple):
    """Lines of the factory's that a team replaced, by where they stand: `begin` to `end`, and `first` to `last`."""

    begin: int
    end: int
    first: int
    last: int

    def touches(self, line: int) -> bool:
        """Whether that line of the team's, counted from 1, is in it; where lines went, the one that follows them."""
        return self.first < line <= max(self.last, self.first + 1)


class Unmapped(NamedTuple):
    """An edit that is none of the template, the team's line at which it is, and why."""

    line: int
    removed: tuple[str, ...]
    added: tuple[str, ...]
    why: str


class Mapped(NamedTuple):
    """What an edited file makes of its templates, by path; what of it could not be mapped; how values were turned."""

    templates: Mapping[str, str] = {}
    edits: int = 0
    unmapped: tuple[Unmapped, ...] = ()
    turned: tuple[Turned, ...] = ()
    left: tuple[Left, ...] = ()


class Rendering(NamedTuple):
    """A file that a template gives: the template, the text, from which template and line each line is, and how."""

    source: str
    text: str
    origins: Sequence[tuple[str, int]]
    read: Callable[[str], str | None]
    render: Render


class _Edit(NamedTuple):
    """Lines of a template, counted from 0, and the text in their place."""

    template: str
    begin: int
    end: int
    text: str


class _Way(NamedTuple):
    """One way in which a hunk may be made in the templates."""

    edits: tuple[_Edit, ...]
    told: tuple[Spelled, ...]


class _UnmappableError(Exception):
    """An edit that has no place in the template; the text says why."""


def mapped(rendering: Rendering, team: str, known: Known, names: Sequence[str]) -> Mapped:
    """The templates that give the team's text; `names` are the answers that they may read.

    Raises AuthorError for more edits than anybody makes by hand.
    """
    work = _Work(rendering, team, known, names)
    hunks = list(_hunks(work.before, work.after))
    if len(hunks) > HUNKS:
        raise AuthorError(f"it was edited in {len(hunks)} places; {HUNKS} are the most")
    ways: list[_Way] = []
    unmapped: list[Unmapped] = []
    for hunk in hunks:
        try:
            ways.append(work.way(hunk))
        except _UnmappableError as error:
            removed, added = work.before[hunk.begin : hunk.end], work.after[hunk.first : hunk.last]
            unmapped.append(Unmapped(hunk.first + 1, tuple(removed), tuple(added), str(error)))
    told = [one for way in ways for one in way.told]
    return Mapped(
        work.edited([edit for way in ways for edit in way.edits]),
        len(hunks),
        tuple(unmapped),
        tuple(dict.fromkeys(turned for one in told for turned in one.turned)),
        tuple(dict.fromkeys(left for one in told for left in one.left)),
    )


def chosen(before: str, team: str, lines: Collection[int]) -> tuple[str, list[int]]:
    """The text with those of the team's edits that touch these lines of its, and the lines that none touches."""
    old, new = split(before), split(team)
    wanted = [one for one in _hunks(old, new) if any(map(one.touches, lines))]
    missed = [line for line in lines if not any(one.touches(line) for one in wanted)]
    for one in reversed(wanted):
        old[one.begin : one.end] = new[one.first : one.last]
    return "".join(old), sorted(missed)


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[Hunk]:
    for tag, *place in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Hunk(*place)


class _Work:
    """One file that was edited, and its templates as they are."""

    def __init__(self, rendering: Rendering, team: str, known: Known, names: Sequence[str]) -> None:
        self.rendering, self.known, self.names = rendering, known, names
        self.before, self.after = split(rendering.text), split(team)
        self.times = Counter(rendering.origins)
        self._templates: dict[str, list[Line]] = {}

    def lines(self, template: str) -> list[Line]:
        if template not in self._templates:
            self._templates[template] = lines_of(self.rendering.read(template) or "")
        return self._templates[template]

    def edited(self, edits: Sequence[_Edit]) -> dict[str, str]:
        """The templates with those edits, which touch no line twice."""
        found: dict[str, list[str]] = {}
        for edit in sorted(edits, reverse=True):
            lines = found.setdefault(edit.template, split(self.rendering.read(edit.template) or ""))
            lines[edit.begin : edit.end] = [edit.text]
        return {template: "".join(lines) for template, lines in found.items()}

    def proves(self, way: _Way, hunk: Hunk) -> bool:
        """Whether the templates so edited give the file with this edit, and no other."""
        wanted = [*self.before[: hunk.begin], *self.after[hunk.first : hunk.last], *self.before[hunk.end :]]
        try:
            return self.rendering.render(self.edited(way.edits)) == "".join(wanted)
        except AuthorError:
            return False

    def way(self, hunk: Hunk) -> _Way:
        """The one way in which the hunk can be made. Raises _UnmappableError where there is none, or more than one."""
        if hunk.begin == hunk.end:
            return self._inserted(hunk)
        way = self._replaced(hunk)
        if not self.proves(way, hunk):
            raise _UnmappableError("the template so edited gives something else")
        return way

    # ---- lines in the place of others --------------------------------------------------------------

    def _replaced(self, hunk: Hunk) -> _Way:
        numbers = range(hunk.begin, hunk.end)
        template, places = self._places(numbers)
        added = self.after[hunk.first : hunk.last]
        if len(added) > len(numbers):
            self._refuse_edges(hunk, [self.lines(template)[place] for place in places])
        if places == list(range(places[0], places[0] + len(places))):
            blocks = [(numbers, "".join(added))]
        elif len(added) in (0, len(numbers)):  # line by line: what stands between them in the template stays
            blocks = [
                (range(one, one + 1), new) for one, new in zip(numbers, added or [""] * len(numbers), strict=True)
            ]
        else:
            raise _UnmappableError(f"`{template}` has tags between the lines that were replaced")
        edits, told = [], []
        for rows, new in blocks:
            begin = places[rows[0] - hunk.begin]
            spelling = self._spelled(template, rows, begin, new)
            edits.append(_Edit(template, begin, begin + len(rows), spelling.text))
            told.append(spelling)
        return _Way(tuple(edits), tuple(told))

    def _refuse_edges(self, hunk: Hunk, lines: Sequence[Line]) -> None:
        """More lines than there were: some of them are new, and could stand on the other side of a tag at an end."""
        for number in (hunk.begin, hunk.end):
            gaps = self._gaps(number)
            self._refuse_tags(gaps[0][0], gaps[0][1], gaps[-1][1])
        if any(line.is_repeated for line in lines):
            raise _UnmappableError("it adds lines in a loop of the template")

    def _places(self, numbers: Sequence[int]) -> tuple[str, list[int]]:
        """The one template and its lines, counted from 0, that give these lines of the file."""
        origins = [self.rendering.origins[number] for number in numbers]
        templates = {template for template, _ in origins}
        if len(templates) > 1:
            raise _UnmappableError(
                "its lines are from several templates: " + ", ".join(f"`{one}`" for one in sorted(templates))
            )
        for template, line in origins:
            if (times := self.times[template, line]) > 1:
                raise _UnmappableError(f"`{template}` line {line} gives {times} lines of the file")
            if not self.lines(template)[line - 1].is_whole:
                raise _UnmappableError(f"in `{template}` line {line}, code runs over the end of the line")
        return templates.pop(), [line - 1 for _, line in origins]

    def _spelled(self, template: str, rows: Sequence[int], begin: int, new: str) -> Spelled:
        """The new text in the words of the template, with the code of the lines that it takes the place of."""
        lines = self.lines(template)[begin : begin + len(rows)]
        if any(line.is_raw for line in lines):
            return Spelled(new)
        old = "".join(self.before[row] for row in rows)
        codes = list(self._codes(template, rows, begin))
        carried, lost = _carried(codes, old, new)
        own = ((old[code.begin : code.end], code.text) for code in codes)
        near = self.known.nearer(own, self._near(rows[0], rows[-1] + 1))
        spelling = spelled(_pieces(new, carried, old), near)
        for code in lost:
            where = f"`{template}` line {code.line + 1}"
            if "{%" in code.text or "{#" in code.text:
                raise _UnmappableError(f"{where} has `{code.text.strip()}` in what was edited")
            if lines[code.line - begin].is_repeated and not new:
                raise _UnmappableError(f"{where} is in a loop, and was taken out for one round of it")
            if new and spelling.text.count(code.text) < sum(one.text == code.text for one in codes):
                value = old[code.begin : code.end]
                raise _UnmappableError(f"{where} has `{code.text}` where the edit has something else than `{value}`")
        return spelling

    def _codes(self, template: str, rows: Sequence[int], begin: int) -> Iterator[_Code]:
        """The code in these lines, by where its rendering stands in them."""
        offset = 0
        for place, row in enumerate(rows, begin):
            text = self.before[row]
            codes = _matched(self.lines(template)[place], text)
            if codes is None:
                raise _UnmappableError(f"`{template}` line {place + 1} gives only a part of its line")
            yield from (_Code(code, place, offset + first, offset + last) for code, first, last in codes)
            offset += len(text)

    def _near(self, begin: int, end: int) -> Iterator[tuple[str, str]]:
        """Values in the lines around, and the code that they come from, where it means the same anywhere."""
        for row in (*range(max(0, begin - NEAR), begin), *range(end, min(len(self.before), end + NEAR))):
            template, line = self.rendering.origins[row]
            for code, first, last in _matched(self.lines(template)[line - 1], self.before[row]) or ():
                if reads_only(code, self.names):
                    yield self.before[row][first:last], code

    # ---- lines between others ----------------------------------------------------------------------

    def _inserted(self, hunk: Hunk) -> _Way:
        """Between the lines before and after, in the one place that gives what the team has."""
        ways = []
        for template, place in self._gaps(hunk.begin):
            way = self._inserted_at(template, place, hunk)
            if self.proves(way, hunk):
                ways.append((template, place, way))
        if not ways:
            raise _UnmappableError("no place in the template gives these lines where they are")
        (template, first, way), (_, last, _) = ways[0], ways[-1]
        self._refuse_tags(template, first, last)
        lines = self.lines(template)
        if all(line.is_repeated for line in lines[first - 1 : first + 1]) and 0 < first < len(lines):
            raise _UnmappableError(f"it is in a loop of `{template}`, at line {first + 1}")
        return way

    def _refuse_tags(self, template: str, first: int, last: int) -> None:
        """What is new is put nowhere where a tag, in one of these lines, decides whether it is written."""
        if any(tag not in HARMLESS for line in self.lines(template)[first:last] for tag in line.tags):
            raise _UnmappableError(
                f"`{template}` has tags in lines {first + 1} to {last}, and the lines could stand before or after them"
            )

    def _gaps(self, number: int) -> list[tuple[str, int]]:
        """The places in a template between the line before that one and itself."""
        origins = self.rendering.origins
        before = origins[number - 1] if number else None
        after = origins[number] if number < len(origins) else None
        if before and after and before[0] != after[0]:
            raise _UnmappableError(f"it is between lines of `{before[0]}` and `{after[0]}`")
        template = (before or after or (self.rendering.source, 0))[0]
        first = before[1] if before else 0
        last = after[1] - 1 if after else len(self.lines(template))
        if first > last:
            raise _UnmappableError(f"it is in a loop of `{template}`")
        return [(template, place) for place in range(first, last + 1)]

    def _inserted_at(self, template: str, place: int, hunk: Hunk) -> _Way:
        lines = self.lines(template)
        new = "".join(self.after[hunk.first : hunk.last])
        is_raw = place < len(lines) and lines[place].is_raw
        near = self.known.nearer(self._near(hunk.begin, hunk.begin))
        spelling = Spelled(new) if is_raw else spelled([new], near)
        return _Way((_Edit(template, place, place, spelling.text),), (spelling,))


# ---- code in a line ---------------------------------------------------------------------------------


class _Code(NamedTuple):
    """Code of a template, its line (counted from 0), and where its rendering stands in a text."""

    text: str
    line: int
    begin: int
    end: int


def _matched(line: Line, text: str) -> list[tuple[str, int, int]] | None:
    """The code of a line, and where in its rendering each stands; None where that is no rendering of it alone."""
    parts: list[tuple[str, bool]] = []
    for part in _together(line):
        if part[1] and parts and parts[-1][1]:
            parts[-1] = (parts[-1][0] + part[0], True)  # nobody can tell where the one ends
        else:
            parts.append(part)
    pattern = "".join(r"([^\n]*?)" if is_code else re.escape(piece) for piece, is_code in parts)
    found = re.fullmatch(pattern, text)
    if found is None:
        return None
    codes = [piece for piece, is_code in parts if is_code]
    return [(code, *found.span(number)) for number, code in enumerate(codes, 1)]


def _together(line: Line) -> list[tuple[str, bool]]:
    """The parts of a line, with all that tags may leave out as one piece of code."""
    parts = [(part.text, part.is_code) for part in line.parts]
    tags = [number for number, (text, is_code) in enumerate(parts) if is_code and text.startswith("{%")]
    if not tags:
        return parts
    first, last = tags[0], tags[-1] + 1
    return [*parts[:first], ("".join(text for text, _ in parts[first:last]), True), *parts[last:]]


def _carried(codes: Sequence[_Code], old: str, new: str) -> tuple[dict[int, _Code], list[_Code]]:
    """The code whose rendering stands in the new text as it did in the old, by its place there; and the rest."""
    one, two = _WORDS.findall(old), _WORDS.findall(new)
    moved: dict[int, int] = {}  # a place in the old text to the same one in the new, sign by sign
    starts, ends = _starts(one), _starts(two)
    for block in SequenceMatcher(None, one, two, autojunk=False).get_matching_blocks():
        begin, size = starts[block.a], starts[block.a + block.size] - starts[block.a]
        moved |= {begin + step: ends[block.b] + step for step in range(size)}
    found, lost = {}, []
    for code in codes:
        place = _moved(code, moved)
        if place is None:
            lost.append(code)
        else:
            found[place] = code
    return found, lost


def _starts(words: Sequence[str]) -> list[int]:
    found = [0]
    for word in words:
        found.append(found[-1] + len(word))
    return found


def _moved(code: _Code, moved: Mapping[int, int]) -> int | None:
    """Where the rendering of the code begins in the new text; None where it is not there in one piece."""
    if code.begin < code.end:
        places = [moved.get(place) for place in range(code.begin, code.end)]
        first = places[0]
        return first if first is not None and places == list(range(first, first + len(places))) else None
    before, after = moved.get(code.begin - 1, -1), moved.get(code.begin, -1)
    return after if after >= 0 and (after == before + 1 or code.begin == 0 == after) else None


def _pieces(new: str, carried: Mapping[int, _Code], old: str) -> list[str | Turned]:
    found: list[str | Turned] = []
    place = 0
    for begin, code in sorted(carried.items()):
        value = old[code.begin : code.end]
        found += [new[place:begin], Turned(value, code.text)]
        place = begin + len(value)
    return [one for one in (*found, new[place:]) if one]
