"""`ai-factory approve`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show, today
from ai_factory.cli.look import Json, Place, Verbose
from ai_factory.errors import UsageError


def approve(
    role: Annotated[str, typer.Argument(help="The role that decides, such as risk.")],
    approver: Annotated[str, typer.Option("--approver", help="Your address.")],
    author: Annotated[str, typer.Option("--author", help="The address of who proposes the release.")] = "",
    expires: Annotated[str, typer.Option("--expires", metavar="DATE", help="The last day, at most a year on.")] = "",
    path: Place = ".",
    conditions: Annotated[str, typer.Option("--conditions", help="Under which conditions, in words.")] = "",
    refuse: Annotated[bool, typer.Option("--refuse", help="Put on record that you do not approve.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Let the approval of the role stand: you have looked at updates since.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Approve the subjects of a release as they are now, in one role; written into governance/approvals.yaml."""
    from ai_factory.project.approve import Given
    from ai_factory.project.approve import approve as verb
    from ai_factory.project.confirm import confirm as light
    from ai_factory.project.opening import open_project
    from ai_factory.report import approvals as report

    _refuse_mixed(confirm, {"--author": author, "--expires": expires}, {"--conditions": conditions, "--refuse": refuse})
    if confirm:
        confirmed = light(open_project(path), role, approver, today())
        show(report.confirmed_text(confirmed), report.confirmed_data(confirmed), as_json)
        return
    decision = "refused" if refuse else "approved"
    given = Given(role, approver, author, day(expires), decision, conditions)
    done = verb(open_project(path), given, today())
    show(report.text(done), report.data(done), as_json)


def _refuse_mixed(confirm: bool, needed: Mapping[str, object], others: Mapping[str, object]) -> None:
    """Raise UsageError for an approval without what it needs, and for a confirmation with more than that."""
    given = [name for name, value in {**needed, **others}.items() if value]
    lacking = [name for name in needed if name not in given]
    if confirm and given:
        raise UsageError(
            f"`--confirm` takes no `{given[0]}`: what was approved stays as it is", "leave it out, or approve anew"
        )
    if lacking and not confirm:
        raise UsageError(
            f"an approval needs `{lacking[0]}`", "`--confirm` needs neither: it lets an approval stand after an update"
        )
