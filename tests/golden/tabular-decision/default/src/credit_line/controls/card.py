"""Renders the model card from evidence, and refuses a number that no evidence supports.

A template holds `${name:path}` for one value and `${table:name:path|column,column}` for a list
of rows; `name` is the evidence file, and a step of the path is a key, or `[key=value,…]` for the
one row of a list that has these values. `${text}` is the seeded text that people write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import evidence
from .paths import Paths
from .stages import StageFailed

PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
STEP = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")
# A number with a decimal point or a percent sign is a claim; a plain integer is not.
CLAIM = re.compile(r"(?<![\w.])(\d+(?:\.\d+)? ?%|\d+\.\d+)(?![\w]|\.\d)")

Read = Callable[[str], Mapping[str, Any]]


class CardRefused(StageFailed):
    """The card cannot be written: it would say something that no evidence supports."""


def write_card(paths: Paths) -> str:
    """Write `docs/model-card.md` from `governance/`; returns its text. Raises CardRefused."""
    text = card_text(paths)
    evidence.replace(paths.docs / "model-card.md", text)
    return text


def card_text(paths: Paths) -> str:
    """The card as templates and evidence have it now. Raises CardRefused."""
    template, words = (_written(paths, part) for part in ("template", "text"))

    def read(name: str) -> Mapping[str, Any]:
        try:
            return evidence.content(paths, name)
        except FileNotFoundError as error:
            raise CardRefused(f"there is no evidence/{name}.json yet: run `make run`") from error
        except (OSError, ValueError) as error:
            raise CardRefused(f"evidence/{name}.json is no evidence: run `make run`") from error

    if gaps := disagreements(read("model"), read("evaluation")):
        raise CardRefused("; ".join(gaps))
    return render(template, words, read)


def _written(paths: Paths, part: str) -> str:
    """The template, or the text that people write."""
    name = f"model-card.{part}.md"
    try:
        return (paths.governance / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CardRefused(f"governance/{name} cannot be read") from error


def disagreements(model: Mapping[str, Any], evaluated: Mapping[str, Any]) -> list[str]:
    """Why this evaluation does not speak for this model."""
    gaps = []
    version, tested = model.get("version"), evaluated.get("model_version")
    if not version or version != tested:
        gaps.append(f"evidence/model.json is about {version}, evidence/evaluation.json of {tested}")
    verdict = evaluated.get("gate")
    if not isinstance(verdict, Mapping) or verdict.get("passed") is not True:
        gaps.append("the gate was not passed")
    return gaps


def render(template: str, words: str, read: Read) -> str:
    """The template, filled; CardRefused where a value or its evidence is missing."""
    supported: list[float] = []

    def fill(found: re.Match[str]) -> str:
        if found[1] == "text":
            return words.strip()
        name = found[1].removeprefix("table:").split(":", 1)[0]
        supported.extend(numbers(read(name)))
        return filled(found[1], read)

    text = PLACEHOLDER.sub(fill, template)
    for source, content in (("template", template), ("text", words)):
        _refuse_unsupported(source, PLACEHOLDER.sub("", content), supported)
    return text


def filled(expression: str, read: Read) -> str:
    """What stands for a placeholder; CardRefused where a value or its evidence is missing."""
    kind, _, rest = expression.partition(":")
    if kind == "table":
        name, _, rest = rest.partition(":")
        path, _, columns = rest.partition("|")
        return _table(expression, look_up(read(name), path), columns.split(","))
    return _shown(expression, look_up(read(kind), rest))


def look_up(content: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as `results[metric=auc,slice=all].value`; CardRefused if absent."""
    value: Any = content
    for selector, key in STEP.findall(path):
        value = _selected(value, selector) if selector else _member(value, key)
        if value is None:
            raise CardRefused(f"no evidence for `{path}`")
    return value


def _selected(rows: Any, selector: str) -> Any:
    wanted = [pair.partition("=") for pair in selector.split(",")]
    found = [
        row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, Mapping) and all(str(row.get(key)) == value for key, _, value in wanted)
    ]
    return found[0] if len(found) == 1 else None


def _member(value: Any, key: str) -> Any:
    if isinstance(value, Sequence):
        return value[int(key)] if key.isdigit() and int(key) < len(value) else None
    return value.get(key) if isinstance(value, Mapping) else None


def _table(expression: str, rows: Any, columns: Sequence[str]) -> str:
    if not isinstance(rows, Sequence) or not rows:
        raise CardRefused(f"no rows for `{expression}`")
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(expression, row, column) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(expression: str, row: object, column: str) -> str:
    if not isinstance(row, Mapping) or column not in row:
        raise CardRefused(f"no `{column}` in a row of `{expression}`")
    return "" if row[column] is None else _shown(expression, row[column])


def _shown(expression: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        raise CardRefused(f"`{expression}` is a group of values, not one")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(expression, item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def numbers(value: Any) -> Iterator[float]:
    """Every number in a value, however deep."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


def unsupported(text: str, supported: Sequence[float]) -> list[str]:
    """The figures in a text that are none of these numbers, as rounded as they are written."""
    return [claim for claim in CLAIM.findall(text) if not _supports(claim, supported)]


def _supports(claim: str, supported: Sequence[float]) -> bool:
    number = claim.rstrip("% ")
    decimals = len(number.partition(".")[2])
    if claim.endswith("%"):  # a share is never a whole number such as a count
        shares = (value * 100 for value in supported if isinstance(value, float))
        return any(round(share, decimals) == float(number) for share in shares)
    return any(round(value, decimals) == float(number) for value in supported)


def _refuse_unsupported(source: str, text: str, supported: Sequence[float]) -> None:
    for claim in unsupported(text, supported):
        raise CardRefused(f"the {source} of the card says {claim}: no evidence supports it")
