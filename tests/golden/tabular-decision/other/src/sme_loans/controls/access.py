"""Who may do what with which class of information: one file, refused by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class AccessRefused(Exception):
    """The file cannot be used, or the roles are none that it knows."""


@dataclass(frozen=True, slots=True)
class Access:
    """The classes of information, and for each role and action the classes that it covers."""

    classes: tuple[str, ...]
    roles: Mapping[str, Mapping[str, frozenset[str]]]

    def cleared(self, roles: Iterable[str], action: str) -> frozenset[str]:
        """The classes on which any of the roles may do this.

        Raises AccessRefused without a role and for one that is not known: who it is that asks is
        then not clear.
        """
        given = set(roles)
        if not given or given - set(self.roles):
            raise AccessRefused("no role is given, or one that is not known")
        return frozenset[str]().union(*(self.roles[role].get(action, ()) for role in given))

    def may(self, roles: Iterable[str], action: str, class_: str) -> bool:
        """Whether any of the roles may do this with that class; False for what is not known."""
        try:
            return class_ in self.cleared(roles, action)
        except AccessRefused:
            return False


def load(path: Path) -> Access:
    """Read the file; AccessRefused names what is wrong in it."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        classes = tuple(_words(document["classes"]))
        roles = {
            str(role): {str(action): frozenset(_words(given)) for action, given in actions.items()}
            for role, actions in document["roles"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise AccessRefused(f"{path.name}: {error}") from error
    for role, actions in roles.items():
        for action, given in actions.items():
            if unknown := given - set(classes):
                words = ", ".join(sorted(unknown))
                raise AccessRefused(f"{path.name}: {role} may {action} an unknown class: {words}")
    return Access(classes, roles)


def _words(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is not a list of words")
    return value
