"""Plain data as Jinja writes it, for templates that are made here."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_NAMED = {None: "none", True: "true", False: "false"}


def literal(value: Any) -> str:
    """Plain data as one Jinja expression."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(literal, value)) + "]"
    return _NAMED[value] if value is None or isinstance(value, bool) else repr(value)


def untouched(text: str) -> str:
    """The text, spelled so that Jinja gives it as it stands."""
    return f"{{{{ {literal(text)} }}}}" if "{" in text else text


class Written(NamedTuple):
    """A value that may hold Jinja: the statements that come first, and the expression that then stands for it."""

    before: str
    expression: str


class Names:
    """Names for the texts of a generated template, each used once."""

    def __init__(self) -> None:
        self._number = 0

    def new(self) -> str:
        self._number += 1
        return f"_text_{self._number}"


def written(value: Any, names: Names) -> Written:
    """The value as statements and an expression: a text with Jinja in it becomes a name that was set before."""
    before: list[str] = []
    expression = _expression(value, names, before)
    return Written("".join(before), expression)


def _expression(value: Any, names: Names, before: list[str]) -> str:
    if isinstance(value, str) and "{" in value:
        name = names.new()
        before.append(f"{{% set {name} %}}{value}{{% endset %}}")
        return name
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {_expression(one, names, before)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_expression(one, names, before) for one in value) + "]"
    return literal(value)


def as_template(condition: bool | str) -> bool | str:
    """A condition as Copier takes it: true, false, or a template that renders to one of them."""
    if isinstance(condition, bool) or re.search(r"\{\{|\{%", condition):
        return condition
    return f"{{{{ {condition} }}}}"
