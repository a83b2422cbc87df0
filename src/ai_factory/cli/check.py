"""`ai-factory check`: its own small parser, so that a check starts at once."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ai_factory.check import FAIL_ON, Finding, compare, verdict
from ai_factory.errors import FactoryError, UsageError
from ai_factory.lock import BASE, LOCK, WAIVERS, Lock, parse
from ai_factory.newest import SKIPPED, newer
from ai_factory.report import findings as report
from ai_factory.report.findings import Checked
from ai_factory.workspace import Folder, find_project, keeps_modes

FORMATS = ("text", "json")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "`ai-factory check --help` lists the options")


def parser() -> argparse.ArgumentParser:
    """The options of `check`."""
    made = _Parser(
        prog="ai-factory check",
        description="Is this project still what the factory promised? Offline, and without starting a process.",
        epilog="exit codes: 0 nothing to report, 1 drift or an open conflict, 2 could not be determined",
    )
    made.add_argument("paths", nargs="*", default=["."], metavar="PATH", help="projects (default: the one here)")
    made.add_argument("--format", choices=FORMATS, default="text", help="what to print (default: text)")
    made.add_argument("--json", action="store_const", const="json", dest="format", help="short for --format json")
    made.add_argument(
        "--fail-on",
        default="drift,conflict",
        metavar="WHAT",
        help=f"comma-separated: {', '.join(FAIL_ON)} (default: drift,conflict)",
    )
    made.add_argument("--verbose", action="store_true", help="show the traceback of an unexpected error")
    return made


def main(arguments: Sequence[str]) -> int:
    """Check the projects and print what was found; the exit code."""
    options = parser().parse_args(arguments)
    groups = [word.strip() for word in options.fail_on.split(",") if word.strip()]
    if unknown := [word for word in groups if word not in FAIL_ON]:
        parser().error(f"--fail-on knows {', '.join(FAIL_ON)}, not `{unknown[0]}`")
    results = [checked(path) for path in options.paths]
    code = verdict((finding for result in results for finding in result.findings), groups)
    as_json = options.format == "json"
    text = json.dumps(report.data(results, code), indent=2) if as_json else report.text(results, code)
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
    if version := newer(record.factory):
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


def _base_finding(folder: Folder, record: Lock) -> list[Finding]:
    file = folder.read(BASE)
    if file and hashlib.sha256(file.content).hexdigest() == record.base_file:
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
