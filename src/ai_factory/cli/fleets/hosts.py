"""The code hosts of a fleet: how each is reached, and who speaks to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_factory.git.remote import NO_ACCESS, Access

if TYPE_CHECKING:
    from ai_factory.fleet.plan import Entry
    from ai_factory.fleet.registry import Registry
    from ai_factory.forge import Forge


def reach(url: str) -> Access:
    """How git reaches that address: as the person does."""
    return NO_ACCESS


def forge_of(registry: Registry) -> Callable[[str], tuple[Forge, str] | None]:
    """For an address: the code host that it lies on, and the repository's name there; None for a plain remote."""
    return lambda url: None


def missing(registry: Registry) -> Callable[[Entry], tuple[str, ...]]:
    """For an entry of a plan: the rights that our identity lacks to bring it."""
    return lambda entry: ()
