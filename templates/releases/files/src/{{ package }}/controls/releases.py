"""Releases: one folder of files a version, named after its content, and a record of which serves.

`var/models/<version>/` holds the files, which nothing executes, and `model.json`, which says what
they are. `var/models/serving.json` lists the versions that were activated, the one that serves
last. As a command: `list` shows them, `back` rolls back to the one before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from . import evidence
from .audit import AuditUnavailable, EventType, KeyRefused, open_log
from .evidence import replace, rounded
from .governance import refuse_unapproved
from .paths import Paths
from .stages import StageFailed

CARD, SERVING = "model.json", "serving.json"


class ReleaseRefused(StageFailed):
    """A release is missing, or was changed after it was saved."""


@dataclass(frozen=True, slots=True)
class Release:
    """Files, and what is written down about them.

    `digest` is that of the file where there is one, else that of the list of their digests.
    """

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
        "model": _whole(digests),
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


def versions(paths: Paths) -> list[str]:
    """All versions that were saved, sorted by name."""
    return sorted(card.parent.name for card in paths.models.glob(f"r-*/{CARD}"))


def serving(paths: Paths) -> str | None:
    """The version that serves, or None before the first activation."""
    past = history(paths)
    return past[-1] if past else None


def history(paths: Paths) -> list[str]:
    """The versions that were activated and not rolled back, oldest first.

    ReleaseRefused where the file that says so cannot be read.
    """
    file = paths.models / SERVING
    if not file.exists():
        return []
    try:
        return [str(version) for version in json.loads(file.read_text("utf-8"))["activated"]]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ReleaseRefused(f"{file.name} does not say what served: {error!r}") from error


def activate(paths: Paths, version: str) -> None:
    """Let a version serve, after checking that it loads; a version that serves already stays."""
    load(paths, version)
    if serving(paths) != version:
        _remember(paths, [*history(paths), version])


class Loaded(Protocol):
    """A release that was loaded, as its files or as what was made of them."""

    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


def promote(paths: Paths, ready: Loaded, sources: Sequence[Path]) -> str:
    """Let a release serve: recorded before it does, and in `evidence/model.json` after.

    Returns a line on it. Raises NotApproved where this is production and it is not approved.
    """
    refuse_unapproved(paths, ready.version, ready.digest)
    before = serving(paths)
    if before != ready.version:
        with open_log(paths, "pipeline") as log:
            data = {"model": ready.digest, "before": before}
            log.record(EventType.DEPLOYMENT, ready.version, data)
    activate(paths, ready.version)
    content = {"version": ready.version, "model": ready.digest, "facts": ready.facts}
    evidence.write(paths, "model", content, sources)
    return f"{ready.version} serves" + (" already" if before == ready.version else "")


def roll_back(paths: Paths, reason: str, actor: str) -> str:
    """Let the version before serve again, then record it; returns that version.

    Raises ReleaseRefused where there is none or it was changed since it was saved, and ValueError
    for a blank reason or actor: then nothing is done. A missing record does not undo a rollback:
    AuditUnavailable says that it is missing.
    """
    if not reason.strip() or not actor.strip():
        raise ValueError("say why and who you are: neither --reason nor --actor may be blank")
    past = history(paths)
    if len(past) < 2:
        raise ReleaseRefused("there is no earlier version to roll back to")
    *_, version, before = past
    load(paths, version)
    _remember(paths, past[:-1])
    with open_log(paths, "operations") as log:
        who = log.privacy.actor(actor)
        data = {"action": "rollback", "before": before, "reason": reason, "actor": who}
        log.record(EventType.DEPLOYMENT, version, data)
    return version


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done and recorded; 1: refused, or done but not recorded."""
    options = _parser().parse_args(arguments)
    paths = Paths.here()
    try:
        if options.command == "back":
            version = roll_back(paths, options.reason, options.actor)
            print(f"{version} serves: restart the service, so that it loads it")
        done = 0
    except (ReleaseRefused, AuditUnavailable, KeyRefused, OSError, ValueError) as error:
        print(f"back: {error}", file=sys.stderr)
        done = 1
    try:
        print("\n".join(_lines(paths)))
    except ReleaseRefused as error:
        print(f"list: {error}", file=sys.stderr)
        return 1
    return done


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


def _whole(digests: Mapping[str, str]) -> str:
    """One digest for all files."""
    return next(iter(digests.values())) if len(digests) == 1 else _digest(_text(digests).encode())


def _named(card: bytes) -> str:
    return "r-" + hashlib.sha256(card).hexdigest()[:12]


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _lines(paths: Paths) -> list[str]:
    """The activated versions, oldest first, the serving one marked."""
    past = history(paths)
    lines = [f"  {version}" for version in past[:-1]]
    return [*lines, f"* {past[-1]} (serves)"] if past else ["nothing serves yet"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="releases", description="Which release serves.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the versions that served, the present one marked")
    command = commands.add_parser("back", help="let the version before serve again")
    command.add_argument("--reason", required=True, help="why, in one sentence")
    command.add_argument("--actor", required=True, help="your address")
    return parser


if __name__ == "__main__":
    sys.exit(main())
