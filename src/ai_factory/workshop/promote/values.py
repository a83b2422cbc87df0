"""Text that a project has, as its template would have to spell it: values as variables, and braces as text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ai_factory.questions import Question

SHORTEST = 4  # characters of an answer that is looked for: a shorter one stands in too many words
COMMON = frozenset(("true", "false", "none", "null", "auto", "main", "test", "tests", "data", "default", "example"))
_OPENING = re.compile(r"\{(?=[{%#])")  # what Jinja would take for the begin of something of its own
_OR_LAST = re.compile(r"\{(?=[{%#])|\{\Z")  # the same, where code follows
_PLAIN = re.compile(r"\{\{ (?!-)[^{}]*(?<!-) \}\}")  # an expression that takes no space away
_FIRST_NAME = re.compile(r"\{\{ *([A-Za-z_]\w*)")


class Turned(NamedTuple):
    """A value in the team's text that became code of the template."""

    value: str
    code: str


class Left(NamedTuple):
    """A value in the team's text that stays text, since more than one answer has it."""

    value: str
    codes: tuple[str, ...]


class Known(NamedTuple):
    """Which code stands for a value: what stood nearest decides, and of the same nearness there must be one only."""

    rounds: tuple[Mapping[str, frozenset[str]], ...]

    def code(self, value: str) -> str | None:
        """The code for a value; None where there is more than one."""
        found = next(one[value] for one in self.rounds if value in one)
        return next(iter(found)) if len(found) == 1 else None

    def codes(self, value: str) -> tuple[str, ...]:
        """All that stand for it."""
        return tuple(sorted(frozenset().union(*(one.get(value, frozenset()) for one in self.rounds))))

    def nearer(self, *seen: Iterable[tuple[str, str]]) -> Known:
        """The same, with values and codes that stand nearer, the nearest first."""
        return Known((*map(gathered, seen), *self.rounds))

    @property
    def values(self) -> list[str]:
        """What is looked for, the longest first, so that what stands in another is not found in it."""
        return sorted({value for one in self.rounds for value in one}, key=lambda value: (-len(value), value))


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """The codes that stand for each value that can be told from other words."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for value, code in pairs:
        if telling(value) and _PLAIN.fullmatch(code):
            found[value].add(code)
    return {value: frozenset(codes) for value, codes in found.items()}


def telling(value: str) -> bool:
    """Whether a value says by itself where it comes from: `1` and `true` stand for many things."""
    has_letter = any(char.isalpha() for char in value)
    return len(value) >= SHORTEST and has_letter and value.isprintable() and value.lower() not in COMMON


def of_answers(questions: Iterable[Question], answers: Mapping[str, object]) -> Known:
    """The answers in a person's own words: one of a few choices is a word that stands elsewhere too."""
    free = [one.key for one in questions if one.type == "str" and not one.choices and not one.multiselect]
    values = ((answers[key], key) for key in free if key in answers)
    return Known((gathered((value, f"{{{{ {key} }}}}") for value, key in values if isinstance(value, str)),))


def reads_only(code: str, names: Iterable[str]) -> bool:
    """Whether an expression begins with one of these names: then it means the same elsewhere in the template."""
    found = _FIRST_NAME.match(code)
    return found is not None and found[1] in names


class Spelled(NamedTuple):
    """Text in the words of a template, with what became code and what could have."""

    text: str
    turned: tuple[Turned, ...] = ()
    left: tuple[Left, ...] = ()


def spelled(pieces: Sequence[str | Turned], known: Known) -> Spelled:
    """The pieces as a template spells them: code as it is, and in text known values turned and braces escaped."""
    whole: list[str | Turned] = []
    left: list[Left] = []
    for piece in pieces:
        whole += [piece] if isinstance(piece, Turned) else _turned(piece, known, left)
    out: list[str] = []
    for piece, after in zip(whole, [*whole[1:], ""], strict=False):
        out.append(piece.code if isinstance(piece, Turned) else escaped(piece, isinstance(after, Turned)))
    new = tuple(one for one in whole if isinstance(one, Turned) and one not in pieces)
    return Spelled("".join(out), tuple(dict.fromkeys(new)), tuple(dict.fromkeys(left)))


def _turned(text: str, known: Known, left: list[Left]) -> list[str | Turned]:
    values = [value for value in known.values if value in text]
    if not values:
        return [text]
    pattern = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, values))})(?![A-Za-z0-9_])")
    found: list[str | Turned] = []
    place = 0
    for match in pattern.finditer(text):
        code = known.code(match[0])
        if code is None:
            left.append(Left(match[0], known.codes(match[0])))
            continue
        found += [text[place : match.start()], Turned(match[0], code)]
        place = match.end()
    return [one for one in (*found, text[place:]) if one]


def escaped(text: str, before_code: bool = False) -> str:
    """The text as a template gives it back, whatever braces it holds."""
    return (_OR_LAST if before_code else _OPENING).sub("{{ '{' }}", text)
