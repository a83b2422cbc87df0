"""Rolls back to the model that served before: `list` shows the versions, `back` does it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import packages
from .audit import AuditUnavailable, EventType, KeyRefused, open_log
from .packages import PackageRefused
from .paths import Paths


def back(paths: Paths, reason: str, actor: str) -> str:
    """Let the version before serve again, then record it; returns that version.

    Raises PackageRefused where there is none or it was changed since it was saved: then nothing
    is done. A missing record does not undo a rollback: AuditUnavailable says that it is missing.
    """
    before = packages.serving(paths)
    version = packages.roll_back(paths)
    with open_log(paths, "operations") as log:
        who = log.privacy.pseudonym(actor)
        data = {"action": "rollback", "before": before, "reason": reason, "actor": who}
        log.record(EventType.DEPLOYMENT, version, data)
    return version


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done and recorded; 1: refused, or done but not recorded."""
    options = _parser().parse_args(arguments)
    paths = Paths.here()
    try:
        if options.command == "back":
            version = back(paths, options.reason, options.actor)
            print(f"{version} serves: restart the service, so that it loads it")
    except (PackageRefused, AuditUnavailable, KeyRefused) as error:
        print(f"back: {error}", file=sys.stderr)
        return 1
    finally:
        print("\n".join(_lines(paths)))
    return 0


def _lines(paths: Paths) -> list[str]:
    """The activated versions, oldest first, the serving one marked."""
    past = packages.history(paths)
    lines = [f"  {version}" for version in past[:-1]]
    return [*lines, f"* {past[-1]} (serves)"] if past else ["no model serves yet"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollback", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    command = commands.add_parser("back")
    command.add_argument("--reason", required=True, help="why, in one sentence")
    command.add_argument("--actor", required=True, help="your address")
    return parser


if __name__ == "__main__":
    sys.exit(main())
