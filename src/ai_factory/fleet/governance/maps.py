"""By which map of duties each project of a fleet is judged: that of its factory, where the fleet trusts it."""

from __future__ import annotations

from threading import Lock

from ai_factory import catalog
from ai_factory.errors import LockError, UnreachableError
from ai_factory.factory import EMBEDDED, Wanted, open_factory
from ai_factory.fleet.registry import FILE, Registry
from ai_factory.governance.reading import Map
from ai_factory.project.facts import map_in, map_of
from ai_factory.project.opening import Project

Key = tuple[str, str, str]  # address, version and commit of a factory


class Maps:
    """The maps of the factories that a fleet trusts, each read once however many projects were stamped from it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[Key, Map] = {}
        self._one_at_a_time = Lock()

    def of(self, project: Project) -> Map:
        """The map of the project's factory at the version that was applied.

        Raises LockError for a factory that fleet.yaml does not name: a project's own word is not enough.
        """
        origin = project.lock.factory
        if origin.url != EMBEDDED and not self._registry.trusts(origin.url):
            message = f"its lock names the factory `{origin.url}`, which the fleet does not trust (AF005)"
            raise LockError(message, f"list it under `factories` in `{FILE}`, or look at who changed the lock")
        key = (origin.url, origin.version, origin.commit)
        with self._one_at_a_time:
            if key not in self._known:
                self._known[key] = _read(project)
            return self._known[key]


def _read(project: Project) -> Map:
    """From what is here; a factory that is not here yet is fetched."""
    try:
        return map_of(project)
    except UnreachableError:
        origin = project.lock.factory
        return map_in(open_factory(origin.url, Wanted(origin.commit)).read(catalog.CONTROLS))
