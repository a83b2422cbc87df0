"""How much of a project's code is shared: lines that are still as the factory stamped them, among all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

from ai_factory.fleet.scaling.departures import SHARED, Departure
from ai_factory.lock import FOLDER, Lock
from ai_factory.tree import LINK, File, is_binary, normalized

LANGUAGES = (
    "bash",
    "css",
    "go",
    "html",
    "java",
    "jinja",
    "js",
    "kt",
    "py",
    "pyi",
    "r",
    "rs",
    "scala",
    "sh",
    "sql",
    "ts",
)
SETTINGS = ("cfg", "ini", "proto", "tf", "toml", "yaml", "yml")
ENDINGS = frozenset((*LANGUAGES, *SETTINGS))
NAMES = frozenset(("Dockerfile", "Makefile"))
LINES = 5_000  # of a file that is compared line by line: what is longer counts as the team's once it was edited


class Lines(NamedTuple):
    """The lines of a project's code, and those of them that are as the factory stamped them."""

    code: int
    shared: int


def is_code(path: str) -> bool:
    """Whether a file is code, by its name: what people or the factory write for machines, no data and no prose."""
    name = path.rpartition("/")[2]
    return not path.startswith(f"{FOLDER}/") and (name in NAMES or name.rpartition(".")[2].lower() in ENDINGS)


def counted(lock: Lock, files: Mapping[str, File], found: Collection[Departure]) -> Lines:
    """The lines of these files, which are code, of a project with that lock that departs so."""
    departed = {one.path: one for one in found}
    code = shared = 0
    for path, file in files.items():
        if file.mode == LINK or is_binary(file.content):
            continue
        own = lines(file.content)
        code += len(own)
        if path in departed:
            shared += kept(lines(departed[path].base or b""), own)
        elif (entry := lock.paths.get(path)) and entry.ownership in SHARED and entry.base and entry.state != "local":
            shared += len(own)
    return Lines(code, shared)


def lines(content: bytes) -> list[bytes]:
    """The lines of a text, whatever they end in."""
    return normalized(content).splitlines()


def kept(stamped: list[bytes], own: list[bytes]) -> int:
    """How many lines of a file are still there, in their order."""
    if max(len(stamped), len(own)) > LINES:
        return 0
    return sum(block.size for block in SequenceMatcher(None, stamped, own).get_matching_blocks())
