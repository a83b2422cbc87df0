"""A stamped project with its environment, and copies of it that may be broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ai_factory.lock import Lock, parse
from ai_factory.render import matches
from tests import kit
from tests.shell import Done, Shell

RUN_SECONDS = 300  # generous: the pipeline itself is meant to take less than one minute on two cores
TEST_SECONDS = 900


@dataclass(frozen=True)
class Product:
    """The project's folder, a shell in it, and one in it without network."""

    folder: Path
    package: str
    online: Shell
    shell: Shell

    @cached_property
    def lock(self) -> Lock:
        return parse((self.folder / ".ai-factory" / "lock.json").read_bytes())

    def evidence(self, name: str) -> dict[str, Any]:
        """What a run found: the content of one evidence file."""
        return dict(json.loads((self.folder / "evidence" / f"{name}.json").read_text("utf-8"))["content"])

    def produced(self) -> dict[str, bytes]:
        """Every file that the lock calls produced."""
        globs = [path for path, entry in self.lock.paths.items() if entry.ownership == "produced"]
        found = (path for path in self.folder.rglob("*") if path.is_file() and ".venv" not in path.parts)
        names = {path.relative_to(self.folder).as_posix(): path for path in found}
        return {name: path.read_bytes() for name, path in sorted(names.items()) if _any(globs, name)}

    def changed(self) -> list[str]:
        """The paths that git sees as changed or new and that no component says it produces."""
        globs = [path for path, entry in self.lock.paths.items() if entry.ownership == "produced"]
        rows = self.shell.must("git status --porcelain --untracked-files=all").splitlines()
        return [row for row in rows if not _any(globs, row[3:])]

    def write(self, changes: Mapping[str, tuple[str, str]]) -> None:
        """Replace text in files, each `old` found exactly once; an empty `old` means: append."""
        for path, (old, new) in changes.items():
            place = self.folder / path
            text = place.read_text("utf-8")
            assert not old or text.count(old) == 1, f"`{old}` stands {text.count(old)} times in {path}"
            place.write_text(text.replace(old, new) if old else text + new, "utf-8")

    def check(self) -> tuple[int, list[dict[str, Any]]]:
        """The exit code and the findings of `ai-factory check`."""
        done = self.shell.run("ai-factory check --json")
        return done.code, json.loads(done.text)["projects"][0]["findings"]

    def run(self) -> Done:
        """The whole pipeline."""
        return self.shell.run("make --no-print-directory run", RUN_SECONDS)

    def share_environment(self, folder: Path) -> None:
        """Let the project in that folder use this one's environment, as if it had been installed there just now."""
        (folder / ".venv").mkdir()
        for path in (self.folder / ".venv").iterdir():
            if path.name != ".installed":
                (folder / ".venv" / path.name).symlink_to(path)
        (folder / ".venv" / ".installed").touch()

    def copy(self, place: Path) -> Product:
        """The same project elsewhere, with what its runs left, on the same environment but its own code."""
        shutil.copytree(
            self.folder, place / "project", symlinks=True, ignore=shutil.ignore_patterns(".venv", "__pycache__")
        )
        self.share_environment(place / "project")
        return opened(place / "project", place / "home", self.package)


Make = Callable[[str], Product]  # the project of a blueprint


def _any(globs: list[str], path: str) -> bool:
    return any(matches(glob, path) for glob in globs)


def opened(folder: Path, home: Path, package: str) -> Product:
    """A project that lies there; its own source comes before what is installed in the environment.

    What mypy knows of the libraries, by their content, all projects share.
    """
    online, shell = Shell(folder, home), Shell(folder, home, offline=True)
    online.must(f"export PYTHONPATH={folder / 'src'} MYPY_CACHE_DIR={kit.shared('mypy')}")
    return Product(folder, package, online, shell)


def stamped(place: Path, blueprint: str, package: str, *options: str) -> Product:
    """`ai-factory new BLUEPRINT`, in a folder of its own."""
    place.mkdir(parents=True, exist_ok=True)
    maker = Shell(place, place / "maker", offline=True)
    maker.must(f"ai-factory new {blueprint} {package.replace('_', '-')} --defaults {' '.join(options)}")
    return opened(place / package.replace("_", "-"), place / "home", package)
