"""The options `--baseline` and `--write-baseline`: which findings are known, read from a file or written to one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ai_factory import baseline
from ai_factory.baseline import Known
from ai_factory.cli.output import placed, write_file
from ai_factory.cli.replacing import Writing, refuse
from ai_factory.errors import ProjectError, UsageError
from ai_factory.report.findings import Checked
from ai_factory.report.rows import Report, Row, rows
from ai_factory.tree import word
from ai_factory.workspace import Folder, find_repository


class Wanted(NamedTuple):
    """The file to read, the one to write, and the reference that a file within a project's repository is read from."""

    file: str
    written: str = ""
    against: str = ""


def refuse_baseline(place: str) -> None:
    """Raise UsageError for a file that a baseline is not to replace, as for other outputs."""
    refuse(place, Writing("--write-baseline", "earlier baseline", baseline.is_ours))


def applied(projects: Sequence[Checked], wanted: Wanted) -> tuple[tuple[Checked, ...], tuple[str, ...]]:
    """The projects with known findings as notes, and what there is to say of the file.

    Raises UsageError for a file that is no baseline, ProjectError where there is nothing to write down.
    """
    found = rows(Report("check", placed(projects), 0))
    if wanted.written:
        return _lowered(projects, found, _write(projects, found, wanted.written)), ()
    known, notes = _read(projects, wanted)
    return _lowered(projects, found, known), (*notes, *_stale(known, found, placed(projects), wanted.file))


def _lowered(projects: Sequence[Checked], found: Iterable[Row], known: Iterable[Known]) -> tuple[Checked, ...]:
    names = {row.fingerprint for row in known}
    told = iter([baseline.lowered(row.finding) if row.fingerprint in names else row.finding for row in found])
    return tuple(one._replace(findings=tuple(next(told) for _ in one.findings)) for one in projects)


def _stale(known: Iterable[Known], found: Iterable[Row], projects: Iterable[Checked], place: str) -> Iterable[str]:
    """What is healed, and can go: of the projects that were looked at."""
    there, folders = {row.fingerprint: row for row in found}, {one.folder for one in projects}
    now = {row.path: row.rule for row in there.values()}
    for row in known:
        if row.project in folders and row.fingerprint not in there:
            how = f"{now[row.path]} by now" if row.path in now else "healed"
            yield (
                f"the baseline `{place}` knows {row.rule} of `{row.path}`, which is {how}: take it out, or "
                f"`ai-factory check --write-baseline {word(place)}`"
            )


# ---- the file ------------------------------------------------------------------------------------


def _write(projects: Sequence[Checked], found: Iterable[Row], place: str) -> list[Known]:
    if any(finding.level == "undetermined" for one in projects for finding in one.findings):
        raise ProjectError(
            "a project cannot be judged, so there is nothing to write down", "`ai-factory check` says what is wrong"
        )
    known = [
        Known(row.fingerprint, row.project.folder, row.rule, row.path)
        for row in found
        if row.finding.rule in baseline.RULES
    ]
    if error := write_file(place, baseline.write(known)):
        raise error
    return known


def _read(projects: Sequence[Checked], wanted: Wanted) -> tuple[list[Known], tuple[str, ...]]:
    place = os.path.abspath(wanted.file)
    top, path = _within(place, projects) if wanted.against else ("", "")
    if top:
        from ai_factory.project.reference import content_at

        content = content_at(top, path, wanted.against)
        if content is None:
            return [], (f"`{wanted.against}` has no baseline `{wanted.file}`: it counts once it is merged, by itself",)
        return baseline.parse(content, f"{wanted.file} at {wanted.against}"), ()
    folder, name = os.path.split(place)
    file = Folder(folder).read(name) if os.path.isdir(folder) else None
    if file is None:
        raise UsageError(
            f"there is no baseline `{wanted.file}`",
            f"`ai-factory check --write-baseline {word(wanted.file)}` writes it",
        )
    return baseline.parse(file.content, wanted.file), ()


def _within(place: str, projects: Iterable[Checked]) -> tuple[str, str]:
    """The top of the project's repository in which the file lies, and its path from there; empty where in none.

    By the path that was given first: a link within the repository leads nowhere.
    """
    repositories = [find_repository(one.root) for one in projects if one.root]
    tops = sorted({found.top for found in repositories if found}, key=len, reverse=True)
    folder, name = os.path.split(place)
    spellings = (place, os.path.join(os.path.realpath(folder), name))
    found = ((top, os.path.relpath(spelling, top)) for spelling in spellings for top in tops if _below(spelling, top))
    return next(found, ("", ""))


def _below(place: str, top: str) -> bool:
    return place.startswith(f"{top}/")
