"""Finds text that speaks to the machine instead of the reader, before it is indexed.

Patterns catch what is known; they are one layer. The others: passages are handed over as data, an
answer has to be contained in what it cites (`grounding`), and nobody sees what they may not read.
"""

from __future__ import annotations

import re
import unicodedata

# Characters that show nothing, and so hide words from people but not from a machine.
HIDDEN = re.compile(
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_MACHINE = r"(?:assistants?|chat ?bots?|language models?|llms?|ai|automated (?:systems?|readers?))"
_ACT = r"(?:answer|tell|reply|respond|say|state|send|print|reveal|add|approve|click|call|confirm)"
PATTERNS = {
    "it takes earlier instructions back": re.compile(
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}"
        r"\b(?:instructions?|rules?|guidelines?|prompts?|polic(?:y|ies)|above)\b",
        re.IGNORECASE,
    ),
    "it gives the machine a role": re.compile(
        rf"\byou are (?:now )?(?:the|an?) [^.\n]{{0,20}}{_MACHINE}\b"
        rf"|\bas an? (?:\w+ )?{_MACHINE}\b[^.\n]{{0,20}}\byou\b|\bnew task\s*:",
        re.IGNORECASE,
    ),
    "it addresses the machine": re.compile(
        rf"\b(?:dear|note (?:to|for)|attention) (?:\w+ )?{_MACHINE}\b"
        rf"|\b{_MACHINE}\s*:\s*{_ACT}\b",
        re.IGNORECASE,
    ),
    "it imitates a turn of a conversation": re.compile(
        r"<\|[^|\n]{1,30}\|>|\[/?INST\]|^\s*(?:system|assistant)\s*:", re.IGNORECASE | re.MULTILINE
    ),
    "it hides text in a comment": re.compile(r"<!--.*?-->", re.DOTALL),
    "it tells what to tell the reader": re.compile(
        rf"\b{_ACT} (?:the )?(?:readers?|users?|askers?)\b|\bwhen you summari[sz]e\b",
        re.IGNORECASE,
    ),
}


def findings(text: str) -> tuple[str, ...]:
    """Why this text should not be indexed, one sentence each; none if nothing was found."""
    plain = unicodedata.normalize("NFKC", HIDDEN.sub("", text))
    found = ["it hides characters"] if HIDDEN.search(text) else []
    found += [reason for reason, pattern in PATTERNS.items() if pattern.search(plain)]
    return tuple(found)
