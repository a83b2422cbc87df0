"""`ai-factory check`: its own small parser, so that a check starts at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.check import Finding, compare, located, verdict
from ai_factory.cli import say
from ai_factory.errors import FactoryError
from ai_factory.lock import BASE, LOCK, PROJECT, WAIVERS, Lock, parse
from ai_factory.newest import SKIPPED, newer
from ai_factory.report import findings as report
from ai_factory.report.findings import Checked
from ai_factory.tree import File, digest
from ai_factory.workspace import Folder, find_project, keeps_modes


class Options(NamedTuple):
    """What was asked of a check; without a format, that is text, and in a job of GitHub Actions annotations too."""

    paths: Sequence[str]
    format: str
    outputs: Sequence[str]
    fail_on: Sequence[str]


def options(arguments: Sequence[str]) -> Options:
    """The arguments as a value; the usual ones are read without argparse. Raises UsageError."""
    paths = [word for word in arguments if word != "--json"]
    if not any(word.startswith("-") for word in paths):
        return Options(paths or ["."], "json" if "--json" in arguments else "", (), ("drift", "conflict"))
    from ai_factory.cli.check_options import parser
    from ai_factory.cli.output import asked

    read = parser().parse_args(arguments)
    asked(read.format, read.output)
    return Options(read.paths, read.format, read.output, read.fail_on)


def main(arguments: Sequence[str]) -> int:
    """Check the projects and tell what was found; the exit code."""
    wanted = options(arguments)
    if wanted.format in ("", "text") and not wanted.outputs and "GITHUB_ACTIONS" not in os.environ:
        results, code = _results(wanted)
        say(report.text(results, code))
        return code
    from ai_factory.cli import output  # which loads what the other formats have in common
    from ai_factory.report.rows import Report

    asked = output.asked(wanted.format, wanted.outputs)
    with output.accounted("check", asked):
        results, code = _results(wanted)
    return output.deliver(Report("check", results, code, wanted.fail_on), asked)


def _results(wanted: Options) -> tuple[tuple[Checked, ...], int]:
    results = tuple(checked(path) for path in wanted.paths)
    return results, verdict((finding for result in results for finding in result.findings), wanted.fail_on)


def checked(path: str) -> Checked:
    """The findings of one project; what stops a check is a finding too (AF005)."""
    try:
        root = find_project(path)
        folder = Folder(root)
        file = folder.read(LOCK)
        record = parse(file.content if file else b"")
        return Checked(path, record.factory.version, tuple(_findings(folder, record)), root)
    except FactoryError as error:
        return Checked(path, "", (Finding("AF005", LOCK, error.message, hint=error.hint),))


def _findings(folder: Folder, record: Lock) -> list[Finding]:
    wanted = [path for path, entry in record.paths.items() if entry.ownership in ("managed", "merged")]
    ours = folder.read_all(path for path in wanted if record.paths[path].state != "local")
    archive = folder.read(BASE)
    found = _base_finding(archive, record)
    edited = compare(record, ours, _unexpected(folder, record), keeps_modes(folder.root))
    found += _located(edited, ours, archive, record) if edited else []
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
    found = _waived(found, waivers.content) if waivers else found
    owner = record.answers.get("owner_team")
    return [finding._replace(owner=owner) for finding in found] if isinstance(owner, str) else found


def _located(found: list[Finding], ours: Mapping[str, File], archive: File | None, record: Lock) -> list[Finding]:
    """The findings with their lines: the base is opened only for what was edited."""
    edited = {finding.path: record.paths[finding.path].base for finding in found if finding.rule == "AF002"}
    if not edited or archive is None:
        return found
    from ai_factory.base import pristine

    return located(found, ours, pristine(archive.content, edited))


def _newer(folder: Folder, record: Lock) -> str:
    """The newest version that a sync would go to; the bound is read, without a parser, where there is a newer one."""
    version = newer(record.factory)
    wish = folder.read(PROJECT) if version else None
    found = re.search(rb"^version:[ \t]*(['\"]?)([^'\"#\r\n]+)\1", wish.content, re.MULTILINE) if wish else None
    try:
        return newer(record.factory, found[2].decode(errors="replace").strip()) if found else version
    except FactoryError:
        return version  # the sync will say that it is no bound


def _base_finding(file: File | None, record: Lock) -> list[Finding]:
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
