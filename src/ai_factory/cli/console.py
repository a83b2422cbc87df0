"""Data to stdout, talk to stderr, and the questions that only a terminal can answer."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ai_factory.report.plain import compact, plain

if TYPE_CHECKING:  # at run time they come with Jinja, which a question needs and `--help` does not
    from ai_factory.questions import Asked


def show(text: str, data: Mapping[str, Any], as_json: bool) -> None:
    """Print a result: one JSON object, or text."""
    body = compact(data, indent=2) if as_json else text.rstrip("\n")
    sys.stdout.write(body.encode("utf-8", "backslashreplace").decode() + ("\n" if body else ""))


def talk(text: str) -> None:
    """Say something that is not the result."""
    sys.stderr.write(text.rstrip("\n") + "\n")


def can_ask() -> bool:
    """Whether a person sits at a terminal and this is no CI job."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not in_ci()


def in_ci() -> bool:
    """Whether the environment says that this is a CI job."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def ask(shown: Asked, check: Callable[[Any], tuple[Any, str]]) -> Any:
    """Ask one question until the answer is valid; an empty line takes the default."""
    import typer

    from ai_factory.questions import MISSING

    question = shown.question
    typer.secho("\n" + "\n".join(map(plain, (shown.help or question.key).splitlines())), bold=True, err=True)
    for number, label in enumerate(shown.choices, 1):
        typer.echo(f"  {number}. {plain(label)}", err=True)
    known = shown.default is not MISSING
    default = _written(shown) if known else ""
    while True:
        prompt = question.key + (" (comma-separated)" if question.multiselect else "")
        prompt += f" [{plain(default)}]" if default and not shown.hidden else ""
        text = typer.prompt(prompt, default=default, show_default=False, hide_input=shown.hidden, err=True)
        value, problem = check(shown.default if known and text == default else _chosen(shown, text))
        if not problem:
            return value
        typer.secho(f"  {plain(problem)}", fg="red", err=True)


@contextmanager
def terminal_kept() -> Iterator[None]:
    """Have the terminal afterwards as it was: who hides an answer may be ended while nothing is shown."""
    import termios

    before = termios.tcgetattr(sys.stdin) if sys.stdin and sys.stdin.isatty() else None
    try:
        yield
    finally:
        if before:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _written(shown: Asked) -> str:
    """The default as a person would type it."""
    value = shown.default
    if isinstance(value, list) and shown.question.multiselect:
        return ", ".join(map(str, value))
    if value is None or isinstance(value, (list, dict)):
        return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _chosen(shown: Asked, text: str) -> Any:
    if not shown.choices:
        return text
    picked = [_choice(shown.choices, part.strip()) for part in text.split(",")]
    return picked if shown.question.multiselect else picked[0]


def _choice(choices: Mapping[str, Any], text: str) -> Any:
    labels = list(choices)
    if text.isdigit() and 0 < int(text) <= len(labels) and text not in choices:
        return choices[labels[int(text) - 1]]
    return choices.get(text, text)


def today() -> str:
    """The day in UTC, as an ISO date."""
    return dt.datetime.now(dt.UTC).date().isoformat()


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[str], None]]:
    """A progress bar on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda name: bar.advance(task)
