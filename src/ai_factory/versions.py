"""Version numbers as PEP 440 orders them; plain releases, which nearly all are, are read without its parser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ai_factory.errors import UsageError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_PLAIN = re.compile(r"v?(\d+(?:\.\d+)*)", re.ASCII)
Number = (
    Any  # what compares: a tuple of the parts of a plain release, else packaging's Version; one kind per comparison
)


def numbers(texts: Sequence[str]) -> list[Number]:
    """The version that each text names, all of one kind so that they compare; None for a text that names none."""
    plain: list[Number] = [_plain(text) for text in texts]
    return plain if all(plain) else [_parsed(text) for text in texts]


def _plain(text: str) -> tuple[int, ...]:
    """The parts of a plain release without the zeros at its end; empty for anything else."""
    found = _PLAIN.fullmatch(text)
    parts = [int(part) for part in found[1].split(".")] if found else []
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(parts)


def _parsed(text: str) -> Number:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def ranks(texts: Sequence[str]) -> list[int]:
    """The place of each text among all of them in the order of versions; one that names none comes first."""
    known = numbers(texts)
    order = sorted({number for number in known if number is not None})
    return [0 if number is None else 1 + order.index(number) for number in known]


def is_older(one: str, other: str) -> bool:
    """Whether version `one` lies before `other`; false where either is no version number."""
    first, second = numbers([one, other])
    return first is not None and second is not None and bool(first < second)


def are_equal(one: str, other: str) -> bool:
    """Whether both name the same version, however it is written."""
    first, second = numbers([one, other])
    return first is not None and bool(first == second)


def is_between(before: str, mark: str, now: str) -> bool:
    """Whether `mark` lies after `before`, and not after `now`; true where one of them is no version number."""
    old, middle, new = numbers([before, mark, now])
    return old is None or middle is None or new is None or bool(old < middle <= new)


def is_within(version: str, bound: str) -> bool:
    """Whether the version lies within the bound, pre-releases too; true of one that is no version number.

    Raises UsageError for a bound that is none.
    """
    allowed = _bound(bound)
    return _parsed(version) is None or allowed.contains(version, prereleases=True)


def releases(tags: Sequence[str]) -> list[str]:
    """The tags that name releases, the oldest first; pre-releases do not count, nor tags that are no versions."""
    numbered = [(number, tag) for number, tag in zip(numbers(tags), tags, strict=True) if number is not None]
    return [tag for number, tag in sorted(numbered) if not getattr(number, "is_prerelease", False)]


def newest(tags: Sequence[str], bound: str = "") -> str | None:
    """The tag of the newest release within the bound; pre-releases do not count, nor tags that are no versions.

    Raises UsageError for a bound that is none.
    """
    allowed = _bound(bound) if bound else None
    fit = [tag for tag in releases(tags) if allowed is None or allowed.contains(tag)]
    return fit[-1] if fit else None


def _bound(text: str) -> SpecifierSet:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        raise UsageError(f"`{text}` is no bound on versions", "write it like `<2` or `>=1.4,<2`") from None
