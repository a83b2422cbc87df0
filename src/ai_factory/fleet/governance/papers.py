"""Files of a project as plain data: bounded, and told as odd where they are not what they should be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ai_factory import cache, documents
from ai_factory.errors import FactoryError
from ai_factory.fleet.system import System
from ai_factory.tree import Tree

JSON_LIMIT = 4 * 1024 * 1024  # bytes of one JSON document
ROWS = 2_000  # of one list that are looked at: whoever writes more of them writes them against us
TEXT = 400  # characters of one value that are kept


class Papers:
    """The files of one project, read as they are asked for; `odd` gathers those that could not be read, and why."""

    def __init__(self, files: Tree) -> None:
        self.files = files
        self.odd: list[str] = []

    def matching(self, pattern: str) -> list[str]:
        """The paths of that pattern, sorted."""
        return matching(self.files, [pattern])

    def lines(self, path: str) -> list[str]:
        """The lines of a text; none where there is no such file."""
        return self._content(path, JSON_LIMIT).decode("utf-8", "replace").splitlines()

    def yaml(self, path: str) -> dict[str, Any]:
        """The mapping that a YAML file holds; empty where it holds none."""
        return next(iter(self.yamls(path)), {})

    def yamls(self, path: str) -> list[dict[str, Any]]:
        """The mappings of a YAML file that may hold several documents."""
        content = self._content(path, documents.SIZE_LIMIT)
        parts = re.split(rb"^---[ \t]*\r?$\n?", content, flags=re.MULTILINE)[:ROWS]
        try:
            return [table(cache.document(part, path)) for part in parts if part.strip()]
        except FactoryError as error:
            self.odd.append(error.message)
            return []

    def json(self, path: str) -> dict[str, Any]:
        """The mapping that a JSON file holds; empty where it holds none."""
        content = self._content(path, JSON_LIMIT)
        try:
            return table(json.loads(content, parse_constant=_no_number)) if content else {}
        except (ValueError, RecursionError):
            self.odd.append(f"`{path}` is no JSON")
            return {}

    def _content(self, path: str, most: int) -> bytes:
        file = self.files.get(path)
        if file and len(file.content) > most:
            self.odd.append(f"`{path}` is larger than {most} bytes")
        return file.content if file and len(file.content) <= most else b""


def papers_of(system: System, wanted: Iterable[str]) -> Papers:
    """The wanted files of a system, by name or by pattern."""
    found = matching(system.files.listing, wanted)
    papers = Papers(system.read_all(found[:ROWS]))
    papers.odd += [f"it holds more than {ROWS} such files: the rest is left out"] if len(found) > ROWS else []
    return papers


def matching(paths: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The paths that are wanted, by name or by pattern, sorted."""
    asked = list(wanted)
    patterns = [one for one in asked if "*" in one]
    names = {one for one in asked if "*" not in one}
    return sorted(path for path in paths if path in names or any(fnmatchcase(path, one) for one in patterns))


def text(value: object, most: int = TEXT) -> str:
    """A value as one line of text; empty for what is no text and no number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    shown = " ".join(str(value).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(filter(None, map(text, value[:ROWS]))) if isinstance(value, list) else ()


def number(value: object) -> float | None:
    """A number that is one; None for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63 else None


def table(value: object) -> dict[str, Any]:
    """A mapping with texts for keys; empty for what is none."""
    return {key: inner for key, inner in value.items() if isinstance(key, str)} if isinstance(value, Mapping) else {}


def rows(value: object) -> list[dict[str, Any]]:
    """The mappings of a list."""
    return [table(one) for one in value[:ROWS] if isinstance(one, Mapping)] if isinstance(value, list) else []


def _no_number(word: str) -> Any:
    raise ValueError(word)
