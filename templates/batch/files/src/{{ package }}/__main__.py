"""Runs the pipeline, one stage of it, or one night: `python -m <package> run`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date

from .controls import stages
from .controls.batch import Why
from .controls.paths import Paths
from .controls.stages import StageFailed
from .pipeline import STAGES, score_night


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 0 if all went well, 1 if something refused to go on."""
    options = _parser().parse_args(arguments)
    if options.stage == "night":
        return _night(options)
    return stages.run(STAGES, Paths.here(), None if options.stage == "run" else options.stage)


def _night(options: argparse.Namespace) -> int:
    if options.day is None or bool(options.reason) != bool(options.actor):
        print("night: give --day, and --reason and --actor together", file=sys.stderr)
        return 1
    why = Why(options.reason, options.actor) if options.reason else None
    try:
        print(score_night(Paths.here(), options.day, why))
    except StageFailed as reason:
        print(f"night: {reason}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=__package__, description=__doc__)
    choices = ["run", "night", *(stage.name for stage in STAGES)]
    parser.add_argument("stage", choices=choices, help="`run` is the whole pipeline")
    parser.add_argument("--day", type=date.fromisoformat, help="which night, YYYY-MM-DD")
    parser.add_argument("--reason", default="", help="why a published night is replaced")
    parser.add_argument("--actor", default="", help="your address")
    return parser


if __name__ == "__main__":
    sys.exit(main())
