"""Runs the pipeline, or one stage of it with all that it needs: `python -m <package> run`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .controls import stages
from .controls.paths import Paths
from .pipeline import STAGES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 0 if all went well, 1 if a stage refused to go on."""
    parser = argparse.ArgumentParser(prog=__package__, description=__doc__)
    choices = ["run", *(stage.name for stage in STAGES)]
    parser.add_argument("stage", choices=choices, help="`run` is the whole pipeline")
    chosen: str = parser.parse_args(arguments).stage
    return stages.run(STAGES, Paths.here(), None if chosen == "run" else chosen)


if __name__ == "__main__":
    sys.exit(main())
