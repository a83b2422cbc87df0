"""Screens sources: text that speaks to the machine, statements that contradict each other.

Patterns catch what is known of text that gives orders; they are one layer. The others: passages
are handed over as data, an answer has to be contained in what it cites (`grounding`), and nobody
sees what they may not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from .grounding import NUMBER, sentences, words

# Characters that show nothing, and so hide words from people but not from a machine.
HIDDEN = re.compile(
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_MACHINE = r"(?:assistants?|chat ?bots?|language models?|llms?|ai|automated (?:systems?|readers?))"
_ACT = r"(?:answer|tell|reply|respond|say|state|send|print|reveal|add|approve|click|call|confirm)"
_NEAR = r"[^.\n]{0,40}"
# Share of common words from which two sentences are taken to speak of the same thing.
SAME = 0.6


def _pattern(*choices: str) -> re.Pattern[str]:
    """One of these, in any case; `^` is the start of a line."""
    return re.compile("|".join(choices), re.IGNORECASE | re.MULTILINE)


PATTERNS = {
    "it takes earlier instructions back": _pattern(
        r"\b(?:ignore|disregard|forget|override)\b"
        + _NEAR
        + r"\b(?:instructions?|rules?|guidelines?|prompts?|polic(?:y|ies)|above)\b"
    ),
    "it gives the machine a role": _pattern(
        r"\byou are (?:now )?(?:the|an?) " + _NEAR + rf"\b{_MACHINE}\b",
        rf"\bas an? (?:\w+ )?{_MACHINE}\b" + _NEAR + r"\byou\b",
        r"\bnew task\s*:",
    ),
    "it addresses the machine": _pattern(
        rf"\b(?:dear|note (?:to|for)|attention) (?:\w+ )?{_MACHINE}\b",
        rf"\b{_MACHINE}\s*:\s*{_ACT}\b",
    ),
    "it imitates a turn of a conversation": _pattern(
        r"<\|[^|\n]{1,30}\|>", r"\[/?INST\]", r"^\s*(?:system|assistant)\s*:"
    ),
    "it hides text in a comment": re.compile(r"<!--.*?-->", re.DOTALL),
    "it tells what to tell the reader": _pattern(
        rf"\b{_ACT} (?:the )?(?:readers?|users?|askers?)\b", r"\bwhen you summari[sz]e\b"
    ),
}


def findings(text: str) -> tuple[str, ...]:
    """Why this text should not be indexed, one sentence each; none if nothing was found."""
    plain = unicodedata.normalize("NFKC", HIDDEN.sub("", text))
    found = ["it hides characters"] if HIDDEN.search(text) else []
    found += [reason for reason, pattern in PATTERNS.items() if pattern.search(plain)]
    return tuple(found)


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


def contradictions(known: Sequence[Statement], same: float = SAME) -> list[Contradiction]:
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
