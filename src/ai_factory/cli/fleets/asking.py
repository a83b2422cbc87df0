"""Asks every system of a fleet one question, with a bar on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # see `new`
    from ai_factory.fleet.registry import Member, Registry
    from ai_factory.fleet.survey import Answer, Way
    from ai_factory.fleet.system import System

Said = TypeVar("Said")
SOME_FAILED = 3  # the exit code of a run in which some systems could not be read


def registry_at(place: str) -> Registry:
    """The registry in a file, here or above. Raises UsageError."""
    from ai_factory.fleet.book import opened

    return opened(place).fleet


def way(registry: Registry, systems: int) -> Way:
    """How its systems are asked: with the tokens of its hosts, and a bar."""
    from ai_factory.cli.bar import bar_on
    from ai_factory.fleet.hosts import Reaching
    from ai_factory.fleet.survey import Way

    return Way(Reaching(registry.hosts), bar_on(systems))


def asked(registry: Registry, members: Sequence[Member], ask: Callable[[System], Said]) -> list[Answer[Said]]:
    """What they say, in their order."""
    from ai_factory.fleet.survey import survey

    return survey(members, ask, way(registry, len(members)))
