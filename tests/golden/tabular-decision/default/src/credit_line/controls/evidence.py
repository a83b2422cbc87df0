"""Evidence files: what a run found, tied by digests to the inputs that it found it in."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .paths import Paths

SCHEMA = "evidence/1"
DECIMALS = 6


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes, as `sha256:<hex>`."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def write(paths: Paths, name: str, content: Mapping[str, Any], inputs: Sequence[Path]) -> Path:
    """Write `evidence/<name>.json`; the same content and inputs give the same bytes.

    Numbers are rounded to six decimals. `commit` is the one at which this was first found: a file
    in which nothing else would change is left as it is. Raises ValueError for NaN and infinity,
    which JSON lacks, and for an input outside the project.
    """
    record = {
        "schema": SCHEMA,
        "name": name,
        "commit": _commit(paths.root),
        "inputs": {_relative(paths, path): digest(path) for path in inputs},
        "content": rounded(content),
    }
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n"
    target = paths.evidence / f"{name}.json"
    if not _only_commit_differs(target, record):
        replace(target, text)
    return target


def read(paths: Paths, name: str) -> dict[str, Any]:
    """The whole record in `evidence/<name>.json`; FileNotFoundError if no run has written it."""
    record: dict[str, Any] = json.loads((paths.evidence / f"{name}.json").read_text("utf-8"))
    return record


def content(paths: Paths, name: str) -> dict[str, Any]:
    """What the evidence says; FileNotFoundError where there is none, ValueError for a wrong one."""
    record = json.loads((paths.evidence / f"{name}.json").read_text("utf-8"))
    found = record.get("content") if isinstance(record, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"evidence/{name}.json is no evidence")
    return found


def stale(paths: Paths, name: str) -> list[str]:
    """Inputs that have changed since the evidence was written, sorted.

    A missing input counts as changed, except below `var/`: that folder is not committed, so in a
    fresh clone its absence says nothing.
    """
    inputs: dict[str, str] = read(paths, name)["inputs"]
    return sorted(path for path, was in inputs.items() if _changed(paths, path, was))


def names(paths: Paths) -> list[str]:
    """The names of all evidence that there is, sorted."""
    return sorted(path.stem for path in paths.evidence.glob("*.json"))


def replace(target: Path, text: str) -> None:
    """Write a text file in one step: readers see the old or the new content, never a part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    scratch.write_text(text, encoding="utf-8", newline="\n")
    os.replace(scratch, target)


def rounded(value: Any) -> Any:
    """The value with every float in it rounded to six decimals, and -0.0 turned to 0.0."""
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0
    if isinstance(value, Mapping):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def _only_commit_differs(target: Path, record: Mapping[str, Any]) -> bool:
    try:
        before = json.loads(target.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool({**before, "commit": None} == {**record, "commit": None})


def _changed(paths: Paths, relative: str, was: str) -> bool:
    path = paths.root / relative
    if not path.exists():
        return not path.is_relative_to(paths.var)
    return digest(path) != was


def _relative(paths: Paths, path: Path) -> str:
    return path.resolve().relative_to(paths.root).as_posix()


def _commit(root: Path) -> str | None:
    """The commit that is checked out, or None where there is no git or no commit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None
