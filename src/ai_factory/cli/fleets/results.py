"""Where the result of a command over a fleet goes: standard output in one format, files in others."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ai_factory.cli import output, say
from ai_factory.cli.output import AUTO, Asked
from ai_factory.errors import UsageError
from ai_factory.report.plain import error_text


class Form(NamedTuple):
    """A format: what makes a document of the result, and how one begins, by which an earlier one is known."""

    document: Callable[[Any], str]
    begins: str


Forms = Mapping[str, Form]


def asked(name: str, outputs: Sequence[str] | None, forms: Forms, as_json: bool) -> Asked:
    """What `--format`, `--json` and `--output FORMAT=FILE` ask for. Raises UsageError."""
    if as_json and name not in (AUTO, "json"):
        raise UsageError(f"`--json` and `--format {name}` are given", "leave out one of the two")

    def earlier(kind: str, text: str) -> bool:
        return not text.strip() or re.match(forms[kind].begins, text) is not None

    return output.asked("json" if as_json else name, outputs or (), forms, earlier)


@contextmanager
def accounted(wanted: Asked) -> Iterator[None]:
    """Where the work within fails, files that can hold an error say so: nobody is to take older ones for its result.

    Metrics and tables cannot; the metrics have the time at which they were true.
    """
    files = tuple(pair for pair in wanted.files if pair[0] in ("text", "json"))
    with output.accounted("fleet", wanted._replace(files=files)):
        yield


def deliver(result: Any, wanted: Asked, forms: Forms, code: int) -> int:
    """Write the files, then print; the exit code, which is 2 where a file could not be written."""
    for kind, place in wanted.files:
        if error := output.write_file(place, forms[kind].document(result)):
            sys.stderr.write(f"{error_text(error)}\n")
            code = 2
    say(forms[wanted.format or "text"].document(result))
    return code
