"""`ai-factory waive`."""

from __future__ import annotations

from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show, talk, today
from ai_factory.cli.look import Json, Verbose


def waive(
    rule: Annotated[str, typer.Argument(help="The rule, such as AF002, or AF007 for a control.")],
    subject: Annotated[str, typer.Argument(metavar="FILE|CONTROL", help="The file or the control that it is about.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words.")],
    owner: Annotated[str, typer.Option("--owner", help="The address of who answers for it.")],
    approver: Annotated[str, typer.Option("--approver", help="The address of who agrees: another person.")],
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="The last day; for a control within a year.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Put on record that somebody answers for a deviation, until a day; written into .ai-factory/waivers.yaml."""
    from ai_factory.check import Waiver
    from ai_factory.lock import WAIVERS
    from ai_factory.project.opening import open_project
    from ai_factory.project.waive import subject_of
    from ai_factory.project.waive import waive as verb
    from ai_factory.report.plain import plain

    project = open_project(".")
    path, control = subject_of(project, subject)
    given = Waiver(rule, reason, owner, approver, day(until), path, control)
    said = verb(project, given, today())
    data = {"schema": "ai-factory/waive/1", "waiver": given._asdict(), "replaced": bool(said)}
    show(f"{rule} of {plain(path or control)} is waived until {given.until}: commit {WAIVERS}", data, as_json)
    for line in said:
        talk(line)
