"""People, as addresses: who is the same as whom, however it is written."""

from __future__ import annotations

import re
import unicodedata

# RFC 5321, section 4.1.2, without quoted names; a domain with other letters is written in its ASCII form.
ATOM, LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
ADDRESS = re.compile(rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})+")
LONGEST = 254  # characters of an address (RFC 5321, section 4.5.3.1.3)


def is_address(text: str) -> bool:
    """Whether it is a bare address: no name around it, nothing that is not seen."""
    bare = text.strip()
    return len(bare) <= LONGEST and bool(ADDRESS.fullmatch(bare))


def person(text: str) -> str:
    """What all spellings of one person's address have in common; empty where it is none."""
    found = spelling(text)
    return found if is_address(found) else ""


def spelling(text: str) -> str:
    """What all spellings of a name or an address have in common: no case, space, name around it, tag or last dots."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(letter for letter in plain if letter.isprintable() and not letter.isspace()).casefold()
    inside = re.search(r"<([^<>]*)>", plain)
    plain = (inside[1] if inside else plain).removeprefix("mailto:").rstrip(".")
    return re.sub(r"\+[^@]*@", "@", plain)
