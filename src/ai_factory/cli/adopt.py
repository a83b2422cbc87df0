"""`ai-factory adopt`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from ai_factory.cli.choosing import Answers, Data, Defaults, From, Offline, Version, With, Without
from ai_factory.cli.console import ask, can_ask, in_ci, show, terminal_kept
from ai_factory.cli.library import Json, Verbose
from ai_factory.cli.new import given_answers
from ai_factory.cli.signers import AllowedSigners, Trust, allowed_signers
from ai_factory.errors import UsageError


def adopt(
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="The repository, or a folder in one.")] = ".",
    blueprint: Annotated[
        str, typer.Option("--blueprint", metavar="NAME", help="A name from `ai-factory blueprint list`.")
    ] = "",
    with_: With = None,
    without: Without = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="COMPONENT", help="Take this component and what it requires, again for more."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option("--merge", metavar="FILE", help="Join the factory's entries into this file of yours."),
    ] = None,
    data: Data = None,
    answers: Answers = None,
    defaults: Defaults = False,
    factory: From = "embedded",
    version: Version = "",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would happen, write nothing.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the result.")] = False,
    signers: AllowedSigners = "",
    trust: Trust = False,
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Make an existing repository a project, and leave every file of yours as it is.

    Without a blueprint: one that was stamped with Copier, cruft or Cookiecutter.
    """
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.manifest import Manifest
    from ai_factory.project import adopt as verb
    from ai_factory.project import target
    from ai_factory.report.adoptions import adopt_data, adopt_text

    _refuse_two(plan, commit, only, [*(with_ or ()), *(without or ())])
    if not blueprint:
        given = {"--with": with_, "--without": without, "--only": only, "--merge": merge, "--data": data}
        _refuse_of_blueprints({**given, "--answers": answers, "--version": version, "--allowed-signers": signers})
        return _take_over(path, "" if factory == "embedded" else factory, trust, offline, plan, commit, as_json)
    opened = open_factory(factory, Wanted(version, refresh=not offline, signers=allowed_signers(signers)))
    opened = opened._replace(trusted=trust)
    taken, dropped = target.only(opened, blueprint, only) if only else (tuple(with_ or ()), tuple(without or ()))
    wish = Manifest(opened.origin.url, blueprint, with_=taken, without=dropped, answers=given_answers(answers, data))
    made = target.recipe(opened, target.Choice(blueprint, taken, dropped))
    with terminal_kept():
        found = verb.prepare(made, wish, path, merge or (), None if defaults or as_json or not can_ask() else ask)
    if not plan:
        verb.apply(found)
    committed = commit and not found.sync.plan.conflicts
    if committed:
        verb.commit(found)
    show(adopt_text(found, not plan, committed), adopt_data(found, not plan, committed), as_json)
    return 1 if found.sync.plan.conflicts else 0


def _refuse_two(plan: bool, commit: bool, only: list[str] | None, chosen: list[str]) -> None:
    if plan and commit:
        raise UsageError("`--commit` and `--plan` exclude each other")
    if only and chosen:
        raise UsageError("`--only` says all that is taken: `--with` and `--without` exclude it")


def _refuse_of_blueprints(given: Mapping[str, object]) -> None:
    """What a project of Copier or cruft has said for itself already. Raises UsageError."""
    if named := [option for option, value in given.items() if value]:
        raise UsageError(
            f"`{named[0]}` goes with `--blueprint`: without one, the project's own record names template and answers",
            "leave it out; after the adoption, `ai-factory sync` takes `--to` and `--data`",
        )


def _take_over(path: str, factory: str, trust: bool, offline: bool, plan: bool, commit: bool, as_json: bool) -> int:
    """Take over a project of Copier or cruft, whose own record names its template."""
    from ai_factory.project.foreign import adopting as verb
    from ai_factory.report.taken_over import taken_over_data, taken_over_text

    found = verb.prepare(path, verb.Wish(factory, trust, not offline, in_ci()))
    if not plan:
        verb.apply(found)
    if commit:
        verb.commit(found)
    show(taken_over_text(found, not plan, commit), taken_over_data(found, not plan, commit), as_json)
    return 0
