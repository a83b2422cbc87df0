"""Options, prompts, colours, progress and exit codes; one small file a command group, no logic."""

from __future__ import annotations

import os
import sys

from ai_factory.errors import MachineError


def say(text: str) -> None:
    """Print the result of a command whose exit code is its verdict: that nobody reads it changes none."""
    try:
        sys.stdout.write(text + "\n" if text else "")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise MachineError(f"cannot write to standard output: {why}", "make room, or send it elsewhere") from None
