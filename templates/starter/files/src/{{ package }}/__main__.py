"""Runs the pipeline, or one stage of it with all that it needs: `python -m <package> run`."""

from __future__ import annotations

import sys

from .controls import stages
from .pipeline import STAGES

if __name__ == "__main__":
    sys.exit(stages.main(STAGES, __package__))
