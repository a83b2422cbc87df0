"""Which components a system has, and at which version each: what its lock says."""

from __future__ import annotations

from collections.abc import Mapping

from ai_factory.fleet.system import System


def components_of(system: System) -> Mapping[str, str]:
    """The components of a system with their versions. Raises LockError where there is no project."""
    return system.project().lock.components
