"""What looks like a secret in a text: the forms of well-known tokens and keys, by which scanners know them too."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FORMS = {  # as those who issue them document or prefix them
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})",
    "a GitLab token": r"\bglpat-[\w-]{20,}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Google API key": r"\bAIza[\w-]{35}",
    "an API key": r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}",
    "a password in an address": r"://[^\s/:@'\"{}<>$]+:[^\s/:@'\"{}<>$]+@",
}
_ANY = {name: re.compile(form) for name, form in _FORMS.items()}


def found_in(content: bytes) -> Iterator[tuple[int, str]]:
    """Line and kind of everything that looks like a secret."""
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        for name, form in _ANY.items():
            if form.search(line):
                yield number, name


def new_in(content: bytes, before: bytes) -> Iterator[tuple[int, str]]:
    """The same, in lines that were not there before."""
    known = set(before.split(b"\n"))
    lines = content.split(b"\n")
    yield from ((number, kind) for number, kind in found_in(content) if lines[number - 1] not in known)
