"""`ai-factory check`: its own small parser, so that a check starts at once."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from ai_factory.check import Finding, compare, verdict
from ai_factory.errors import FactoryError
from ai_factory.lock import BASE, LOCK, PROJECT, WAIVERS, Lock, parse
from ai_factory.newest import SKIPPED, newer
from ai_factory.report import findings as report
from ai_factory.report.findings import Checked
from ai_factory.tree import digest
from ai_factory.workspace import Folder, find_project, keeps_modes


class Options(NamedTuple):
    """What was asked of a check."""

    paths: Sequence[str]
    format: str
    fail_on: Sequence[str]


def options(arguments: Sequence[str]) -> Options:
    """The arguments as a value; the usual ones are read without argparse. Raises UsageError."""
    paths = [word for word in arguments if word != "--json"]
    if not any(word.startswith("-") for word in paths):
        return Options(paths or ["."], "json" if "--json" in arguments else "text", ("drift", "conflict"))
    from ai_factory.cli.check_options import parser

    read = parser().parse_args(arguments)
    return Options(read.paths, read.format, read.fail_on)


def main(arguments: Sequence[str]) -> int:
    """Check the projects and print what was found; the exit code."""
    asked = options(arguments)
    results = [checked(path) for path in asked.paths]
    code = verdict((finding for result in results for finding in result.findings), asked.fail_on)
    text = json.dumps(report.data(results, code), indent=2) if asked.format == "json" else report.text(results, code)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # that nobody reads it changes no verdict
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def checked(path: str) -> Checked:
    """The findings of one project; what stops a check is a finding too (AF005)."""
    try:
        root = find_project(path)
        folder = Folder(root)
        file = folder.read(LOCK)
        record = parse(file.content if file else b"")
        return Checked(path, record.factory.version, tuple(_findings(folder, record)))
    except FactoryError as error:
        return Checked(path, "", (Finding("AF005", LOCK, error.message, hint=error.hint),))


def _findings(folder: Folder, record: Lock) -> list[Finding]:
    wanted = [path for path, entry in record.paths.items() if entry.ownership in ("managed", "merged")]
    ours = folder.read_all(path for path in wanted if record.paths[path].state != "local")
    found = _base_finding(folder, record)
    found += compare(record, ours, _unexpected(folder, record), keeps_modes(folder.root))
    if version := _newer(folder, record):
        found.append(
            Finding(
                "AF001",
                LOCK,
                f"is behind: {version} is there",
                hint="`ai-factory sync --plan` shows what it brings",
            )
        )
    waivers = folder.read(WAIVERS)
    return _waived(found, waivers.content) if waivers else found


def _newer(folder: Folder, record: Lock) -> str:
    """The newest version that a sync would go to; the bound is read, without a parser, where there is a newer one."""
    version = newer(record.factory)
    wish = folder.read(PROJECT) if version else None
    found = re.search(rb"^version:[ \t]*(['\"]?)([^'\"#\r\n]+)\1", wish.content, re.MULTILINE) if wish else None
    try:
        return newer(record.factory, found[2].decode(errors="replace").strip()) if found else version
    except FactoryError:
        return version  # the sync will say that it is no bound


def _base_finding(folder: Folder, record: Lock) -> list[Finding]:
    file = folder.read(BASE)
    if file and digest(file.content) == record.base_file:
        return []
    message = "is not the one that the lock names" if file else "is missing"
    return [Finding("AF005", BASE, message, hint="bring both back with `git checkout -- .ai-factory`")]


def _unexpected(folder: Folder, record: Lock) -> list[str]:
    found = {path for managed in record.folders for path in folder.walk(managed)}
    return sorted(
        path
        for path in found - record.paths.keys()
        if SKIPPED.isdisjoint(path.split("/")) and not path.endswith((".pyc", ".incoming"))
    )


def _waived(found: list[Finding], content: bytes) -> list[Finding]:
    import time

    from ai_factory import waivers  # YAML is read only where somebody waived something

    try:
        return waivers.apply(found, waivers.parse(content), time.strftime("%Y-%m-%d"))
    except FactoryError as error:
        return [*found, Finding("AF005", WAIVERS, error.message, hint=error.hint or "mend the file")]
