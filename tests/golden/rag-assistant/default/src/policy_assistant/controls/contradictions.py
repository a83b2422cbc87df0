"""Finds statements of different sources that say the same of different figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from .grounding import NUMBER, sentences, words

# Share of common words from which two sentences are taken to speak of the same thing.
SAME = 0.6


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence with figures: `source` is what must not contradict another source."""

    source: str
    passage: str
    text: str
    figures: frozenset[str]
    about: frozenset[str]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements on the same thing with other figures; what they share, 0 to 1."""

    first: Statement
    second: Statement
    shared: float


def statements(source: str, passage: str, text: str) -> list[Statement]:
    """The sentences of a passage that hold figures."""
    found = []
    for sentence in sentences(text):
        figures = frozenset(NUMBER.findall(sentence))
        about = frozenset(words(NUMBER.sub(" ", sentence)))
        if figures and len(about) >= 3:
            found.append(Statement(source, passage, sentence, figures, about))
    return found


def find(known: Sequence[Statement], same: float = SAME) -> list[Contradiction]:
    """All pairs of different sources that share so many words and no figure; most alike first.

    It sees words and figures, not meaning: a person decides which of the two holds.
    """
    pairs = [
        Contradiction(first, second, _shared(first, second))
        for first, second in combinations(known, 2)
        if first.source != second.source and not first.figures & second.figures
    ]
    alike = [pair for pair in pairs if pair.shared >= same]
    return sorted(alike, key=lambda pair: (-pair.shared, pair.first.passage, pair.second.passage))


def _shared(first: Statement, second: Statement) -> float:
    return len(first.about & second.about) / len(first.about | second.about)
