"""Releases: one folder of files a version, named after its content, and a record of which serves.

`var/models/<version>/` holds the files, which nothing executes, and `model.json`, which says what
they are. `var/models/serving.json` lists the versions that were activated, the one that serves
last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .evidence import replace, rounded
from .paths import Paths

CARD, SERVING = "model.json", "serving.json"


class ReleaseRefused(Exception):
    """A release is missing, or was changed after it was saved."""


@dataclass(frozen=True, slots=True)
class Release:
    """Files, and what is written down about them; `digest` covers all files."""

    version: str
    digest: str
    files: Mapping[str, bytes]
    facts: Mapping[str, Any]


def save(paths: Paths, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> str:
    """Write a release and return its version, which follows from files and facts alone.

    Raises ValueError for a name that is no plain file name.
    """
    for name in files:
        if not name or name == CARD or name.startswith(".") or set(name) & set("/\\"):
            raise ValueError(f"{name!r} is no name for a file of a release")
    digests = {name: _digest(content) for name, content in sorted(files.items())}
    card = {
        "schema": "release/1",
        "model": _digest(_text(digests).encode()),
        "files": digests,
        "facts": rounded(facts),
    }
    text = _text(card)
    version = _named(text.encode())
    folder = paths.models / version
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    replace(folder / CARD, text)
    return version


def load(paths: Paths, version: str | None = None) -> Release:
    """Load a version, by default the one that serves; ReleaseRefused if it was changed."""
    wanted = version or serving(paths)
    if wanted is None:
        raise ReleaseRefused("nothing serves yet: run the pipeline first")
    folder = paths.models / wanted
    try:
        text = (folder / CARD).read_bytes()
    except OSError as error:
        raise ReleaseRefused(f"there is no release {wanted}") from error
    if _named(text) != wanted:
        raise ReleaseRefused(f"release {wanted} was changed after it was saved")
    card = json.loads(text)
    files = {name: _checked(folder, name, was) for name, was in card["files"].items()}
    return Release(wanted, card["model"], files, card["facts"])


def serving(paths: Paths) -> str | None:
    """The version that serves, or None before the first activation."""
    past = history(paths)
    return past[-1] if past else None


def history(paths: Paths) -> list[str]:
    """The versions that were activated and not rolled back, oldest first."""
    file = paths.models / SERVING
    if not file.exists():
        return []
    activated: list[str] = json.loads(file.read_text("utf-8"))["activated"]
    return activated


def activate(paths: Paths, version: str) -> None:
    """Let a version serve, after checking that it loads; a version that serves already stays."""
    load(paths, version)
    if serving(paths) != version:
        _remember(paths, [*history(paths), version])


def roll_back(paths: Paths) -> str:
    """Let the version before the present one serve again, and return it."""
    past = history(paths)
    if len(past) < 2:
        raise ReleaseRefused("there is no earlier version to roll back to")
    load(paths, past[-2])
    _remember(paths, past[:-1])
    return past[-2]


def _remember(paths: Paths, activated: list[str]) -> None:
    replace(paths.models / SERVING, json.dumps({"activated": activated}, indent=2) + "\n")


def _checked(folder: Path, name: str, was: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise ReleaseRefused(f"{name} of release {folder.name} is missing") from error
    if _digest(content) != was:
        raise ReleaseRefused(f"{name} of release {folder.name} was changed after it was saved")
    return content


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _named(card: bytes) -> str:
    return "r-" + hashlib.sha256(card).hexdigest()[:12]


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
