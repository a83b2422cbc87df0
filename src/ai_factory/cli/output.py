"""Where a result goes: standard output in one format, files in others, and the page of a GitHub job."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from ai_factory.cli import say
from ai_factory.cli.replacing import Writing, refuse
from ai_factory.errors import FactoryError, MachineError, UsageError, unexpected
from ai_factory.report.findings import Checked
from ai_factory.report.formats import FORMATS, Own, document, failed, is_ours
from ai_factory.report.plain import error_text
from ai_factory.report.rows import Report
from ai_factory.tree import File
from ai_factory.workspace import Folder, find_repository

PAGE = 1024 * 1024  # bytes of a job's page on GitHub, all steps together
AUTO = ""  # the format where none is asked for: text, and annotations too in a job of GitHub Actions
LOCAL = ("text", "json", AUTO)  # the formats that name files from the project, not from the repository
PLAIN = Own()  # a result that is worded as that of a check


class Asked(NamedTuple):
    """The format for standard output, and those for files."""

    format: str = AUTO
    files: tuple[tuple[str, str], ...] = ()


def asked(
    name: str, outputs: Sequence[str], known: Iterable[str] = FORMATS, earlier: Callable[[str, str], bool] = is_ours
) -> Asked:
    """What `--format` and `--output FORMAT=FILE` ask for, of the formats that are known. Raises UsageError.

    A file goes only where nothing is, or a document that is an `earlier` one in that format.
    """
    files = [_target(text) for text in outputs]
    formats = list(known)
    for wanted in [*([name] if name != AUTO else []), *(kind for kind, _ in files)]:
        if wanted not in formats:
            raise UsageError(f"`{wanted}` is no format", f"the formats are {', '.join(formats)}")
    places = [os.path.realpath(place) for _, place in files]
    if twice := [place for place in places if places.count(place) > 1]:
        raise UsageError(f"two outputs go to `{twice[0]}`", "give each a file of its own")
    for kind, place in files:
        refuse(place, Writing(f"--output {kind}=", f"earlier report in `{kind}`", partial(earlier, kind)))
    return Asked(name, tuple(files))


def _target(text: str) -> tuple[str, str]:
    kind, _, place = text.partition("=")
    if not os.path.basename(place) or place == "-":
        raise UsageError(
            f"`--output {text}` names no file",
            f"write `--output FORMAT=FILE`; `--format {kind}` goes to standard output",
        )
    return kind, place


def deliver(report: Report, wanted: Asked, own: Own = PLAIN) -> int:
    """Write the files, then print; the exit code, which is 2 where a file could not be written."""
    told = _placed(report) if wanted.files or wanted.format not in LOCAL or _on_github(wanted) else report
    told = _written(told, wanted, own)
    if wanted.format in ("text", AUTO):
        sys.stderr.write("".join(f"{error_text(error)}\n" for error in told.errors))
        parts = [own.text(told)]
    else:
        parts = [document(wanted.format, told, own)]
    if _on_github(wanted):
        parts += [] if wanted.format else [document("github", told, own)]
        _add_page(told, own)
    say("\n".join(part for part in parts if part))
    return told.code


@contextmanager
def accounted(command: str, wanted: Asked) -> Iterator[None]:
    """Where the work within fails, the files say so: nobody is to take older ones for its result."""
    try:
        yield
    except Exception as error:
        why = error if isinstance(error, FactoryError) else unexpected(error)
        for other in _written(failed(command, why), wanted, Own()).errors[1:]:
            sys.stderr.write(f"{error_text(other)}\n")
        raise


def _on_github(wanted: Asked) -> bool:
    """Whether annotations are asked for, or this is a job of GitHub Actions and nothing else is."""
    return wanted.format == "github" or (wanted.format == AUTO and os.environ.get("GITHUB_ACTIONS") == "true")


# ---- files ---------------------------------------------------------------------------------------


def _written(report: Report, wanted: Asked, own: Own) -> Report:
    """The report, with those errors that the writing of files met."""
    texts = [(place, document(kind, report, own)) for kind, place in wanted.files]
    errors = [error for place, text in texts if (error := write_file(place, text))]
    return report._replace(code=2, errors=(*report.errors, *errors)) if errors else report


def write_file(place: str, text: str) -> FactoryError | None:
    """Put a text in its place; what kept it from there, if anything did."""
    folder, name = os.path.split(place)
    try:
        if os.path.lexists(place) and not stat.S_ISREG(os.lstat(place).st_mode):
            return MachineError(f"cannot write `{place}`: it is no regular file", "name another file")
        Folder(folder or ".").write(name, File(f"{text}\n".encode("utf-8", "backslashreplace")))
    except FactoryError as error:
        return error
    return None


def _add_page(report: Report, own: Own) -> None:
    """The findings on the page of the job, as far as it has room; that there is none changes no verdict."""
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    from ai_factory.report.markdown import document as page

    try:
        with open(place, "a+b") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 1))
            begun = b"\n" if stream.read(1) not in (b"", b"\n") else b""  # what another step wrote without a line end
            room = PAGE - size - len(begun)
            text = page(report, room - 1).encode() + b"\n"
            if len(text) <= room:
                stream.write(begun + text)
            else:
                say("the page of the job is full: what was found is told here alone")
    except OSError as error:
        sys.stderr.write(f"the page of the job could not be written: {error.strerror}\n")


# ---- places --------------------------------------------------------------------------------------


def _placed(report: Report) -> Report:
    return report._replace(projects=placed(report.projects))


def placed(projects: Sequence[Checked]) -> tuple[Checked, ...]:
    """The projects with their folder in the repository, as a code host names it.

    Where they lie in several repositories, their folder from here tells them apart.
    """
    roots = [one.root or os.path.realpath(one.path) for one in projects]
    several = len({_top(root) for root in roots}) > 1
    folders = [os.path.relpath(root) if several else _below(_top(root), root) for root in roots]
    return tuple(one._replace(folder=folder) for one, folder in zip(projects, folders, strict=True))


def _top(root: str) -> str:
    """The top of the repository in which the command runs, else of the project's own, else this folder."""
    tops = [found.top for found in (find_repository("."), find_repository(root)) if found]
    return next((top for top in (*tops, os.path.realpath(".")) if f"{root}/".startswith(f"{top}/")), root)


def _below(top: str, root: str) -> str:
    return "" if top == root else os.path.relpath(root, top)
