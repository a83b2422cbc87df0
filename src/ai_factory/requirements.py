"""Requirements as packaging knows them (PEP 508, PEP 440): which are the same package, and both bounds in one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ai_factory.errors import AuthorError


def identity(text: str, where: str) -> str:
    """What makes two requirements the same entry: the package and the marker. Raises AuthorError naming `where`."""
    requirement = _requirement(text, where)
    return f"{canonicalize_name(requirement.name)};{requirement.marker or ''}"


def intersected(one: tuple[str, str], two: tuple[str, str]) -> str:
    """The requirement that asks for what both do, each given with the component that brings it; empty for an address.

    Raises AuthorError, naming both, when no version meets them.
    """
    old, new = Requirement(one[0]), Requirement(two[0])
    if old.url or new.url:
        return ""
    bounds = old.specifier & new.specifier
    if _is_empty(bounds):
        raise AuthorError(f"no version of `{old.name}` meets both `{one[0]}` ({one[1]}) and `{two[0]}` ({two[1]})")
    extras = sorted(old.extras | new.extras)
    name = old.name + (f"[{','.join(extras)}]" if extras else "")
    return f"{name}{_tightest(bounds)}" + (f"; {old.marker}" if old.marker else "")


def _requirement(text: str, where: str) -> Requirement:
    try:
        requirement = Requirement(text)
        for clause in requirement.specifier:
            Version(clause.version.removesuffix(".*"))  # `===` takes any text
    except (InvalidRequirement, InvalidVersion) as error:
        raise AuthorError(f"`{where}`: `{text}` is no requirement: {str(error).splitlines()[0]}") from None
    return requirement


def _is_empty(bounds: SpecifierSet) -> bool:
    """Whether no version can meet the bounds: tried at every bound, and just above and below it."""
    named = [Version(clause.version.removesuffix(".*")) for clause in bounds]
    tried = {version for edge in named for version in _around(edge)}
    return bool(named) and not any(bounds.contains(version, prereleases=True) for version in tried)


def _around(edge: Version) -> Iterator[Version]:
    release = ".".join(map(str, edge.release))
    yield edge
    yield Version(f"{edge}.post1" if edge.post is None and not edge.is_devrelease else str(edge))
    yield Version(f"{release}.0.1")
    for place in range(len(edge.release)):
        if edge.release[place]:
            lower = [*edge.release[:place], edge.release[place] - 1]
            yield Version(".".join(map(str, lower)) + ".9999")


def _tightest(bounds: SpecifierSet) -> str:
    """The bounds without those that another one implies; lower bounds first."""
    lower = [clause for clause in bounds if clause.operator in (">=", ">")]
    upper = [clause for clause in bounds if clause.operator in ("<=", "<")]
    rest = [clause for clause in bounds if clause.operator not in (">=", ">", "<=", "<")]
    kept = _extreme(lower, max, ">") + sorted(rest, key=str) + _extreme(upper, min, "<")
    return ",".join(map(str, kept))


def _extreme(clauses: list[Specifier], choose: Any, strict: str) -> list[Specifier]:
    if not clauses:
        return []
    edge = choose(Version(clause.version) for clause in clauses)
    at_edge = [clause for clause in clauses if Version(clause.version) == edge]
    return [next((clause for clause in at_edge if clause.operator == strict), at_edge[0])]
