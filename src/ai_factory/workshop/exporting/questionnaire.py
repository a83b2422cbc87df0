"""The `copier.yml` of an exported blueprint: the questions of all components, and one for each optional component."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory import cache
from ai_factory.catalog import Blueprint, Component, all_questions
from ai_factory.errors import AuthorError
from ai_factory.workshop.exporting.jinja_text import as_template, untouched

COPIER = "9.14.1"  # the oldest Copier with which exports are tested
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_ODD = re.compile(r"[^\n\x20-\x7e\xa1-\ud7ff]")  # what a block might not keep, or not every reader sees
_WORDS = {"y", "yes", "n", "no", "true", "false", "on", "off", "null", "none"}  # of which YAML 1.1 makes other things


def taking(blueprint: Blueprint) -> dict[str, str]:
    """For each optional component, the question that takes it."""
    return {name: f"with_{name.replace('-', '_')}" for name in blueprint.optional}


def questions(blueprint: Blueprint, components: Sequence[Component]) -> dict[str, Mapping[str, Any]]:
    """All questions in the order in which they are asked. Raises AuthorError where two have one name."""
    taken = taking(blueprint)
    types = {question.key: question for question in all_questions(components)}
    found: dict[str, Mapping[str, Any]] = {}
    for item in components:
        condition = taken.get(item.name, "")
        if condition:
            if condition in types:
                raise AuthorError(f"`{types[condition].where}` asks `{condition}`, which here takes `{item.name}`")
            found[condition] = _take(item, taken)
        for key, data in _written(item).items():
            told = dict(data) if isinstance(data, dict) else {"default": data}
            told = {"type": types[key].type, **told}
            if key in blueprint.answers:
                told["default"] = blueprint.answers[key]
            found[key] = {**told, **_when(types[key].when, condition)}
    return found


def _written(item: Component) -> dict[str, Any]:
    """The questions as their author wrote them, settings left out."""
    file = item.tree.get("copier.yml")
    data = cache.document(file.content, f"{item.folder}/copier.yml", AuthorError) if file else None
    return {key: value for key, value in (data or {}).items() if not key.startswith("_")}


def _take(item: Component, taken: Mapping[str, str]) -> dict[str, Any]:
    """The question whether to take a component."""
    asked: dict[str, Any] = {"type": "bool", "help": untouched(f"{item.name}: {item.summary}?"), "default": False}
    needed = [name for name in item.requires if name in taken]
    if needed:
        missing = " or ".join(f"not {taken[name]}" for name in needed)
        told = " and ".join(taken[name] for name in needed)
        asked["validator"] = f"{{% if {taken[item.name]} and ({missing}) %}}it requires {told}{{% endif %}}"
    return asked


def _when(own: bool | str, condition: str) -> dict[str, Any]:
    if own is True:
        return {"when": f"{{{{ {condition} }}}}"} if condition else {}
    told = as_template(own)
    if own is False or not condition:
        return {"when": told}
    return {"when": f"{{% if {condition} %}}{told}{{% else %}}false{{% endif %}}"}


# ---- as YAML -------------------------------------------------------------------------------------


def document(settings: Mapping[str, Any], asked: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings and questions as YAML that versions 1.1 and 1.2 read alike."""
    parts = ["\n".join(_lines(settings, ""))]
    parts += ["\n".join(_lines({key: data}, "")) for key, data in asked.items()]
    return "\n\n".join(parts) + "\n"


def _lines(data: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, str) and "\n" in value and _fits_a_block(value):
            yield f"{indent}{_scalar(key)}: |{'' if value.endswith(chr(10)) else '-'}"
            yield from (f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
        elif isinstance(value, list) and value and all(isinstance(one, str) for one in value) and len(value) > 6:
            yield f"{indent}{_scalar(key)}:"
            yield from (f"{indent}  - {_scalar(one)}" for one in value)
        else:
            yield f"{indent}{_scalar(key)}: {_flow(value)}"


def _fits_a_block(text: str) -> bool:
    return not (text[0].isspace() or text.endswith("\n\n") or _ODD.search(text))


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)
