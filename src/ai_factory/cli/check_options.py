"""The options of `check`, in full: read by argparse, which takes as long to load as a check takes to run."""

from __future__ import annotations

import argparse
from typing import NoReturn

from ai_factory.check import FAIL_ON
from ai_factory.cli.output import AUTO
from ai_factory.errors import UsageError
from ai_factory.report.formats import FORMATS

OUTPUT_HELP = "write that format to a file as well, new or an earlier report; again for more"
FORMAT_HELP = "what to print (default: text; in a job of GitHub Actions annotations too)"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "`ai-factory check --help` lists the options")


def parser() -> argparse.ArgumentParser:
    """The options of `check`."""
    made = _Parser(
        prog="ai-factory check",
        allow_abbrev=False,
        description="Is this project still what the factory promised? Offline, and without starting a process.",
        epilog="exit codes: 0 nothing to report, 1 drift or an open conflict, 2 could not be determined",
    )
    made.add_argument("paths", nargs="*", default=["."], metavar="PATH", help="projects (default: the one here)")
    made.add_argument("--format", default=AUTO, metavar="|".join(FORMATS), help=FORMAT_HELP)
    made.add_argument("--json", action="store_const", const="json", dest="format", help="short for --format json")
    made.add_argument("--output", action="append", default=[], metavar="FORMAT=FILE", help=OUTPUT_HELP)
    made.add_argument(
        "--fail-on",
        default=["drift", "conflict"],
        type=_groups,
        metavar="WHAT",
        help=f"comma-separated: {', '.join(FAIL_ON)} (default: drift,conflict)",
    )
    made.add_argument("--verbose", action="store_true", help="show the traceback of an unexpected error")
    return made


def _groups(text: str) -> list[str]:
    groups = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in groups if word not in FAIL_ON]:
        raise UsageError(
            f"--fail-on knows {', '.join(FAIL_ON)}, not `{unknown[0]}`", "`ai-factory check --help` lists the options"
        )
    return groups
