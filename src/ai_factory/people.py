"""People, as addresses: who is the same as whom, however it is written."""

from __future__ import annotations

import re
import unicodedata

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


def is_address(text: str) -> bool:
    """Whether it is a bare address: no name around it, nothing that is not seen."""
    return bool(ADDRESS.fullmatch(text.strip()))


def person(text: str) -> str:
    """What all spellings of one person have in common: no case, no space, no name around it, no tag in it."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(letter for letter in plain if letter.isprintable() and not letter.isspace()).casefold()
    inside = re.search(r"<([^<>]*)>", plain)
    plain = (inside[1] if inside else plain).removeprefix("mailto:")
    return re.sub(r"\+[^@]*@", "@", plain)
