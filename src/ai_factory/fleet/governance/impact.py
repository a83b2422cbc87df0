"""What a new map of duties does to the systems of a fleet, before any file of them moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ai_factory.errors import FactoryError
from ai_factory.fleet.governance.maps import Maps
from ai_factory.fleet.governance.papers import Papers, text
from ai_factory.fleet.governance.parts import SYSTEM
from ai_factory.fleet.registry import Registry
from ai_factory.fleet.survey import PLAIN, Answer, Way, survey
from ai_factory.fleet.system import System
from ai_factory.governance.reading import Map
from ai_factory.project.maps import Impact, impact_on


class OnSystem(NamedTuple):
    """What the map does to one system, and whose that is."""

    owner: str
    impact: Impact


def impact(registry: Registry, new: Map, as_of: str, way: Way = PLAIN) -> list[Answer[OnSystem]]:
    """What the map does to each system on a day, by the facts that it has on record."""
    return survey(registry.members, _asked(Maps(registry), new, as_of), way)


def _asked(maps: Maps, new: Map, as_of: str) -> Callable[[System], OnSystem]:
    def on_system(system: System) -> OnSystem:
        project = system.project()
        key, owner = system.member.key, owner_of(system)
        try:
            return OnSystem(owner, impact_on(project, maps.of(project), new, key, as_of))
        except FactoryError as error:
            return OnSystem(owner, Impact(key, unknown=error.message))

    return on_system


def owner_of(system: System) -> str:
    """Whose the system is: as the fleet says, else as the system itself does."""
    about = Papers(system.read_all([SYSTEM])).yaml(SYSTEM)
    answered = system.project().lock.answers.get("owner_team")
    return system.member.owner or text(about.get("owner_team")) or text(answered)
