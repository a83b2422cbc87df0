"""Facts: the typed answers about a system from which everything else follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ai_factory.governance.conditions import Facts, Value, shown

KINDS: Mapping[str, Callable[[Any], bool]] = {
    "set": lambda value: isinstance(value, list) and all(isinstance(member, str) for member in value),
    "enum": lambda value: isinstance(value, str),
    "ordered": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63,
}
WORDS = {"set": "a list", "enum": "a word", "ordered": "a word", "bool": "yes or no (true, false)", "int": "a number"}


class FactType(NamedTuple):
    """What may be answered: `kind` is a key of KINDS, `values` those of the words that there are."""

    name: str
    kind: str
    values: tuple[str, ...]
    help: str

    def choices(self) -> tuple[Value, ...]:
        """Every answer of one word, or yes and no; a set's members one by one, a number none."""
        if self.kind == "bool":
            return (False, True)
        return tuple(frozenset({value}) if self.kind == "set" else value for value in self.values)


def types(document: Mapping[str, Any]) -> dict[str, FactType]:
    """The types of facts that `controls/facts.yaml` states."""
    return {
        name: FactType(name, row["type"], tuple(row.get("values", ())), row["help"])
        for name, row in document["facts"].items()
    }


def problems(answers: Mapping[str, Any], known: Mapping[str, FactType]) -> dict[str, str]:
    """What is wrong with each fact: unknown, missing, or no such value; empty when they are whole."""
    found = {name: "is no fact of this map" for name in answers if name not in known}
    for name, type_ in known.items():
        if wrong := problem(answers.get(name), type_):
            found[name] = wrong
    return found


def facts(answers: Mapping[str, Any]) -> Facts:
    """Answers without `problems` as facts."""
    return {name: frozenset(value) if isinstance(value, list) else value for name, value in answers.items()}


def problem(value: Any, type_: FactType) -> str:
    """What is wrong with one answer; empty when it is sound."""
    if value is None:
        return "is not answered"
    if not KINDS[type_.kind](value):
        return f"is {WORDS[type_.kind]}, not {shown(value)}"
    given = value if isinstance(value, list) else [value]
    odd = [word for word in given if type_.values and word not in type_.values]
    return f"{odd[0]} is none of {', '.join(type_.values)}" if odd else ""
