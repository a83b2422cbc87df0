"""The options of `check`, in full: read by argparse, which takes as long to load as a check takes to run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from ai_factory.check import FAIL_ON
from ai_factory.cli.output import AUTO
from ai_factory.errors import UsageError
from ai_factory.report.formats import FORMATS

if TYPE_CHECKING:  # each option loads what it needs
    from ai_factory.cli.baseline import Wanted
    from ai_factory.project.grounds import Asked

PATHS_HELP = "projects, each by its root (default: the one here)"
BASELINE_HELP = "what it records is a note, and does not fail"
WRITE_HELP = "record what is found now in that file, new or an earlier baseline"
AGAINST_HELP = "lock, waivers and baseline are those of that branch: what a pull request changes in them does not count"
BEHIND_HELP = "fail when more than N releases, or N days, behind"
FACTORY_HELP = "the factory to trust; a project that names another one is AF005"
TRUST_HELP = "with --verify: let the code of a Copier or Cookiecutter template run: tasks, hooks, extensions"
OUTPUT_HELP = "write that format to a file as well, new or an earlier report; again for more"
FORMAT_HELP = "what to print (default: text; in a job of GitHub Actions annotations too)"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "`ai-factory check --help` lists the options")


class _Given(argparse.Action):
    """Keeps a value; an empty one is what a job hands over whose variable is not set, and no wish."""

    def __call__(
        self, _: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        if not values:
            raise UsageError(f"`{option}` is empty", "leave the option out, or say what it is")
        setattr(namespace, self.dest, values)


def parser() -> argparse.ArgumentParser:
    """The options of `check`."""
    made = _Parser(
        prog="ai-factory check",
        allow_abbrev=False,
        description="Is this project still what the factory promised? Offline, no process started, unless asked.",
        epilog="exit codes: 0 nothing to report, 1 drift or an open conflict, 2 could not be determined",
    )
    made.add_argument("paths", nargs="*", type=_path, default=["."], metavar="PATH", help=PATHS_HELP)
    made.add_argument("--format", action=_Given, default=AUTO, metavar="|".join(FORMATS), help=FORMAT_HELP)
    made.add_argument("--json", action="store_const", const="json", dest="format", help="short for --format json")
    made.add_argument("--output", action="append", default=[], metavar="FORMAT=FILE", help=OUTPUT_HELP)
    made.add_argument(
        "--fail-on",
        default=["drift", "conflict"],
        type=_groups,
        metavar="WHAT",
        help=f"comma-separated: {', '.join(FAIL_ON)} (default: drift,conflict)",
    )
    made.add_argument("--against", action=_Given, default="", metavar="REF", help=AGAINST_HELP)
    made.add_argument("--verify", action="store_true", help="render what was applied again: it proves lock and base")
    made.add_argument("--trust", action="store_true", help=TRUST_HELP)
    made.add_argument("--remote", action="store_true", help="ask the factory for its newest release")
    made.add_argument("--max-behind", type=_limit, metavar="N|Nd", help=BEHIND_HELP)
    made.add_argument("--factory", action=_Given, default="", metavar="URL|PATH", help=FACTORY_HELP)
    made.add_argument("--baseline", action=_Given, default="", metavar="FILE", help=BASELINE_HELP)
    made.add_argument("--write-baseline", action=_Given, default="", metavar="FILE", help=WRITE_HELP)
    made.add_argument("--verbose", action="store_true", help="show the traceback of an unexpected error")
    return made


def more(read: argparse.Namespace) -> Asked | None:
    """By what else the files are to be judged; None where nothing was asked. Raises UsageError."""
    if not (read.against or read.verify or read.remote or read.max_behind or read.factory):
        return None
    import time

    from ai_factory.cli.console import in_ci
    from ai_factory.factory import is_remote
    from ai_factory.project.behind import Limit
    from ai_factory.project.grounds import Asked

    is_remote(read.factory)  # else it may hold a password, and would be told
    limit = Limit(*read.max_behind) if read.max_behind else None
    return Asked(read.against, read.verify, read.remote, limit, read.factory, in_ci(), read.trust, time.time())


def baseline(read: argparse.Namespace) -> Wanted | None:
    """What is known to differ, or is to be written down. Raises UsageError."""
    if not (read.baseline or read.write_baseline):
        return None
    from ai_factory.cli.baseline import Wanted, refuse_baseline

    if read.write_baseline and (read.baseline or read.against):
        raise UsageError(
            "`--write-baseline` writes down what there is, and compares with nothing",
            "leave out `--baseline` and `--against`",
        )
    if read.write_baseline:
        refuse_baseline(read.write_baseline)
    return Wanted(read.baseline, read.write_baseline, read.against)


def _path(text: str) -> str:
    if not text:
        raise UsageError("a path is empty", "leave it out, or say which")
    return text


def _limit(text: str) -> tuple[int, bool]:
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdecimal() and len(number) < 6):
        raise UsageError(f"`--max-behind {text}` is no limit", "write releases like `3`, or days like `30d`")
    return int(number), text.endswith("d")


def _groups(text: str) -> list[str]:
    groups = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in groups if word not in FAIL_ON]:
        raise UsageError(
            f"--fail-on knows {', '.join(FAIL_ON)}, not `{unknown[0]}`", "`ai-factory check --help` lists the options"
        )
    if not groups:
        raise UsageError("`--fail-on` is empty", "leave the option out, or name what fails; `never` is one too")
    return groups
